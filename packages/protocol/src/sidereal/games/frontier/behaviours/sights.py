"""What a bot sees, and how it answers: the nearest of some, where to shoot, what to press."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sidereal.game import BotView, Component, Indices, Kind, Motion
from sidereal.games.frontier.behaviours.ways import SHOT_ROOM, are_clear
from sidereal.games.frontier.fight.aiming import Targets
from sidereal.games.frontier.ships import Stick
from sidereal.games.frontier.trade.stations import Docked
from sidereal.games.frontier.traffic.kinds import CRAFT


class Sight(NamedTuple):
    """Something that a bot sees: its row among the others, where it is, and how it moves.

    Attributes:
        row: int.
        x: world units; likewise `y`.
        vx: units/s; likewise `vy`.
        distance: from the bot, world units.
        course: to it, rad.
        clear: whether no station that is seen lies between.
    """

    row: int
    x: float
    y: float
    vx: float
    vy: float
    distance: float
    course: float
    clear: bool


def sees(bot: BotView) -> bool:
    """Tell whether a bot has a picture of the world with somebody in it.

    One without knows nothing of its own ship but where it is.
    """
    return len(bot.others) > 0


def nearest(
    bot: BotView, kinds: Sequence[Kind | type[Component]], within: float = math.inf
) -> Sight | None:
    """Find the nearest that a bot sees of some kinds; None if there is none within a distance."""
    if not sees(bot):
        return None
    rows = np.unique(np.concatenate([bot.others.rows(kind) for kind in kinds]))
    return nearest_of(bot, rows, within)


def ships_seen(bot: BotView) -> Indices:
    """Give the rows of the ships that a bot sees and that are not docked, int64[n]."""
    if not sees(bot):
        return np.empty(0, np.int64)
    rows = np.unique(np.concatenate([bot.others.rows(kind) for kind in CRAFT]))
    free: Indices = rows[bot.others[Docked].at[rows] == 0]
    return free


def nearest_clear(bot: BotView, rows: np.ndarray, within: float) -> Sight | None:
    """Find the nearest of these rows that is behind no station; without any, the nearest."""
    motion = bot.others[Motion]
    clear = nearest_of(bot, rows[are_clear(bot, motion.x[rows], motion.y[rows], SHOT_ROOM)], within)
    return clear or nearest_of(bot, rows, within)


def nearest_of(bot: BotView, rows: np.ndarray, within: float = math.inf) -> Sight | None:
    """Find the nearest of these rows of the others."""
    if not len(rows):
        return None
    own, motion = bot.own[Motion], bot.others[Motion]
    x, y = motion.x[rows] - own.x[0], motion.y[rows] - own.y[0]
    away = np.hypot(x, y)
    at = int(np.argmin(away))
    if away[at] > within:
        return None
    row = int(rows[at])
    course = math.atan2(float(y[at]), float(x[at]))
    return Sight(
        row,
        float(motion.x[row]),
        float(motion.y[row]),
        float(motion.vx[row]),
        float(motion.vy[row]),
        float(away[at]),
        course,
        bool(are_clear(bot, motion.x[[row]], motion.y[[row]], SHOT_ROOM)[0]),
    )


def beside(sight: Sight, gap: float) -> tuple[float, float]:
    """Give the point on the way to somebody that is so far off it, x and y.

    Of one behind a station it is where it is itself: the way round leads to the other side.
    """
    gap *= sight.clear
    return (
        sight.x - gap * math.cos(sight.course),
        sight.y - gap * math.sin(sight.course),
    )


def shooting(bot: BotView, stick: Stick, sight: Sight) -> Stick:
    """Shoot at something as well, some way ahead of it if it moves, if no ship is between."""
    own, others, here = bot.own[Motion], bot.others[Motion], np.zeros(1, np.int64)
    aim = float(Targets.of(own, here, others, np.array([sight.row])).course()[0])
    rows = ships_seen(bot)
    rows = rows[rows != sight.row]
    if Targets.of(own, here, others, rows).are_struck(np.array([aim]), sight.distance).any():
        return stick
    return Stick(
        thrust=stick.thrust,
        turn=stick.turn,
        brake=stick.brake,
        strafe=stick.strafe,
        dock=stick.dock,
        shoot=1,
        aimed=1,
        aim=aim,
    )
