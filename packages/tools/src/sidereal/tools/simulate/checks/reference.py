"""Every step and every contact, as in a world on one shard without a network.

Four questions, each to bodies alone:

* a body that touches nothing moves as its engines say, and nothing else moves it between ticks;
* a contact is judged alone: the states two ticks before it, stepped in a bare space, must give the
  same outcome: who, momentum and energy;
* a body that changes its owner goes on from the row that it was handed over with, and every row
  that the authority has is one that a shard flew;
* a rock that nothing has touched yet is where its straight line from the beginning is.

A contact of bodies with different owners has no reference today: such contacts are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Kind
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.physics import BareSpace, Body, State
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.flights import STATE, Flight
from sidereal.tools.simulate.ledger import Mark
from sidereal.tools.simulate.lies import LIAR_ACCOUNT

ROUNDING: Final = 1e-6
"""World units, radians or their like per second that two ways to compute the same may differ."""

LINE_OFF_MAX: Final = 0.01
"""World units a rock may be off its line: every reference of it may be a thousandth off."""

OUTCOME_OFF_MAX: Final = 0.01
"""Share of the momentum and energy exchanged that a contact's outcome may be off."""

CROWD_OFF_MAX: Final = 0.1
"""The same where three or more meet at once: the solver's few passes take pairs in some order."""

REPLAY_JUDGED_TICKS_MAX: Final = 3
"""Ticks that a ship is flown through at its handover; of more there are too many ways to fly."""

LATE_TICKS: Final = 4
"""How long after a tick all shards have flown it, when they are well."""

KEPT_TICKS: Final = 200
"""How long flights are remembered."""


class Given(NamedTuple):
    """The row with which a body is handed over, or with which the authority began with it."""

    tick: int
    state: np.ndarray
    control_epoch: int
    input_seq: int


