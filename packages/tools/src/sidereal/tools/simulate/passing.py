"""What comes and goes in the game that is simulated: sparks, flares, stamps, brands, and notes."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

import numpy as np

from sidereal.game import (
    AUTHORITY,
    F8,
    PILOT,
    SHARD,
    SHARDS,
    SYSTEMS,
    U1,
    U2,
    U4,
    Authority,
    Bools,
    Component,
    Entity,
    Event,
    Floats,
    Game,
    Kind,
    Meta,
    Motion,
    Player,
    Rows,
    Stage,
    Step,
    Transaction,
)
from sidereal.game.column import Indices

SPARK, FLARE = 3, 4
"""The numbers of their kinds: those from here on come and go."""
SPARK_EVERY_TICKS: Final = 16
"""An asteroid gives off a spark so often."""
SPARK_TICKS: Final = (4, 8)
"""A spark lasts so long, and by the id of its asteroid up to so many more."""
EMBER_TICKS: Final = 40
"""Sparks of one asteroid in `EMBERS` last that long."""
EMBERS: Final = 7
SPARKS_PER_ASTEROID: Final = (
    EMBER_TICKS / EMBERS + (SPARK_TICKS[0] + SPARK_TICKS[1] / 2) * (1 - 1 / EMBERS)
) / SPARK_EVERY_TICKS
"""So many there are at a time."""
SPARK_OFF: Final = 8.0
"""World units from the middle of its asteroid at which a spark begins."""
SPARK_SPEED: Final = 20.0
GLOWS_TICKS: Final = 1
"""Until it is so old a spark says its age in every tick, and the same until it ends: so the last
change comes before the server's word that it knows of the spark."""

FLARE_TICKS: Final = 6
"""A flare lasts so long."""
FLARE_SPEED: Final = 30.0
MORTAR_TICKS: Final = 3
"""A ship throws flares again after so long."""

STAMPED_TICKS: Final = 8
"""For so long an entity is stamped, once in `STAMP_TURNS` times."""
STAMP_TURNS: Final = 6
BEATS_EVERY_TICKS: Final = 4
HARDLY: Final = 1e-6
NOTED_EVERY_TICKS: Final = 8
"""Shards ask so often for a note of what they simulate."""
NOTE: Final = "simulated.note"
UNASKED_FROM: Final = 0xF000_0000
"""Ticks that nobody asks to be noted begin here."""

BRANDED_S: Final = 0.875
"""Of a ship: after so long it is branded once more, or its brand is taken."""
BRANDED_TICKS: Final = 7
"""The same in most plans."""


class Spark(Component):
    """What shards spawn and end: whose it is, when it ends, and how old it was lately."""

    by: Entity
    until: U4
    glow: U1


class Lit(Event):
    """A spark has come."""


class Faded(Event):
    """It ends."""


class Origin(Component, audience=SHARDS):
    """When and where a spark came into the world, which no client may know."""

    born: U4
    x: F8
    y: F8


class Flare(Component):
    """What pilots throw: when it ends."""

    until: U4


class Mortar(Component, audience=PILOT, saved=False):
    """Of a ship: the tick from which it throws flares again."""

    ready: U4


class Stamp(Component):
    """What shards give to entities for a while, and take again.

    Attributes:
        beats: counted since it was given.
    """

    beats: U2


class Noted(Component, writer=AUTHORITY, audience=SHARDS, saved=False):
    """What shards ask the authority to note of asteroids, which they may not write: a tick."""

    at: U4


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
        young = (age >= 0) & (age <= GLOWS_TICKS)  # one that was given may be ahead
        step[Spark].glow[rows[young]] = age[young]

    @game.system
    def fade(step: Step) -> None:
        rows = step.rows(Spark)
        step.emit(Lit(), at=rows[step[Origin].born[rows] == step.tick])
        rows = rows[step[Spark].until[rows] <= step.tick]
        step.emit(Faded(), at=rows)
        step.despawn(rows)

    game.declare(Lit, Faded)


