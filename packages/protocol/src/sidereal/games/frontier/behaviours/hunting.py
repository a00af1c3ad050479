"""Bots that hunt: one only follows, one shoots."""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game import BotView, Indices, Motion
from sidereal.games.frontier.behaviours.flying import bots, wander
from sidereal.games.frontier.behaviours.sights import (
    Sight,
    beside,
    nearest_clear,
    ships_seen,
    shooting,
)
from sidereal.games.frontier.behaviours.steering import fly_to, is_leaving
from sidereal.games.frontier.homes import HOME
from sidereal.games.frontier.ships import Stick

SIGHT: Final = 600.0
"""How far a hunter looks for prey, world units."""
RANGE: Final = 200.0
"""How near a fighter shoots, world units."""
CHASE_GAP: Final = 60.0
"""How far behind whom it follows a chaser stays, world units."""
FIGHT_GAP: Final = 110.0
"""How far off whom it shoots at a fighter stays, world units."""
PEACE: Final = 400.0
"""How near home a fighter shoots at nobody, world units: who is new arrives there."""
SHOOT_S: Final = 0.2
"""For so long a fighter shoots without looking anew, seconds."""


@bots.bot("chase")
def chase(bot: BotView) -> tuple[Stick, float]:
    """Follow the nearest ship, and keep off it."""
    prey = nearest_clear(bot, ships_seen(bot), SIGHT)
    if prey is None or is_leaving(bot.own[Motion]):
        return wander(bot)
    return follow(bot, prey, CHASE_GAP)


@bots.bot("fight")
def fight(bot: BotView) -> tuple[Stick, float]:
    """Shoot at the nearest ship that is not docked, and stay near it; spare who is near home."""
    prey = nearest_clear(bot, _far_from_home(bot, ships_seen(bot)), SIGHT)
    if prey is None or is_leaving(bot.own[Motion]):
        return wander(bot)
    stick, hold_s = follow(bot, prey, FIGHT_GAP)
    if prey.distance > RANGE or not prey.clear:
        return stick, hold_s
    if hold_s > SHOOT_S:
        bot.memory["leg"].insert(0, (stick, hold_s - SHOOT_S))
    return shooting(bot, stick, prey), min(hold_s, SHOOT_S)


def _far_from_home(bot: BotView, rows: Indices) -> Indices:
    """Keep those of some ships that are not near a home that the bot sees, int64[n]."""
    if not len(rows):
        return rows
    motion = bot.others[Motion]
    for home in bot.others.rows(HOME):
        away = np.hypot(motion.x[rows] - motion.x[home], motion.y[rows] - motion.y[home])
        rows = rows[away > PEACE]
    return rows


def follow(bot: BotView, prey: Sight, gap: float) -> tuple[Stick, float]:
    """Fly to where somebody is, as fast as it flies, and stay so far off it."""
    return fly_to(bot, *beside(prey, gap), prey.vx, prey.vy)
