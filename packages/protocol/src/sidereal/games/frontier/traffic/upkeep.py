"""Upkeep: how many computer ships there are, where they begin, and that they come again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from sidereal.game import Authority, Kind, Label, Motion, Part, WorldBuilder
from sidereal.games.frontier.homes import PLACE, has_home
from sidereal.games.frontier.ships import RADIUS
from sidereal.games.frontier.traffic.doings import BERTH, HAUL, STOPS
from sidereal.games.frontier.traffic.kinds import MINER, PATROL, PIRATE, TRADER, Mind
from sidereal.games.frontier.traffic.minds import WAY_TICKS

WANTED: Final[dict[Kind, int]] = {TRADER: 90, MINER: 54, PIRATE: 30, PATROL: 26}
"""How many there are of each kind."""
EVERY_S: Final = 5.0
"""How often it is looked whether some are missing."""
AT_ONCE: Final = 3
"""So many of a kind come again then."""
CLEAR: Final = 700.0
"""World units from home within which no pirate begins."""
ESCORT: Final = 4
"""Traders that begin in sight of home, on their way to its station."""
ESCORT_FAR: Final = 220.0
"""World units from home, at most."""

upkeep = Part("upkeep")


@upkeep.every(EVERY_S)
def replace_lost(world: Authority) -> None:
    """Let some come again at stations, of each kind of which there are too few."""
    if not has_home(world):
        return
    for kind, wanted in WANTED.items():
        for _ in range(min(AT_ONCE, wanted - world.count(kind))):
            stop = int(world.rng.integers(1 if kind is PIRATE else 0, STOPS.shape[1]))
            course = world.rng.uniform(-math.pi, math.pi)
            x, y = STOPS[:, stop] + 2 * BERTH * np.array([math.cos(course), math.sin(course)])
            spot = world.free_spot(radius=RADIUS, near=(float(x), float(y)))
            number = int(world.rng.integers(1000))
            world.spawn(kind, Motion(heading=course), _name(kind, number), Mind(stop=stop), at=spot)


def fill_lanes(make: WorldBuilder, x: np.ndarray, y: np.ndarray, ships: Mapping[Kind, int]) -> None:
    """Put traffic into a new world, between its stations.

    Args:
        make: the world.
        x: of places where there is room for a ship, float64[n], world units; likewise `y`.
        ships: how many of each kind.
    """
    rng, taken = make.rng, np.zeros(len(x), np.bool_)
    for kind, wanted in ships.items():
        begin, end = (rng.integers(0, STOPS.shape[1], wanted) for _ in range(2))
        along = rng.uniform(0.0, 1.0, wanted)
        want_x, want_y = STOPS[:, begin] * (1 - along) + STOPS[:, end] * along
        if kind is TRADER:
            course = rng.uniform(-math.pi, math.pi, ESCORT)
            far = rng.uniform(ESCORT_FAR / 2, ESCORT_FAR, ESCORT)
            end[:ESCORT] = 0
            want_x[:ESCORT] = PLACE[0] + far * np.cos(course)
            want_y[:ESCORT] = PLACE[1] + far * np.sin(course)
        closed = np.hypot(x - PLACE[0], y - PLACE[1]) < (CLEAR if kind is PIRATE else 0.0)
        spots = np.empty(wanted, np.int64)
        for nth in range(wanted):  # 20 µs each
            away = np.hypot(x - want_x[nth], y - want_y[nth])
            away[taken | closed] = np.inf
            spots[nth] = np.argmin(away)
            taken[spots[nth]] = True
        make.spawn(
            kind,
            Motion(x=x[spots], y=y[spots], heading=rng.uniform(-math.pi, math.pi, wanted)),
            Label(name=[f"{kind} {nth}" for nth in range(1, wanted + 1)]),
            Mind(doing=HAUL if kind is TRADER else 0, stop=end, until=WAY_TICKS),
        )


def _name(kind: Kind, number: int) -> Label:
    return Label(name=f"{kind} {number}")
