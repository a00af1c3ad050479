"""What pilots throw: shown in the frame of the press, and once, whoever has spawned it.

A flare says which input it comes from. So:

* of each input the world has each flare once, though two shards may have flown the input;
* a client shows each flare once: predicted, or as the world has it;
* what the world has not confirmed ends in time;
* of who rests nothing predicted is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.client.client import Client
from sidereal.client.view import View
from sidereal.game.builtin import Predicted
from sidereal.protocol.ids import NET_ID_MAX
from sidereal.protocol.state.spawnkeys import KEY_FIELDS
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.passing import FLARE

LATE_S: Final = 0.5
"""A client is looked at once in a tick, and may have stood still for a while."""

Key = tuple[int, int, int, int]
"""Who is flown, its control epoch, the input, and how many that had spawned before."""


class Foreseen:
    """Looks at the flares of the world, and at those that clients show."""

    def __init__(self) -> None:
        self._incarnation = 0
        self._ids: dict[Key, int] = {}
        self._shown_since: dict[tuple[Client, int], float] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look after a tick."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._ids.clear()
        yield from self._judge_world(cluster, core)
        for process in cluster.clients:
            if process.core is not None:
                view = process.core.view(process.local(cluster.now))
                yield from self._judge_view(cluster, process.name, process.core, view)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nobody foresees anything who does nothing."""
        for process in cluster.clients:
            if process.core is None:
                continue
            statistics = process.core.statistics()
            cluster.exercised["flares that came as foreseen"] += statistics.spawns_matched
            cluster.exercised["flares that did not come"] += statistics.spawns_unmatched
            view = process.core.view(process.local(cluster.now))
            if (view.net_id > NET_ID_MAX).any():
                yield f"{process.name} rests, and foresees {_keys_of(view)}"

    def _judge_world(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        columns = core.world.columns
        rows = columns.rows()
        rows = rows[columns["kind"][rows] == FLARE]
        keys = zip(*(columns[name][rows].tolist() for name in KEY_FIELDS), strict=True)
        for key, net_id in zip(keys, columns.net_id[rows].tolist(), strict=True):
            if key[0] and self._ids.setdefault(key, net_id) != net_id:
                yield f"{self._ids[key]} and {net_id} are the same flare {key}"

    def _judge_view(self, cluster: Cluster, name: str, client: Client, view: View) -> Iterator[str]:
        counts = Counter(_keys_of(view))
        cluster.exercised["flares judged"] += len(counts)
        for key, count in counts.items():
            if key[0] and count > 1:
                yield f"{name} shows the flare {key} {count} times"
        longest_s = cluster.plan.client_limits.spawn_unanswered_s + LATE_S
        for net_id in view.net_id[view.net_id > NET_ID_MAX].tolist():
            since = self._shown_since.setdefault((client, net_id), cluster.now)
            if cluster.now - since > longest_s:
                yield f"{name} has foreseen {net_id} for {cluster.now - since:.2f} s"


def _keys_of(view: View) -> list[Key]:
    rows = np.flatnonzero(view.kind == FLARE)
    key = view[Predicted]
    columns = (key.by_id, key.by_epoch, key.by_input, key.by_nth)
    return list(zip(*(column[rows].tolist() for column in columns), strict=True))
