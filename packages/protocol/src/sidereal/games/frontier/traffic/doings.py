"""Doings: what computer pilots can be about, and what `minds` and `pilots` both ask."""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game import Bools, Indices, Motion, Step
from sidereal.games.frontier.ships import RADIUS
from sidereal.games.frontier.trade.stations import PLACES
from sidereal.games.frontier.trade.stations import RADIUS as STATION_RADIUS
from sidereal.games.frontier.traffic.kinds import Mind

NOTHING: Final = 0
"""Nothing yet: what is to be done is decided next."""
WAIT: Final = 1
"""Stays docked for a while."""
HAUL: Final = 2
"""Flies to its stop, and docks there."""
CALL: Final = 3
"""Flies to its stop, and does not dock."""
ROAM: Final = 4
"""Flies to a place."""
FLEE: Final = 5
"""Flies to a place, as fast as it can."""
HUNT: Final = 6
"""Follows its goal, and shoots it."""
MINE: Final = 7
"""Likewise a rock."""
FETCH: Final = 8
"""Flies over its goal."""
TURN_AWAY: Final = 9
"""Flies to a place, and follows nothing until it is there: it has had enough of its goal."""
DOINGS: Final = 10

STOPS: Final = np.array(list(PLACES.values())).T
"""Where stations are, float64[2, n], world units: what is beyond the ghosts is known as well."""
BERTH: Final = STATION_RADIUS + RADIUS + 12.0
"""How far from a station's middle a ship stops to dock, world units."""
NEAR: Final = BERTH + 4 * RADIUS
"""So far it is still there."""


def is_at_stop(step: Step, rows: Indices) -> Bools:
    """Tell which ships are at their stops, docked or not, bool[n]."""
    motion = step[Motion]
    x, y = STOPS[:, step[Mind].stop[rows]]
    return np.asarray(np.hypot(motion.x[rows] - x, motion.y[rows] - y) < NEAR)
