"""Pilots: what computer pilots hold in every tick, by what they are about (`minds`).

They have no more than a player has: they hold the stick, in the stage STEER, and whatever they fly
obeys to it as to anybody's. Who gives way to what is ahead is decided every few ticks.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game import Body, Bools, Floats, Indices, Motion, Part, Stage, Step
from sidereal.games.frontier.asteroids import ASTEROID
from sidereal.games.frontier.fight.aiming import FAR, Targets
from sidereal.games.frontier.fight.armour import Hull
from sidereal.games.frontier.ore.cargo import Hold
from sidereal.games.frontier.ships import Stick
from sidereal.games.frontier.trade.stations import RADIUS as STATION_RADIUS
from sidereal.games.frontier.trade.stations import STATION, Docked
from sidereal.games.frontier.traffic.doings import (
    BERTH,
    CALL,
    DOINGS,
    FETCH,
    FLEE,
    HAUL,
    HUNT,
    MINE,
    ROAM,
    STOPS,
    TURN_AWAY,
    WAIT,
    is_at_stop,
)
from sidereal.games.frontier.traffic.kinds import Mind
from sidereal.games.frontier.traffic.steering import approach, give_way, side_of, steer

CRUISE: Final = {
    HAUL: 60.0,
    CALL: 60.0,
    ROAM: 50.0,
    FLEE: 110.0,
    HUNT: 100.0,
    MINE: 60.0,
    FETCH: 50.0,
    TURN_AWAY: 50.0,
}
"""Units/s; who runs into a rock at 60 is hurt no deeper than the shield."""
GAP: Final = {HUNT: 70.0, MINE: 60.0, FETCH: -25.0}
"""How far off a goal's edge a ship stays, world units; what it fetches it flies over."""
RANGE: Final = 160.0
"""From where they shoot, world units."""
BURST: Final = 16
"""Ticks for which they shoot at a rock, and for which they then look at what has come of it."""
PRESS_EVERY: Final = 20
"""Ticks between two presses: what the first has done is known by then."""
LOOK_EVERY: Final = 4
"""Ticks after which they look ahead again."""
SLOW: Final = 8.0
"""Units/s below which they dock."""
SIGHT: Final = 110.0
"""How far they look ahead, world units; and for how long."""
SIGHT_S: Final = 1.5
ROOM: Final = 8.0
"""World units that they leave between themselves and what they give way to."""

pilots = Part("pilots")


@pilots.system(Stage.STEER)
def look_ahead(step: Step) -> None:
    """Decide who gives way, and to which side: to the first that it would run into."""
    if step.tick % LOOK_EVERY:
        return
    mind, body, rows = step[Mind], step[Body], flying(step)
    others = np.concatenate([step.seen(ASTEROID), step.seen(STATION), step.seen(Hold)])
    near = step.pairs(rows, others, within=SIGHT + STATION_RADIUS)
    near = near.where(step.id[near.b] != mind.goal[near.a])
    room = (body.radius[near.a] + body.radius[near.b] + ROOM).astype(np.float64)
    side = side_of(step[Motion], near.a, near.b, room, SIGHT_S)
    meets = side.meets & ~_is_berth(step, near.a, near.b)
    order = np.argsort(-side.soon[meets], kind="stable")
    dodge = np.zeros(len(step.id), np.int8)
    dodge[near.a[meets][order]] = side.turn[meets][order]  # the soonest comes last
    mind.dodge[rows] = dodge[rows]


def _is_berth(step: Step, rows: Indices, others: Indices) -> Bools:
    """Tell whether each other is the station at which a ship is about to dock, bool[n]."""
    mind, motion = step[Mind], step[Motion]
    x, y = STOPS[:, mind.stop[rows]]
    there = np.hypot(motion.x[others] - x, motion.y[others] - y) < STATION_RADIUS
    return np.asarray(there & (mind.doing[rows] == HAUL))


