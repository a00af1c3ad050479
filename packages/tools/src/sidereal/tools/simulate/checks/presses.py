"""What pilots press counts once: never again for a guess, a late copy or a new owner.

A model of the game counts the presses of every ship, and the authority has the counts: with the
newest input of a ship those that a shard had when it had flown this input, so both came together;
or, before any input, those with which the authority has given the ship to its pilot. Of ships that
a lying shard has, the counts are what came through while it says more than it may: its flood of
motion pushes out what belongs to that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.game.schema import column_of
from sidereal.protocol.ids import SHARD_NONE
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.game import PRESSES_AT, PRESSES_MAX, SHIP, Tally
from sidereal.tools.simulate.lies import LIAR_ACCOUNT

COUNTED = column_of(Tally, Tally.fields["presses"])
TRIMMED = column_of(Tally, Tally.fields["trim"])

FLOOD_TICKS: Final = 20
"""So long after a message was dropped for being one too many, something of it may be missing."""

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
        self._dropped, self._flooded = 0, -FLOOD_TICKS

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Count what was pressed since the tick before, and compare."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._began.clear()
            self._tallied.clear()
            self._given.clear()
            self._dropped, self._flooded = 0, -FLOOD_TICKS
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
        flooding = self._flooding(cluster, core)
        owners = columns["shard"][rows].tolist()
        for key, tally, owner in zip(flown, tallies, owners, strict=True):
            if owner in flooding:
                self._tallied.setdefault(key, set()).add(tally)
            if key[2] == 0:
                self._given.setdefault(key, tally)
            if tally == self._given.get(key):
                continue
            had = self._tallied.get(key, {tally})
            cluster.exercised["tallies judged"] += key in self._tallied
            if tally not in had:
                yield f"{key[0]} has tally {tally} with input {key[2]}; whoever flew it had {had}"

    def _flooding(self, cluster: Cluster, core: Replicator) -> set[int]:
        """Give the lying shards, if messages were dropped lately for being too many."""
        dropped = core.shards.dropped["too_many"]
        if dropped != self._dropped:
            self._dropped, self._flooded = dropped, core.tick
        if core.tick - self._flooded > FLOOD_TICKS:
            return set()
        liars = {s.core.shard for s in cluster.shards if not s.honest and s.core is not None}
        return liars - {SHARD_NONE}

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
