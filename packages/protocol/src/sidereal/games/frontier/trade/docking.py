"""Docking: who presses `dock` near a station and is slow is held there until it presses again.

What a press means is decided where it arrives, by what the shard knows: who is docked wants to
leave, who is not wants to dock. The server's answer is there some ticks later, and presses until
then ask for the same again, which is done already. So two presses in a row are one.

Who is docked is held by a model: the pilot's own client holds it, too, however long the way is.
It is of the station's group meanwhile. So those that lie on top of each other, which happens when
somebody comes back to where it was docked, do not push each other. And it is as heavy as a
station: who rams it bounces off.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np

from sidereal.game import (
    PILOT,
    SHARDS,
    SYSTEMS,
    U4,
    Body,
    Bools,
    Component,
    Event,
    Floats,
    Indices,
    Label,
    Meta,
    Motion,
    Part,
    Rows,
    Step,
    Transaction,
)
from sidereal.games.frontier.fight.armour import Hull
from sidereal.games.frontier.fight.shots import MASS as SHOT_MASS
from sidereal.games.frontier.ships import RADIUS, Stick
from sidereal.games.frontier.trade.stations import STATION, Anchor, Docked
from sidereal.games.frontier.traffic.kinds import CRAFT, MASS

REACH: Final = 90.0
"""How far from the middle of a station ships dock, world units."""
REACH_SPARE: Final = 10.0
"""How much farther off the server may see a ship that its shard has seen within reach."""
PLACE_SPARE: Final = 2 * REACH_SPARE
"""How far from its place the server may see a ship that docks: it flies on a little."""
SPEED_DOCK: Final = 20.0
"""Who is faster than this can't dock, units/s."""
SLOWING_S: Final = 0.2
"""How far a ship flies on from where it presses, in seconds of its speed."""
PULL: Final = 4.0
"""Who is held away from its place goes there with this share of the way per second."""
PULL_MAX: Final = 30.0
"""At most so fast, units/s."""
PULL_ACCEL: Final = 120.0
"""By what it becomes as fast as that, units/s²: with more than its engines have."""
REST: Final = 0.05
"""So near to its place it rests, world units."""
MASS_HELD: Final = 100_000.0
"""What who is docked weighs with its station, t."""
WORDS_EVERY: Final = 20
"""Ticks for which a pilot who was told why nothing came of a press is not told again."""

OUT_OF_REACH, TOO_FAST, NOT_DOCKED, NO_HULL = range(4)
WORDS: Final = (
    f"no station is within {REACH:g} units",
    f"too fast to dock: slow down to {SPEED_DOCK:g} units/s",
    "dock at a station first",
    "the ship is lost: its hull is gone",
)
"""Why nothing came of a press."""

docking = Part("docking")


class Heard(Component, audience=SHARDS, saved=False):
    """When a pilot may be told again why nothing came of a press; a tick."""

    next: U4


class Moored(Event):
    """A ship has docked."""


docking.effect(Moored, kind="ring", size=RADIUS, colour="#9cf", sound="clank")
for craft in CRAFT:
    docking.extend(craft, Heard())


@docking.rule(Body)
def weighs_the_same(before: Body, after: Body, _dt: Floats) -> Bools:
    """Believe in no other change of a body than that a ship docks or leaves.

    What is shot has a group from when it is new.
    """
    was_held, is_held = _is_held(before), _is_held(after)
    free = (before.mass == MASS) & (before.group == 0)
    frees = (after.mass == MASS) & (after.group == 0)
    shot = (before.mass == np.float32(SHOT_MASS)) & (before.group == 0)
    same_mass = after.mass == before.mass
    same = same_mass & (after.group == before.group)
    moors = (free | was_held) & is_held
    holds = same | moors | (was_held & frees) | (shot & same_mass)
    return np.asarray((after.radius == before.radius) & holds)


def _is_held(body: Body) -> Bools:
    """Tell which bodies are as those of who is docked, bool[n]."""
    return np.asarray((body.mass == MASS_HELD) & (body.group != 0))


@docking.model(Motion, reads=(Docked,))
def moor(own: Rows) -> None:
    """Hold who is docked in its place, and draw it back there if it was pushed."""
    motion, docked = own[Motion], own[Docked]
    held = docked.at != 0
    if not held.any():
        return
    x, y = docked.x - motion.x, docked.y - motion.y
    off = np.hypot(x, y)
    speed = np.where(off > REST, np.minimum(off * PULL, PULL_MAX), 0.0)
    share = speed / np.maximum(off, REST)
    lack_x, lack_y = x * share - motion.vx, y * share - motion.vy
    most = PULL_ACCEL * own.dt
    part = most / np.maximum(np.hypot(lack_x, lack_y), most)
    motion.vx[held] += (lack_x * part)[held]
    motion.vy[held] += (lack_y * part)[held]
    motion.spin[held] = 0.0


