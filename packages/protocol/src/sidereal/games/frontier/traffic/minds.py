"""Minds: what computer pilots are about, decided twice a second, one kind after the other.

Traders go from station to station. Miners break small rocks, and carry what comes of them to a
station. Pirates hunt who carries ore, and flee when their shields are gone. Patrols go from station
to station, too; they hunt pirates, and whoever has shot somebody peaceful (`law`). What they know
is what their shard sees, and where the stations of the world are.

There may be no getting at what one is about: it lies in a station, or behind one. So they have
enough of everything after a while, turn away, and decide anew when they are somewhere else.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Body, Indices, Kind, Motion, Part, Stage, Step
from sidereal.games.frontier.asteroids import ASTEROID, BELT_HIGH, BELT_LOW
from sidereal.games.frontier.fight.armour import SHIELD_MAX, Hull, Shield, Struck
from sidereal.games.frontier.ore.cargo import HOLD_MAX, LUMP, Hold
from sidereal.games.frontier.trade.stations import Docked
from sidereal.games.frontier.traffic.doings import (
    CALL,
    FETCH,
    FLEE,
    HAUL,
    HUNT,
    MINE,
    NOTHING,
    ROAM,
    STOPS,
    TURN_AWAY,
    WAIT,
    is_at_stop,
)
from sidereal.games.frontier.traffic.kinds import MINER, PATROL, PIRATE, TRADER, Mind
from sidereal.games.frontier.traffic.law import offenders

EVERY: Final = 10
"""Ticks between two decisions of a kind; kinds take turns."""
WAIT_MIN, WAIT_MAX = 60, 200
"""Ticks that they stay where they dock."""
WAY_TICKS: Final = 3600
"""After so many they go somewhere else: there is no getting on."""
PATIENCE: Final = 400
"""Likewise of a goal, or of a place; whoever hits whom it hunts goes on."""
SIGHT: Final = 300.0
"""From how far pirates see whom they hunt, and miners rocks, world units."""
WATCH: Final = 180.0
"""From how far patrols hunt pirates that have done nothing, world units."""
HELP: Final = 450.0
"""From how far they see who has done wrong, world units."""
HELP_TICKS: Final = 100
"""For how long after it."""
LOOT: Final = 160.0
"""From how far they fetch lumps, world units."""
ENOUGH: Final = 12
"""Tonnes that are worth the way to a station."""
ROCK_MAX: Final = 14.0
"""Radius of the biggest rocks that miners break, world units."""
TASTE: Final = 0.3
"""Share of the rocks in sight that a miner looks at first: so not all choose the same one."""
MENDED: Final = 0.8
"""Share of its shield with which a pirate that has fled comes back."""
ROAM_FAR: Final = 500.0
"""How far they roam, and flee, world units."""
MARGIN: Final = 300.0
"""World units from the belt's edge that they stay away."""
HOMEWARD: Final = 0.3
"""Share of the traders that choose the first station for their next one."""

minds = Part("minds")


@minds.system(Stage.STEER)
def trade(step: Step) -> None:
    """Let traders go on to another station when they have been at one for a while."""
    rows = _free(step, TRADER, turn=0)
    if not len(rows):
        return
    count = STOPS.shape[1]
    home = step.rng.random(len(rows)) < HOMEWARD
    stop = np.where(home, 0, step.rng.integers(0, count, len(rows)))
    same = stop == step[Mind].stop[rows]
    _haul(step, rows, np.where(same, (stop + 1) % count, stop))


@minds.system(Stage.STEER)
def mine(step: Step) -> None:
    """Let miners carry what they have to a station, or fetch what is adrift, or break a rock."""
    rows = _free(step, MINER, turn=2)
    if not len(rows):
        return
    rows = _fetch(step, _turn_away(step, _carry(step, rows)))
    rows = rows[~((step[Mind].doing[rows] == MINE) & _goes_on(step, rows))]
    rocks = step.seen(ASTEROID)
    rocks = rocks[step[Body].radius[rocks] <= ROCK_MAX]
    near = step.pairs(rows, rocks, within=SIGHT)
    some = near.where(step.rng.random(len(near)) < TASTE).nearest()
    for chosen in (some, near.where(~np.isin(near.a, some.a)).nearest()):
        _follow(step, MINE, chosen.a, chosen.b)
    _roam(step, np.setdiff1d(rows, near.a))