class Reference:
    """Compares what shards flew with what one shard would have."""

    def __init__(self) -> None:
        self._exercised: Counter[str] = Counter()
        self._held: dict[Mark, int] = {}
        self._seen = self._incarnation = 0
        self._forget()
        self._touched: set[bytes] = set()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge what was flown, and what was committed of it, since the tick before."""
        self._exercised, self._held = cluster.exercised, cluster.ledger.held
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        self._meet(cluster, core)
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            if flight.since >= cluster.authority.started_at:
                yield from self._judge(flight, core.rules)
                self._by_tick.setdefault(flight.tick, []).append(flight)
                self._last[flight.core] = flight
        yield from self._judge_commits(core)
        yield from self._judge_lines(cluster, core)
        self._count_contacts_between_owners(core.tick - LATE_TICKS)
        self._by_tick.pop(core.tick - KEPT_TICKS, None)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    # -- who there is -------------------------------------------------------------------------

    def _forget(self) -> None:
        self._by_tick: dict[int, list[Flight]] = {}
        self._last: dict[str, Flight] = {}
        self._hit: dict[str, np.ndarray] = {}
        self._given: dict[tuple[int, int], Given] = {}
        self._rows: dict[int, tuple[int, int]] = {}
        self._bodies: dict[int, Body] = {}
        self._uuids: dict[int, bytes] = {}
        self._liars: set[int] = set()
        self._across: set[tuple[int, int]] = set()

    def _meet(self, cluster: Cluster, core: Replicator) -> None:
        """Learn who new network ids are: rocks are what the world began with, ships all alike."""
        world, columns = core.world, core.world.columns
        for row in columns.rows().tolist():
            net_id = int(columns.net_id[row])
            if net_id not in self._bodies:
                if world.account[row] == LIAR_ACCOUNT:
                    self._liars.add(net_id)
                uuid = world.uuid[row].tobytes()
                flies = columns["kind"][row] == Kind.SHIP
                rock = cluster.rocks.get(uuid)
                self._uuids[net_id] = uuid
                self._bodies[net_id] = (
                    Body(float(columns["radius"][row]), float(columns["mass"][row]), bool(flies))
                    if rock is None
                    else Body(float(rock["radius"]), float(rock["mass"]), False)
                )

    # -- what was flown -----------------------------------------------------------------------

    def _judge(self, flight: Flight, rules: Rules) -> Iterator[str]:
        before = self._last.get(flight.core)
        yield from self._judge_beginning(flight, before, rules)
        touching_before, touching = self._touching(flight, 2), self._touching(flight, 3)
        hit = touching.any(axis=1)
        # The physics goes on pushing apart what touched a tick ago, whoever has left meanwhile.
        pushed = np.isin(flight.net_id, self._hit.get(flight.core, []))
        self._hit[flight.core] = flight.net_id[hit]
        self._touched |= {self._uuids[id_] for id_ in flight.net_id[hit].tolist()}
        turned = (physics.turn_back(flight.before, rules) != flight.before).any(axis=1)
        turned[[self._bodies[id_].flies for id_ in flight.net_id.tolist()]] = False
        self._exercised["turned back at the belt's edge"] += int(turned.sum())
        self._touched |= {self._uuids[id_] for id_ in flight.net_id[turned].tolist()}
        free = np.flatnonzero(~hit & ~pushed & ~touching_before.any(axis=1))
        off = flight.after[free] - self._fly(flight, free, rules)
        off[:, 4] = physics.wrap(off[:, 4])
        self._exercised["steps judged"] += len(free)
        if len(wrong := free[np.abs(off).max(axis=1, initial=0.0) > ROUNDING]):
            yield f"{flight.net_id[wrong].tolist()} moved as nothing could move them"
        for group in _groups(touching, np.flatnonzero(hit)):
            ongoing = bool(touching_before[group].any() or pushed[group].any())
            yield from self._judge_contact(flight, before, group, ongoing, rules)

    def _fly(self, flight: Flight, rows: np.ndarray, rules: Rules) -> np.ndarray:
        """Fly some bodies of a flight for its tick, touching nothing."""
        states = physics.coast(physics.turn_back(flight.before[rows], rules), rules.tick_s)
        # One ship in twenty bodies.
        for at, row in enumerate(rows.tolist()):
            if self._bodies[int(flight.net_id[row])].flies:
                state: State = tuple(flight.before[row].tolist())
                states[at] = physics.fly(state, int(flight.buttons[row]), rules)
        return states

    def _judge_beginning(
        self, flight: Flight, before: Flight | None, rules: Rules
    ) -> Iterator[str]:
        """Bodies begin a tick where they ended the last one, or as they were handed over."""
        kept = np.zeros(len(flight.net_id), np.bool_)
        if before is not None:
            now, then = _same_bodies(flight, before)
            kept[now] = True
            states = _bounded(before.after[then], rules)
            states = physics.coast(states, (flight.tick - 1 - before.tick) * rules.tick_s)
            off = _distance(flight.before[now], states)
            wrong = now[off > ROUNDING]
            if len(wrong):
                yield f"{flight.net_id[wrong].tolist()} were moved between two ticks"
        for row in np.flatnonzero(~kept).tolist():
            yield from self._judge_adoption(flight, row, rules)

    def _judge_adoption(self, flight: Flight, row: int, rules: Rules) -> Iterator[str]:
        net_id = int(flight.net_id[row])
        given = self._given.get((net_id, int(flight.epoch[row])))
        if given is None:
            yield f"{net_id} was adopted under an epoch that nobody gave it"
            return
        ticks = flight.tick - 1 - given.tick
        self._exercised["adoptions judged"] += 1
        if not self._bodies[net_id].flies:
            state = physics.coast(given.state[None, :], ticks * rules.tick_s)
            if _distance(flight.before[[row]], state)[0] > ROUNDING:
                yield f"{net_id} does not go on from the row it was handed over with"
            return
        self._exercised["ships handed over"] += 1
        self._exercised["ticks replayed of ships"] += max(0, ticks)
        found = flight.before[row]
        # What a liar held is not known.
        if not 0 < ticks <= REPLAY_JUDGED_TICKS_MAX or net_id in self._liars:
            return
        if not any(
            _distance(found[None, :], np.array([state]))[0] <= ROUNDING
            for state in self._replays(net_id, given, ticks, rules)
        ):
            yield f"{net_id} was not flown by its inputs for the {ticks} ticks of its handover"

    def _replays(self, net_id: int, given: Given, ticks: int, rules: Rules) -> Iterator[State]:
        """Fly a ship on by its inputs: each tick the next one, or a guess for it, or none new."""
        begun: State = tuple(given.state.tolist())
        ends = [(begun, given.input_seq, -1)]
        for _ in range(ticks):
            before, ends = ends, []
            for state, seq, last in before:
                held = [
                    self._held.get(Mark(net_id, given.control_epoch, number), 0)
                    for number in (seq, seq + 1)
                ]
                last = held[0] if last < 0 else last
                choices = {(seq + 1, held[1]), (seq + 1, last), (seq, last), (seq, 0)}
                ends += [
                    (physics.fly(state, buttons, rules), number, buttons)
                    for number, buttons in sorted(choices)
                ]
        return (state for state, _, _ in ends)

    # -- contacts -----------------------------------------------------------------------------

    def _touching(self, flight: Flight, which: int) -> np.ndarray:
        """Tell who touches whom, bool[n, n]: 2 asks before the tick, 3 after it."""
        states = flight.before if which == 2 else flight.after
        radius = np.array([self._bodies[id_].radius for id_ in flight.net_id.tolist()])
        apart = np.hypot(states[:, 0, None] - states[:, 0], states[:, 1, None] - states[:, 1])
        touching: np.ndarray = apart < radius[:, None] + radius
        np.fill_diagonal(touching, False)
        return touching

    def _judge_contact(
        self,
        flight: Flight,
        before: Flight | None,
        group: np.ndarray,
        ongoing: bool,
        rules: Rules,
    ) -> Iterator[str]:
        if ongoing:
            self._exercised["contacts that lasted"] += 1
            return
        if before is None or before.tick != flight.tick - 1:
            self._exercised["contacts after a pause"] += 1
            return
        now, then = _same_bodies(flight, before)
        if not np.isin(group, now).all():
            self._exercised["contacts just after a handover"] += 1
            return
        if self._touching(before, 2)[then[np.isin(now, group)]].any():
            self._exercised["contacts that lasted"] += 1
            return
        # Whom they do not touch has no part in it.
        then = then[np.isin(now, group)]
        bodies = [self._bodies[id_] for id_ in flight.net_id[group].tolist()]
        space = BareSpace(bodies, before.before[then], rules)
        space.step(before.buttons[then].tolist())
        wanted = space.step(flight.buttons[group].tolist())
        self._exercised["contacts judged"] += 1
        yield from self._compare_outcome(flight, group, bodies, wanted, rules)

    def _compare_outcome(
        self,
        flight: Flight,
        group: np.ndarray,
        bodies: list[Body],
        wanted: np.ndarray,
        rules: Rules,
    ) -> Iterator[str]:
        names = flight.net_id[group].tolist()
        mass = np.array([body.mass for body in bodies])
        untouched, found = self._fly(flight, group, rules), flight.after[group]
        push = mass * np.hypot(*(wanted - untouched)[:, 2:4].T)
        off = mass * np.hypot(*(found - wanted)[:, 2:4].T)
        scale = max(float(push.max()), 1e-3 * float(mass.max()))
        share = OUTCOME_OFF_MAX if len(group) == 2 else CROWD_OFF_MAX
        if (off > share * scale).any():
            yield f"{names} met: momentum is off by {off.max() / scale:.0%}"
        energy = [
            float(0.5 * (mass * (s[:, 2] ** 2 + s[:, 3] ** 2)).sum()) for s in (found, wanted)
        ]
        if abs(energy[0] - energy[1]) > OUTCOME_OFF_MAX * max(energy):
            yield f"{names} met: energy is {energy[0]:.2f}, not {energy[1]:.2f}"

    def _count_contacts_between_owners(self, tick: int) -> None:
        """Count the pairs that began to touch in a tick while they had different owners."""
        flights = self._by_tick.get(tick, [])
        newest: dict[int, tuple[int, str, np.ndarray]] = {}
        for flight in flights:
            for row, net_id in enumerate(flight.net_id.tolist()):
                epoch = int(flight.epoch[row])
                if net_id not in newest or newest[net_id][0] < epoch:
                    newest[net_id] = epoch, flight.core, flight.after[row]
        if len(flights) < 2 or not newest:
            self._across = set()
            return
        ids = np.array(list(newest))
        cores = np.array([core for _, core, _ in newest.values()])
        x, y = np.array([state[:2] for _, _, state in newest.values()]).T
        radius = np.array([self._bodies[id_].radius for id_ in ids.tolist()])
        apart = np.hypot(x[:, None] - x, y[:, None] - y)
        across = (apart < radius[:, None] + radius) & (cores[:, None] < cores)
        pairs = {(int(ids[a]), int(ids[b])) for a, b in np.argwhere(across).tolist()}
        self._exercised["contacts between owners"] += len(pairs - self._across)
        self._across = pairs
        self._touched |= {self._uuids[id_] for pair in pairs for id_ in pair}

    # -- what the authority has ---------------------------------------------------------------

    def _judge_commits(self, core: Replicator) -> Iterator[str]:
        """A row that is new in the world was flown as it stands by a shard, or given anew."""
        columns = core.world.columns
        for row in columns.rows().tolist():
            net_id, epoch = int(columns.net_id[row]), int(columns.epoch[row])
            tick = int(columns.tick[row])
            before = self._rows.get(net_id)
            if before == (epoch, tick):
                continue
            self._rows[net_id] = epoch, tick
            state = np.array([columns[name][row] for name in STATE])
            pilot = int(columns["control_epoch"][row]), int(columns["input_seq"][row])
            if before is None or before[0] != epoch:
                self._given[net_id, epoch] = Given(tick, state, *pilot)
            if before is not None and before[1] != tick:
                self._exercised["rows judged"] += 1
                if not self._was_flown(net_id, tick, state, pilot, core.rules):
                    yield f"{net_id} has a row of tick {tick} that nobody flew"

    def _was_flown(
        self, net_id: int, tick: int, state: np.ndarray, pilot: tuple[int, int], rules: Rules
    ) -> bool:
        for flight in self._by_tick.get(tick, []):
            row = int(np.searchsorted(flight.net_id, net_id))
            if row == len(flight.net_id) or flight.net_id[row] != net_id:
                continue
            flown = _bounded(flight.after[[row]], rules)
            by = int(flight.control_epoch[row]), int(flight.input_seq[row])
            if by == pilot and _distance(flown, state[None, :])[0] <= ROUNDING:
                return True
        return False

    def _judge_lines(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """What nothing has touched so far is on its straight line from the beginning."""
        columns, uuids = core.world.columns, core.world.uuid
        rows = [
            row
            for row in columns.rows().tolist()
            if (uuid := uuids[row].tobytes()) in cluster.rocks and uuid not in self._touched
        ]
        if not rows:
            return
        self._exercised["lines judged"] += len(rows)
        began = np.array([cluster.rocks[uuids[row].tobytes()][list(STATE)].item() for row in rows])
        wanted = physics.coast(began, core.tick * core.rules.tick_s)
        states = np.column_stack([columns[name][rows] for name in STATE])
        found = physics.coast(states, (core.tick - columns.tick[rows]) * core.rules.tick_s)
        off = np.hypot(*(found - wanted)[:, :2].T)
        if len(wrong := np.flatnonzero(off > LINE_OFF_MAX)):
            ids = columns.net_id[np.array(rows)[wrong]].tolist()
            yield f"{ids}, which nothing touched, are off by {off[wrong].round(2).tolist()}"


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest difference in any part of two states, float64[n]."""
    off = np.abs(a - b)
    off[:, 4] = np.abs(physics.wrap(a[:, 4] - b[:, 4]))
    return np.asarray(off.max(axis=1, initial=0.0))


def _bounded(states: np.ndarray, rules: Rules) -> np.ndarray:
    """Slow down what is faster than anything may be, as every shard does after its physics."""
    speed = np.hypot(states[:, 2], states[:, 3])
    if not (speed > rules.speed_max).any():
        return states
    slowed = states.copy()
    slowed[:, 2:4] *= (np.minimum(speed, rules.speed_max) / np.maximum(speed, 1e-12))[:, None]
    return slowed


def _same_bodies(now: Flight, before: Flight) -> tuple[np.ndarray, np.ndarray]:
    """Find the bodies that two flights share, with their epochs: rows in each, ascending."""
    keys_now, keys_before = ((flight.net_id << 32) | flight.epoch for flight in (now, before))
    _, in_now, in_before = np.intersect1d(
        keys_now, keys_before, assume_unique=True, return_indices=True
    )
    return in_now, in_before


def _groups(touching: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Part bodies into groups that touch each other, if only by others; ascending rows."""
    left = set(rows.tolist())
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {int(b) for a in edge for b in np.flatnonzero(touching[a])} - group
        left -= group
        yield np.array(sorted(group))
