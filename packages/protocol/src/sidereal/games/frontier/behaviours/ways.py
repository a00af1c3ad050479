"""Ways of one bot past stations: whether one lies between, and how to fly round it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from sidereal.game import Bools, BotView, Indices, Motion
from sidereal.games.frontier.fight.guns import RADIUS as BULLET_RADIUS
from sidereal.games.frontier.ships import RADIUS as SHIP_RADIUS
from sidereal.games.frontier.trade.stations import RADIUS as STATION_RADIUS
from sidereal.games.frontier.trade.stations import STATION

SHOT_ROOM: Final = STATION_RADIUS + BULLET_RADIUS + 1.0
"""How far off the middle of a station a bot shoots past it, world units."""
FLIGHT_ROOM: Final = STATION_RADIUS + SHIP_RADIUS + 3.0
"""How far off it a bot flies past it."""
ROUND_ROOM: Final = STATION_RADIUS + SHIP_RADIUS + 30.0
"""How far off it are the points to which a bot flies that goes round it."""
ROUND: Final = math.pi / 3
"""By how much of the way round it flies to one point, rad."""


def stations_seen(bot: BotView) -> Indices:
    """Give the rows of the stations among the others that a bot sees, int64[n]."""
    return bot.others.rows(STATION) if len(bot.others) else np.empty(0, np.int64)


def are_clear(bot: BotView, x: ArrayLike, y: ArrayLike, room: float) -> Bools:
    """Tell to which places no station lies in the way, as far as stations are seen.

    Args:
        bot: whose way it is.
        x: of the places, float64[n], world units; likewise `y`.
        room: to leave between the straight way and the middle of a station, world units.
    """
    return np.asarray(~_blocks(bot, np.asarray(x), np.asarray(y), room).any(axis=1))


def way_round(bot: BotView, x: float, y: float) -> tuple[float, float]:
    """Tell where to fly in order to get to a place: there, or beside the first station between."""
    rows = stations_seen(bot)
    if not len(rows):
        return x, y
    rows = rows[_blocks(bot, np.array([x]), np.array([y]), FLIGHT_ROOM)[0]]
    if not len(rows):
        return x, y
    own, others = bot.own[Motion], bot.others[Motion]
    first = rows[np.argmin(np.hypot(others.x[rows] - own.x[0], others.y[rows] - own.y[0]))]
    at_x, at_y = float(others.x[first]), float(others.y[first])
    here = math.atan2(float(own.y[0]) - at_y, float(own.x[0]) - at_x)
    on = math.remainder(math.atan2(y - at_y, x - at_x) - here, math.tau)
    course = here + min(max(on, -ROUND), ROUND)
    return at_x + ROUND_ROOM * math.cos(course), at_y + ROUND_ROOM * math.sin(course)


def _blocks(bot: BotView, x: np.ndarray, y: np.ndarray, room: float) -> Bools:
    """Tell which stations lie in the way to which places, bool[n, m]."""
    own, others, rows = bot.own[Motion], bot.others[Motion], stations_seen(bot)
    way_x, way_y = (x - own.x[0])[:, None], (y - own.y[0])[:, None]
    off_x, off_y = others.x[rows] - own.x[0], others.y[rows] - own.y[0]
    along = (off_x * way_x + off_y * way_y) / np.maximum(way_x**2 + way_y**2, 1e-6)
    share = np.clip(along, 0.0, 1.0)
    past = np.hypot(off_x - share * way_x, off_y - share * way_y)
    return np.asarray((along > 0) & (past < room))
