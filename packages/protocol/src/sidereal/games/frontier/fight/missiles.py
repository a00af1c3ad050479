"""Missiles: they home on who is ahead of them, and hurt whom they strike.

A ship has a magazine, which is filled where it is paid for (`Supplied`).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import (
    AUTHORITY,
    PILOT,
    SHARD,
    SHARDS,
    U1,
    U4,
    Body,
    Bools,
    Component,
    Entity,
    Floats,
    Indices,
    Motion,
    Part,
    Rows,
    Stage,
    Step,
    field,
)
from sidereal.games.frontier.asteroids import ASTEROID
from sidereal.games.frontier.fight.armour import Hull
from sidereal.games.frontier.fight.shots import MASS, SPEED_MAX, Shot, leave_muzzle
from sidereal.games.frontier.ships import Stick
from sidereal.games.frontier.trade.stations import STATION, Docked
from sidereal.games.frontier.traffic.kinds import CRAFT

MAGAZINE: Final = 6
"""Missiles that a ship can carry, and begins with."""
RELOAD: Final = 10
"""Ticks from one missile of a ship to the next."""
LIFE: Final = 100
"""Ticks for which a missile flies."""
DAMAGE: Final = 40.0
"""Of a missile, hp: four of them end a whole ship."""
SPEED: Final = 60.0
"""With which a missile leaves a ship, units/s."""
SPEED_CRUISE: Final = 180.0
"""With which it flies then, units/s: half as fast again as a ship."""
BOOST: Final = 150.0
"""Acceleration until it does, units/s²."""
TURN: Final = 1.6
"""How fast it turns, rad/s: a ship that turns in time is missed."""
ACCEL_MAX: Final = math.hypot(BOOST, TURN * SPEED_MAX)
"""Along its way and across, units/s²: a fast one turns as quickly as others, which takes more."""
SIGHT: Final = 300.0
"""How far it sees, world units."""
CONE: Final = math.pi / 3
"""How far off its way it looks for a target, rad."""

missiles = Part("missiles")


class Magazine(Component, audience=PILOT):
    """What a ship has left to fire."""

    left: U1 = field(MAGAZINE, low=0, high=MAGAZINE)
    ready: U4
    """The tick from which it fires again."""


class Supplied(Component, writer=AUTHORITY, audience=SHARDS):
    """Missiles that a ship was ever sold: an action adds to it, and a system loads them."""

    missiles: U4


class Loaded(Component, audience=SHARDS):
    """How many of those that it was ever sold are in its magazine, or were."""

    missiles: U4


class Seeker(Component, saved=False):
    """Whom a missile homes on."""

    target: Entity


MISSILE = missiles.kind(
    "missile",
    Motion(),
    Body(radius=1.5, mass=MASS),
    Shot(damage=DAMAGE),
    Seeker(),
    spawned_by=SHARD,
    touches=(*CRAFT, ASTEROID, STATION),
    sensor=True,
    accel_max=ACCEL_MAX,
    saved=False,
    ends_at_touch=True,
)
missiles.look(MISSILE, symbol="diamond", colour="#f84", size=2.5, rank=3)
missiles.gauge(Magazine.left, label="missiles", colour="#f84")
for craft in CRAFT:
    missiles.extend(craft, Magazine(), Supplied(), Loaded())


@missiles.rule(Loaded)
def stay_loaded(before: Loaded, after: Loaded, _dt: Floats) -> Bools:
    """Believe in no missile that is loaded twice."""
    return np.asarray(after.missiles >= before.missiles)


@missiles.model(Magazine, reads=(Motion, Stick, Hull, Docked), stage=Stage.TICK)
def launch(own: Rows) -> None:
    """Let who pulls the trigger fire what it has: on the shard, and at once on the client."""
    ship, magazine = own[Motion], own[Magazine]
    able = (magazine.left > 0) & (magazine.ready <= own.tick)
    able &= (own[Hull].hp > 0) & (own[Docked].at == 0)
    fired = able & (own[Stick].fire > 0)
    if not fired.any():
        return
    magazine.left[fired] -= 1
    magazine.ready[fired] = own.tick + RELOAD
    missile = Shot(by=own.id, until=own.tick + LIFE)
    begins = leave_muzzle(ship, ship.heading, SPEED)
    own.spawn(MISSILE, fired, missile, Body(group=own.id), begins)


@missiles.system
def load(step: Step) -> None:
    """Put into magazines what was paid for; what has no room there is lost."""
    magazine, loaded, rows = step[Magazine], step[Loaded], step.rows(Supplied, Magazine)
    due = step[Supplied].missiles[rows].astype(np.int64) - loaded.missiles[rows]
    rows, due = rows[due > 0], due[due > 0]
    magazine.left[rows] = np.minimum(magazine.left[rows] + due, MAGAZINE)
    loaded.missiles[rows] += due.astype(np.uint32)


@missiles.system(Stage.TICK)
def lock(step: Step) -> None:
    """Let missiles without a target choose the nearest ship in flight that is ahead of them."""
    motion, seeker, idle = step[Motion], step[Seeker], step.rows(Seeker)
    target = step.find(seeker.target[idle])
    idle = idle[(target < 0) | ~_in_flight(step, target)]
    if not len(idle):
        return
    seeker.target[idle] = 0
    near = step.pairs(idle, step.seen(Hull, Docked), within=SIGHT)
    who, whom = near.a, near.b
    course = np.arctan2(motion.y[whom] - motion.y[who], motion.x[whom] - motion.x[who])
    fit = np.abs(_off_course(motion, who, course)) <= CONE
    fit &= _in_flight(step, whom) & (step.id[whom] != step[Shot].by[who])
    near = near.where(fit).nearest()
    seeker.target[near.a] = step.id[near.b]


@missiles.system(Stage.TICK, after=[lock])
def home(step: Step) -> None:
    """Turn missiles towards their targets, and let them become as fast as they fly."""
    motion, rows = step[Motion], step.rows(Seeker)
    if not len(rows):
        return
    to = step.find(step[Seeker].target[rows])
    course = np.arctan2(motion.vy[rows], motion.vx[rows])
    aims, to = rows[to >= 0], to[to >= 0]
    wanted = np.arctan2(motion.y[to] - motion.y[aims], motion.x[to] - motion.x[aims])
    most = TURN * step.dt
    course[np.isin(rows, aims)] += np.clip(_off_course(motion, aims, wanted), -most, most)
    speed = np.hypot(motion.vx[rows], motion.vy[rows])
    faster = np.maximum(speed, np.minimum(speed + BOOST * step.dt, SPEED_CRUISE))
    motion.vx[rows], motion.vy[rows] = faster * np.cos(course), faster * np.sin(course)
    motion.heading[rows] = (course + np.pi) % (2 * np.pi) - np.pi


def _in_flight(step: Step, rows: Indices) -> Bools:
    """Tell which ships are alive and not docked, bool[n]."""
    flies: Bools = (step[Hull].hp[rows] > 0) & (step[Docked].at[rows] == 0)
    return flies


def _off_course(motion: Motion, rows: Indices, course: np.ndarray) -> np.ndarray:
    """Tell how far some courses are off the ways of missiles, float64[n], -pi to pi, rad."""
    off = course - np.arctan2(motion.vy[rows], motion.vx[rows])
    return np.asarray((off + np.pi) % (2 * np.pi) - np.pi)
