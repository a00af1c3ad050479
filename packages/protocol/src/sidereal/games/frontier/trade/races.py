"""Races: laps through four gates, each on a border between two sectors.

The course goes round a corner of four sectors, so a lap crosses four borders. The first gate starts
the clock, and ends the lap after the other three in their order. Any other gate does nothing. The
shard that sees a ship touch a gate says at which tick, so a time does not depend on when the server
hears of it.

A model counts the ticks in which a ship is flown. If they are fewer than the clock's, the others
were lost where the ship changed hands: the pilot is told how many.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np

from sidereal.game import (
    ALL,
    AUTHORITY,
    PILOT,
    SHARDS,
    SYSTEMS,
    U1,
    U4,
    Body,
    Bools,
    Component,
    Event,
    Floats,
    Label,
    Meta,
    Motion,
    Part,
    Rows,
    Stage,
    Step,
    Text,
    Transaction,
    WorldBuilder,
    field,
)
from sidereal.games.frontier.ships import RADIUS as SHIP_RADIUS
from sidereal.games.frontier.ships import SHIP

GATES: Final = ((0.0, 600.0), (400.0, 1000.0), (0.0, 1400.0), (-400.0, 1000.0))
"""Where the gates are, in their order: round the corner at (0, 1000); world units."""
RADIUS: Final = 45.0
"""Of a gate, world units."""
TICK_S: Final = 0.05
"""How long a tick is, s."""
LAP_MAX: Final = 3600
"""Ticks after which a lap counts no more: three minutes."""
AGAIN_AFTER: Final = 60
"""Ticks after which the first gate starts the clock anew for who has not been at the second: it may
be told again of a ship that changes hands in it."""

LEG: Final = min(
    math.dist(gate, GATES[nth - 1]) - 2 * (RADIUS + SHIP_RADIUS) for nth, gate in enumerate(GATES)
)
"""The shortest way from a touch of one gate to a touch of the next, world units."""
LEG_MIN: Final = math.floor(LEG / (SHIP.speed_max * TICK_S)) - 1
"""Ticks that it takes at least."""
LAP_MIN: Final = len(GATES) * LEG_MIN
"""Ticks that a lap takes at least."""
LATE: Final = 10
"""Ticks by which a shard may say late that a gate was passed."""
AHEAD: Final = 40
"""Ticks by which the clock of a shard may be ahead when it asks for the end of a lap."""

races = Part("races")


class Gate(Component, writer=AUTHORITY):
    """Which gate of the course it is, from 0."""

    number: U1 = field(0, low=0, high=len(GATES) - 1)


class Lap(Component, audience=PILOT, saved=False):
    """The gate that is next, 0 before the start and 4 before the end; when the clock started."""

    next: U1 = field(0, low=0, high=len(GATES))
    since: U4


class Count(Component, audience=SHARDS, saved=False):
    """For how many ticks of its lap a ship was flown."""

    ticks: U4


class Laps(Component, writer=AUTHORITY):
    """What a ship has done: its best time, 0 for none; when its last lap ended, and what that lost.

    What a lap loses are the ticks of the clock in which no shard has flown the ship.
    """

    best: U4 = field(unit="ticks")
    ended: U4
    lost: U4 = field(unit="ticks")


class Best(Component, writer=AUTHORITY, audience=PILOT):
    """The best time of an account, 0 for none."""

    ticks: U4 = field(unit="ticks")


class Fastest(Component, writer=AUTHORITY):
    """The best time of all, 0 for none, and whose it is."""

    ticks: U4 = field(unit="ticks")
    name: Text = field(b"", size=24)


class Passed(Event):
    """A ship has passed the gate that was next."""

    number: U1


GATE = races.kind(
    "gate", Motion(), Body(radius=RADIUS, mass=1), Gate(), Label(), sensor=True, touches=(SHIP,)
)
races.look(GATE, symbol="ring", colour="#fd6", size=RADIUS, label=Label.name, rank=7)
races.effect(Passed, kind="ring", size=RADIUS, colour="#fd6", sound="chime")
races.gauge(Lap.next, label="gate", colour="#fd6")
races.compass(GATE, course=(Gate.number, Lap.next))
races.extend(SHIP, Lap(), Count(), Laps())
races.account(Best())
races.shared(Fastest())


def place_gates(make: WorldBuilder) -> None:
    """Put the gates of `GATES` into a new world."""
    places, number = np.array(GATES), np.arange(len(GATES))
    label = Label(name=[f"gate {1 + each}" for each in number])
    make.spawn(GATE, Motion(x=places[:, 0], y=places[:, 1]), Gate(number=number), label)


@races.rule(Lap)
def takes_its_time(before: Lap, after: Lap, dt: Floats) -> Bools:
    """Believe in no gate that is passed sooner than a ship can be there, and in no other clock.

    The clock of a lap stays, and starts anew later. What the server has may have been said again a
    moment ago, so there is always time for one gate.
    """
    was, now = before.next.astype(np.int64), after.next.astype(np.int64)
    gates = 1 + np.floor((dt / TICK_S + LATE) / LEG_MIN)
    goes_on = (after.since == before.since) & (now >= was) & (now - was <= gates)
    goes_on &= (was > 0) | (now == 0)
    starts = (after.since > before.since) & (now >= 1) & (now <= gates)
    return np.asarray(goes_on | starts)


@races.rule(Count)
def counts_ticks(before: Count, after: Count, dt: Floats) -> Bools:
    """Believe in no ticks that have not been, nor in fewer, but from a new start on."""
    was, now = before.ticks.astype(np.float64), after.ticks.astype(np.float64)
    passed = dt / TICK_S + 1
    return np.asarray((now <= was + passed) & ((now >= was) | (now <= passed)))


@races.model(Count, reads=(Lap,), stage=Stage.TICK)
def count(own: Rows) -> None:
    """Count the ticks of who is in a lap."""
    own[Count].ticks[own[Lap].next > 0] += 1


@races.system(Stage.CONTACT)
def run(step: Step) -> None:
    """Start the clock of who comes to the first gate, and ask for the end of a whole lap."""
    met = step.contacts(SHIP, GATE)
    met = met.where(met.first)
    if not len(met.a):
        return
    lap, ship, gate = step[Lap], met.a, step[Gate].number[met.b]
    due, age = lap.next[ship], step.tick - lap.since[ship].astype(np.int64)
    ends = (gate == 0) & (due == len(GATES)) & (age <= LAP_MAX)
    starts = (due == 0) | (age > LAP_MAX) | ((due == 1) & (age > AGAIN_AFTER))
    starts = (gate == 0) & (starts | ends)
    goes_on = (gate > 0) & (gate == due)
    done = ship[ends]
    times = {"started": lap.since[done], "counted": step[Count].ticks[done]}
    step.ask(finish, at=done, ended=step.tick, **times)
    lap.next[ship[goes_on]] += 1
    new = ship[starts]
    lap.next[new], lap.since[new], step[Count].ticks[new] = 1, step.tick, 0
    passed = starts | goes_on
    step.emit(Passed(number=gate[passed]), at=ship[passed])


Tick = Annotated[int, Meta(ge=0)]


@races.action(asked_by=SYSTEMS)
def finish(tx: Transaction, started: Tick, ended: Tick, counted: Tick) -> None:
    """Take down the time of a lap, and tell of it."""
    ticks, before = ended - started, tx.get(tx.own, Laps.ended)
    lost = max(0, ticks - counted)
    tx.require(LAP_MIN <= ticks <= LAP_MAX, "no lap takes so long")
    tx.require(ended <= tx.tick + AHEAD, "it has not ended yet")
    tx.require(not started < before <= ended, "this lap has been taken down")
    tx.set(tx.own, Laps.ended, ended)
    tx.set(tx.own, Laps.lost, lost)
    tx.set(tx.own, Laps.best, better(tx.get(tx.own, Laps.best), ticks))
    best = tx.get(tx.own, Laps.best)
    if tx.account:
        best = better(tx.get(tx.account, Best.ticks), ticks)
        tx.set(tx.account, Best.ticks, best)
    record = tx.get(tx.shared, Fastest.ticks)
    if better(record, ticks) != record:
        tx.set(tx.shared, Fastest.ticks, ticks)
        tx.set(tx.shared, Fastest.name, tx.name)
        tx.tell(f"{tx.name} has the lap record: {in_seconds(ticks)}", to=ALL)
    fastest: object = tx.get(tx.shared, Fastest.name)
    whose = fastest.decode() if isinstance(fastest, bytes) else ""
    tx.tell(
        f"lap {in_seconds(ticks)}, best {in_seconds(best)}, "
        f"record {in_seconds(tx.get(tx.shared, Fastest.ticks))} by {whose}; "
        f"{lost} ticks lost at seams",
        to=PILOT,
    )


def better(before: float, ticks: int) -> int:
    """Give the better of two times; before is 0 for none."""
    return ticks if not before else min(int(before), ticks)


def in_seconds(ticks: float) -> str:
    """Say how long something took."""
    return f"{ticks * TICK_S:.2f} s"
