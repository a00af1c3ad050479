"""Bots: what they hold, decided by where they are and by generators of their own."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import BotView, Motion, Part
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW
from sidereal.games.frontier.ships import SPEED_MAX, SPIN_DAMPING, TURN, Stick

HOME_AHEAD_S: Final = 3.0
"""How far a bot looks ahead: at full speed it takes as long to turn round and stop."""

HOME_MARGIN: Final = 400.0
"""A bot that will be this near to the belt's edge, world units, turns home: what it has begun to
thrust for two seconds must not take it beyond."""

HOME_SLOW: Final = 15.0
"""Speed below which a bot that flies away from home turns round; above it brakes first."""

AIM: Final = 0.4
"""Radians off its way at which a bot thrusts."""

LOOK_S: Final = 0.5
"""A bot that has turned waits so long to see where it looks by then: what it knows is a round trip
old, and who steers by it at once never finds the way."""

ARRIVE_S: Final = 2.5
"""A bot that flies to a point is as fast as if it had so long to get there."""

COURSE_SLOW: Final = 12.0
"""How far off the wanted velocity a bot lets its own be, units/s."""

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


@bots.bot("crowd")
def crowd(bot: BotView) -> tuple[Stick, float]:
    """Fly to where everybody else flies to, and go on when pushed away."""
    return _fly_to(bot, *CROWD_AT)


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
    return _fly_to(bot, *memory["to"])


@bots.bot("shuttle")
def shuttle(bot: BotView) -> tuple[Stick, float]:
    """Fly to and fro over a border between sectors, near one of its corners."""
    motion, memory = bot.own[Motion], bot.memory
    x, y = float(motion.x[0]), float(motion.y[0])
    to_x, to_y = memory.get("to", (x, y))
    if math.hypot(to_x - x, to_y - y) < SHUTTLE_NEAR:
        to_x, to_y = math.copysign(SHUTTLE_X, -x), bot.rng.uniform(-SHUTTLE_Y, SHUTTLE_Y)
        memory["to"], memory["leg"] = (to_x, to_y), []
    return _fly_to(bot, to_x, to_y)


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
    return _thrust_along(math.atan2(to_y, to_x), heading, spin)


def head_for(motion: Motion, x: float, y: float) -> Leg:
    """Fly to a point, and be slow there.

    Args:
        motion: of the one ship, [1].
        x: of the point, world units; likewise `y`.

    Returns:
        the next part of the way.
    """
    here_x, here_y, vx, vy, heading, spin = (
        float(getattr(motion, name)[0]) for name in Motion.fields
    )
    to_x, to_y = (x - here_x) / ARRIVE_S, (y - here_y) / ARRIVE_S
    slower = min(1.0, SPEED_MAX / max(math.hypot(to_x, to_y), 1.0))
    off_x, off_y = to_x * slower - vx, to_y * slower - vy
    if math.hypot(off_x, off_y) < COURSE_SLOW:
        return [(Stick(), 0.3)]
    if off_x * vx + off_y * vy < -0.7 * math.hypot(off_x, off_y) * math.hypot(vx, vy):
        return [(Stick(brake=1), 0.3)]
    return _thrust_along(math.atan2(off_y, off_x), heading, spin)


def _fly_to(bot: BotView, x: float, y: float) -> tuple[Stick, float]:
    memory = bot.memory
    if not memory.get("leg"):
        memory["leg"] = head_for(bot.own[Motion], x, y)
    now: tuple[Stick, float] = memory["leg"].pop(0)
    return now


def _thrust_along(course: float, heading: float, spin: float) -> Leg:
    """Thrust, if a ship looks that way when it has stopped turning, or turn there first."""
    # It turns on for a while after the stick is let go.
    off = math.remainder(course - heading - spin / SPIN_DAMPING, math.tau)
    if abs(off) <= AIM:
        return [(Stick(thrust=1), 0.4)]
    # Held for t, it turns by TURN * t² / 2, and by TURN * t / SPIN_DAMPING afterwards.
    hold_s = math.sqrt(1 / SPIN_DAMPING**2 + 2 * abs(off) / TURN) - 1 / SPIN_DAMPING
    return [(Stick(turn=1 if off > 0 else -1), hold_s), (Stick(), LOOK_S)]


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
