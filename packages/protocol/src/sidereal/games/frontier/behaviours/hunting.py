"""Bots that hunt: one only follows, one shoots."""

from __future__ import annotations

from typing import Final

from sidereal.game import BotView, Motion
from sidereal.games.frontier.behaviours.flying import bots, wander
from sidereal.games.frontier.behaviours.sights import (
    Sight,
    beside,
    nearest_prey,
    shooting,
)
from sidereal.games.frontier.behaviours.steering import fly_to, is_leaving
from sidereal.games.frontier.ships import Stick

SIGHT: Final = 600.0
"""How far a hunter looks for prey, world units."""
RANGE: Final = 200.0
"""How near a fighter shoots, world units."""
CHASE_GAP: Final = 60.0
"""How far behind whom it follows a chaser stays, world units."""
FIGHT_GAP: Final = 110.0
"""How far off whom it shoots at a fighter stays, world units."""
SHOOT_S: Final = 0.2
"""For so long a fighter shoots without looking anew, seconds."""


@bots.bot("chase")
def chase(bot: BotView) -> tuple[Stick, float]:
    """Follow the nearest ship, and keep off it."""
    prey = nearest_prey(bot, SIGHT)
    if prey is None or is_leaving(bot.own[Motion]):
        return wander(bot)
    return follow(bot, prey, CHASE_GAP)


@bots.bot("fight")
def fight(bot: BotView) -> tuple[Stick, float]:
    """Shoot at the nearest ship that is not docked, and stay near it."""
    prey = nearest_prey(bot, SIGHT)
    if prey is None or is_leaving(bot.own[Motion]):
        return wander(bot)
    stick, hold_s = follow(bot, prey, FIGHT_GAP)
    if prey.distance > RANGE or not prey.clear:
        return stick, hold_s
    if hold_s > SHOOT_S:
        bot.memory["leg"].insert(0, (stick, hold_s - SHOOT_S))
    return shooting(bot, stick, prey), min(hold_s, SHOOT_S)


def follow(bot: BotView, prey: Sight, gap: float) -> tuple[Stick, float]:
    """Fly to where somebody is, as fast as it flies, and stay so far off it."""
    return fly_to(bot, *beside(prey, gap), prey.vx, prey.vy)
