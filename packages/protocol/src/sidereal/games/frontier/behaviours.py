"""Bots: what they hold, decided by where they are and by generators of their own."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import BotView, Motion, Part
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW
from sidereal.games.frontier.ships import SPIN_DAMPING, TURN, Stick

HOME_AHEAD_S: Final = 3.0
"""How far a bot looks ahead: at full speed it takes as long to turn round and stop."""

HOME_MARGIN: Final = 400.0
"""A bot that will be this near to the belt's edge, world units, turns home: what it has begun to
thrust for two seconds must not take it beyond."""

HOME_AIM: Final = 0.4
"""Radians off the way home at which a bot thrusts."""

HOME_SLOW: Final = 15.0
"""Speed below which a bot that flies away from home turns round; above it brakes first."""

HOME_LOOK_S: Final = 0.5
"""A bot that has turned waits so long to see where it looks by then: what it knows is a round trip
old, and who steers by it at once never finds the way."""

Leg = list[tuple[Stick, float]]
"""What to hold one after the other, and for how many seconds each."""

bots = Part("bots")


@bots.bot("wander")
def wander(bot: BotView) -> tuple[Stick, float]:
    """Turn somewhere, thrust a while, coast a while, now and then brake.

    Over a minute a ship crosses several cells and sector borders, without ever going far from where
    a person would: each leg is a turn, a burn and a drift. At the belt's edge it turns home.
    """
    motion, memory = bot.own[Motion], bot.memory
    if is_leaving(motion):
        if not memory.get("homing") or not memory["leg"]:
            memory["leg"], memory["homing"] = head_home(motion), True
    elif not memory.get("leg"):
        memory["leg"], memory["homing"] = _plan(bot.rng), False
    now: tuple[Stick, float] = memory["leg"].pop(0)
    return now


@bots.bot("idle")
def idle(bot: BotView) -> tuple[Stick, float]:
    """Hold nothing: what an unattended player costs."""
    return Stick(), 3600.0


def is_leaving(motion: Motion) -> bool:
    """Tell whether a ship is too near to the belt's edge, or beyond, or will soon be.

    Args:
        motion: of the one ship, [1].
    """
    here = np.concatenate([motion.x, motion.y])
    soon = here + np.concatenate([motion.vx, motion.vy]) * HOME_AHEAD_S
    nearest, farthest = min(here.min(), soon.min()), max(here.max(), soon.max())
    return bool(nearest < BELT_LOW + HOME_MARGIN or farthest > BELT_HIGH - HOME_MARGIN)


def head_home(motion: Motion) -> Leg:
    """Stop, turn towards the middle of the belt, and once it is ahead, thrust.

    Args:
        motion: of the one ship, [1].

    Returns:
        the next part of the way.
    """
    x, y, vx, vy, heading, spin = (float(getattr(motion, name)[0]) for name in Motion.fields)
    middle = (BELT_LOW + BELT_HIGH) / 2
    to_x, to_y = middle - x, middle - y
    if vx * to_x + vy * to_y < 0 and math.hypot(vx, vy) > HOME_SLOW:
        return [(Stick(brake=1), 0.5)]
    # It turns on for a while after the stick is let go.
    off = math.remainder(math.atan2(to_y, to_x) - heading - spin / SPIN_DAMPING, math.tau)
    if abs(off) <= HOME_AIM:
        return [(Stick(thrust=1), 0.4)]
    # Held for t, it turns by TURN * t² / 2, and by TURN * t / SPIN_DAMPING afterwards.
    hold_s = math.sqrt(1 / SPIN_DAMPING**2 + 2 * abs(off) / TURN) - 1 / SPIN_DAMPING
    return [(Stick(turn=1 if off > 0 else -1), hold_s), (Stick(), HOME_LOOK_S)]


def _plan(rng: np.random.Generator) -> Leg:
    turn = 1 if rng.random() < 0.5 else -1
    burn = Stick(thrust=1, turn=turn if rng.random() < 0.25 else 0)
    leg = [
        (Stick(turn=turn), float(rng.uniform(0.2, 1.0))),
        (burn, float(rng.uniform(0.5, 2.0))),
        (Stick(), float(rng.uniform(0.3, 2.0))),
    ]
    if rng.random() < 0.3:
        leg.append((Stick(brake=1), float(rng.uniform(0.3, 1.0))))
    return leg
