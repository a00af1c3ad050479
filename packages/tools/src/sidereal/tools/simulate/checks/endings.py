"""What happens to sparks from first to last, whatever their shard's messages meet on the way.

* who has ended has faded, once, and no later than it ended;
* it was lit, once, unless it changed hands: its first owner may not have come to say so, and a new
  one may be at the tick in which it was spawned;
* nobody who is there has faded.

What a shard says of what it has just lost has not happened; but then it does not end that, either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sidereal.game.schema import name_of
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.passing import SPARK, Faded, Lit

FIRST_OWNER = 1
"""The epoch of what has not changed hands."""


class Endings:
    """Looks at sparks that come and go."""

    def __init__(self) -> None:
        self._incarnation = 0
        self._tick = -1
        self._forget()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge those that have ended in the newest tick."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        if core.tick <= self._tick:
            return
        self._tick = core.tick
        log = core.edge.changes.events
        for count, event in ((self._lit, Lit), (self._faded, Faded)):
            kept = log.kept[core.schema.event_numbers[name_of(event)]]
            count.update(kept.row["id"][kept.tick == core.tick].tolist())
        there = self._sparks(core)
        for net_id in [*self._there, *self._lit, *self._faded]:
            if net_id not in there:
                yield from self._judge(cluster, core, net_id)
        for net_id in there:
            if self._faded[net_id]:
                yield f"{net_id} has faded, and is there"
        self._there |= there

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _forget(self) -> None:
        self._tick = -1
        # By spark its epoch and its shard, when it was last seen.
        self._there: dict[int, tuple[int, int]] = {}
        self._lit: Counter[int] = Counter()
        self._faded: Counter[int] = Counter()

    def _sparks(self, core: Replicator) -> dict[int, tuple[int, int]]:
        columns = core.world.columns
        rows = columns.rows()
        rows = rows[columns["kind"][rows] == SPARK]
        ids, epochs = columns.net_id[rows].tolist(), columns.epoch[rows].tolist()
        owners = zip(epochs, columns["shard"][rows].tolist(), strict=True)
        return dict(zip(ids, owners, strict=True))

    def _judge(self, cluster: Cluster, core: Replicator, net_id: int) -> Iterator[str]:
        if net_id not in self._there and not self._lit[net_id] and not self._faded[net_id]:
            return
        epoch, owner = self._there.pop(net_id, (FIRST_OWNER, 0))
        lit, faded = self._lit.pop(net_id, 0), self._faded.pop(net_id, 0)
        dropped = core.ingest.events_dropped + core.edge.changes.events.crowded
        if dropped or not all(shard.honest for shard in cluster.shards):
            return
        cluster.exercised["endings judged"] += 1
        if faded != 1:
            yield f"{net_id} of shard {owner} has ended, and has faded {faded} times"
        if epoch == FIRST_OWNER and lit != 1:
            yield f"{net_id} of shard {owner} has ended, and was lit {lit} times"
