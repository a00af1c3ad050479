"""The shell of the replication server, where the database is away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import asyncpg
import numpy as np
import trio
import trio.testing
import trio_asyncio

from sidereal.protocol.errors import StoreError
from sidereal.protocol.ids import Address
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.config import ReplicationConfig
from sidereal.replication.ending import SAVE_S_MAX
from sidereal.replication.genesis import make_ship
from sidereal.replication.keeping.stored import StoreStatistics
from sidereal.replication.keeping.tables import LOCK_S_MAX, MIGRATION_LOCK
from sidereal.replication.replicator import Keys, Replicator
from sidereal.replication.service import Service, run


class AwayStore:
    """A database that nobody can reach."""

    def statistics(self) -> StoreStatistics:
        return StoreStatistics("external", False, "away", 0, 0, 0, 0)

    async def save_tick(self, tick: int) -> None:
        raise StoreError("the database is unavailable")

    async def write_rows(self, batch: object, tick: int) -> None:
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
    config = ReplicationConfig("5e" * 16)
    return Service(config, store, core, clients or deaf, shards or deaf, bytes(32)), core


async def test_a_quiet_world_ends_without_its_database(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, core = make_service()
    core.turn(trio.current_time(), 0.0)
    await service.close()


async def test_what_cannot_be_saved_does_not_hold_up_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, core = make_service()
    core.create(make_ship(BASE_SCHEMA, "wreck", 0.0, 0.0, 0.0, 0))
    core.turn(trio.current_time(), 0.0)
    started_at = trio.current_time()
    await service.close()
    assert core.saving.depth == 1
    assert trio.current_time() - started_at < SAVE_S_MAX + 1.0


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


# -- the start, cut short ------------------------------------------------------------------------


def ignore(_endpoints: Mapping[str, str]) -> None:
    """Nobody waits for the endpoints."""


def configure(**settings: Any) -> ReplicationConfig:
    free = "127.0.0.1:0"
    return ReplicationConfig("5e" * 16, http=free, clients=free, shards=free, **settings)


async def test_a_start_that_waits_for_another_s_migration_is_cancelled_at_once(
    database_url: str,
) -> None:
    config = configure(database=database_url)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    async def hold_lock_until_cancelled() -> None:
        holder, watcher = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
        try:
            await holder.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
            while not await watcher.fetchval(locks):
                await asyncio.sleep(0.01)
        finally:
            await watcher.close()
        waiting.set()
        try:
            await asyncio.sleep(LOCK_S_MAX)
        finally:
            await holder.close()

    waiting = trio.Event()
    with trio.fail_after(LOCK_S_MAX / 2):
        async with trio_asyncio.open_loop(), trio.open_nursery() as nursery:
            nursery.start_soon(trio_asyncio.aio_as_trio(hold_lock_until_cancelled))
            async with trio.open_nursery() as start:
                start.start_soon(run, config, ignore)
                await waiting.wait()
                start.cancel_scope.cancel()
            nursery.cancel_scope.cancel()


async def test_a_start_that_makes_its_database_is_cancelled_and_can_be_repeated(
    tmp_path: Path,
) -> None:
    config = configure(world="empty", data_dir=tmp_path / "world")
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, config, ignore)
            while not (config.data_dir / "postgres.new" / "PG_VERSION").exists():
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
    assert not (config.data_dir / "postgres").exists()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            announced = trio.Event()
            nursery.start_soon(run, config, lambda _endpoints: announced.set())
            await announced.wait()
            nursery.cancel_scope.cancel()
    assert (config.data_dir / "postgres").exists()