@minds.system(Stage.STEER)
def rob(step: Step) -> None:
    """Let pirates flee, fetch what is adrift, hunt who carries ore, sell it, or roam."""
    rows = _free(step, PIRATE, turn=5)
    if not len(rows):
        return
    rows = _fetch(step, _turn_away(step, _flee(step, rows)))
    prey = step.seen(Hold)
    prey = np.setdiff1d(prey[step[Hold].ore[prey] > 0], step.seen(PIRATE))
    _roam(step, _carry(step, _hunt(step, rows, SIGHT, prey, np.empty(0, np.int64))))


@minds.system(Stage.STEER)
def guard(step: Step) -> None:
    """Let patrols hunt who has done wrong, and pirates; else they go from station to station."""
    mind, rows = step[Mind], _free(step, PATROL, turn=7)
    if not len(rows):
        return
    rows = _turn_away(step, rows)
    rows = _hunt(step, rows, WATCH, step.seen(PIRATE), offenders(step, HELP_TICKS))
    calls = (mind.doing[rows] == CALL) & (mind.until[rows] > step.tick)
    rows = rows[~calls | is_at_stop(step, rows)]
    stop = step.rng.integers(0, STOPS.shape[1], len(rows))
    mind.doing[rows], mind.goal[rows], mind.stop[rows] = CALL, 0, stop
    mind.until[rows] = step.tick + WAY_TICKS


def _free(step: Step, kind: Kind, *, turn: int) -> Indices:
    """Find those of a kind, when it is their turn, that are not on their way, nor where it led.

    Who has docked where it was to stays for a while; who has stayed long enough is free.
    """
    if step.tick % EVERY != turn:
        return np.empty(0, np.int64)
    mind, rows = step[Mind], step.rows(kind)
    rows = rows[step[Hull].hp[rows] > 0]
    docked, doing = step[Docked].at[rows] != 0, mind.doing[rows]
    came = rows[docked & (doing == HAUL) & is_at_stop(step, rows)]
    over = (doing == WAIT) & (~docked | (mind.until[rows] <= step.tick))
    over |= (doing == HAUL) & (mind.until[rows] <= step.tick)
    mind.doing[rows[over]] = NOTHING
    mind.doing[came] = WAIT
    mind.until[came] = step.tick + step.rng.integers(WAIT_MIN, WAIT_MAX, len(came))
    free: Indices = rows[(mind.doing[rows] != HAUL) & (mind.doing[rows] != WAIT)]
    return free


def _haul(step: Step, rows: Indices, stop: np.ndarray) -> None:
    mind = step[Mind]
    mind.doing[rows], mind.stop[rows], mind.goal[rows] = HAUL, stop, 0
    mind.until[rows] = step.tick + WAY_TICKS


def _carry(step: Step, rows: Indices) -> Indices:
    """Let who has enough carry it to the nearest station that it has not just given up."""
    motion, mind, much = step[Motion], step[Mind], step[Hold].ore[rows] >= ENOUGH
    rich = rows[much]
    x, y = STOPS[:, :, None] - np.stack([motion.x[rich], motion.y[rich]])[:, None]
    away = np.hypot(x, y)
    failed = np.flatnonzero((mind.doing[rich] == NOTHING) & (mind.until[rich] > 0))
    away[mind.stop[rich[failed]], failed] = np.inf
    _haul(step, rich, away.argmin(axis=0))
    return rows[~much]


def _fetch(step: Step, rows: Indices) -> Indices:
    """Let who has room fetch the nearest lump; give the others."""
    able = rows[step[Hold].ore[rows] < HOLD_MAX]
    near = step.pairs(able, step.seen(LUMP), within=LOOT).nearest()
    _follow(step, FETCH, near.a, near.b)
    return np.setdiff1d(rows, near.a)


def _hunt(step: Step, rows: Indices, sight: float, prey: Indices, culprits: Indices) -> Indices:
    """Let who sees prey or, from farther away, culprits hunt the nearest; give the others."""
    hunted = np.union1d(prey, culprits)
    hunted = hunted[(step[Docked].at[hunted] == 0) & (step[Hull].hp[hunted] > 0)]
    reach = np.full(len(step.id), sight)
    reach[culprits] = HELP
    near = step.pairs(rows, hunted, within=reach).nearest()
    _follow(step, HUNT, near.a, near.b)
    return np.setdiff1d(rows, near.a)


def _follow(step: Step, doing: int, rows: Indices, goal: Indices) -> None:
    mind, motion = step[Mind], step[Motion]
    fresh = (mind.doing[rows] != doing) | (mind.goal[rows] != step.id[goal])
    rows, goal = rows[fresh], goal[fresh]
    mind.doing[rows], mind.goal[rows] = doing, step.id[goal]
    mind.x[rows], mind.y[rows] = motion.x[goal], motion.y[goal]
    mind.until[rows] = step.tick + PATIENCE


