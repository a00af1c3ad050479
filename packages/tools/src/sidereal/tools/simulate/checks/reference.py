"""Every step and every contact, as in a world on one shard without a network.

Four questions, each to bodies alone:

* a body that touches nothing moves as its engines say, and nothing else moves it between ticks;
* a contact is judged alone: the states before it, stepped in a bare space, must give the same
  outcome: who, momentum and energy (`contacts`);
* a body that changes its owner goes on from the row that it was handed over with, and every row
  that the authority has is one that a shard flew;
* a rock that nothing has touched yet is where its straight line from the beginning is.

A contact of bodies with different owners has no reference today: such contacts are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.contacts import Contacts
from sidereal.tools.simulate.checks.physics import Body, State
from sidereal.tools.simulate.checks.repaired import Repaired
from sidereal.tools.simulate.checks.replays import Given, replay
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.flights import STATE, Flight, same_bodies
from sidereal.tools.simulate.game import SHIP, Laws
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.lies import LIAR_ACCOUNT
from sidereal.tools.simulate.passing import SPARK

ROUNDING: Final = 1e-6
"""World units, radians or their like per second that two ways to compute the same may differ."""

LINE_OFF_MAX: Final = 0.01
"""World units a rock may be off its line: every reference of it may be a thousandth off."""

LATE_TICKS: Final = 4
"""How long after a tick all shards have flown it, when they are well."""

KEPT_TICKS: Final = 200
"""How long flights are remembered."""


class Reference:
    """Compares what shards flew with what one shard would have."""

    def __init__(self, plan: Plan) -> None:
        self._limits = plan.shard_limits
        # Ticks for which a ship that is handed over flies on by the last buttons that came.
        self._guesses_max = plan.shard_limits.guesses
        self._queue_max = plan.shard_limits.controls_queue
        self._exercised: Counter[str] = Counter()
        self._ledger = Ledger()
        self._seen = self._incarnation = 0
        self._forget()
        self._touched: set[bytes] = set()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge what was flown, and what was committed of it, since the tick before."""
        self._exercised, self._ledger = cluster.exercised, cluster.ledger
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        self._meet(cluster, core)
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            if flight.since >= cluster.authority.started_at:
                yield from self._judge(flight, cluster.laws)
                self._by_tick.setdefault(flight.tick, []).append(flight)
                self._last[flight.core] = flight
        yield from self._judge_commits(cluster, core)
        yield from self._judge_lines(cluster, core)
        self._count_contacts_between_owners(core.tick - LATE_TICKS)
        self._by_tick.pop(core.tick - KEPT_TICKS, None)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def can_follow(self, net_id: int) -> bool:
        """Tell whether an entity has touched nothing so far; what a liar holds is not known."""
        return self._uuids[net_id] not in self._touched and net_id not in self._liars

    def given(self, net_id: int, epoch: int) -> Given | None:
        """Give the row with which an entity was handed over under an epoch."""
        return self._given.get((net_id, epoch))

    # -- who there is -------------------------------------------------------------------------

    def _forget(self) -> None:
        self._by_tick: dict[int, list[Flight]] = {}
        self._last: dict[str, Flight] = {}
        self._given: dict[tuple[int, int], Given] = {}
        self._rows: dict[int, tuple[int, int]] = {}
        self.bodies: dict[int, Body] = {}
        self.contacts = Contacts(self.bodies)
        self._repaired = Repaired(self, self._limits)
        self._uuids: dict[int, bytes] = {}
        self._liars: set[int] = set()
        self._across: set[tuple[int, int]] = set()

    def _meet(self, cluster: Cluster, core: Replicator) -> None:
        """Learn who new network ids are: rocks are what the world began with, ships all alike."""
        world, columns = core.world, core.world.columns
        for row in self._rows_judged(core).tolist():
            net_id = int(columns.net_id[row])
            if net_id not in self.bodies:
                if world.account[row] == LIAR_ACCOUNT:
                    self._liars.add(net_id)
                uuid = world.uuid[row].tobytes()
                flies = columns["kind"][row] == SHIP
                rock = cluster.rocks.get(uuid)
                self._uuids[net_id] = uuid
                self.bodies[net_id] = (
                    Body(float(columns["radius"][row]), float(columns["mass"][row]), bool(flies))
                    if rock is None
                    else Body(float(rock["radius"]), float(rock["mass"]), False)
                )

    def _rows_judged(self, core: Replicator) -> np.ndarray:
        """Rows of all that may touch; ids of what shards spawn are given again."""
        rows = core.world.columns.rows()
        judged: np.ndarray = rows[core.world.columns["kind"][rows] < SPARK]
        return judged

    # -- what was flown -----------------------------------------------------------------------

    def _judge(self, flight: Flight, laws: Laws) -> Iterator[str]:
        before = self._last.get(flight.core)
        yield from self._repaired.judge(flight, before, self._exercised, laws)
        if before is not None:
            before = self.contacts.flight_of(flight.core, before.tick) or before
        yield from self.judge_beginning(flight, before, laws)
        texts = list(self._judge_contacts(flight, laws))
        if texts and any(again.net_id.size for again in flight.again):
            # Who came may have been inside another, and have been left there.
            self.contacts.put_back(flight.core, self._repaired.without)
            texts = list(self._judge_contacts(flight, laws))
        yield from texts

    def _judge_contacts(self, flight: Flight, laws: Laws) -> Iterator[str]:
        hit = self.contacts.find(flight, laws)
        self.note_touched(flight.net_id[hit])
        turned = (physics.turn_back(flight.before, laws) != flight.before).any(axis=1)
        turned[[self.bodies[id_].flies for id_ in flight.net_id.tolist()]] = False
        self._exercised["turned back at the belt's edge"] += int(turned.sum())
        self.note_touched(flight.net_id[turned])
        alone = self.fly_all(flight, laws)
        off = flight.after[~hit] - alone[~hit]
        off[:, 4] = physics.wrap(off[:, 4])
        self._exercised["steps judged"] += len(off)
        wrong = flight.net_id[~hit][np.abs(off).max(axis=1, initial=0.0) > ROUNDING]
        if len(wrong):
            yield f"{wrong.tolist()} moved as nothing could move them"
        yield from self.contacts.judge(flight, hit, alone, self._exercised, laws)

    def fly_all(self, flight: Flight, laws: Laws) -> np.ndarray:
        """Fly the bodies of a flight for its tick, touching nothing."""
        turned = physics.turn_back(flight.before, laws)
        turned[flight.skipped] = flight.before[flight.skipped]
        states = physics.coast(turned, laws.tick_s)
        # One ship in twenty bodies.
        for row, net_id in enumerate(flight.net_id.tolist()):
            if self.bodies[net_id].flies:
                state = physics.state_of(flight.before[row])
                states[row] = physics.fly(state, int(flight.buttons[row]), laws)
        return states

    def fly(self, net_id: int, state: np.ndarray, buttons: int, laws: Laws) -> np.ndarray:
        """Fly a body alone for a tick, and without systems: float64[1, 6]."""
        if not self.bodies[net_id].flies:
            return physics.coast(state, laws.tick_s)
        return np.array([physics.fly(physics.state_of(state[0]), buttons, laws)])

    def note_touched(self, net_ids: np.ndarray) -> None:
        """Note that entities have left the way that they were on."""
        self._touched |= {self._uuids[id_] for id_ in net_ids.tolist()}

    def judge_beginning(self, flight: Flight, before: Flight | None, laws: Laws) -> Iterator[str]:
        """Bodies begin a tick where they ended the last one, or as they were handed over."""
        if before is None:
            return
        is_wrong: dict[int, bool] = {}
        for tick in range(before.tick, flight.tick):
            # Of ticks that were passed over only what was simulated in them later counts.
            flown = before if tick == before.tick else self.contacts.flight_of(flight.core, tick)
            if flown is not None:
                now, then = same_bodies(flight, flown)
                states = physics.bounded(flown.after[then], laws)
                states = physics.coast(states, (flight.tick - 1 - tick) * laws.tick_s)
                off = physics.distance(flight.before[now], states) > ROUNDING
                is_wrong |= dict(zip(flight.net_id[now].tolist(), off.tolist(), strict=True))
        if any(is_wrong.values()):
            yield f"{[one for one in is_wrong if is_wrong[one]]} were moved between two ticks"

    def judge_adoption(
        self, flight: Flight, row: int, found: np.ndarray, laws: Laws
    ) -> Iterator[str]:
        """Judge how a body was flown on, alone, from the row that it was handed over with.

        Args:
            flight: the first one of its owner.
            row: of the body.
            found: float64[1, 6], where that has brought it when the flight begins.
            laws: how everything moves.
        """
        net_id = int(flight.net_id[row])
        given = self.given(net_id, int(flight.epoch[row]))
        if given is None:
            yield f"{net_id} was adopted under an epoch that nobody gave it"
            return
        ticks = flight.tick - 1 - given.tick
        self._exercised["adoptions judged"] += 1
        if not self.bodies[net_id].flies:
            state = physics.coast(given.state[None, :], ticks * laws.tick_s)
            if physics.distance(found, state)[0] > ROUNDING:
                yield f"{net_id} does not go on from the row it was handed over with"
            return
        self._exercised["ships handed over"] += 1
        self._exercised["ticks replayed of ships"] += max(0, ticks)
        if net_id in self._liars:
            return  # what a liar held is not known
        flown = int(flight.input_seq[row])
        # What comes in the same tick may be more than the queue holds: it jumps over the oldest.
        pilot = int(flight.control_epoch[row])
        newest = max(self._ledger.taken_in_by(net_id, pilot, flight.at), default=0)
        jumped_to = newest - self._queue_max + 2
        ends = [
            state
            for state, input_seq in self.replays(net_id, given, ticks, flight.at, laws)
            if 0 <= flown - input_seq <= 2 + ticks - (input_seq - given.input_seq)
            or input_seq < flown <= jumped_to
        ]
        if not ends or physics.distance(found, np.array(ends)).min() > ROUNDING:
            yield f"{net_id} was not flown by its inputs for the {ticks} ticks of its handover"

    def replays(
        self, net_id: int, given: Given, ticks: int, at: float, laws: Laws
    ) -> Iterator[tuple[State, int]]:
        """Fly a ship on by its inputs, as far as they had come; how far that was is not known.

        A row of a tick that the new owner has still to come to is flown back in a straight
        line. Of a pilot that was not heard for long some inputs never come: then it is not known
        either with which of the next its message began.

        Args:
            net_id: of the ship.
            given: with which it was handed over.
            ticks: how many.
            at: when its new owner did so, virtual seconds.
            laws: how everything moves.

        Returns:
            states, and the newest input in each.
        """
        if ticks <= 0:
            back = physics.coast(given.state[None, :], ticks * laws.tick_s)
            yield physics.state_of(back[0]), given.input_seq
            return
        held, guesses_max = self._ledger.held, self._guesses_max
        yield from replay(held, net_id, given, ticks, laws, guesses_max)
        taken_in = self._ledger.taken_in_by(net_id, given.control_epoch, at)
        newest = max(taken_in, default=0)
        lost = set(range(given.input_seq, newest)) - taken_in
        if lost:
            for first in range(max(lost) + 1, newest - CONTROLS_PER_MESSAGE_MAX + 2):
                yield from replay(held, net_id, given, ticks, laws, guesses_max, first)

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
        radius = np.array([self.bodies[id_].radius for id_ in ids.tolist()])
        apart = np.hypot(x[:, None] - x, y[:, None] - y)
        across = (apart < radius[:, None] + radius) & (cores[:, None] < cores)
        pairs = {(int(ids[a]), int(ids[b])) for a, b in np.argwhere(across).tolist()}
        self._exercised["contacts between owners"] += len(pairs - self._across)
        self._across = pairs
        self._touched |= {self._uuids[id_] for pair in pairs for id_ in pair}

    # -- what the authority has ---------------------------------------------------------------

    def _judge_commits(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """A row that is new in the world was flown as it stands by a shard, or given anew."""
        columns = core.world.columns
        for row in self._rows_judged(core).tolist():
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
                # What was committed and handed over in one tick was flown under the epoch before.
                epochs = range(before[0], epoch + 1)
                if not self._was_flown(net_id, epochs, tick, state, pilot, cluster.laws):
                    yield f"{net_id} has a row of tick {tick} that nobody flew"

    def _was_flown(
        self,
        net_id: int,
        epochs: range,
        tick: int,
        state: np.ndarray,
        pilot: tuple[int, int],
        laws: Laws,
    ) -> bool:
        for flight in self._by_tick.get(tick, []):
            row = int(np.searchsorted(flight.net_id, net_id))
            if row == len(flight.net_id) or flight.net_id[row] != net_id:
                continue
            if int(flight.epoch[row]) not in epochs:
                continue
            flown = physics.bounded(flight.after[[row]], laws)
            by = int(flight.control_epoch[row]), int(flight.input_seq[row])
            if by == pilot and physics.distance(flown, state[None, :])[0] <= ROUNDING:
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
