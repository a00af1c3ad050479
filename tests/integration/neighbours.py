"""The real replication server and two real shards, each over a link of its own, in virtual time."""

from __future__ import annotations

import math

import numpy as np

from sidereal.game.declarations import Declarations
from sidereal.protocol.ids import Address
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import Wire
from sidereal.replication.replicator import Keys, Replicator
from sidereal.shard.shard import ShardCore

from .troupe import CLIENTS, RULES, SHARDS, WALL

KEY = bytes(range(32))


class Neighbours:
    """A world over two sectors, the left one simulated by one shard, the right one by another.

    Attributes:
        now: virtual seconds.
        cores: the shards; their ids are their places here, and 1.
        wires: theirs; end 0 is the authority's.
        acts_at: when `act` is to be called.
    """

    def __init__(
        self, records: np.ndarray, game: Declarations, config: LinkConfig, seed: int
    ) -> None:
        streams = np.random.default_rng(seed).spawn(4)
        self.now = 0.0
        self.acts_at = math.inf
        self.authority = Replicator(
            game=game,
            rules=RULES,
            keys=Keys(bytes(32), KEY),
            client_addresses=[CLIENTS],
            shard_addresses=[SHARDS],
            clients_max=4,
            entropy=streams[0].bytes,
            rng=streams[1],
            now=0.0,
        )
        self.authority.create(records)
        self.wires = [Wire(config, 10 * seed + number) for number in range(2)]
        self.addresses = [Address(f"198.51.100.{number}", 50000) for number in range(2)]
        self.cores = [
            ShardCore(
                key=KEY,
                server=SHARDS,
                name=f"shard-{number + 1}",
                incarnation=streams[2 + number].bytes(16),
                game=game,
                entropy=streams[2 + number].bytes,
                now=0.0,
                # Their clocks are hours apart, which is nobody's concern.
                wall_now=WALL + 3600.0 * (2 * number - 1),
                seed=number,
            )
            for number in range(2)
        ]
        self.run(4.0)
        leases = self.authority.mesh.leases
        holders = [leases.holder_of((sector, 0)) for sector in range(2)]
        assert sorted(holders) == [1, 2]
        self.left, self.right = (self.cores[holder - 1] for holder in holders)

    def act(self) -> None:
        """Do what is due now."""

    def watch(self, core: ShardCore) -> None:
        """Look at a shard after its turn."""

    def each_tick(self) -> None:
        """Look at the world after a tick."""

    def run(self, seconds: float) -> None:
        """Let time pass: what is due, one after the other."""
        until = self.now + seconds
        self._exchange()
        while (at := self._next_time()) <= until:
            self.now = max(self.now, at)
            for wire, core, address in zip(self.wires, self.cores, self.addresses, strict=True):
                self._deliver(wire, core, address)
            if self.acts_at <= self.now:
                self.act()
            self._exchange()
        self.now = until

    def _deliver(self, wire: Wire, core: ShardCore, address: Address) -> None:
        while (arrival := wire.take_due(self.now)) is not None:
            end, datagram = arrival
            if end == 0:
                self.authority.receive_shards([(datagram, address)], self.now, WALL + self.now)
            else:
                core.receive_datagram(datagram, SHARDS, self.now)

    def _next_time(self) -> float:
        times: list[float | None] = [self.authority.next_timer(), self.acts_at]
        for wire, core in zip(self.wires, self.cores, strict=True):
            times += [wire.next_delivery, core.next_timer()]
        return min(time for time in times if time is not None)

    def _exchange(self) -> None:
        tick = self.authority.tick
        for wire, core in zip(self.wires, self.cores, strict=True):
            for datagram, _ in core.turn(self.now):
                wire.send(1, datagram, self.now)
            self.watch(core)
        for datagram, address in self.authority.turn(self.now, WALL + self.now).shards:
            self.wires[self.addresses.index(address)].send(0, datagram, self.now)
        if self.authority.tick != tick:
            self.each_tick()