def _goes_on(step: Step, rows: Indices) -> np.ndarray:
    """Tell who still sees its goal, and has not had enough of it, bool[n]."""
    mind = step[Mind]
    return np.asarray((step.find(mind.goal[rows]) >= 0) & (mind.until[rows] > step.tick))


def _turn_away(step: Step, rows: Indices) -> Indices:
    """Let who has had enough of its goal fly somewhere else; give those that are not about that."""
    mind, struck = step[Mind], step[Struck]
    over = mind.until[rows] <= step.tick
    over &= np.isin(mind.doing[rows], (FETCH, MINE, HUNT))
    goal = step.find(mind.goal[rows])
    lately = step.tick - struck.when[goal].astype(np.int64) < PATIENCE
    hits = (goal >= 0) & (struck.by[goal] == step.id[rows]) & lately
    over &= ~((mind.doing[rows] == HUNT) & hits)
    tired, rng = rows[over], step.rng
    course, far = rng.uniform(-math.pi, math.pi, len(tired)), rng.uniform(0.5, 1.0, len(tired))
    _go(step, tired, TURN_AWAY, course, far * ROAM_FAR)
    others: Indices = rows[~((mind.doing[rows] == TURN_AWAY) & _is_on_its_way(step, rows))]
    return others


def _is_on_its_way(step: Step, rows: Indices) -> np.ndarray:
    """Tell who is not yet at the place where it flies to, and has not had enough of it, bool[n]."""
    motion, mind = step[Motion], step[Mind]
    away = np.hypot(mind.x[rows] - motion.x[rows], mind.y[rows] - motion.y[rows])
    return np.asarray((away > ROAM_FAR / 10) & (mind.until[rows] > step.tick))


def _flee(step: Step, rows: Indices) -> Indices:
    """Let who has no shield left flee from who took it, until it has grown; give the others.

    Who is there, and is still without, flees on.
    """
    motion, mind, shield = step[Motion], step[Mind], step[Shield].hp[rows]
    flees = mind.doing[rows] == FLEE
    bare = rows[(shield <= 0) & ~(flees & _is_on_its_way(step, rows))]
    by = step.find(step[Struck].by[bare])
    away = np.arctan2(motion.y[bare] - motion.y[by], motion.x[bare] - motion.x[by])
    away = np.where(by >= 0, away, step.rng.uniform(-math.pi, math.pi, len(bare)))
    _go(step, bare, FLEE, _within_belt(step, bare, away, ROAM_FAR), ROAM_FAR)
    others: Indices = rows[~((shield <= 0) | (flees & (shield < MENDED * SHIELD_MAX)))]
    return others


def _roam(step: Step, rows: Indices) -> None:
    """Let ships fly to some place, and to another one when they are there."""
    roams = (step[Mind].doing[rows] == ROAM) & _is_on_its_way(step, rows)
    rows, rng = rows[~roams], step.rng
    course = rng.uniform(-math.pi, math.pi, len(rows))
    _go(step, rows, ROAM, course, rng.uniform(ROAM_FAR / 5, ROAM_FAR, len(rows)))


def _go(step: Step, rows: Indices, doing: int, course: np.ndarray, far: np.ndarray | float) -> None:
    """Let ships fly somewhere, in some direction, inside the belt."""
    mind = step[Mind]
    mind.doing[rows], mind.goal[rows] = doing, 0
    mind.x[rows], mind.y[rows] = _place(step, rows, course, far)
    mind.until[rows] = step.tick + PATIENCE


def _place(step: Step, rows: Indices, course: np.ndarray, far: np.ndarray | float) -> np.ndarray:
    """Give places so far off in some direction, but inside the belt, float64[2, n]."""
    motion = step[Motion]
    x, y = motion.x[rows] + far * np.cos(course), motion.y[rows] + far * np.sin(course)
    return np.asarray(np.clip([x, y], BELT_LOW + MARGIN, BELT_HIGH - MARGIN))


def _within_belt(step: Step, rows: Indices, course: np.ndarray, far: float) -> np.ndarray:
    """Turn courses aside that lead out of the belt: along its edge; float64[n], rad."""
    motion = step[Motion]
    courses = course + np.array([[0.0], [0.5], [-0.5]]) * math.pi
    x, y = np.stack([_place(step, rows, each, far) for each in courses], axis=1)
    there = np.hypot(x - motion.x[rows], y - motion.y[rows])
    there[0, there[0] > far / 2] = np.inf  # straight on, if there is room
    return np.asarray(np.take_along_axis(courses, there.argmax(axis=0)[None], axis=0)[0])