@pilots.system(Stage.STEER, after=[look_ahead])
def hold(step: Step) -> None:
    """Hold what brings everybody to where it wants to be, and shoot what it is after."""
    motion, mind, stick, rows = step[Motion], step[Mind], step[Stick], flying(step)
    doing, goal = mind.doing[rows], step.find(mind.goal[rows])
    at, velocity, gap = _places(step, rows, goal)
    cruise = _by_doing(CRUISE)[doing]
    wish = approach(motion, rows, at, velocity, gap, cruise)
    steer(motion, stick, rows, give_way(wish, mind.dodge[rows].astype(np.float64)))
    stick.strafe[rows] = mind.dodge[rows]
    after = (goal >= 0) & ((doing == HUNT) | (doing == MINE))
    rows, goal = rows[after], goal[after]
    away = np.hypot(motion.x[goal] - motion.x[rows], motion.y[goal] - motion.y[rows])
    near = away - step[Body].radius[goal] < RANGE
    near &= (doing[after] == HUNT) | ((step.tick + step.id[rows]) % (2 * BURST) < BURST)
    rows, goal = rows[near], goal[near]
    aim = Targets.of(motion, rows, motion, goal).course()
    clear = _has_clear_line(step, rows, goal, aim)
    rows = rows[clear]
    stick.aimed[rows] = stick.shoot[rows] = 1
    stick.aim[rows] = aim[clear]


def _has_clear_line(step: Step, rows: Indices, goal: Indices, aim: Floats) -> Bools:
    """Tell who would strike no other ship than the one that it shoots at, bool[n].

    Args:
        step: of the system.
        rows: of who shoots, int64[n].
        goal: rows of what each shoots at, int64[n].
        aim: where each shoots, float64[n], rad.
    """
    motion, clear = step[Motion], np.ones(len(step.id), np.bool_)
    goals, aims = np.zeros(len(step.id), np.int64), np.zeros(len(step.id))
    goals[rows], aims[rows] = goal, aim
    near = step.pairs(rows, step.seen(Hull), within=FAR)
    near = near.where(near.b != goals[near.a])
    struck = Targets.of(motion, near.a, motion, near.b).are_struck(aims[near.a], FAR)
    clear[near.a[struck]] = False
    return clear[rows]


def _places(step: Step, rows: Indices, goal: Indices) -> tuple[Floats, Floats, Floats]:
    """Tell where everybody wants to be.

    Args:
        step: of the system.
        rows: of ships, int64[n].
        goal: rows of whom they follow, int64[n]; -1 for nobody.

    Returns:
        places and velocities, float64[2, n], and how far from there, float64[n].
    """
    motion, mind = step[Motion], step[Mind]
    doing = mind.doing[rows]
    at = np.stack([mind.x[rows], mind.y[rows]])
    gap = _by_doing(GAP)[doing]
    hauls = (doing == HAUL) | (doing == CALL)
    at[:, hauls] = STOPS[:, mind.stop[rows[hauls]]]
    gap[hauls] = BERTH
    velocity = np.zeros_like(at)
    seen, to = goal >= 0, goal[goal >= 0]
    at[:, seen] = motion.x[to], motion.y[to]
    velocity[:, seen] = motion.vx[to], motion.vy[to]
    gap[seen] += step[Body].radius[to] * (doing[seen] == MINE)
    return at, velocity, gap


@pilots.system(Stage.STEER, after=[hold])
def press(step: Step) -> None:
    """Dock at one's stop, sell what one has there, and leave when it is no more one's stop."""
    motion, mind, stick, rows = step[Motion], step[Mind], step[Stick], step.rows(Mind)
    rows = rows[(step.tick + step.id[rows]) % PRESS_EVERY == 0]
    docked, doing, there = step[Docked].at[rows] != 0, mind.doing[rows], is_at_stop(step, rows)
    slow = np.hypot(motion.vx[rows], motion.vy[rows]) < SLOW
    comes, stays = (doing == HAUL) & there & slow, (doing == WAIT) | ((doing == HAUL) & there)
    stick.dock[rows] = np.where(docked, ~stays, comes)
    stick.sell[rows] = docked & (step[Hold].ore[rows] > 0)


def flying(step: Step) -> Indices:
    """Find the own computer ships that are in flight."""
    rows = step.rows(Mind)
    found: Indices = rows[(step[Docked].at[rows] == 0) & (step[Hull].hp[rows] > 0)]
    return found


def _by_doing(values: dict[int, float]) -> Floats:
    """Give what is said of some doings, 0 for the others, float64[n] by doing."""
    return np.array([values.get(doing, 0.0) for doing in range(DOINGS)])
