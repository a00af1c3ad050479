"""Asteroids: they drift and spin, which is the physics' own doing, and bounce when they are hit.

Nothing slows them down, so whatever was hit would leave the belt for good, and take a lease with it
wherever it goes. They are turned back a little before the belt's edge: by one impulse, the mirror
image of their way, which changes neither their speed nor their spin. There they gather in the
course of time. Those that come to rest against others are pushed a unit or two further: that must
not take them into the next sector, which would be leased for them alone.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Body, Label, Motion, Part, Stage, Step, WorldBuilder

DENSITY: Final = 0.002
"""Tonnes per cubic unit: a rock of radius 20 weighs as much as six ships."""
PER_SIDE: Final = 45
"""Asteroids along an edge of a new belt."""
BELT_LOW: Final = -2000.0
"""Where the belt begins, along both axes; world units."""
BELT_HIGH: Final = 3000.0
"""Where it ends."""

TURN_MARGIN: Final = 25.0
"""World units before the belt's edge at which asteroids are turned back."""

rocks = Part("rocks")

ASTEROID = rocks.kind("asteroid", Motion(), Body(), Label())
rocks.look(ASTEROID, symbol="rock", colour="#987", size=Body.radius)


def belt(low: float = BELT_LOW, high: float = BELT_HIGH) -> Part:
    """Make the part that keeps asteroids in a square, and fills a new world with them.

    Args:
        low: where it begins, along both axes; world units.
        high: where it ends.
    """
    part = Part("belt")

    @part.system(Stage.TICK)
    def turn_back(step: Step) -> None:
        """Turn asteroids that would be too near the edge after this tick, and fly towards it.

        One that is on its way back is left alone, so none is turned twice.
        """
        first, last = low + TURN_MARGIN, high - TURN_MARGIN
        motion, rows = step[Motion], step.rows(ASTEROID)
        for place, speed in ((motion.x, motion.vx), (motion.y, motion.vy)):
            here, now = place[rows], speed[rows]
            there = here + now * step.dt
            leaves = ((there >= last) & (now > 0)) | ((there < first) & (now < 0))
            speed[rows[leaves]] *= -1.0

    @part.world("belt")
    def fill(make: WorldBuilder) -> None:
        """Put asteroids on a square lattice, each somewhere in its own field."""
        rng, count = make.rng, PER_SIDE * PER_SIDE
        spacing = (high - low) / PER_SIDE
        row, column = np.divmod(np.arange(count), PER_SIDE)
        radius = np.minimum(6.0 + rng.exponential(6.0, count), spacing / 3)
        jitter = spacing / 2 - radius - 2.0
        x = low + (column + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * jitter
        y = low + (row + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * jitter
        speed, course = rng.exponential(1.5, count).clip(0.0, 6.0), rng.uniform(0, math.tau, count)
        make.spawn(
            ASTEROID,
            Motion(
                x=x,
                y=y,
                vx=speed * np.cos(course),
                vy=speed * np.sin(course),
                heading=rng.uniform(-math.pi, math.pi, count),
                spin=rng.normal(0.0, 0.2, count).clip(-1.0, 1.0),
            ),
            Body(radius=radius, mass=DENSITY * 4 / 3 * math.pi * radius**3),
        )

    @part.world("empty")
    def leave_empty(make: WorldBuilder) -> None:
        """Put nothing into the world."""

    return part
