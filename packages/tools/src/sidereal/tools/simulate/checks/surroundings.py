"""What must be true of leases that clients are shown, and of what drifts about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sidereal.client.client import Client
from sidereal.client.statistics import SessionState
from sidereal.replication.edge.leaseviews import LEASE_RADIUS
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.game import ASTEROID

Sector = tuple[int, int]


def settled_ticks(core: Replicator) -> int:
    """Leases that have changed so lately may still be on their way."""
    return 2 * core.limits.edge.leases_every_ticks


class LeasesConverge:
    """Every client knows who simulates the sectors around it."""

    def __init__(self) -> None:
        self._holders: dict[Sector, int] = {}
        self._changed: dict[Sector, int] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Note when leases change."""
        rows = core.mesh.leases.rows()[["sector_x", "sector_y", "shard"]].tolist()
        holders = {(x, y): shard for x, y, shard in rows}
        for sector in holders.keys() | self._holders.keys():
            if holders.get(sector) != self._holders.get(sector):
                self._changed[sector] = core.tick
        self._holders = holders
        return iter(())

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what has not changed lately."""
        for process in cluster.clients:
            client = process.core
            if client is not None and client.state is SessionState.JOINED:
                for text in self._compare(client, core):
                    yield f"{process.name}: {text}"

    def _compare(self, client: Client, core: Replicator) -> Iterator[str]:
        assert client.replica is not None
        coverage, side = client.replica.coverage, core.rules.cells_per_side
        x, y = coverage.centre_x // side, coverage.centre_y // side
        known = {(row[0], row[1]): row[2] for row in client.leases.tolist()}
        # What has come into the square just now is at its edge.
        steps = range(1 - LEASE_RADIUS, LEASE_RADIUS)
        for sector in ((x + dx, y + dy) for dx in steps for dy in steps):
            shown, truth = known.get(sector, 0), self._holders.get(sector, 0)
            is_old = core.tick - self._changed.get(sector, 0) > settled_ticks(core)
            if shown != truth and is_old:
                yield f"takes sector {sector} for shard {shown}'s, it is shard {truth}'s"


class BeltHolds:
    """In the end no asteroid is outside the belt and flies away from it."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing before the end: what nobody simulates for a while flies on."""
        return iter(())

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at everything that is further outside than it gets before its turn is known."""
        columns, rows = core.world.columns, core.world.columns.rows()
        rocks = rows[columns["kind"][rows] == ASTEROID]
        x, y, _ = core.world.locate(rocks, core.tick)
        assert cluster.laws.belt is not None
        low, high = cluster.laws.belt
        slack = settled_ticks(core) * core.rules.tick_s
        for place, speed in ((x, columns["vx"][rocks]), (y, columns["vy"][rocks])):
            beyond = np.maximum(low - place, place - high)
            leaving = np.where(place > high, speed, -speed)
            for at in np.flatnonzero((beyond > 0) & (beyond > leaving * slack) & (leaving > 0)):
                net_id = columns.net_id[rocks[at]]
                yield f"asteroid {net_id} is {beyond[at]:.0f} units outside and flies away"
