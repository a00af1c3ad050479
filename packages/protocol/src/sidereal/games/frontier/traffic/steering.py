"""Steering: what to hold in order to have a velocity, and to look somewhere; columns only.

A ship has one main engine, and brakes. So it turns until the engine can make the velocity that it
wants of the one that it has, thrusts then, and brakes when it is only too fast.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from sidereal.game import Bools, Floats, Indices, Motion
from sidereal.games.frontier.ships import SPIN_DAMPING, Stick

ARRIVE_S: Final = 2.0
"""A ship that flies to a point is as fast as if it had so long to get there."""
SLACK: Final = 3.0
"""How far off the wanted velocity a ship lets its own be, units/s; a tick of thrust is as much."""
AIM: Final = 0.35
"""Radians off its way at which a ship thrusts."""
LOOK: Final = 0.08
"""Radians off its way that it does not turn for: it turns by as much in one tick."""
OPPOSED: Final = -0.7
"""Cosine of the angle between what a ship has and what it lacks at which it brakes."""
GIVE_WAY: Final = 0.9
"""Radians off its way at which a ship flies that gives way."""


class Wish(NamedTuple):
    """The velocity that each ship wants; float64[n], units/s."""

    vx: Floats
    vy: Floats


def approach(
    motion: Motion, rows: Indices, at: Floats, velocity: Floats, gap: Floats, cruise: Floats
) -> Wish:
    """Want to be at a place, and as fast as what is there.

    Args:
        motion: by row.
        rows: of the ships, int64[n].
        at: places, float64[2, n], world units.
        velocity: of what is there, float64[2, n], units/s.
        gap: how far from there to stay, float64[n], world units.
        cruise: how fast to get there, float64[n], units/s.
    """
    x, y = at[0] - motion.x[rows], at[1] - motion.y[rows]
    away = np.maximum(np.hypot(x, y), 1e-6)
    speed = np.clip((away - gap) / ARRIVE_S, -cruise / 2, cruise)
    return Wish(velocity[0] + speed * x / away, velocity[1] + speed * y / away)


def give_way(wish: Wish, dodge: Floats) -> Wish:
    """Turn what ships want to the side to which they give way: 1 left, -1 right, 0 not."""
    cos, sin = np.cos(GIVE_WAY * dodge), np.sin(GIVE_WAY * dodge)
    return Wish(wish.vx * cos - wish.vy * sin, wish.vx * sin + wish.vy * cos)


def steer(motion: Motion, stick: Stick, rows: Indices, wish: Wish) -> None:
    """Hold what brings ships to the velocity that they want.

    Args:
        motion: by row.
        stick: by row.
        rows: of the ships, int64[n].
        wish: of them, [n].

    Mutates:
        thrust, turn and brake of these rows.
    """
    vx, vy, heading = motion.vx[rows], motion.vy[rows], motion.heading[rows]
    lack_x, lack_y = wish.vx - vx, wish.vy - vy
    lack, speed = np.hypot(lack_x, lack_y), np.hypot(vx, vy)
    wanted = np.hypot(wish.vx, wish.vy)
    slowing = (lack > SLACK) & (lack_x * vx + lack_y * vy < OPPOSED * lack * speed)
    slowing |= (wanted < SLACK) & (speed < 2 * SLACK)
    pushing = (lack > SLACK) & ~slowing
    ahead = np.where(wanted > SLACK, np.arctan2(wish.vy, wish.vx), heading)
    course = np.where(pushing, np.arctan2(lack_y, lack_x), ahead)
    off = wrap(course - heading)
    # It turns on for a while after the stick is let go.
    left = wrap(off - motion.spin[rows] / SPIN_DAMPING)
    stick.turn[rows] = np.where(np.abs(left) > LOOK, np.sign(left), 0)
    stick.thrust[rows] = pushing & (np.abs(off) < AIM)
    stick.brake[rows] = slowing


def side_of(motion: Motion, rows: Indices, bodies: Indices, room: Floats, within_s: float) -> Side:
    """Find out which ships would run into which bodies, and to which side they had better turn.

    Args:
        motion: by row.
        rows: of ships, int64[n].
        bodies: one for each, int64[n].
        room: between their middles that is enough, float64[n], world units.
        within_s: how far to look ahead.
    """
    x, y = motion.x[bodies] - motion.x[rows], motion.y[bodies] - motion.y[rows]
    vx, vy = motion.vx[rows] - motion.vx[bodies], motion.vy[rows] - motion.vy[bodies]
    speed = np.maximum(np.hypot(vx, vy), 1e-6)
    along, across = (x * vx + y * vy) / speed, (vx * y - vy * x) / speed
    soon = (along - room) / speed
    meets = (along > 0) & (np.abs(across) < room) & (soon < within_s)
    return Side(meets, soon, np.where(across > 0, -1.0, 1.0))


class Side(NamedTuple):
    """What comes of pairs of a ship and a body.

    Attributes:
        meets: bool[n], whether they will meet.
        soon: float64[n], in how many seconds.
        turn: float64[n], 1 for left, -1 for right.
    """

    meets: Bools
    soon: Floats
    turn: Floats


def wrap(angle: Floats) -> Floats:
    """Put angles into -π to π, float64[n]."""
    return np.asarray((angle + math.pi) % math.tau - math.pi)
