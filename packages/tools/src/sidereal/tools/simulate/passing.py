"""What comes and goes in the game that is simulated: sparks, stamps, and brands."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import (
    AUTHORITY,
    F8,
    SHARD,
    SHARDS,
    U1,
    U2,
    U4,
    Authority,
    Component,
    Entity,
    Game,
    Kind,
    Motion,
    Player,
    Stage,
    Step,
)
from sidereal.game.column import Indices

SPARK: Final = 3
"""The number of its kind."""
SPARK_EVERY_TICKS: Final = 16
"""An asteroid gives off a spark so often."""
SPARK_TICKS: Final = (4, 8)
"""A spark lasts so long, and by the id of its asteroid up to so many more."""
EMBER_TICKS: Final = 40
"""Sparks of one asteroid in `EMBERS` last that long."""
EMBERS: Final = 7
SPARK_OFF: Final = 8.0
"""World units from the middle of its asteroid at which a spark begins."""
SPARK_SPEED: Final = 20.0
GLOWS_TICKS: Final = 1
"""Until it is so old a spark says its age in every tick, and the same until it ends: so the last
change comes before the server's word that it knows of the spark."""

STAMPED_TICKS: Final = 8
"""For so long an entity is stamped, once in six times."""
BEATS_EVERY_TICKS: Final = 4
BRANDED_S: Final = 0.875
"""Of a ship: after so long it is branded once more, or its brand is taken."""
BRANDED_TICKS: Final = 7
"""The same in most plans."""


class Spark(Component):
    """What shards spawn and end: whose it is, when it ends, and how old it was lately."""

    by: Entity
    until: U4
    glow: U1


class Origin(Component, audience=SHARDS):
    """When and where a spark came into the world, which no client may know."""

    born: U4
    x: F8
    y: F8


class Stamp(Component):
    """What shards give to entities for a while, and take again.

    Attributes:
        beats: counted since it was given.
    """

    beats: U2


class Brand(Component, writer=AUTHORITY):
    """What the authority gives to ships now and then, and takes again: a number that only grows."""

    number: U4


def let_sparks_fly(game: Game, asteroid: Kind) -> None:
    """Let asteroids give off sparks, which drift for a while and end."""
    spark = game.kind("spark", Motion(), Spark(), Origin(), spawned_by=SHARD, saved=False)

    @game.system(Stage.TICK)
    def give_off(step: Step) -> None:
        rows, motion = step.rows(asteroid), step[Motion]
        rows = rows[(step.tick + step.id[rows]) % SPARK_EVERY_TICKS == 0]
        course = step.rng.uniform(-math.pi, math.pi, len(rows))
        x = motion.x[rows] + SPARK_OFF * np.cos(course)
        y = motion.y[rows] + SPARK_OFF * np.sin(course)
        step.spawn(
            spark,
            Motion(x=x, y=y, vx=SPARK_SPEED * np.cos(course), vy=SPARK_SPEED * np.sin(course)),
            Spark(by=step.id[rows], until=step.tick + _lasts_ticks(step.id[rows])),
            Origin(born=np.full(len(rows), step.tick), x=x, y=y),
        )

    @game.system
    def glow(step: Step) -> None:
        rows = step.rows(Spark)
        age = step.tick - step[Origin].born[rows].astype(np.int64)
        young = age <= GLOWS_TICKS
        step[Spark].glow[rows[young]] = age[young]

    @game.system
    def fade(step: Step) -> None:
        rows = step.rows(Spark)
        step.despawn(rows[step[Spark].until[rows] <= step.tick])


def _lasts_ticks(by: np.ndarray) -> np.ndarray:
    """Tell how long sparks of asteroids last."""
    least, more = SPARK_TICKS
    lasts: np.ndarray = np.where(by % EMBERS == 0, EMBER_TICKS, least + by % more)
    return lasts


def is_stamped(net_id: np.ndarray, tick: int) -> np.ndarray:
    """Tell who has a stamp after a tick, bool[n]."""
    stamped: np.ndarray = (tick // STAMPED_TICKS + net_id.astype(np.int64)) % 6 == 0
    return stamped


def let_stamps_come_and_go(game: Game, holder: type[Component]) -> None:
    """Let shards give and take stamps of those that have a component, and the authority brands."""
    game.declare(Stamp, Brand)

    @game.system(Stage.TICK)
    def stamp(step: Step) -> None:
        _stamp(step, step.rows(holder))

    game.on_join(_brand_later)


def _stamp(step: Step, rows: Indices) -> None:
    """Give and take stamps, and count while they are there."""
    has = np.isin(rows, step.rows(Stamp))
    wants = is_stamped(step.id[rows], step.tick)
    step.give(rows[wants & ~has], Stamp())
    step.take(rows[has & ~wants], Stamp)
    stamped = step.rows(Stamp)
    beat = (step.tick + step.id[stamped]) % BEATS_EVERY_TICKS == 0
    step[Stamp].beats[stamped[beat]] += np.uint16(1)


def _brand_later(world: Authority, player: Player) -> None:
    world.after(BRANDED_S, _brand, player)


def _brand(world: Authority, player: Player) -> None:
    """Brand what a player flies, or take the brand: every third time."""
    ship = world.berth(player)
    if ship and world.tick // BRANDED_TICKS % 3:
        world.give(ship, Brand(number=world.tick))
    elif ship:
        world.take(ship, Brand)
    world.after(BRANDED_S, _brand, player)