@docking.system
def gather(step: Step) -> None:
    """Let who is docked be of its station's group and as heavy, and itself when it has left."""
    body, rows = step[Body], step.rows(Docked, Body)
    rows = rows[body.group[rows] != step[Docked].at[rows]]
    at = step[Docked].at[rows]
    body.group[rows] = at
    body.mass[rows] = np.where(at != 0, MASS_HELD, MASS)


@docking.system
def heed_dock(step: Step) -> None:
    """Ask for what who presses `dock` wants, or say why it can't be."""
    motion, ships = step[Motion], step.rows(Docked, Hull)
    ships = ships[(step[Stick].dock[ships] > 0) & (step[Hull].hp[ships] > 0)]
    if not len(ships):
        return
    inside = step[Docked].at[ships] != 0
    step.ask(leave, at=ships[inside])
    ships = ships[~inside]
    near = step.pairs(ships, step.seen(STATION), within=REACH).nearest()
    deny(step, np.setdiff1d(ships, near.a), OUT_OF_REACH)
    fast = np.hypot(motion.vx[near.a], motion.vy[near.a]) > SPEED_DOCK
    deny(step, near.a[fast], TOO_FAST)
    ship, station = near.a[~fast], near.b[~fast]
    step.ask(
        dock,
        at=ship,
        station=step.id[station],
        x=motion.x[ship] + SLOWING_S * motion.vx[ship],
        y=motion.y[ship] + SLOWING_S * motion.vy[ship],
    )


def deny(step: Step, rows: Indices, why: int) -> None:
    """Tell pilots why nothing came of a press, at most once a second each.

    Args:
        step: of a system.
        rows: own rows of ships, int64[n].
        why: an index into `WORDS`.
    """
    step.ask(explain, at=take_turn(step, rows), why=why)


def take_turn(step: Step, rows: Indices) -> Indices:
    """Give those of whom nothing came of a press for a second, and take down that it was so now.

    Args:
        step: of a system.
        rows: own rows of ships, int64[n].
    """
    heard = step[Heard]
    rows = rows[heard.next[rows] <= step.tick]
    heard.next[rows] = step.tick + WORDS_EVERY
    return rows


@docking.action(asked_by=SYSTEMS, durable=False)
def explain(tx: Transaction, why: Annotated[int, Meta(ge=0, lt=len(WORDS))]) -> None:
    """Tell a pilot why nothing came of a press."""
    tx.tell(WORDS[why], to=PILOT)


@docking.action(asked_by=SYSTEMS)
def dock(tx: Transaction, station: Annotated[int, Meta(ge=1)], x: float, y: float) -> None:
    """Dock a ship at a station, to be held at a place."""
    if tx.get(tx.own, Docked.at) or tx.get(tx.own, Hull.hp) <= 0:
        return
    if not tx.get(station, Anchor.holds) or not tx.near(tx.own, station, REACH + REACH_SPARE):
        tx.tell(WORDS[OUT_OF_REACH], to=PILOT)
        return
    tx.require(_away(tx, station, x, y) <= REACH + REACH_SPARE, "no place at the station")
    tx.require(_away(tx, tx.own, x, y) <= PLACE_SPARE, "the ship is somewhere else")
    tx.set(tx.own, Docked.at, station)
    tx.set(tx.own, Docked.x, x)
    tx.set(tx.own, Docked.y, y)
    tx.emit(Moored(), at=tx.own)
    tx.tell(f"docked at {name_of(tx, station)}: sell ore, mend, or leave again", to=PILOT)


@docking.action(asked_by=SYSTEMS)
def leave(tx: Transaction) -> None:
    """Let a ship that is docked go."""
    station = int(tx.get(tx.own, Docked.at))
    if station:
        tx.set(tx.own, Docked.at, 0)
        tx.tell("you have left the station", to=PILOT)


def _away(tx: Transaction, entity: int, x: float, y: float) -> float:
    """Tell how far from an entity a place is, world units."""
    return math.hypot(tx.get(entity, Motion.x) - x, tx.get(entity, Motion.y) - y)


def name_of(tx: Transaction, station: int) -> str:
    """Give the name of a station, in an action."""
    label: object = tx.get(station, Label.name)
    return (label.decode(errors="replace") if isinstance(label, bytes) else "") or "the station"
