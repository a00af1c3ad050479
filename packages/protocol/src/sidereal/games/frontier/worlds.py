"""What a new world is made of: a belt of asteroids, courses that meet on borders, or nothing.

A world says what its bots do, too. In `belt` they wander. In `crowd` and `star` there is nothing
but ships: all fly to one point, or by turns to eight. In `seam` rocks meet on the borders between
sectors, and at their corners, for a minute; ships fly to and fro over a border meanwhile.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Body, Motion, Part, WorldBuilder
from sidereal.games.frontier.asteroids import ASTEROID, BELT_HIGH, BELT_LOW

DENSITY: Final = 0.002
"""Tonnes per cubic unit: an asteroid of radius 20 weighs as much as six ships."""

PER_SIDE: Final = 45
"""Asteroids along an edge of the belt: one in every box of a grid."""

SECTOR: Final = 1000.0
"""Width of a sector, world units: shards have whole ones."""
CORNERS: Final = (-1, 0, 1, 2)
"""Where sectors meet whose borders are flown over, along both axes, in sectors."""
LANES: Final = (360.0, 420.0, 480.0, 540.0, 600.0, 660.0)
"""Where pairs cross a border: world units from its corner. Those that meet there are out of the way
of these."""
RUN_MIN, RUN_MAX = 60.0, 300.0
"""How far from their meeting place they begin, world units."""
SPEED_MIN, SPEED_MAX = 5.0, 60.0
"""How fast they approach it, units/s."""
RADIUS_MIN, RADIUS_MAX = 6.0, 12.0

worlds = Part("worlds")


@worlds.world("belt", bots="wander")
def strew_belt(make: WorldBuilder) -> None:
    """Strew asteroids over the belt, with room between all of them; they drift slowly."""
    rng, count = make.rng, PER_SIDE * PER_SIDE
    spacing = (BELT_HIGH - BELT_LOW) / PER_SIDE
    row, column = np.divmod(np.arange(count), PER_SIDE)
    radius = np.minimum(6.0 + rng.exponential(6.0, count), spacing / 3)
    room = spacing / 2 - radius - 2.0
    x = BELT_LOW + (column + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * room
    y = BELT_LOW + (row + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * room
    speed, course = rng.exponential(1.5, count).clip(0.0, 6.0), rng.uniform(0, math.tau, count)
    motion = Motion(
        x=x,
        y=y,
        vx=speed * np.cos(course),
        vy=speed * np.sin(course),
        heading=rng.uniform(-math.pi, math.pi, count),
        spin=rng.normal(0.0, 0.2, count).clip(-1.0, 1.0),
    )
    make.spawn(ASTEROID, motion, Body(radius=radius, mass=_mass(radius)))


@worlds.world("crowd", bots="crowd")
@worlds.world("star", bots="star")
@worlds.world("empty")
def leave_empty(make: WorldBuilder) -> None:
    """Make nothing."""


@worlds.world("seam", bots="shuttle")
def meet_on_borders(make: WorldBuilder) -> None:
    """Let pairs of rocks meet on the borders between sectors, and threes at the corners."""
    corner_x, corner_y = (SECTOR * at.ravel() for at in np.meshgrid(CORNERS, CORNERS))
    _approach(make, corner_x, corner_y, _courses_at_corners(len(corner_x)))
    first, lane = (at.ravel() for at in np.meshgrid(CORNERS[:-1], LANES))
    along, across = np.meshgrid(SECTOR * first + lane, SECTOR * np.array(CORNERS))
    along, across = along.ravel(), across.ravel()
    for x, y, course in ((across, along, 0.0), (along, across, math.pi / 2)):
        _approach(make, x, y, np.add.outer(np.full(len(x), course), [0.0, math.pi]))


def _courses_at_corners(count: int) -> np.ndarray:
    """Courses of rocks out of three of the four sectors at each corner: float64[n, 3], rad."""
    missing = np.arange(count) % 4
    return np.asarray(np.add.outer(missing, [1.5, 2.5, 3.5]) * (math.pi / 2))


def _approach(make: WorldBuilder, x: np.ndarray, y: np.ndarray, course: np.ndarray) -> None:
    """Make rocks that reach a place at the same time.

    Args:
        make: the world.
        x: float64[n], of the places, world units; likewise `y`.
        course: float64[n, k], on which rocks come, rad.
    """
    rng, shape = make.rng, course.shape
    run = rng.uniform(RUN_MIN, RUN_MAX, len(x))[:, None]
    speed = rng.uniform(SPEED_MIN, SPEED_MAX, len(x))[:, None]
    radius = rng.uniform(RADIUS_MIN, RADIUS_MAX, shape)
    motion = Motion(
        x=(x[:, None] - run * np.cos(course)).ravel(),
        y=(y[:, None] - run * np.sin(course)).ravel(),
        vx=(speed * np.cos(course)).ravel(),
        vy=(speed * np.sin(course)).ravel(),
    )
    make.spawn(ASTEROID, motion, Body(radius=radius.ravel(), mass=_mass(radius.ravel())))


def _mass(radius: np.ndarray) -> np.ndarray:
    return DENSITY * 4 / 3 * math.pi * radius**3
