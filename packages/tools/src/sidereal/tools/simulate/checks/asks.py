"""What shards ask the authority for: notes of asteroids, which nobody else may have made.

For whom a shard asks in a tick follows from an id and the tick. So the ticks that shards have
simulated tell which notes they have asked for. How far such a tick is ahead of the server's does
not matter: shards go on while the server stalls, and what they ask for is done when it comes. In
the end what its shard has asked for last has been noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.game import ASTEROID
from sidereal.tools.simulate.lies import NOTED_AT
from sidereal.tools.simulate.passing import NOTED_EVERY_TICKS, is_noted

SETTLED_TICKS: Final = 4
"""What was asked so lately may still be on its way."""

Note = tuple[int, int]
"""The id of an asteroid, and the tick that is noted of it."""


class Asks:
    """Looks at what was noted, and how much was asked."""

    def __init__(self, plan: Plan) -> None:
        self._limits = plan.limits.shards
        self._core: Replicator | None = None
        self._asked = self._tick = self._seen = 0
        self._notes: set[Note] = set()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge what was noted, and that no shard has asked for more than it may."""
        self._hear(cluster)
        columns = core.world.columns
        rows = columns.rows()
        rows = rows[(columns["kind"][rows] == ASTEROID) & (columns[NOTED_AT][rows] > 0)]
        noted = zip(columns.net_id[rows].tolist(), columns[NOTED_AT][rows].tolist(), strict=True)
        cluster.exercised["notes judged"] += len(rows)
        if wrong := sorted(set(noted) - self._notes):
            yield f"{wrong} were noted, entities and ticks, which no shard has asked for"
        asked = core.actions.counts["asked"]
        if core is self._core:
            ticks = self._limits.asks_saved_ticks + core.tick - self._tick
            most = (len(core.shards.shards) + 1) * self._limits.asks_per_tick * ticks
            if asked - self._asked > most:
                yield f"{asked - self._asked} actions were asked for at once"
        self._core, self._asked, self._tick = core, asked, core.tick

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """What the owners of asteroids have asked for last has been noted."""
        columns = core.world.columns
        honest = [s.core.shard for s in cluster.shards if s.honest and s.core is not None]
        rows = columns.rows()
        rows = rows[(columns["kind"][rows] == ASTEROID) & np.isin(columns["shard"][rows], honest)]
        last = core.tick - SETTLED_TICKS - NOTED_EVERY_TICKS
        rows = rows[core.world.handover_tick[rows] < last]
        late = rows[columns[NOTED_AT][rows] < last]
        cluster.exercised["notes compared"] += len(rows)
        if len(late):
            yield f"of {columns.net_id[late].tolist()} nothing was noted since {last}"

    def _hear(self, cluster: Cluster) -> None:
        """Take down what shards have asked for since the last look."""
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            asking = flight.net_id[is_noted(flight.net_id, flight.tick)]
            self._notes |= {(net_id, flight.tick) for net_id in asking.tolist()}
