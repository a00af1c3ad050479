"""What pilots press counts once: never again for a guess, a late copy or a new owner.

A model of the game counts the presses of every ship, and the authority has the counts: with the
newest input of a ship those that a shard had when it had flown this input, so both came together;
or, before any input, those with which the authority has given the ship to its pilot. With motion
that a lying shard's flood repeats alone, the counts may be those of an earlier input: what it said
in one message is lost, or was pushed out by that flood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from sidereal.game.schema import column_of
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.game import PRESSES_AT, PRESSES_MAX, SHIP, Tally
from sidereal.tools.simulate.lies import LIAR_ACCOUNT

COUNTED = column_of(Tally, Tally.fields["presses"])
TRIMMED = column_of(Tally, Tally.fields["trim"])

Flown = tuple[int, int, int]
"""A ship, its control epoch, and an input."""


class Presses:
    """Compares what was counted with what was pressed."""

    def __init__(self) -> None:
        self._seen = 0
        self._pressed: Counter[int] = Counter()
        self._began: dict[int, int] = {}
        self._incarnation = 0
        self._flights = 0
        self._tallied: dict[Flown, set[tuple[int, int]]] = {}
        self._given: dict[Flown, tuple[int, int]] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Count what was pressed since the tick before, and compare."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._began.clear()
            self._tallied.clear()
            self._given.clear()
        for net_id, record in cluster.ledger.made[self._seen :]:
            self._pressed[net_id] += record >> PRESSES_AT & PRESSES_MAX
        self._seen = len(cluster.ledger.made)
        columns = core.world.columns
        rows = columns.rows()
        rows = rows[(columns["kind"][rows] == SHIP) & (core.world.account[rows] != LIAR_ACCOUNT)]
        ids, counts = columns.net_id[rows].tolist(), columns[COUNTED][rows].tolist()
        for net_id, count in zip(ids, counts, strict=True):
            # One that comes back has what it had counted when it left.
            counted = count - self._began.setdefault(net_id, count)
            cluster.exercised["presses judged"] += counted > 0
            if counted > self._pressed[net_id]:
                yield f"{net_id} counts {counted} presses of {self._pressed[net_id]}"
        self._listen(cluster)
        flown = zip(
            ids,
            columns["control_epoch"][rows].tolist(),
            columns["input_seq"][rows].tolist(),
            strict=True,
        )
        tallies = zip(counts, columns[TRIMMED][rows].tolist(), strict=True)
        for key, tally in zip(flown, tallies, strict=True):
            if key[2] == 0:
                self._given.setdefault(key, tally)
            if tally == self._given.get(key):
                continue
            had = self._tallied.get(key, {tally})
            cluster.exercised["tallies judged"] += key in self._tallied
            if tally not in had and key in cluster.lies.repeated:
                had = self._had_before(key)
            if tally not in had:
                yield f"{key[0]} has tally {tally} with input {key[2]}; whoever flew it had {had}"

    def _had_before(self, flown: Flown) -> set[tuple[int, int]]:
        """Give what a ship was tallied with until an input."""
        net_id, control_epoch, newest = flown
        given = self._given.get((net_id, control_epoch, 0))
        had = set() if given is None else {given}
        for (*pilot, input_seq), tallies in self._tallied.items():
            if pilot == [net_id, control_epoch] and input_seq <= newest:
                had |= tallies
        return had

    def _listen(self, cluster: Cluster) -> None:
        """Note what shards had of every input that they have flown."""
        fresh, self._flights = cluster.flights[self._flights :], len(cluster.flights)
        for flight in fresh:
            if flight.since < cluster.authority.started_at:
                continue
            rows = np.flatnonzero(flight.control_epoch > 0)
            keys = zip(
                flight.net_id[rows].tolist(),
                flight.control_epoch[rows].tolist(),
                flight.input_seq[rows].tolist(),
                strict=True,
            )
            for key, tally in zip(keys, flight.tallied[rows].tolist(), strict=True):
                self._tallied.setdefault(key, set()).add(tuple(tally))

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())