def _lasts_ticks(by: np.ndarray) -> np.ndarray:
    """Tell how long sparks of asteroids last."""
    least, more = SPARK_TICKS
    lasts: np.ndarray = np.where(by % EMBERS == 0, EMBER_TICKS, least + by % more)
    return lasts


def let_flares_fly(game: Game, ship: Kind, stick: Any) -> None:
    """Let pilots throw a flare ahead when they pulse, and another one behind when they pulse twice.

    Args:
        game: of the ship.
        ship: what throws them.
        stick: its controls.
    """
    flare = game.kind("flare", Motion(), Flare(), spawned_by=SHARD, saved=False)
    game.extend(ship, Mortar())

    @game.model(Mortar, reads=(Motion, stick), stage=Stage.TICK)
    def throw(own: Rows) -> None:
        motion, mortar, pulses = own[Motion], own[Mortar], own[stick].pulse
        ready = mortar.ready <= own.tick
        mortar.ready[ready & (pulses > 0)] = own.tick + MORTAR_TICKS
        for least, speed in ((1, FLARE_SPEED), (2, -FLARE_SPEED)):
            own.spawn(
                flare,
                ready & (pulses >= least),
                Flare(until=own.tick + FLARE_TICKS),
                Motion(
                    x=motion.x,
                    y=motion.y,
                    vx=speed * np.cos(motion.heading),
                    vy=speed * np.sin(motion.heading),
                ),
            )

    @game.system
    def burn_out(step: Step) -> None:
        rows = step.rows(Flare)
        step.despawn(rows[step[Flare].until[rows] <= step.tick])


def is_stamped(net_id: np.ndarray, tick: int) -> np.ndarray:
    """Tell who has a stamp after a tick, bool[n]."""
    stamped: np.ndarray = (tick // STAMPED_TICKS + net_id.astype(np.int64)) % STAMP_TURNS == 0
    return stamped


def is_noted(net_id: np.ndarray, tick: int | np.ndarray) -> np.ndarray:
    """Tell for whom a shard asks in a tick, bool[n]."""
    asked: np.ndarray = (tick + net_id.astype(np.int64)) % NOTED_EVERY_TICKS == 0
    return asked


def let_shards_ask(game: Game, asteroid: Kind) -> None:
    """Let shards ask for what only an action may do."""
    game.extend(asteroid, Noted())

    def note(tx: Transaction, tick: Annotated[int, Meta(ge=0, lt=1 << 32)]) -> None:
        """Note a tick."""
        tx.set(tx.own, Noted.at, tick)

    game.action(durable=False, asked_by=SYSTEMS)(note)

    @game.system
    def ask(step: Step) -> None:
        rows = step.rows(asteroid)
        step.ask(note, at=rows[is_noted(step.id[rows], step.tick)], tick=step.tick)


def let_stamps_come_and_go(game: Game, holder: type[Component], tick_s: float) -> None:
    """Let shards give and take stamps of those that have a component, and the authority brands."""
    game.declare(Stamp, Brand)

    @game.rule(Stamp)
    def beats_slowly(before: Stamp, after: Stamp, dt: Floats) -> Bools:
        most = np.floor(dt / tick_s / BEATS_EVERY_TICKS + HARDLY) + 1
        holds: Bools = after.beats.astype(np.int64) - before.beats <= most
        return holds

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


def is_taken(tick: int) -> bool:
    """Tell whether brands are taken, and not given, in a tick."""
    return tick // BRANDED_TICKS % 3 == 0


def _brand_later(world: Authority, player: Player) -> None:
    world.after(BRANDED_S, _brand, player)


def _brand(world: Authority, player: Player) -> None:
    """Brand what a player flies, or take the brand: every third time."""
    ship = world.berth(player)
    if ship and is_taken(world.tick):
        world.take(ship, Brand)
    elif ship:
        world.give(ship, Brand(number=world.tick))
    world.after(BRANDED_S, _brand, player)
