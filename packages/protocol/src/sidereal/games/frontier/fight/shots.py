"""Shots: whatever flies, hurts what it strikes, and ends with it.

A shot strikes once: if it touches several in one tick, it is the first of them. What has no hull
ends it all the same; whoever wants to know which shots have struck something of theirs asks for
`strikes`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.game import (
    F4,
    F8,
    U4,
    Body,
    Bools,
    Component,
    Entity,
    Event,
    Floats,
    Indices,
    Motion,
    Part,
    Stage,
    Step,
    field,
)
from sidereal.games.frontier.fight.armour import Hull, hurt

SPEED_MAX: Final = 245.0
"""Of a shot, units/s: nothing in a world is much faster."""
MUZZLE: Final = 9.0
"""How far from the middle of its ship a shot begins, world units."""
DAMAGE_MAX: Final = 100.0
"""Of a shot, hp."""
MASS: Final = 0.01
"""Of whatever is shot, t."""
SIZE: Final = 0.75
"""How large the flash of a hit is, world units for each hp."""
SIZE_MAX: Final = DAMAGE_MAX * SIZE

shots = Part("shots")


class Shot(Component, saved=False):
    """What a bullet or a missile is about."""

    by: Entity
    """Who has fired it."""
    damage: F4 = field(5, low=0, high=DAMAGE_MAX, quantum=0.5, unit="hp")
    until: U4
    """The tick at which it has flown long enough."""


class Hit(Event):
    """A shot has struck something."""

    x: F8
    y: F8
    size: F4 = field(5, low=0, high=SIZE_MAX, quantum=0.5, unit="unit")


shots.declare(Shot)
shots.effect(Hit, kind="burst", size=Hit.size, colour="#fd8", seconds=0.3, sound="clank")


@shots.rule(Shot)
def stays_a_shot(before: Shot, after: Shot, _dt: Floats) -> Bools:
    """Believe in no shot that hurts more than its kind, or becomes another one later."""
    new = before.by == 0
    same = (after.by == before.by) & (after.until == before.until)
    return np.asarray((after.damage <= before.damage) & (new | same))


def leave_muzzle(ship: Motion, course: Floats, speed: float) -> Motion:
    """Tell how shots begin.

    A shot flies along its course as its ship sees it. One that would be faster than `SPEED_MAX`
    leaves the ship more slowly.

    Args:
        ship: who fires, [n].
        course: in which direction, float64[n], rad.
        speed: with which it leaves the ship, units/s.
    """
    cos, sin = np.cos(course), np.sin(course)
    along = ship.vx * cos + ship.vy * sin
    room = SPEED_MAX**2 - ship.vx**2 - ship.vy**2
    most = np.sqrt(np.maximum(along**2 + room, 0.0)) - along
    speeds = np.clip(most, 0.0, speed)
    return Motion(
        x=ship.x + MUZZLE * cos,
        y=ship.y + MUZZLE * sin,
        vx=ship.vx + speeds * cos,
        vy=ship.vy + speeds * sin,
        heading=course,
    )


class Strikes(NamedTuple):
    """Which shots have struck what in a tick, and where.

    Attributes:
        shot: rows, int64[n], each once.
        struck: rows of what they have struck, int64[n].
        x: float64[n], world units; likewise `y`.
    """

    shot: Indices
    struck: Indices
    x: Floats
    y: Floats


def strikes(step: Step) -> Strikes:
    """Find what has been struck in this tick; in `Stage.CONTACT` only."""
    met = step.contacts(Shot, Body)
    _, first = np.unique(met.a, return_index=True)
    return Strikes(met.a[first], met.b[first], met.point_x[first], met.point_y[first])


@shots.system(Stage.CONTACT)
def strike(step: Step) -> None:
    """Hurt whom a shot strikes, and end the shot."""
    shot, struck, x, y = strikes(step)
    if not len(shot):
        return
    hulls = np.zeros(len(step.id), np.bool_)
    hulls[step.rows(Hull)] = True
    able = hulls[struck]
    fired = step[Shot]
    hurt(step, struck[able], fired.damage[shot[able]], fired.by[shot[able]])
    step.emit(Hit(x=x, y=y, size=fired.damage[shot] * SIZE), at=shot)
    step.despawn(shot)


@shots.system
def expire(step: Step) -> None:
    """End shots that have flown long enough."""
    rows = step.rows(Shot)
    step.despawn(rows[step[Shot].until[rows] <= step.tick])
