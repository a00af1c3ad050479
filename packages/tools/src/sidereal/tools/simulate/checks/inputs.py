"""The ledger of inputs: what each client held, number by number, against what shards flew.

An input that had come to the shard of its ship in time is flown, once, in its order, as it was
held, and with all its presses. One that had not come is guessed: what was held last, as far as
that has come, for a few ticks, or nothing. A number is skipped, in whatever plan, only when more of
them wait than a queue may hold back, or for a tick that has passed without any; several at once
only for several such ticks, or because the queue overflows. More can't wait than have come to the
authority.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.flights import Flight
from sidereal.tools.simulate.game import HOLDS, PRESSES_AT, PRESSES_MAX, TRIMS
from sidereal.tools.simulate.ledger import Mark
from sidereal.tools.simulate.lies import LIAR_ACCOUNT

GUESSES_CALM_MAX: Final = 3
"""Inputs of one ship under one owner that may come too late when nothing goes wrong: until the
client has a reserve as large as the jitter."""

ADOPTED_SKIPS_MAX: Final = 3
"""Inputs that are skipped for every change of the owner: it flew straight on meanwhile."""


STATES: Final = HOLDS | TRIMS
"""The bits of a record that say how things are."""


class _Flown(NamedTuple):
    """The newest input that a ship has flown under one owner.

    Attributes:
        tick: it was flown in.
        since: when the owner had it, virtual seconds.
        missed: ticks since an input was taken that had come, at most, in which none was.
    """

    tick: int
    input_seq: int
    buttons: int
    since: float
    missed: int


class InputLedger:
    """Compares the ledger of the clients with the flights of the shards."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._limits = plan.shard_limits
        self._seen = 0
        self._heard = self._taken_in = 0
        self._incarnation = 0
        self._forget()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Go through what was flown since the tick before."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        liars = core.world.account == LIAR_ACCOUNT
        self._liars |= set(core.world.columns.net_id[liars].tolist())
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            if flight.since >= cluster.authority.started_at:
                self._listen(cluster, flight)
                yield from self._judge(cluster, flight)
                self._flew_at[flight.core] = flight.at
        self._note_given(core)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Count what was guessed and skipped."""
        for (net_id, _), count in self._guesses.items():
            if self._plan.calm and count > GUESSES_CALM_MAX:
                yield f"{count} inputs of {net_id} were guessed by one owner, though all came"
        for net_id, count in self._skipped.items():
            limit = self._owners[net_id] * ADOPTED_SKIPS_MAX
            if self._plan.calm and count > limit:
                yield f"{count} inputs of {net_id} were skipped under {self._owners[net_id]} owners"

    def _forget(self) -> None:
        self._liars: set[int] = set()
        self._flown: dict[tuple[str, int, int], _Flown] = {}
        self._given: dict[tuple[int, int], tuple[int, int]] = {}
        self._epochs: dict[int, int] = {}
        self._flew_at: dict[str, float] = {}
        self._came: dict[tuple[str, int, int], list[tuple[float, int]]] = {}
        self._newest: dict[tuple[int, int], int] = {}
        self._guesses: dict[tuple[int, int], int] = {}
        self._skipped: dict[int, int] = {}
        self._owners: dict[int, int] = {}

    def _note_given(self, core: Replicator) -> None:
        """Note which inputs are in the rows that ships are handed over with."""
        columns = core.world.columns
        for row in columns.rows()[columns["control_epoch"][columns.rows()] > 0].tolist():
            net_id, epoch = int(columns.net_id[row]), int(columns.epoch[row])
            if self._epochs.get(net_id) != epoch:
                self._epochs[net_id] = epoch
                self._given[net_id, epoch] = int(columns.tick[row]), int(columns["input_seq"][row])

    def _listen(self, cluster: Cluster, flight: Flight) -> None:
        """Take in what had come to anybody before a flight."""
        heard = cluster.ledger.heard
        while self._heard < len(heard) and heard[self._heard].at <= flight.at:
            at, core, mark = heard[self._heard]
            key = core, mark.net_id, mark.control_epoch
            self._came.setdefault(key, []).append((at, mark.input_seq))
            self._heard += 1
        taken_in = cluster.ledger.taken_in
        while self._taken_in < len(taken_in) and taken_in[self._taken_in][0] <= flight.at:
            _, mark = taken_in[self._taken_in]
            pilot = mark.net_id, mark.control_epoch
            self._newest[pilot] = max(mark.input_seq, self._newest.get(pilot, 0))
            self._taken_in += 1

    def _judge(self, cluster: Cluster, flight: Flight) -> Iterator[str]:
        for row in np.flatnonzero(flight.control_epoch > 0).tolist():
            net_id, epoch = int(flight.net_id[row]), int(flight.epoch[row])
            if net_id in self._liars:
                continue
            key = flight.core, net_id, epoch
            before = self._flown.get(key)
            replayed = 0
            if before is None:
                tick, given = self._given.get((net_id, epoch), (flight.tick - 1, 0))
                replayed = max(0, flight.tick - 1 - tick)
                since = self._flew_at.get(flight.core, flight.since)
                mark = Mark(net_id, int(flight.control_epoch[row]), given)
                last = cluster.ledger.held.get(mark, 0)
                before = _Flown(flight.tick - 1, given, last, since, replayed)
                self._owners[net_id] = self._owners.get(net_id, 0) + 1
            now = _Flown(
                flight.tick,
                int(flight.input_seq[row]),
                int(flight.buttons[row]),
                before.since,
                self._missed_after(flight, row, before, replayed),
            )
            self._flown[key] = now
            for text in self._compare(cluster, flight, row, before, now, replayed):
                yield f"{net_id} in tick {flight.tick}: {text}"

    def _missed_after(self, flight: Flight, row: int, before: _Flown, replayed: int) -> int:
        """Tell in how many ticks nothing may have been taken that had come, until now."""
        steps = int(flight.input_seq[row]) - before.input_seq
        came = steps > 1 or (steps == 1 and self._came_in_time(flight, row, before))
        if came and not replayed:
            return 0
        return max(0, before.missed + flight.tick - before.tick - steps)

    def _waiting_at_most(self, flight: Flight, row: int, before: _Flown) -> int:
        """Tell how many inputs may have waited for a ship when a tick began."""
        pilot = int(flight.net_id[row]), int(flight.control_epoch[row])
        return self._newest.get(pilot, 0) - before.input_seq

    def _heard_since(self, flight: Flight, row: int, before: _Flown) -> list[int]:
        """Collect the newest inputs of the messages that had come to a shard for a ship."""
        key = flight.core, int(flight.net_id[row]), int(flight.control_epoch[row])
        return [newest for at, newest in self._came.get(key, []) if at > before.since]

    def _came_in_time(self, flight: Flight, row: int, before: _Flown) -> bool:
        """Tell whether the input that a ship flew had surely come."""
        flown = int(flight.input_seq[row])
        heard = self._heard_since(flight, row, before)
        return any(newest - CONTROLS_PER_MESSAGE_MAX < flown <= newest for newest in heard)

    def _judge_skips(
        self, cluster: Cluster, flight: Flight, row: int, before: _Flown
    ) -> Iterator[str]:
        """Inputs are skipped for ticks without any, because too many wait, or for want of room."""
        now, waiting = int(flight.input_seq[row]), self._waiting_at_most(flight, row, before)
        passed = flight.tick - before.tick
        beyond = now - before.input_seq - before.missed - passed
        if beyond <= 0:
            return
        if before.input_seq == 0 and now <= min(self._heard_since(flight, row, before), default=0):
            # Its first ones are lost: it begins with what came first, whatever its client's clock.
            cluster.exercised["inputs begun with"] += 1
            return
        # It may have come without a mark, but not before it had come to the authority.
        if now <= before.input_seq + waiting - self._limits.controls_queue + 2 + before.missed:
            cluster.limits_met["shard.controls_queue"] += 1
        elif beyond == 1 and waiting - before.missed > self._limits.controls_reserve:
            cluster.limits_met["shard.controls_reserve"] += 1
        else:
            yield (
                f"from input {before.input_seq} to {now}, though at most {waiting} waited and "
                f"{before.missed} ticks had none"
            )

    def _compare(
        self,
        cluster: Cluster,
        flight: Flight,
        row: int,
        before: _Flown,
        now: _Flown,
        replayed: int,
    ) -> Iterator[str]:
        """Compare what a ship flew with what had come.

        Args:
            cluster: for the ledger.
            flight: in which it flew.
            row: of the ship.
            before: what it had flown before.
            now: what it flew.
            replayed: ticks that it was flown through when it was adopted, with inputs of its own.
        """
        net_id, control_epoch = int(flight.net_id[row]), int(flight.control_epoch[row])
        newest = max(self._heard_since(flight, row, before), default=0)
        steps = now.input_seq - before.input_seq
        waiting = newest - before.input_seq
        if steps < 0:
            yield f"input {now.input_seq} after {before.input_seq}"
        if steps > 1:
            yield from self._judge_skips(cluster, flight, row, before)
        if steps > 1 and not replayed:
            self._skipped[net_id] = self._skipped.get(net_id, 0) + steps - 1
            cluster.exercised["inputs skipped"] += steps - 1
        if steps == 0:
            cluster.limits_met["shard.guesses"] += now.buttons & STATES < before.buttons & STATES
            if waiting > 0 and not replayed:
                yield f"input {before.input_seq + 1} waits, though it had come"
            return
        wanted = cluster.ledger.held.get(Mark(net_id, control_epoch, now.input_seq))
        if self._came_in_time(flight, row, before):
            cluster.exercised["inputs flown"] += 1
            if not replayed and not _is_flown_as(now.buttons, wanted):
                yield f"input {now.input_seq} held {wanted}, and was flown as {now.buttons}"
            return
        cluster.exercised["inputs guessed"] += 1
        key = net_id, int(flight.epoch[row])
        guessed = wanted is None or now.buttons & STATES != wanted & STATES
        self._guesses[key] = self._guesses.get(key, 0) + guessed
        # It may have come without a mark: what could not leave at once leaves with the next one.
        may_be = {0, before.buttons & STATES}
        for number in range(now.input_seq - self._limits.guesses, now.input_seq + 1):
            held = cluster.ledger.held.get(Mark(net_id, control_epoch, number), 0)
            may_be.add(held & STATES)
        if not replayed and now.buttons & STATES not in may_be:
            yield f"input {now.input_seq} had not come, and was flown as {now.buttons}"


def _is_flown_as(flown: int, held: int | None) -> bool:
    """Tell whether what was flown is what was held, with all that was pressed, and maybe more."""
    if held is None or flown & STATES != held & STATES:
        return False
    return flown >> PRESSES_AT & PRESSES_MAX >= held >> PRESSES_AT & PRESSES_MAX
