"""The shell of the replication server, where the database is away."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import asyncpg
import numpy as np
import pytest
import trio
import trio.testing
import trio_asyncio
from authority_rig import make_core
from drifters import drifter

from sidereal.game.load import DEFAULT_GAME, load
from sidereal.protocol.errors import ConfigError, StoreError, UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.udp import Arrival, UdpSocket, UdpStatistics, open_udp
from sidereal.replication.config import ReplicationConfig
from sidereal.replication.ending import GOODBYE_S, SAVE_S_MAX
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.http.server import HttpServer
from sidereal.replication.keeping import saver as saver_module
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.postgres.postmaster import bare_errors
from sidereal.replication.keeping.store import Written, open_store
from sidereal.replication.keeping.stored import StoreStatistics
from sidereal.replication.keeping.tables import LOCK_S_MAX, MIGRATION_LOCK
from sidereal.replication.lifecycle import run
from sidereal.replication.limits import LIMITS
from sidereal.replication.replicator import Outgoing, Replicator
from sidereal.replication.service import STATUS_AGE_S_MAX, Service

KEEPING = LIMITS.keeping


class AwayStore:
    """A database that nobody can reach."""

    def statistics(self) -> StoreStatistics:
        return StoreStatistics("external", False, "away", 0, 0, 0, 0)

    async def save_tick(self, tick: int) -> None:
        raise StoreError("the database is unavailable")

    async def write_rows(self, batch: Batch, tick: int) -> Written:
        raise StoreError("the database is unavailable")


class Deaf:
    """A socket that swallows everything, and counts."""

    def __init__(self) -> None:
        self.sent = 0

    def send_nowait(self, datagrams: list[Any]) -> None:
        self.sent += len(datagrams)


def make_service(
    clients: UdpSocket | None = None,
    shards: UdpSocket | None = None,
    store: AwayStore | None = None,
) -> tuple[Service, Replicator]:
    core = make_core(trio.current_time(), np.random.default_rng(1))
    deaf = cast(Any, Deaf())
    config = ReplicationConfig("5e" * 16)
    place: Any = store or AwayStore()
    return Service(config, place, core, clients or deaf, shards or deaf, bytes(32)), core


async def test_connections_of_http_are_in_the_state_and_the_metrics() -> None:
    async def nothing(*_: object) -> None:
        pass

    with await open_udp("127.0.0.1", 0) as clients, await open_udp("127.0.0.1", 0) as shards:
        service, _ = make_service(clients, shards)
        service.http = HttpServer(nothing, HttpLimits().with_connections(9))
        assert service.status()["http"]["connections_max"] == 9
        values = {metric.name: metric.values for metric in service.metrics()}
        assert values["sidereal_http_accepts_failed"] == {(): 0}
        counts = service.counts()
        assert counts["counts"] == {"clients": 0, "entities": 0, "shards": 0}
        assert counts["ready"] is False


async def test_who_came_and_who_ended_is_in_the_status_and_the_metrics() -> None:
    with await open_udp("127.0.0.1", 0) as clients, await open_udp("127.0.0.1", 0) as shards:
        service, core = make_service(clients, shards)
        core.create(np.repeat(drifter("Ada"), 3))
        core.remove(core.world.columns.rows()[:1])
        core.births.spawned, core.births.ended = 5, 4
        core.births.spawns_refused["foreign_place"] = 2
        core.births.ends_refused["not_owner"] = 1
        status = service.status()["replication"]
        assert status["spawns"] == {
            "by_shards": 5,
            "by_authority": 3,
            "refused": {"foreign_place": 2},
        }
        assert status["despawns"] == {
            "by_shards": 4,
            "by_authority": 1,
            "refused": {"not_owner": 1},
        }
        values = {metric.name: metric.values for metric in service.metrics()}
        assert values["sidereal_spawns"] == {("shards",): 5, ("authority",): 3}
        assert values["sidereal_spawns_refused"] == {("foreign_place",): 2}
        assert values["sidereal_despawns"] == {("shards",): 4, ("authority",): 1}
        assert values["sidereal_despawns_refused"] == {("not_owner",): 1}


async def test_strangers_do_not_hear_what_the_database_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, core = make_service()
    core.turn(trio.current_time(), 0.0)
    await trio.sleep(2.0)
    assert service.ready() == (
        False,
        "nothing was saved for 2.0 s: the database takes no writes",
    )


async def test_counts_serve_everybody_who_asks_for_a_while(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, _ = make_service()
    counts = service.counts()
    await trio.sleep(STATUS_AGE_S_MAX / 2)
    assert service.counts() is counts
    await trio.sleep(STATUS_AGE_S_MAX / 2)
    assert service.counts()["uptime_s"] == pytest.approx(STATUS_AGE_S_MAX)


class AskedStore(AwayStore):
    """A database that is asked for ships, and does not answer."""

    def __init__(self) -> None:
        self.asked: set[int] = set()

    async def load_berth(self, account: int) -> None:
        self.asked.add(account)
        raise StoreError("the database is unavailable")


async def test_what_belongs_to_a_tick_goes_on_while_the_world_stands_still(
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sidereal.replication")
    store = AskedStore()
    with await open_udp("127.0.0.1", 0) as clients, await open_udp("127.0.0.1", 0) as shards:
        service, core = make_service(clients, shards, store)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.tick)
            nursery.start_soon(service.saver.fetch_berths)
            await trio.sleep(4.0)
            assert core.clock.stands_still
            assert any(text.startswith("stands_still ") for text in caplog.messages)
            assert service.ready()[0] is False
            core.berths.fetch(7, core.tick)
            await trio.sleep(1.0)
            nursery.cancel_scope.cancel()
    assert store.asked == {7}
    assert not core.berths.has_requests


class Feed(Deaf):
    """A socket that brings what it is told to, drain by drain."""

    def __init__(self, *drains: list[Arrival]) -> None:
        super().__init__()
        self.drains = list(drains)

    def receive_nowait(self) -> list[Arrival]:
        return self.drains.pop(0) if self.drains else []

    def statistics(self) -> UdpStatistics:
        return UdpStatistics(0, 0, 0, 0, 0, 0, 0, 0, 0)


async def test_what_comes_while_a_tick_runs_is_heard_of_before_its_datagrams_leave(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Address("127.0.0.1", 9)
    clients, shards = Feed([], [(b"b", source, 0.2)]), Feed([(b"a", source, 0.1)], [])
    service, core = make_service(cast(Any, clients), cast(Any, shards))
    seen: list[tuple[str, float]] = []
    began_at = trio.current_time()

    def note(what: str, now: float) -> None:
        seen.append((what, round(now - began_at, 6)))

    def advance(now: float, of_core: Callable[[float], bool] = core.advance) -> bool:
        stepped = of_core(now)
        autojump_clock.jump(0.3)
        note("tick", now)
        return stepped

    def collect(
        now: float, wall: float, *, stepped: bool, of_core: Callable[..., Outgoing] = core.collect
    ) -> Outgoing:
        note("leaves", now)
        return of_core(now, wall, stepped=stepped)

    for replaced in ("receive_clients", "receive_shards"):
        what = replaced.removeprefix("receive_")
        monkeypatch.setattr(core, replaced, lambda _, now, __, what=what: note(what, now))
    monkeypatch.setattr(core, "advance", advance)
    monkeypatch.setattr(core, "collect", collect)
    with trio.move_on_after(0.01):
        await service.tick()
    assert seen == [("shards", -0.1), ("tick", 0.0), ("clients", 0.1), ("leaves", 0.3)]


async def test_an_idle_world_ends_without_its_database(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, core = make_service()
    core.turn(trio.current_time(), 0.0)
    await service.close()


async def test_what_cannot_be_saved_does_not_hold_up_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service, core = make_service()
    core.create(drifter("wreck"))
    core.turn(trio.current_time(), 0.0)
    started_at = trio.current_time()
    assert await service.close() == 1
    assert core.saving.depth == 1
    assert trio.current_time() - started_at == pytest.approx(SAVE_S_MAX + GOODBYE_S)


class TimedStore(AwayStore):
    """A database whose writes take so long, and fail from some moment on."""

    def __init__(self, write_s: float = 0.0, away_after: float = math.inf) -> None:
        self.write_s = write_s
        self.away_after = away_after

    async def save_tick(self, tick: int) -> None:
        await trio.sleep(self.write_s)
        if trio.current_time() >= self.away_after:
            raise StoreError("the disk is full")

    async def write_rows(self, batch: Batch, tick: int) -> Written:
        await self.save_tick(tick)
        return Written(np.ones(len(batch), np.bool_), np.zeros(len(batch), np.bool_))

    async def release(self) -> None:
        """Nobody waits for it."""


async def watch_unsaved(store: TimedStore, for_s: float) -> list[float]:
    """How old what is not saved gets, in a world in which something changes in every tick."""
    service, core = make_service(store=store)
    core.create(drifter("wreck"))
    rows, ages = core.world.columns.rows(), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.saver.run)
        ends_at = trio.current_time() + for_s
        while trio.current_time() < ends_at:
            tick = core.tick
            core.turn(trio.current_time(), 0.0)
            if core.tick != tick:
                core.world.mark(rows, core.tick)
            ages.append(service.saver.unsaved_s)
            is_ready = not service.ready()[1].startswith("nothing was saved for ")
            assert is_ready == (service.saver.unsaved_s <= KEEPING.unsaved_s)
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    return ages


async def test_a_quick_database_keeps_what_a_crash_may_cost_far_below_the_limit(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ages = await watch_unsaved(TimedStore(write_s=0.02), 5.0)
    assert max(ages) <= KEEPING.flush_s + 0.02 + 0.001


async def test_a_server_is_ready_as_long_as_a_crash_costs_half_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert max(await watch_unsaved(TimedStore(write_s=0.2), 5.0)) <= KEEPING.unsaved_s
    assert max(await watch_unsaved(TimedStore(write_s=0.3), 5.0)) > KEEPING.unsaved_s


async def test_half_a_second_after_the_last_write_a_server_is_not_ready_whatever_the_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ages = await watch_unsaved(TimedStore(away_after=2.0), 4.0)
    assert max(ages[:200]) <= KEEPING.flush_s + 0.001
    assert ages[-1] > 2.0 - KEEPING.flush_s - 0.02


async def test_a_run_that_lost_rows_says_how_many(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver_module, "SAVE_S_MAX", 0.5)
    async with open_store(database_url, load(DEFAULT_GAME)) as store:
        await store.begin("ours", "a test")
        await store.release()
    async with trio_asyncio.open_loop():
        await trio_asyncio.aio_as_trio(execute)(
            database_url, "ALTER TABLE entity ADD CHECK (kind <> 'asteroid')"
        )

    async def run_until_announced() -> None:
        with bare_errors():
            async with trio.open_nursery() as nursery:
                end = nursery.cancel_scope.cancel
                await run(configure(database=database_url, world="belt"), lambda _: end())

    with pytest.raises(StoreError, match=r"^2025 rows were not saved"), trio.fail_after(40):
        await run_until_announced()


async def test_a_start_that_fails_over_what_was_saved_makes_nobody_wait(
    database_url: str,
) -> None:
    async with open_store(database_url, load(DEFAULT_GAME)) as store:
        await store.begin("ours", "a test")
        await store.release()
        async with trio_asyncio.open_loop():
            await trio_asyncio.aio_as_trio(execute)(database_url, "UPDATE world SET tick = -1")
        with pytest.raises(UnavailableError, match="clock"), trio.fail_after(40):
            await run(configure(database=database_url), lambda _: None)
        await store.begin("ours", "with the right clock")


async def run_once(url: str, world: str | None) -> Mapping[str, str]:
    """Let a server run on a database until it serves; returns what it announced."""
    announced: dict[str, str] = {}
    with bare_errors(), trio.fail_after(40):
        async with trio.open_nursery() as nursery:

            def note(said: Mapping[str, str]) -> None:
                announced.update(said)
                nursery.cancel_scope.cancel()

            await run(configure(database=url, world=world), note)
    return announced


async def test_a_world_goes_on_as_what_it_was_made_from(database_url: str) -> None:
    assert (await run_once(database_url, "crowd"))["world"] == "crowd"
    assert (await run_once(database_url, None))["world"] == "crowd"
    said = "^the database holds the world crowd, which goes on without --world: for star give an"
    with pytest.raises(ConfigError, match=said):
        await run_once(database_url, "star")
    assert (await run_once(database_url, "crowd"))["world"] == "crowd"


async def test_a_world_is_named_when_it_is_the_first_of_its_game(database_url: str) -> None:
    assert (await run_once(database_url, None))["world"] == "belt"
    with pytest.raises(ConfigError, match="the database holds the world belt, which"):
        await run_once(database_url, "crowd")


async def test_a_world_that_is_older_than_its_name_is_what_is_asked_for(
    database_url: str,
) -> None:
    await run_once(database_url, "crowd")
    async with trio_asyncio.open_loop():
        for statement in (
            "ALTER TABLE world DROP begun_as",
            "DELETE FROM schema_migration WHERE version = 10",
        ):
            await trio_asyncio.aio_as_trio(execute)(database_url, statement)
    assert (await run_once(database_url, "star"))["world"] == "star"
    assert "world" not in await run_once(database_url, None)


async def test_a_world_of_which_nothing_was_saved_is_made_anew(database_url: str) -> None:
    async with open_store(database_url, load(DEFAULT_GAME)) as store:
        await store.begin("ours", "a test")
        await store.note_beginning("belt")  # and then it was killed
        await store.release()
    assert (await run_once(database_url, "star"))["world"] == "star"


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


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
