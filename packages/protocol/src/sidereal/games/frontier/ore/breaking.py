"""Breaking: rocks are worn by shots and by ships that ram them, and break into what they are worth.

What wears a rock is seen by its shard, and counted there. When it has had enough, the shard asks
the authority to break it. That is one transaction: the rock ends, all that it was made of is there
as pieces, or as lumps of ore and dust, and the books say so. So no failure makes or loses a gram.

Rocks do not wear each other: a belt that did would be dust after a day.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np

from sidereal.game import (
    F4,
    F8,
    SHARDS,
    SYSTEMS,
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
from sidereal.games.frontier.asteroids import ASTEROID
from sidereal.games.frontier.fight.shots import Shot, strikes
from sidereal.games.frontier.ore.books import Books
from sidereal.games.frontier.ore.cargo import (
    HOLD_MAX,
    LUMPS_MAX,
    Hold,
    bound,
    strew,
)
from sidereal.games.frontier.ore.pieces import pieces_of, split_ore

STRENGTH: Final = 5.0
"""What a rock withstands, hp for each unit of its radius."""
RADIUS_MIN: Final = 8.0
"""A rock that is smaller breaks into ore, world units."""
RAM_MIN: Final = 10_000.0
"""Energy that a ship's impact has to lose before it wears a rock, t unit²/s²: of a rock of radius
12 that is at 75 units/s."""
RAM_PER_HP: Final = 500.0
"""How much beyond it wears a rock by 1 hp, t unit²/s²."""
SPIN: Final = 0.4
"""How much faster than the rock the pieces spin at most, rad/s."""
SPIN_MAX: Final = 1.5
"""Rad/s with which a piece spins at most."""
EVERY: Final = 20
"""Ticks after which it is asked again for a rock that is still there."""
BREAKINGS_MAX: Final = 16
"""Rocks of a shard that break in one tick; the others wait for the next ones."""

breaking = Part("breaking")


class Worn(Component, audience=SHARDS, saved=False):
    """What a rock has had to take since it was made, and when its shard asked to break it."""

    hp: F4 = field(0, low=0, high=8000, quantum=0.5, unit="hp")
    asked: U4


class Broke(Event):
    """A rock is no more."""

    x: F8 = field(unit="unit")
    y: F8 = field(unit="unit")
    radius: F4 = field(unit="unit")


breaking.extend(ASTEROID, Worn())
breaking.effect(Broke, kind="burst", size=Broke.radius, colour="#cba", seconds=0.8, sound="burst")


@breaking.action(asked_by=SYSTEMS)
def shatter(
    tx: Transaction,
    pieces: Annotated[int, Meta(ge=2, le=4)],
    angle: Annotated[float, Meta(ge=-math.pi, le=math.pi)],
    share: Annotated[float, Meta(ge=0, le=1)],
) -> None:
    """Break a rock, in the way that its shard has drawn."""
    rock = tx.own
    radius, mass = tx.get(rock, Body.radius), tx.get(rock, Body.mass)
    x, y = tx.get(rock, Motion.x), tx.get(rock, Motion.y)
    tx.emit(Broke(x=x, y=y, radius=radius), at=rock)
    tx.add(tx.shared, Books.rocks, -1)
    if radius < RADIUS_MIN:
        lumps = split_ore(int(mass), LUMPS_MAX, HOLD_MAX)
        tx.add(tx.shared, Books.mined, sum(lumps))
        tx.add(tx.shared, Books.dust, mass - sum(lumps))
        strew(tx, rock, lumps, radius, angle)
    else:
        tx.add(tx.shared, Books.rocks, pieces)
        _break_up(tx, pieces, angle, share)
    tx.despawn(rock)


def _break_up(tx: Transaction, count: int, angle: float, share: float) -> None:
    """Make the pieces of the rock that asks."""
    rock = tx.own
    x, y, vx, vy, spin = (
        tx.get(rock, at) for at in (Motion.x, Motion.y, Motion.vx, Motion.vy, Motion.spin)
    )
    made = pieces_of(tx.get(rock, Body.radius), tx.get(rock, Body.mass), count, angle, share)
    beyond = Motion.fields["vx"].outside([vx + made.vx, vy + made.vy]).any()
    apart = 0.0 if beyond else 1.0  # nothing flies faster than that; all momentum stays
    for nth in range(count):
        turn = SPIN if nth % 2 else -SPIN
        tx.spawn(
            ASTEROID,
            Motion(
                vx=vx + apart * made.vx[nth],
                vy=vy + apart * made.vy[nth],
                heading=math.remainder(angle + nth, math.tau),
                spin=bound(spin + turn * (0.5 + share / 2), SPIN_MAX),
            ),
            Body(radius=made.radius[nth], mass=made.mass[nth]),
            at=(x + made.x[nth], y + made.y[nth]),
        )


@breaking.system(Stage.CONTACT)
def wear(step: Step) -> None:
    """Wear rocks by what strikes them; a shot strikes once."""
    hits = strikes(step)
    is_rock = np.isin(hits.struck, step.rows(ASTEROID))
    np.add.at(step[Worn].hp, hits.struck[is_rock], step[Shot].damage[hits.shot[is_rock]])
    ram = step.contacts(ASTEROID, Hold)
    beyond = np.maximum(ram.energy - RAM_MIN, 0.0)
    np.add.at(step[Worn].hp, ram.a, beyond / RAM_PER_HP)


@breaking.system
def crack(step: Step) -> None:
    """Ask for rocks that have had enough to break."""
    rocks, worn = step.rows(ASTEROID), step[Worn]
    rocks = rocks[worn.hp[rocks] >= STRENGTH * step[Body].radius[rocks]]
    is_due = (worn.asked[rocks] == 0) | (worn.asked[rocks] + EVERY <= step.tick)
    rocks = rocks[is_due][:BREAKINGS_MAX]
    if count := len(rocks):
        worn.asked[rocks] = step.tick
        step.ask(
            shatter,
            at=rocks,
            pieces=step.rng.integers(2, 5, count),
            angle=step.rng.uniform(-math.pi, math.pi, count),
            share=step.rng.random(count),
        )
