"""How often, how late and at what cost clients hear of the world, outside of faults.

While nothing goes wrong, and again some time after everything has healed, every client has a
snapshot of every tick, or of every few if nothing in them is new to it, sees the world as it was a
moment ago, and is sent no more than it should.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from sidereal.client.client import Client
from sidereal.client.interpolation import RING
from sidereal.client.statistics import SessionState
from sidereal.protocol.rules import Rules
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.clients import ClientProcess
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.scene import SECTOR_SIZE

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

BYTES_PER_TICK_MAX: Final = 1100
"""Bytes of a client's snapshots and all else it is sent, on average, in a window like most."""

BYTES_PER_ENTITY_MAX: Final = 30
"""Or for each entity that may be in a larger window: one that moves takes 18 in every tick, its
charge 8 when that changes, and one that is new takes 47 more, once."""

BYTES_PER_CELL_MAX: Final = 8
"""And for each cell of the window: what a cell takes that is new to it."""


def bytes_per_tick_max(plan: Plan, rules: Rules) -> float:
    """Bytes that a client may be sent per tick, on average."""
    seen_share = min(1.0, rules.window_side * rules.cell_size / plan.sectors_per_side / SECTOR_SIZE)
    seen = (len(plan.rocks) + plan.pilots) * seen_share**2
    crowd = max(BYTES_PER_TICK_MAX, BYTES_PER_ENTITY_MAX * seen)
    return crowd + BYTES_PER_CELL_MAX * rules.window_side**2


def silence_ticks_of(core: Replicator) -> int:
    """Ticks after which a client is sent a snapshot though nothing is new to it."""
    return max(1, round(core.limits.edge.silence_s * core.rules.tick_hz))


class Service:
    """Watches what every client gets."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tick = -1
        self._ticked_at = 0.0
        self._joined: dict[Client, tuple[float, int, int, int]] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at every client that should be served in full."""
        late_s = cluster.now - self._ticked_at
        if core.tick == self._tick or late_s > STOOD_STILL_TICKS * core.rules.tick_s:
            # Nobody simulated it; the ticks that follow come as fast as they can.
            self._joined.clear()
        self._tick, self._ticked_at = core.tick, cluster.now
        for process in cluster.clients:
            client = process.core
            if client is None or client.state is not SessionState.JOINED or client.replica is None:
                continue
            if client.replica.newest_tick < 0:
                # Its ship is still asked for.
                continue
            if not self._is_settled(cluster, client, core.tick):
                continue
            for text in self._judge(cluster, process, client, core):
                yield f"{process.name} {text}"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _is_settled(self, cluster: Cluster, client: Client, tick: int) -> bool:
        """Tell whether nothing has gone wrong for a client for some time."""
        peace_from = -math.inf if self._plan.calm else self._plan.heal_at_s
        statistics = client.statistics()
        now = cluster.now, tick, statistics.snapshots, statistics.bytes_in
        since = self._joined.setdefault(client, now)
        if cluster.now < peace_from:
            self._joined[client] = now
        return cluster.now >= max(since[0], peace_from) + SETTLES_S

    def _judge(
        self, cluster: Cluster, process: ClientProcess, client: Client, core: Replicator
    ) -> Iterator[str]:
        assert client.replica is not None
        link = cluster.network.config
        way_ticks = (link.delay_s + link.jitter_s) * core.rules.tick_hz
        lag = core.tick - client.replica.newest_tick
        cluster.exercised["ticks of service judged"] += 1
        silence_ticks = silence_ticks_of(core)
        if lag > silence_ticks + math.floor(way_ticks):
            yield f"has last heard of tick {client.replica.newest_tick}, {lag} ticks ago"
        _, tick_then, snapshots_then, bytes_then = self._joined[client]
        statistics = client.statistics()
        ticks = core.tick - tick_then
        snapshots = statistics.snapshots - snapshots_then
        if snapshots < (ticks - 2 - way_ticks) / silence_ticks - 1:
            yield f"was sent {snapshots} snapshots in {ticks} ticks"
        size = (statistics.bytes_in - bytes_then) / max(1, ticks)
        if size > bytes_per_tick_max(self._plan, core.rules):
            yield f"is sent {size:.0f} bytes per tick"
        # A clock that was set by a late snapshot takes seconds to come right.
        if self._plan.calm and core.tick % SHOWN_EVERY_TICKS == 0:
            yield from self._judge_view(cluster, process, client, core, way_ticks)

    def _judge_view(
        self,
        cluster: Cluster,
        process: ClientProcess,
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
