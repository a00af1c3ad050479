"""What the authority keeps of the past is let go in time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.protocol.limits import MESSAGE_OVERHEAD_SIZE, UNRELIABLE_SIZE_MAX
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import unpack_sector
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan

SLACK_TICKS: Final = 2

MESSAGES_WAITING: Final = 2
"""What is said of leases may wait; and the snapshot of each tick in which a message waits."""

Sector = tuple[int, int]


class Bounded:
    """Nothing that expires is kept longer than the limits say."""

    def __init__(self, plan: Plan) -> None:
        self._streams = plan.streams
        self._world = plan.limits.world
        waits = math.ceil(plan.limits.transport.unreliable_wait_s * plan.tick_hz)
        messages = max(MESSAGES_WAITING, 1 + waits)
        self._waiting_size = messages * (UNRELIABLE_SIZE_MAX + MESSAGE_OVERHEAD_SIZE)
        self._occupied: dict[Sector, int] = {}
        self._incarnation = 0

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Ask how old the oldest of everything is."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._occupied.clear()
        kept = core.edge.fanout.statistics().ticks_in_flight
        if kept > self._streams.reorder_ticks + SLACK_TICKS:
            yield f"a datagram has been in flight for {kept} ticks"
        age = int((core.tick - core.edge.changes.tombstones.tick).max(initial=0))
        if age > self._streams.tombstone_ticks + self._world.prune_every_ticks + SLACK_TICKS:
            yield f"a tombstone is {age} ticks old"
        for player in core.clients.players:
            link = core.clients.endpoint.connection_statistics(player.peer)
            if link is not None and link.waiting_size > self._waiting_size:
                yield f"{link.waiting_size} bytes wait that client {player.name} can't be sent"
        yield from self._look_at_sectors(core)

    def _look_at_sectors(self, core: Replicator) -> Iterator[str]:
        present = core.world.present(core.tick)
        x, y = sector_of(present.x, present.y, core.rules)
        for sector in [*zip(x.tolist(), y.tolist(), strict=True), *_happened_in(core)]:
            self._occupied[sector] = core.tick
        limit = self._world.sector_empty_ticks + self._world.sectors_checked_every_ticks
        for row in core.mesh.leases.rows()[["sector_x", "sector_y"]].tolist():
            empty_ticks = core.tick - self._occupied.setdefault(row, core.tick)
            if empty_ticks > limit + SLACK_TICKS:
                yield f"sector {row} is leased and has been empty for {empty_ticks} ticks"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Everything was said while it ran."""
        return iter(())


def _happened_in(core: Replicator) -> list[Sector]:
    """Find the sectors in which something has happened in the newest tick."""
    table = core.world.sectors
    happened = core.edge.changes.events.kept.values()
    groups = [each.group[each.tick == core.tick] for each in happened]
    rows = np.concatenate([np.zeros(0, np.int64), *groups]) // table.cells_per_sector
    x, y = unpack_sector(table.keys[np.isin(table.rows_of(table.keys), rows)])
    return list(zip(x.tolist(), y.tolist(), strict=True))
