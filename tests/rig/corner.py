"""Frontier in a small world: what there is lies around the corner of four sectors.

In `corner` rocks drift about a station, and whoever comes may fly, shoot, dock and sell. Its bots
do so at random beside what the game's own do. Ships linger for so short a while that some are
parked before their pilots come back, and some are not.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Authority, Body, BotView, Game, Motion, Player, WorldBuilder
from sidereal.games import frontier
from sidereal.games.frontier.trade.stations import STATION

ROCKS: Final = 48
WITHIN: Final = 350.0
"""How far from the corner rocks begin, along both axes, world units."""
DENSITY: Final = 0.002
LINGER_S: Final = 0.5

game = Game("corner", parts=[frontier.game], ghost_range=frontier.game.ghost_range)


@game.world("corner")
def strew(make: WorldBuilder) -> None:
    """Strew rocks on a grid around the corner, with room between all of them, and a station."""
    rng, side = make.rng, 2 * math.ceil(math.sqrt(ROCKS + 1) / 2)
    places = rng.permutation(side * side)
    row, column = np.divmod(places[: ROCKS + 1], side)
    spacing = 2 * WITHIN / side
    x, y = (column + 0.5) * spacing - WITHIN, (row + 0.5) * spacing - WITHIN
    make.spawn(STATION, Motion(x=x[0], y=y[0]))
    radius = rng.uniform(5.0, 14.0, ROCKS)
    room = spacing / 2 - radius - 2.0
    speed, course = rng.uniform(0.0, 25.0, ROCKS), rng.uniform(0.0, math.tau, ROCKS)
    motion = Motion(
        x=x[1:] + rng.uniform(-1.0, 1.0, ROCKS) * room,
        y=y[1:] + rng.uniform(-1.0, 1.0, ROCKS) * room,
        vx=speed * np.cos(course),
        vy=speed * np.sin(course),
    )
    mass = DENSITY * 4 / 3 * math.pi * radius**3
    make.spawn(frontier.ASTEROID, motion, Body(radius=radius, mass=mass))


@game.on_leave
def abandon(_world: Authority, player: Player) -> None:
    """Let the ship stay, for less long than Frontier does."""
    player.linger(LINGER_S)


@game.bot("brawler")
def brawl(view: BotView) -> tuple[frontier.Stick, float]:
    """Fly at the nearest of all that is there and shoot at it, for a moment."""
    own, others = view.own[Motion], view.others[Motion]
    if not len(others.x):
        return frontier.Stick(thrust=1), 0.3
    away = np.hypot(others.x - own.x, others.y - own.y)
    at = int(np.argmin(np.where(away < 20.0, np.inf, away)))
    course = math.atan2(float(others.y[at] - own.y[0]), float(others.x[at] - own.x[0]))
    off = math.remainder(course - float(own.heading[0]), math.tau)
    turn = 0 if abs(off) < 0.2 else int(math.copysign(1, off))
    return frontier.Stick(thrust=1, turn=turn, shoot=1, aimed=1, aim=course, fire=1), 0.25
