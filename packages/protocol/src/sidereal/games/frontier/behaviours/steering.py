"""Steering of one bot: what to hold one after the other in order to get somewhere.

What a bot knows is a round trip old. So it turns by the clock, and looks where it has come to. If
there is a rock in its way, it brakes and strafes meanwhile.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Body, BotView, Motion
from sidereal.games.frontier.asteroids import ASTEROID, BELT_HIGH, BELT_LOW
from sidereal.games.frontier.behaviours.ways import stations_seen, way_round
from sidereal.games.frontier.ships import RADIUS, SPEED_MAX, SPIN_DAMPING, THRUST, TURN, Stick
from sidereal.games.frontier.trade.stations import Docked

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

COURSE_SHARE: Final = 0.5
"""How far off the wanted velocity a bot lets its own be: this share of it, so that it comes nearer
all the same, but between these two."""
COURSE_FINE: Final = 3.0
"""Units/s; nearer to where it flies than `ARRIVE_S` of it a bot does not care."""
COURSE_SLOW: Final = 12.0
"""Units/s. Who flies the wrong way, and no faster, turns round without braking first."""

BURN_S: Final = 0.4
"""For so long a bot thrusts at most before it looks where that has brought it."""
BURN_LEAST_S: Final = 0.1

AHEAD_S: Final = 1.5
"""How much farther than to its next decision a bot looks for rocks in its way."""

DODGE_S: Final = 0.3
"""For so long one that strafes does not look anew."""

ROOM: Final = 10.0
"""World units that it leaves between itself and a rock."""

ASK_S: Final = 1.5
"""A bot that has pressed something waits so long to see what comes of it, seconds."""

Leg = list[tuple[Stick, float]]
"""What to hold one after the other, and for how many seconds each."""


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
    return thrust_along(math.atan2(to_y, to_x), heading, spin)


def head_for(motion: Motion, x: float, y: float, vx: float = 0.0, vy: float = 0.0) -> Leg:
    """Fly to a point, and be as fast there as it is.

    Args:
        motion: of the one ship, [1].
        x: of the point, world units; likewise `y`.
        vx: its velocity, units/s; likewise `vy`.

    Returns:
        the next part of the way.
    """
    here_x, here_y, own_vx, own_vy, heading, spin = (
        float(getattr(motion, name)[0]) for name in Motion.fields
    )
    to_x, to_y = (x - here_x) / ARRIVE_S, (y - here_y) / ARRIVE_S
    slower = min(1.0, SPEED_MAX / max(math.hypot(to_x, to_y), 1.0))
    to_x, to_y = to_x * slower, to_y * slower
    off_x, off_y = to_x + vx - own_vx, to_y + vy - own_vy
    off, speed = math.hypot(off_x, off_y), math.hypot(own_vx, own_vy)
    if off < min(max(COURSE_SHARE * math.hypot(to_x, to_y), COURSE_FINE), COURSE_SLOW):
        return [(Stick(), 0.3)]
    too_fast = off_x * own_vx + off_y * own_vy < -0.7 * off * speed
    wrong_way = (to_x + vx) * own_vx + (to_y + vy) * own_vy < 0
    if too_fast and (speed > COURSE_SLOW or not wrong_way):
        return [(Stick(brake=1), 0.3)]
    return thrust_along(math.atan2(off_y, off_x), heading, spin, off)


def fly_to(
    bot: BotView, x: float, y: float, vx: float = 0.0, vy: float = 0.0
) -> tuple[Stick, float]:
    """Give what to hold next on the way to a point; `memory["leg"]` has what follows.

    Who has only wandered so far turns to it at once. The way leads round stations.
    """
    memory = bot.memory
    if memory.pop("wanders", False) or not memory.get("leg"):
        at = way_round(bot, x, y)
        velocity = (vx, vy) if at == (x, y) else (0.0, 0.0)
        memory["leg"] = head_for(bot.own[Motion], *at, *velocity)
    return go_on(bot)


def go_on(bot: BotView) -> tuple[Stick, float]:
    """Give what to hold next of `memory["leg"]`; brake and strafe if a rock is in the way.

    Who is docked leaves the station first, whatever it is about.
    """
    if is_docked(bot):
        return press(bot, Stick(dock=1))
    leg: Leg = bot.memory["leg"]
    stick, hold_s = leg.pop(0)
    strafe = side_that_is_clear(bot, AHEAD_S + hold_s)
    most_s = DODGE_S if strafe else LOOK_S if len(bot.others) else hold_s
    if hold_s > most_s:
        leg.insert(0, (stick, hold_s - most_s))
    if strafe:
        stick = Stick(turn=stick.turn, brake=1, strafe=strafe)
    return stick, min(hold_s, most_s)


def is_docked(bot: BotView) -> bool:
    """Tell whether a bot is docked, as far as it knows: it sees its station then."""
    return len(stations_seen(bot)) > 0 and bool(bot.own[Docked].at[0])


def press(bot: BotView, stick: Stick) -> tuple[Stick, float]:
    """Press something, and then hold nothing until what comes of it is known."""
    memory, now_s = bot.memory, bot.tick * bot.tick_s
    memory["leg"] = []
    wait_s = memory.get("pressed_s", -ASK_S) + ASK_S - now_s
    if 0 < wait_s <= ASK_S:
        return Stick(), min(wait_s, LOOK_S)
    memory["pressed_s"] = now_s
    return stick, 0.1


def side_that_is_clear(bot: BotView, within_s: float) -> int:
    """Tell to which side a bot had better strafe, so as not to run into the first rock ahead.

    Returns:
        1 to port, -1 to starboard, 0 if there is none.
    """
    if not len(bot.others):
        return 0
    own, others, rocks = bot.own[Motion], bot.others[Motion], bot.others.rows(ASTEROID)
    x, y = others.x[rocks] - own.x[0], others.y[rocks] - own.y[0]
    vx, vy = own.vx[0] - others.vx[rocks], own.vy[0] - others.vy[rocks]
    speed = np.maximum(np.hypot(vx, vy), 1.0)
    along, across = (x * vx + y * vy) / speed, (vx * y - vy * x) / speed
    room = bot.others[Body].radius[rocks] + RADIUS + ROOM
    meets = (along > 0) & (np.abs(across) < room) & (along - room < within_s * speed)
    if not meets.any():
        return 0
    first = np.flatnonzero(meets)[np.argmin(along[meets])]
    # Seen along the way the rock is to the left or to the right; the nose may look elsewhere.
    nose = math.atan2(vy[first], vx[first]) - float(own.heading[0])
    return int(math.copysign(1, -across[first] * math.cos(nose)))


def thrust_along(course: float, heading: float, spin: float, gain: float = SPEED_MAX) -> Leg:
    """Thrust, if a ship looks that way when it has stopped turning, or turn there first.

    Args:
        course: where to, rad.
        heading: of the ship, rad.
        spin: rad/s.
        gain: how much faster it wants to be that way, units/s.

    Returns:
        what to hold.
    """
    # It turns on for a while after the stick is let go.
    off = math.remainder(course - heading - spin / SPIN_DAMPING, math.tau)
    if abs(off) <= AIM:
        burn_s = min(max(gain / THRUST, BURN_LEAST_S), BURN_S)
        burn = [(Stick(thrust=1), burn_s)]
        return burn if burn_s == BURN_S else [*burn, (Stick(), BURN_S - burn_s)]
    # Held for t, it turns by TURN * t² / 2, and by TURN * t / SPIN_DAMPING afterwards.
    hold_s = math.sqrt(1 / SPIN_DAMPING**2 + 2 * abs(off) / TURN) - 1 / SPIN_DAMPING
    return [(Stick(turn=1 if off > 0 else -1), hold_s), (Stick(), LOOK_S)]
