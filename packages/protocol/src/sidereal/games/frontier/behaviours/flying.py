"""Bots that only fly, by where they are and by generators of their own."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import BotView, Motion, Part
from sidereal.games.frontier.behaviours.steering import (
    Leg,
    fly_to,
    go_on,
    head_home,
    is_leaving,
)
from sidereal.games.frontier.ships import Stick

CROWD_AT: Final = (0.0, 0.0)
"""Where a crowd gathers: at a corner of four sectors."""

STAR_POINTS: Final = 8
STAR_RADIUS: Final = 1200.0
"""How far the points of the star are from the origin, world units."""
STAR_CYCLE_S: Final = 20.0
STAR_GATHER_S: Final = 14.0
"""How much of a cycle bots take to gather; then they scatter."""
STAR_SCATTER: Final = 300.0
"""How far they scatter, world units."""

SHUTTLE_X: Final = 200.0
"""How far to either side of the border at x = 0 a shuttle flies, world units."""
SHUTTLE_Y: Final = 300.0
"""Within how far of the corner at y = 0."""
SHUTTLE_NEAR: Final = 40.0
"""World units before the end of its way at which it turns round."""

bots = Part("bots")


@bots.bot("wander")
def wander(bot: BotView) -> tuple[Stick, float]:
    """Turn somewhere, thrust a while, coast a while, now and then brake.

    Over a minute a ship crosses several cells and sector borders, without ever going far from where
    a person would: each leg is a turn, a burn and a drift. At the belt's edge it turns home.
    """
    motion, memory = bot.own[Motion], bot.memory
    memory["wanders"] = True
    if is_leaving(motion):
        if not memory.get("homing") or not memory["leg"]:
            memory["leg"], memory["homing"] = head_home(motion), True
    elif not memory.get("leg"):
        memory["leg"], memory["homing"] = _plan(bot.rng), False
    return go_on(bot)


@bots.bot("crowd")
def crowd(bot: BotView) -> tuple[Stick, float]:
    """Fly to where everybody else flies to, and go on when pushed away."""
    return fly_to(bot, *CROWD_AT)


@bots.bot("star")
def star(bot: BotView) -> tuple[Stick, float]:
    """Gather with others at a point of a star, scatter, and go on to a point beside it.

    All bots of a world do so at the same time, by its clock.
    """
    memory, rng = bot.memory, bot.rng
    cycle, into_s = divmod(bot.tick * bot.tick_s, STAR_CYCLE_S)
    phase = cycle, into_s < STAR_GATHER_S
    if memory.get("phase") != phase:
        if phase[1] or "point" not in memory:
            before = memory.get("point", int(rng.integers(STAR_POINTS)))
            memory["point"] = (before + int(rng.integers(-1, 2))) % STAR_POINTS
        angle = math.tau * memory["point"] / STAR_POINTS
        away, course = (0.0 if phase[1] else STAR_SCATTER), rng.uniform(0.0, math.tau)
        memory["phase"], memory["leg"] = phase, []
        memory["to"] = (
            STAR_RADIUS * math.cos(angle) + away * math.cos(course),
            STAR_RADIUS * math.sin(angle) + away * math.sin(course),
        )
    return fly_to(bot, *memory["to"])


@bots.bot("shuttle")
def shuttle(bot: BotView) -> tuple[Stick, float]:
    """Fly to and fro over a border between sectors, near one of its corners."""
    motion, memory = bot.own[Motion], bot.memory
    x, y = float(motion.x[0]), float(motion.y[0])
    to_x, to_y = memory.get("to", (x, y))
    if math.hypot(to_x - x, to_y - y) < SHUTTLE_NEAR:
        to_x, to_y = math.copysign(SHUTTLE_X, -x), bot.rng.uniform(-SHUTTLE_Y, SHUTTLE_Y)
        memory["to"], memory["leg"] = (to_x, to_y), []
    return fly_to(bot, to_x, to_y)


@bots.bot("idle")
def idle(bot: BotView) -> tuple[Stick, float]:
    """Hold nothing: what an unattended player costs."""
    return Stick(), 3600.0


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
