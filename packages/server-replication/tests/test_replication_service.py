"""The shell of the replication server, where the database is away."""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
import trio
import trio.testing

from sidereal.protocol.errors import StoreError
from sidereal.protocol.ids import Address
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.config import ReplicationConfig
from sidereal.replication.genesis import make_ship
from sidereal.replication.keeping.stored import StoreStatistics
from sidereal.replication.replicator import Keys, Replicator
from sidereal.replication.service import SAVE_AT_END_S, Service


class AwayStore:
    """A database that nobody can reach."""

    def statistics(self) -> StoreStatistics:
        return StoreStatistics("external", False, "away", 0, 0, 0)

    async def save_tick(self, tick: int) -> None:
        raise StoreError("the database is unavailable")

    async def write_rows(self, batch: object) -> None:
        raise StoreError("the database is unavailable")


class Deaf:
    """A socket that swallows everything, and counts."""

    def __init__(self) -> None:
        self.sent = 0

    def send_nowait(self, datagrams: list[Any]) -> None:
        self.sent += len(datagrams)


def make_service(
    clients: UdpSocket | None = None, shards: UdpSocket | None = None
) -> tuple[Service, Replicator]:
    core = Replicator(
        schema=BASE_SCHEMA,
        rules=Rules(),
        keys=Keys(bytes(32), bytes(32)),
        client_addresses=[Address("192.0.2.1", 1)],
        shard_addresses=[Address("192.0.2.1", 2)],
        clients_max=1,
        entropy=np.random.default_rng(1).bytes,
        rng=np.random.default_rng(1),
        now=trio.current_time(),
    )
    store, deaf = cast(Any, AwayStore()), cast(Any, Deaf())
    config = ReplicationConfig("key")
    return Service(config, store, core, clients or deaf, shards or deaf, bytes(32)), core


async def test_a_quiet_world_ends_without_its_database(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, core = make_service()
    core.step(trio.current_time())
    await service.close()


async def test_what_cannot_be_saved_does_not_hold_up_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, core = make_service()
    core.create(make_ship(BASE_SCHEMA, "wreck", 0.0, 0.0, 0.0, 0))
    core.step(trio.current_time())
    started_at = trio.current_time()
    await service.close()
    assert core.saving.depth == 1
    assert trio.current_time() - started_at < SAVE_AT_END_S + 1.0


async def test_what_the_system_drops_is_in_the_status_and_the_metrics() -> None:
    with await open_udp("127.0.0.1", 0) as clients, await open_udp("127.0.0.1", 0) as shards:
        service, _ = make_service(clients, shards)
        most = shards.statistics().receive_buffer_size // 500
        clients.send_nowait([(bytes(500), shards.address)] * most)
        sockets = service.status()["sockets"]
        assert sockets["clients"]["receives_overflowed"] == 0
        if sys.platform == "linux":
            assert sockets["shards"]["receives_overflowed"] > 0
        (metric,) = [m for m in service.metrics() if "overflowed" in m.name]
        assert metric.values["shards",] == sockets["shards"]["receives_overflowed"]
