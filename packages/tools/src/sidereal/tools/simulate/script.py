"""What happens in a run, and when: what a fault does to whom, and how all of it ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidereal.tools.simulate import liarclients, liarshards
from sidereal.tools.simulate.clients import ClientProcess
from sidereal.tools.simulate.faults import HEALED, Fault, Kind
from sidereal.tools.simulate.processes import ShardProcess

if TYPE_CHECKING:
    from sidereal.tools.simulate.cluster import Cluster


class Script:
    """The things that happen in one run, in the order of time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        entries: list[tuple[float, Callable[[], None]]] = [
            (cluster.plan.freeze_at_s, self._freeze),
            (cluster.plan.heal_at_s, self._heal),
            (math.inf, self._heal),
        ]
        for fault in cluster.plan.faults:
            entries.append((fault.at, _bound(self._strike, fault)))
            if fault.kind is Kind.AUTHORITY_RESTARTS:
                entries.append((fault.at + fault.seconds, self._recover))
        self._entries = sorted(entries, key=lambda entry: entry[0])

    @property
    def next_at(self) -> float:
        """When the next thing happens, virtual seconds."""
        return self._entries[0][0]

    def act(self) -> None:
        """Let the next thing happen."""
        self._entries.pop(0)[1]()

    def _freeze(self) -> None:
        for client in self._cluster.clients:
            client.rest(self._cluster.now)

    def _heal(self) -> None:
        self._cluster.network.configure(HEALED)

    def _recover(self) -> None:
        if self._cluster.authority.core is None:
            self._cluster.authority.start(self._cluster.now)

    def _strike(self, fault: Fault) -> None:
        cluster, kind, until = self._cluster, fault.kind, fault.at + fault.seconds
        if kind is Kind.AUTHORITY_RESTARTS:
            cluster.authority.kill(cluster.now)
        elif kind is Kind.STORE_FAILS:
            cluster.authority.store_fails_until = until
        elif kind in (Kind.SHARD_JOINS, Kind.SHARD_DOUBLED):
            cluster.add_shard(ShardProcess, f"shard-{fault.target}").start(fault.at)
        elif kind is Kind.SHARD_LIES:
            cluster.add_shard(
                liarshards.LyingShardProcess,
                "shard-liar",
                finale=liarshards.Finale(fault.target),
                raves_from=until,
                lies=cluster.lies,
            ).start(fault.at)
        elif kind is Kind.SHARD_IDLES:
            cluster.add_shard(liarshards.IdleShardProcess, "shard-idle", until=until).start(
                fault.at
            )
        elif kind is Kind.CLIENT_LIES:
            cluster.add_liar(liarclients.Finale(fault.target), until).come(fault.at)
        elif kind.value.startswith("shard"):
            self._strike_shard(cluster.shards[fault.target], fault, until)
        else:
            self._strike_client(cluster.clients[fault.target], fault, until)

    def _strike_shard(self, shard: ShardProcess, fault: Fault, until: float) -> None:
        cluster = self._cluster
        if fault.kind is Kind.SHARD_CUT:
            cluster.network.cut(shard.host, until)
        elif fault.kind is Kind.SHARD_STALLED:
            shard.stall(until)
        elif fault.kind is Kind.SHARD_LEAVES:
            shard.leave(cluster.now)
            shard.start(until)
        else:
            shard.kill()
            shard.start(until)

    def _strike_client(self, client: ClientProcess, fault: Fault, until: float) -> None:
        cluster = self._cluster
        if fault.kind is Kind.CLIENT_CUT:
            cluster.network.cut(client.host, until)
            return
        if fault.kind is Kind.CLIENT_LEAVES:
            client.leave(cluster.now)
        else:
            client.vanish()
        client.come(until)


def _bound(strike: Callable[[Fault], None], fault: Fault) -> Callable[[], None]:
    return lambda: strike(fault)
