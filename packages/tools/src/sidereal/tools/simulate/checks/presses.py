"""What pilots press counts once: never again for a guess, a late copy or a new owner.

A model of the game counts the presses of every ship, and the authority has the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sidereal.game.schema import column_of
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.game import PRESSES_AT, PRESSES_MAX, SHIP, Tally
from sidereal.tools.simulate.lies import LIAR_ACCOUNT

COUNTED = column_of(Tally, Tally.fields["presses"])


class Presses:
    """Compares what was counted with what was pressed."""

    def __init__(self) -> None:
        self._seen = 0
        self._pressed: Counter[int] = Counter()
        self._began: dict[int, int] = {}
        self._incarnation = 0

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Count what was pressed since the tick before, and compare."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._began.clear()
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

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())
