"""What a new world is made of: a belt of asteroids, or nothing."""

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

worlds = Part("worlds")


@worlds.world("belt")
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
    make.spawn(ASTEROID, motion, Body(radius=radius, mass=DENSITY * 4 / 3 * math.pi * radius**3))


@worlds.world("empty")
def leave_empty(make: WorldBuilder) -> None:
    """Make nothing."""
