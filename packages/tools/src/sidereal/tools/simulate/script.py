"""What happens in a run, and when: what a fault does to whom, and how all of it ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidereal.tools.simulate import liarclients, liarshards
from sidereal.tools.simulate.clients import JudgedClient
from sidereal.tools.simulate.faults import HEALED, Fault, Kind
from sidereal.tools.simulate.idleshards import IdleShardProcess
from sidereal.tools.simulate.network import Way
from sidereal.tools.simulate.processes import Process
from sidereal.tools.simulate.shards import ShardProcess

if TYPE_CHECKING:
    from sidereal.tools.simulate.cluster import Cluster


_CUTS: Final = {
    Kind.SHARD_CUT: (Way.FROM, Way.TO),
    Kind.CLIENT_CUT: (Way.FROM, Way.TO),
    Kind.SHARD_DEAF: (Way.TO,),
    Kind.CLIENT_DEAF: (Way.TO,),
    Kind.SHARD_MUTE: (Way.FROM,),
    Kind.CLIENT_MUTE: (Way.FROM,),
}
"""Which ways a fault closes."""

LAST_WORDS_S: Final = 0.2
"""Who is about to leave asks for something so long before."""

_JUMPS: Final = (Kind.SHARD_CLOCK_JUMPS, Kind.CLIENT_CLOCK_JUMPS)
_CLOCKS: Final = (*_JUMPS, Kind.SHARD_CLOCK_DRIFTS, Kind.CLIENT_CLOCK_DRIFTS)


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
            if fault.kind is Kind.CLIENT_LEAVES:
                asks = cluster.clients[fault.target].ask_at_last
                entries.append((fault.at - LAST_WORDS_S, asks))
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
        elif kind is Kind.AUTHORITY_REPLACED:
            cluster.authority.replace(cluster.now)
        elif kind is Kind.AUTHORITY_STALLED:
            cluster.authority.stall(until)
        elif kind.value.startswith("store"):
            self._strike_store(kind, until)
        elif kind is Kind.ROCK_REMOVED:
            cluster.remove_rock(fault.target)
        elif kind in (Kind.SHARD_JOINS, Kind.SHARD_DOUBLED):
            cluster.add_shard(ShardProcess, f"shard-{fault.target}").start(fault.at)
        elif kind is Kind.SPARE_JOINS:
            cluster.add_shard(ShardProcess, f"spare-{fault.target}", spare=True).start(fault.at)
        elif kind is Kind.SHARD_LIES:
            cluster.add_shard(
                liarshards.LyingShardProcess,
                "shard-liar",
                finale=liarshards.Finale(fault.target),
                raves_from=until,
                lies=cluster.lies,
                long_ago_s=cluster.plan.limits.proposals.unreported_s,
            ).start(fault.at)
        elif kind is Kind.SHARD_IDLES:
            cluster.add_shard(IdleShardProcess, "shard-idle", until=until).start(fault.at)
        elif kind is Kind.CLIENT_LIES:
            cluster.add_liar(liarclients.Finale(fault.target), until).come(fault.at)
        else:
            self._strike_process(fault, until)

    def _strike_store(self, kind: Kind, until: float) -> None:
        weather = self._cluster.authority.weather
        if kind is Kind.STORE_FAILS:
            weather.fails_until = until
        elif kind is Kind.STORE_SLOW:
            weather.slow_until = until
        else:
            weather.unsure_until = until

    def _strike_process(self, fault: Fault, until: float) -> None:
        is_shard = fault.kind.value.startswith("shard")
        shard, client = self._cluster.shards, self._cluster.clients
        process: Process = shard[fault.target] if is_shard else client[fault.target]
        if fault.kind in _CUTS:
            self._cluster.network.cut(process.host, until, *_CUTS[fault.kind])
        elif fault.kind in _CLOCKS:
            self._strike_clock(process, fault)
        elif isinstance(process, ShardProcess):
            self._strike_shard(process, fault, until)
        elif isinstance(process, JudgedClient):
            self._strike_client(process, fault, until)

    def _strike_clock(self, process: Process, fault: Fault) -> None:
        if fault.kind in _JUMPS:
            process.set_clock(self._cluster.now, forward_s=fault.seconds)
        else:
            process.set_clock(self._cluster.now, rate=1.0 + fault.seconds)

    def _strike_shard(self, shard: ShardProcess, fault: Fault, until: float) -> None:
        if fault.kind is Kind.SHARD_STALLED:
            shard.stall(until)
        elif fault.kind is Kind.SHARD_FAILS:
            shard.fail(self._cluster.now, until)
        elif fault.kind is Kind.SHARD_DRAINS:
            shard.drain(self._cluster.now, until)
        elif fault.kind is Kind.SHARD_LEAVES:
            shard.leave(self._cluster.now)
            shard.start(until)
        else:
            shard.kill()
            shard.start(until)

    def _strike_client(self, client: JudgedClient, fault: Fault, until: float) -> None:
        if fault.kind is Kind.CLIENT_LEAVES:
            client.leave(self._cluster.now)
        else:
            client.vanish()
        client.come(until)


def _bound(strike: Callable[[Fault], None], fault: Fault) -> Callable[[], None]:
    return lambda: strike(fault)
