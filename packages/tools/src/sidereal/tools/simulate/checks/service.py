"""How often, how late and at what cost clients hear of the world, outside of faults.

While nothing goes wrong, and again some time after everything has healed, every client has a
snapshot of every tick, or of every few if nothing in them is new to it, sees the world as it was a
moment ago, and is sent no more than it should.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.client.client import Client
from sidereal.client.interpolation import RING
from sidereal.client.statistics import SessionState
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.clients import JudgedClient
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan

SETTLES_S: Final = 0.6
"""How long after it has joined, or after the links have healed, a client is served in full."""

STOOD_STILL_TICKS: Final = 1.5
"""A world without a tick for so long has stood still; what is judged begins anew."""

SHOWN_EVERY_TICKS: Final = 4
"""Ticks between two looks at what a client shows: composing a view is what costs most here."""

SHOWN_LATE_TICKS_MAX: Final = 1.5
"""Ticks, beside the way, that a client may take the authority to be behind."""

SHOWN_EARLY_TICKS_MAX: Final = 0.5
"""How far ahead of the authority a client may take it to be."""

BYTES_PER_TICK: Final = 300
"""Of what a client may be sent: heads, and all that is said beside the world."""

BYTES_SEEN: Final = 10
"""For each entity in its window, in every tick. One that moves as it did costs next to nothing; one
that is flown takes 18, and a charge 8 when it changes."""

BYTES_NEW: Final = 73
"""For one that has come into the window, all that it has."""

BYTES_PER_CELL: Final = 8
"""For a cell that has."""


def silence_ticks_of(core: Replicator) -> int:
    """Ticks after which a client is sent a snapshot though nothing is new to it."""
    return max(1, round(core.limits.edge.silence_s * core.rules.tick_hz))


class _Served:
    """What a client has been given since it is judged.

    Attributes:
        since: when that began, virtual seconds.
        tick: likewise.
        snapshots: that it had by then.
        size: of all that it had by then, bytes.
        size_max: of all that it may have been sent since, bytes.
    """

    def __init__(self, now: float, tick: int, client: Client) -> None:
        statistics = client.statistics()
        self.since, self.tick, self.size_max = now, tick, 0
        self.snapshots, self.size = statistics.snapshots, statistics.bytes_in
        self._seen = np.zeros(0, np.uint32)
        self._centre: tuple[int, int] | None = None

    def allow(self, centre: tuple[int, int], seen: np.ndarray, rules: Rules) -> None:
        """Allow it what a tick brings, by what its window holds.

        Args:
            centre: absolute cell of the window.
            seen: uint32[n], ids of what is in it.
            rules: for its size.
        """
        side = rules.window_side
        known = 0
        if self._centre is not None:
            off_x, off_y = (abs(now - then) for now, then in zip(centre, self._centre, strict=True))
            known = max(0, side - off_x) * max(0, side - off_y)
        new = len(np.setdiff1d(seen, self._seen))
        self.size_max += BYTES_PER_TICK + BYTES_SEEN * len(seen) + BYTES_NEW * new
        self.size_max += BYTES_PER_CELL * (side * side - known)
        self._centre, self._seen = centre, seen


class Service:
    """Watches what every client gets."""

    def __init__(self, plan: Plan, *, weighs: bool = True) -> None:
        """Begin.

        Args:
            plan: of the run.
            weighs: whether bytes count: what they may be is known of the simulator's game alone.
        """
        self._plan = plan
        self._weighs = weighs
        self._tick = -1
        self._ticked_at = 0.0
        self._served: dict[Client, _Served] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at every client that should be served in full."""
        late_s = cluster.now - self._ticked_at
        if core.tick == self._tick or late_s > STOOD_STILL_TICKS * core.rules.tick_s:
            # Nobody simulated it; the ticks that follow come as fast as they can.
            self._served.clear()
        self._tick, self._ticked_at = core.tick, cluster.now
        present = core.world.present(core.tick)
        ids = core.world.columns.net_id[present.rows]
        cells = np.array(absolute_cell_of(present.x, present.y, core.rules))
        for process in cluster.clients:
            client = process.core
            if client is None or client.state is not SessionState.JOINED or client.replica is None:
                continue
            if client.replica.newest_tick < 0:
                # Its ship is still asked for.
                continue
            settled = self._is_settled(cluster, client, core.tick)
            coverage = client.replica.coverage
            centre = coverage.centre_x, coverage.centre_y
            off = np.abs(cells - np.array(centre)[:, None]).max(axis=0)
            inside = off <= core.rules.view_radius_cells
            self._served[client].allow(centre, ids[inside], core.rules)
            if not settled:
                continue
            for text in self._judge(cluster, process, client, core):
                yield f"{process.name} {text}"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _is_settled(self, cluster: Cluster, client: Client, tick: int) -> bool:
        """Tell whether nothing has gone wrong for a client for some time."""
        peace_from = -math.inf if self._plan.calm else self._plan.heal_at_s
        if client not in self._served or cluster.now < peace_from:
            self._served[client] = _Served(cluster.now, tick, client)
        return cluster.now >= max(self._served[client].since, peace_from) + SETTLES_S

    def _judge(
        self, cluster: Cluster, process: JudgedClient, client: Client, core: Replicator
    ) -> Iterator[str]:
        assert client.replica is not None
        link = cluster.network.config
        way_ticks = (link.delay_s + link.jitter_s) * core.rules.tick_hz
        lag = core.tick - client.replica.newest_tick
        cluster.exercised["ticks of service judged"] += 1
        silence_ticks = silence_ticks_of(core)
        if lag > silence_ticks + math.floor(way_ticks):
            yield f"has last heard of tick {client.replica.newest_tick}, {lag} ticks ago"
        served, statistics = self._served[client], client.statistics()
        ticks = core.tick - served.tick
        snapshots = statistics.snapshots - served.snapshots
        if snapshots < (ticks - 2 - way_ticks) / silence_ticks - 1:
            yield f"was sent {snapshots} snapshots in {ticks} ticks"
        size = statistics.bytes_in - served.size
        if self._weighs and size > served.size_max:
            yield f"was sent {size} bytes in {ticks} ticks; its window is worth {served.size_max}"
        # A clock that was set by a late snapshot takes seconds to come right.
        if self._plan.calm and core.tick % SHOWN_EVERY_TICKS == 0:
            yield from self._judge_view(cluster, process, client, core, way_ticks)

    def _judge_view(
        self,
        cluster: Cluster,
        process: JudgedClient,
        client: Client,
        core: Replicator,
        way_ticks: float,
    ) -> Iterator[str]:
        view = client.view(process.local(cluster.now))
        late = core.tick - view.server_tick
        if late > SHOWN_LATE_TICKS_MAX + way_ticks or late < -SHOWN_EARLY_TICKS_MAX:
            yield f"takes it to be tick {view.server_tick:.1f}, when it is {core.tick}"
        shown = view.server_tick - view.tick
        if not 0.0 <= shown <= RING - 1 + 1e-6:
            yield f"shows the world as it was {shown:.1f} ticks before it takes it to be"
