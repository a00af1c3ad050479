"""Frontier in a small world: what there is lies around the corner of four sectors."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Body, Game, Motion, WorldBuilder
from sidereal.games import frontier

ROCKS: Final = 48
WITHIN: Final = 350.0
"""How far from the corner rocks begin, along both axes, world units."""
DENSITY: Final = 0.002

game = Game("corner", parts=[frontier.game], ghost_range=frontier.game.ghost_range)


@game.world("corner")
def strew(make: WorldBuilder) -> None:
    """Strew rocks on a grid around the corner, with room between all of them."""
    rng, side = make.rng, math.isqrt(ROCKS) + 1
    row, column = np.divmod(rng.permutation(side * side)[:ROCKS], side)
    spacing = 2 * WITHIN / side
    radius = rng.uniform(5.0, 14.0, ROCKS)
    room = spacing / 2 - radius - 2.0
    speed, course = rng.uniform(0.0, 25.0, ROCKS), rng.uniform(0.0, math.tau, ROCKS)
    motion = Motion(
        x=(column + 0.5) * spacing - WITHIN + rng.uniform(-1.0, 1.0, ROCKS) * room,
        y=(row + 0.5) * spacing - WITHIN + rng.uniform(-1.0, 1.0, ROCKS) * room,
        vx=speed * np.cos(course),
        vy=speed * np.sin(course),
    )
    mass = DENSITY * 4 / 3 * math.pi * radius**3
    make.spawn(frontier.ASTEROID, motion, Body(radius=radius, mass=mass))
