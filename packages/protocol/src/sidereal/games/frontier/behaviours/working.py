"""Bots that work: they carry ore, dug or not, to stations, and sell it there."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Body, BotView, Motion
from sidereal.games.frontier.asteroids import ASTEROID
from sidereal.games.frontier.behaviours.flying import bots, wander
from sidereal.games.frontier.behaviours.sights import (
    Sight,
    beside,
    nearest,
    nearest_clear,
    nearest_of,
    sees,
    shooting,
)
from sidereal.games.frontier.behaviours.steering import ASK_S, fly_to, is_docked, is_leaving, press
from sidereal.games.frontier.ore.cargo import LUMP, Hold
from sidereal.games.frontier.ships import RADIUS as SHIP_RADIUS
from sidereal.games.frontier.ships import Stick
from sidereal.games.frontier.trade.stations import PLACES, STATION
from sidereal.games.frontier.trade.stations import RADIUS as STATION_RADIUS

ENOUGH: Final = 20
"""Tonnes of ore with which a miner flies to a station."""
LUMPS_WITHIN: Final = 250.0
"""How far a miner flies for a lump, world units."""
ROCKS_WITHIN: Final = 700.0
"""How far it looks for rocks, world units."""
RANGE: Final = 180.0
"""How near to a rock's middle it shoots, world units."""
DIG_GAP: Final = 90.0
"""How far off a rock's surface it stays, world units."""
DOCK_WITHIN: Final = 80.0
"""How near to the middle of a station a bot docks, world units."""
DOCK_GAP: Final = STATION_RADIUS + 25.0
"""How far off the middle of a station it flies to dock, world units."""
DOCK_SPEED: Final = 12.0
"""How fast it is then at most, units/s."""
LOOK_S: Final = 0.2
"""For so long one that shoots holds the same, seconds."""


@bots.bot("miner")
def miner(bot: BotView) -> tuple[Stick, float]:
    """Shoot rocks, collect what they have, and sell it at the nearest station."""
    if not sees(bot):
        return wander(bot)
    if is_docked(bot):
        return _sell_and_leave(bot)
    if int(bot.own[Hold].ore[0]) >= ENOUGH:
        return _dock_at(bot, *_nearest_station(bot))
    if is_leaving(bot.own[Motion]):
        return wander(bot)
    lump = _loose_lump(bot)
    if lump is not None:
        return fly_to(bot, lump.x, lump.y, lump.vx, lump.vy)
    rock = nearest_clear(bot, bot.others.rows(ASTEROID), ROCKS_WITHIN)
    return wander(bot) if rock is None else _dig(bot, rock)


@bots.bot("trader")
def trader(bot: BotView) -> tuple[Stick, float]:
    """Fly from station to station, and dock at each."""
    memory, places = bot.memory, list(PLACES.values())
    if not sees(bot):
        return wander(bot)
    if is_docked(bot):
        memory.pop("port", None)
        return _sell_and_leave(bot)
    if "port" not in memory:
        own = bot.own[Motion]
        here = [math.hypot(x - float(own.x[0]), y - float(own.y[0])) for x, y in places]
        others = [place for place, far in zip(places, here, strict=True) if far > 2 * DOCK_WITHIN]
        memory["port"] = others[int(bot.rng.integers(len(others)))]
    return _dock_at(bot, *memory["port"])


def _loose_lump(bot: BotView) -> Sight | None:
    """Find the nearest lump of ore that does not drift through a station."""
    rows, station = bot.others.rows(LUMP), nearest(bot, [STATION])
    if station is not None:
        motion = bot.others[Motion]
        off = np.hypot(motion.x[rows] - station.x, motion.y[rows] - station.y)
        rows = rows[off > STATION_RADIUS + 2 * SHIP_RADIUS]
    return nearest_of(bot, rows, LUMPS_WITHIN)


def _dig(bot: BotView, rock: Sight) -> tuple[Stick, float]:
    """Come near to a rock, and shoot at it."""
    radius = float(bot.others[Body].radius[rock.row])
    stick, hold_s = fly_to(bot, *beside(rock, radius + DIG_GAP), rock.vx, rock.vy)
    if rock.distance > RANGE + radius or not rock.clear:
        return stick, hold_s
    if hold_s > LOOK_S:
        bot.memory["leg"].insert(0, (stick, hold_s - LOOK_S))
    return shooting(bot, stick, rock), min(hold_s, LOOK_S)


def _nearest_station(bot: BotView) -> tuple[float, float]:
    """Find the nearest station: one that is seen, else one of the chart."""
    seen = nearest(bot, [STATION])
    if seen is not None:
        return seen.x, seen.y
    own = bot.own[Motion]
    x, y = float(own.x[0]), float(own.y[0])
    return min(PLACES.values(), key=lambda place: math.hypot(place[0] - x, place[1] - y))


def _dock_at(bot: BotView, x: float, y: float) -> tuple[Stick, float]:
    """Fly to a station, stop beside it, and ask to dock; go elsewhere if there is none."""
    own, memory = bot.own[Motion], bot.memory
    away_x, away_y = x - float(own.x[0]), y - float(own.y[0])
    away, speed = math.hypot(away_x, away_y), math.hypot(float(own.vx[0]), float(own.vy[0]))
    if away < DOCK_WITHIN:
        if nearest(bot, [STATION], DOCK_WITHIN) is None:
            memory.pop("port", None)
            return wander(bot)
        if speed > DOCK_SPEED:
            memory["leg"] = []
            return Stick(brake=1), 0.3
        if not memory.get("leg"):
            memory["leg"] = [(Stick(dock=1, brake=1), 0.1), (Stick(brake=1), ASK_S)]
    course = math.atan2(away_y, away_x)
    return fly_to(bot, x - DOCK_GAP * math.cos(course), y - DOCK_GAP * math.sin(course))


def _sell_and_leave(bot: BotView) -> tuple[Stick, float]:
    """Sell what there is, and leave the station."""
    return press(bot, Stick(sell=1) if int(bot.own[Hold].ore[0]) else Stick(dock=1))
