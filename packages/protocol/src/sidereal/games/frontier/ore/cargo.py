"""Cargo: lumps of ore adrift, and what ships have of it in their holds.

A lump belongs to nobody; who touches it with room in the hold collects it. Actions make lumps and
end them, so each tonne is in one place at any time.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np

from sidereal.game import (
    AUTHORITY,
    SYSTEMS,
    U2,
    U4,
    Body,
    Component,
    Event,
    Meta,
    Motion,
    Part,
    Stage,
    Step,
    Transaction,
    field,
)
from sidereal.games.frontier.fight.armour import Hull
from sidereal.games.frontier.ore.books import Books
from sidereal.games.frontier.ore.pieces import split_ore
from sidereal.games.frontier.ships import RADIUS
from sidereal.games.frontier.trade.stations import Docked
from sidereal.games.frontier.traffic.kinds import CRAFT

HOLD_MAX: Final = 50
"""Tonnes of ore that a ship can carry."""
LUMP_RADIUS: Final = 2.0
LUMPS_MAX: Final = 4
"""Lumps that come of one rock, or of one hold."""
LUMP_LIFE: Final = 3600
"""Ticks after which a lump crumbles."""
DRIFT: Final = 2.0
"""Speed with which lumps fly apart, units/s."""
SPEED_MAX: Final = 240.0
"""Of a lump when it is made, along an axis, units/s."""
REACH: Final = 30.0
"""How far a lump may be off the ship that collects it, middle to middle, when the server decides;
world units."""
EVERY: Final = 16
"""Ticks after which it is asked again for what is still there."""
CRUMBLING_MAX: Final = 64
"""Lumps of a shard that crumble in one second."""

cargo = Part("cargo")


class Hold(Component, writer=AUTHORITY):
    """What a ship carries; for all to see, pirates included."""

    ore: U2 = field(0, low=0, high=HOLD_MAX, unit="t")


class Lump(Component, writer=AUTHORITY):
    """Ore that nobody has, and the tick at which it crumbles."""

    ore: U2 = field(1, low=1, high=HOLD_MAX, unit="t")
    until: U4


class Collected(Event):
    """A ship has taken ore aboard."""

    ore: U2 = field(unit="t")


LUMP = cargo.kind("lump", Motion(), Body(radius=LUMP_RADIUS), Lump(), sensor=True, touches=CRAFT)
cargo.look(LUMP, symbol="diamond", colour="#fc6")
cargo.gauge(Hold.ore, label="ore", colour="#fc6")
cargo.effect(Collected, kind="flash", size=RADIUS + 4, colour="#fc6", sound="chime")
for craft in CRAFT:
    cargo.extend(craft, Hold())


@cargo.action(asked_by=SYSTEMS)
def collect(tx: Transaction, lump: Annotated[int, Meta(ge=1)]) -> None:
    """Take aboard what fits of a lump; the first who asks gets it."""
    there, has = int(tx.get(lump, Lump.ore)), tx.get(tx.own, Hold.ore)
    ore = min(there, int(HOLD_MAX - has))
    tx.require(ore > 0, "the hold is full")
    tx.require(tx.get(tx.own, Docked.at) == 0 and tx.get(tx.own, Hull.hp) > 0, "not in flight")
    tx.require(tx.near(tx.own, lump, REACH), "too far")
    tx.add(tx.own, Hold.ore, ore)
    tx.add(tx.shared, Books.collected, ore)
    tx.emit(Collected(ore=ore), at=tx.own)
    if ore == there:
        tx.despawn(lump)
    else:
        tx.set(lump, Lump.ore, there - ore)


@cargo.action(asked_by=SYSTEMS)
def crumble(tx: Transaction) -> None:
    """End a lump that nobody wants."""
    tx.require(tx.get(tx.own, Lump.until) <= tx.tick, "it is too early")
    tx.add(tx.shared, Books.crumbled, tx.get(tx.own, Lump.ore))
    tx.despawn(tx.own)


@cargo.system(Stage.CONTACT)
def pick_up(step: Step) -> None:
    """Let ships in flight that have room collect what they touch."""
    met = step.contacts(LUMP, Hold)
    ship, again = met.b, (step.tick + step.id[met.a]) % EVERY == 0
    able = (step[Hold].ore[ship] < HOLD_MAX) & (step[Hull].hp[ship] > 0)
    able &= step[Docked].at[ship] == 0
    met = met.where(able & (met.first | again))
    if len(met):
        step.ask(collect, at=met.b, lump=step.id[met.a])


@cargo.system(every_s=1.0)
def age(step: Step) -> None:
    """Let lumps crumble that have been adrift for long."""
    lumps = step.rows(LUMP)
    old = lumps[step[Lump].until[lumps] <= step.tick]
    step.ask(crumble, at=old[:CRUMBLING_MAX])


def spill(tx: Transaction, ship: int) -> None:
    """Let all that a ship carries drift off as lumps, in an action: before the ship ends there."""
    ore = int(tx.get(ship, Hold.ore))
    tx.set(ship, Hold.ore, 0)
    tx.add(tx.shared, Books.spilt, ore)
    strew(tx, ship, split_ore(ore, LUMPS_MAX, HOLD_MAX), RADIUS, tx.get(ship, Motion.heading))


def strew(tx: Transaction, entity: int, lumps: list[int], radius: float, angle: float) -> None:
    """Make lumps where an entity is, inside its outline, that fly apart.

    Args:
        tx: of an action, which does the books.
        entity: whose place and velocity they have.
        lumps: t of ore in each.
        radius: of the outline, world units.
        angle: in which direction the first one lies, rad.
    """
    x, y, vx, vy = (tx.get(entity, at) for at in (Motion.x, Motion.y, Motion.vx, Motion.vy))
    course = angle + math.tau / max(len(lumps), 1) * np.arange(len(lumps))
    out = max(0.0, radius - LUMP_RADIUS) / 2
    for ore, cos, sin in zip(lumps, np.cos(course), np.sin(course), strict=True):
        tx.spawn(
            LUMP,
            Lump(ore=ore, until=tx.tick + LUMP_LIFE),
            Motion(vx=bound(vx + DRIFT * cos, SPEED_MAX), vy=bound(vy + DRIFT * sin, SPEED_MAX)),
            at=(x + out * cos, y + out * sin),
        )


def bound(value: float, most: float) -> float:
    """Give the nearest value from -most to most."""
    return min(max(value, -most), most)
