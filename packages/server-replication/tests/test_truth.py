"""The database says the truth: who may write, what is refused, what is set aside, what is gone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import numpy as np
import pytest
import trio
import trio.testing
import trio_asyncio
from drifters import GAME, SCHEMA, drifter
from raw_sql import sql

from sidereal.protocol.errors import StoreError, UnavailableError
from sidereal.replication.keeping import rows, tables
from sidereal.replication.keeping.limits import TERM_SILENT_S_MAX, DatabaseLimits, KeepingLimits
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.references import saved_alone
from sidereal.replication.keeping.store import Store, Written, open_store
from sidereal.replication.keeping.tables import FencedError
from sidereal.replication.limits import LIMITS
from sidereal.replication.world import UUID

Sql = Callable[..., Any]


@contextlib.asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[None]:
    """Nobody else changes a table, for as long as the context is open."""
    async with trio_asyncio.open_loop():
        connection = await trio_asyncio.aio_as_trio(asyncpg.connect)(url)
        lock = f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE"
        await trio_asyncio.aio_as_trio(connection.execute)(lock)
        yield
        await trio_asyncio.aio_as_trio(connection.close)()


def uuid_of(name: int) -> np.ndarray:
    return np.frombuffer(name.to_bytes(16, "big"), UUID)


def rocks(*names: int, tick: int = 5, **values: float) -> Batch:
    """Rows of entities that are nobody's."""
    records = np.concatenate([drifter(f"e{n}", n, tick=1) for n in names])
    for name, value in values.items():
        records[name] = value
    count = len(names)
    return Batch(
        saved_alone(SCHEMA, records),
        np.concatenate([uuid_of(name) for name in names]),
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
        np.zeros(count, np.bool_),
        np.full(count, tick, np.int64),
        np.full(count, tick, np.int64),
    )


def ship(name: int, account: int, *, tick: int = 5, **values: float) -> Batch:
    batch = rocks(name, tick=tick, **values)
    batch.account[:] = account
    return batch


def removal(*names: int, tick: int, **values: float) -> Batch:
    batch = rocks(*names, tick=tick, **values)
    batch.removed[:] = True
    return batch


async def write(store: Store, batch: Batch, tick: int | None = None) -> Written:
    return await store.write_rows(batch, int(batch.saved_tick.max()) if tick is None else tick)


async def found(store: Store) -> list[int]:
    world = await store.load_world(berths=True)
    return sorted(int.from_bytes(uuid.tobytes(), "big") for uuid in world.uuid)


@contextlib.asynccontextmanager
async def running(
    url: str,
    token: str = "ours",
    name: str = "the first",
    limits: KeepingLimits = LIMITS.keeping,
) -> AsyncIterator[Store]:
    async with open_store(url, GAME, limits) as store:
        await store.begin(token, name)
        yield store


# -- one authority -------------------------------------------------------------------------------


async def test_a_second_server_is_refused_in_one_line_while_the_first_one_writes(
    database_url: str,
) -> None:
    async with running(database_url) as first, open_store(database_url, GAME) as second:
        await first.save_tick(1)
        expected = r"in use by the first, which wrote \d\.\d s ago: stop .* --database"
        with pytest.raises(UnavailableError, match=expected) as caught:
            await second.begin("others", "the second")
        assert "\n" not in str(caught.value)
        with pytest.raises(FencedError):
            await second.save_tick(99)
        await first.save_tick(2)  # and nobody has taken anything from it
        assert (await first.load_world()).tick == 2


OFTEN = KeepingLimits(beat_s=0.05)


async def load_for_ever(*_: object) -> None:
    await trio.sleep_forever()


async def test_a_server_that_is_loading_counts_as_alive(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "_load", load_for_ever)
    async with running(database_url, limits=OFTEN) as store, trio.open_nursery() as nursery:
        old = await sql(database_url, "SELECT beat_at FROM authority")
        nursery.start_soon(store.load_world)
        with trio.fail_after(10):
            while (await sql(database_url, "SELECT beat_at FROM authority")) == old:
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()


async def test_a_server_that_is_replaced_while_it_loads_is_told_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "_load", load_for_ever)
    async with (
        running(database_url, limits=OFTEN) as old,
        open_store(database_url, GAME) as new,
    ):
        await new.begin("ours", "started again")
        with pytest.raises(FencedError, match="taken over"), trio.fail_after(10):
            await old.load_world()


OTHER_VERSION = "INSERT INTO schema_migration (version, name) VALUES (999, 'future')"
OTHER_SCHEMA = "ALTER TABLE entity ALTER COLUMN mass TYPE bigint"


@pytest.mark.parametrize(
    ("change", "words"), [(OTHER_VERSION, "at version 999"), (OTHER_SCHEMA, "mass is bigint")]
)
async def test_a_server_that_is_refused_takes_nothing_from_one_that_has_stalled(
    database_url: str, change: str, words: str
) -> None:
    async with running(database_url) as first, open_store(database_url, GAME) as other:
        await first.save_tick(1)
        await sql(database_url, change, "UPDATE authority SET beat_at = '-infinity'")
        with pytest.raises(UnavailableError, match=words):
            await other.begin("others", "of another version")
        await first.save_tick(2)


@pytest.mark.parametrize("step", ["_migrate", "_end_flights"])
async def test_a_server_that_fails_after_it_took_over_makes_nobody_wait(
    database_url: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    async with running(database_url) as first:
        await first.release()
    async with open_store(database_url, GAME) as store:
        with monkeypatch.context() as patch:
            patch.setattr(tables, step, fail)
            with pytest.raises(StoreError, match="disk is full"):
                await store.begin("others", "the next")
    async with running(database_url, token="of a third one") as third:
        await third.save_tick(1)


async def test_who_waits_too_long_for_the_term_is_told_that_it_is_locked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LOCK_S_MAX", 1.0)
    async with running(database_url) as first:
        await first.release()
    limits = KeepingLimits(database=DatabaseLimits(statement_s=0.5))
    store = open_store(database_url, GAME, limits)
    async with locked(database_url, "authority"), store as opened:
        with pytest.raises(StoreError, match="lock timeout"):
            await opened.begin("others", "the next")


async def test_a_server_of_the_same_supervisor_takes_over_at_once_and_fences_the_old_one(
    database_url: str,
) -> None:
    async with running(database_url) as old, open_store(database_url, GAME) as new:
        await write(old, rocks(1))
        await new.begin("ours", "started again")
        with pytest.raises(FencedError, match="taken over"):
            await write(old, rocks(1, 2, tick=9))
        await write(new, rocks(3, tick=6))
        assert await found(new) == [1, 3]


async def test_a_server_that_has_been_replaced_registers_nobody(database_url: str) -> None:
    async with running(database_url) as old, open_store(database_url, GAME) as new:
        await new.begin("ours", "started again")
        with pytest.raises(FencedError, match="taken over"):
            await old.create_account("ann", "hash")
        assert await new.account_by_name("ann") is None
        assert await new.create_account("ann", "hash")


async def test_a_dead_server_is_replaced_when_its_last_beat_is_old(database_url: str) -> None:
    async with running(database_url) as old, open_store(database_url, GAME) as new:
        await old.save_tick(1)
        await sql(
            database_url,
            f"UPDATE authority SET beat_at = beat_at - interval '{TERM_SILENT_S_MAX + 1} s'",
            "SELECT",
        )
        await new.begin("others", "the next")
        await new.save_tick(2)


async def test_a_server_that_has_ended_makes_nobody_wait(database_url: str) -> None:
    async with running(database_url) as first:
        await first.save_tick(1)
        await first.release()
    async with running(database_url, token="others", name="the next") as second:
        await second.save_tick(2)


async def test_no_ship_of_an_absent_pilot_is_active_after_a_start(database_url: str) -> None:
    async with running(database_url) as first:
        await write(first, ship(1, account=7))
        await write(first, rocks(2))
        world = await first.load_world(berths=True)
        assert world.active.all()
    async with running(database_url) as second:  # the first one died
        world = await second.load_world(berths=True)
        assert world.active.tolist() == (world.account == 0).tolist()
        assert len(world.rows) == 2


# -- ships ---------------------------------------------------------------------------------------


async def test_ships_are_read_one_by_one_and_not_with_the_world(database_url: str) -> None:
    async with running(database_url) as store:
        await write(store, rocks(1))
        await write(store, ship(2, account=7, x=70.0))
        await write(store, ship(3, account=8))
        assert len((await store.load_world()).rows) == 1
        berth = await store.load_berth(7)
        assert berth is not None
        assert berth.record["x"].tolist() == [70.0]
        assert berth.uuid.tobytes() == uuid_of(2).tobytes()
        assert await store.load_berth(9) is None


# -- what was removed ----------------------------------------------------------------------------


async def test_what_was_removed_is_not_there_after_the_next_start(database_url: str) -> None:
    async with running(database_url) as store:
        await write(store, rocks(1, 2))
        await write(store, removal(1, tick=6))
    async with running(database_url) as store:
        assert await found(store) == [2]


async def test_an_older_write_never_brings_back_what_was_removed(database_url: str) -> None:
    async with running(database_url) as store:
        await write(store, removal(1, tick=6, epoch=4))  # before its row has ever come
        await write(store, rocks(1, tick=5, epoch=4))
        await write(store, rocks(1, tick=9, epoch=3))
        assert await found(store) == []


async def test_an_older_removal_never_takes_what_is_newer(database_url: str) -> None:
    async with running(database_url) as store:
        await write(store, rocks(1, tick=7))
        await write(store, removal(1, tick=6))
        assert await found(store) == [1]


async def test_a_removed_ship_gives_way_to_another_one_of_its_account(database_url: str) -> None:
    async with running(database_url) as store:
        await write(store, ship(1, account=7))
        gone = ship(1, account=7, tick=6)
        gone.removed[:] = True
        await write(store, gone)
        assert await store.load_berth(7) is None
        written = await write(store, ship(2, account=7, tick=7))
        assert written.saved.all()
        berth = await store.load_berth(7)
        assert berth is not None
        assert berth.uuid.tobytes() == uuid_of(2).tobytes()


async def test_removals_are_forgotten_when_no_older_write_can_come(database_url: str) -> None:
    count = "SELECT count(*) FROM entity"
    async with running(database_url) as store:
        await write(store, rocks(1, 2))
        await write(store, removal(1, tick=6))
        await store.save_tick(6 + LIMITS.keeping.removed_kept_ticks)
        assert (await sql(database_url, count))[0]["count"] == 2
        await store.save_tick(6 + 2 * LIMITS.keeping.removed_kept_ticks)
        with trio.fail_after(10):
            while (await sql(database_url, count))[0]["count"] != 1:
                await trio.sleep(0.02)
        assert await found(store) == [2]


async def test_a_write_succeeds_although_what_was_removed_cannot_be_forgotten(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("the index is broken")

    monkeypatch.setattr(rows, "forget_removed", fail)
    async with running(database_url) as store:
        await write(store, rocks(1))
        with trio.fail_after(10):
            while "the index is broken" not in caplog.text:
                await trio.sleep(0.02)
        assert store.statistics().available
        assert await found(store) == [1]


# -- rows that the database refuses --------------------------------------------------------------


async def test_one_refused_row_is_found_noted_and_holds_up_nobody(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(database_url) as store:
        await sql(database_url, "ALTER TABLE entity ADD CHECK (mass <> 13)", "SELECT")
        batch = rocks(*range(1, 101))
        batch.rows["mass"][[16, 70]] = 13.0
        written = await write(store, batch)
        assert np.flatnonzero(written.refused).tolist() == [16, 70]
        assert (written.saved == ~written.refused).all()
        assert len(await found(store)) == 98
        assert store.statistics().quarantined_rows == 2
        assert store.statistics().available
        aside = await sql(database_url, "SELECT uuid, why, entity FROM quarantine ORDER BY uuid")
    assert [row["uuid"].int for row in aside] == [17, 71]
    assert all("check constraint" in row["why"] for row in aside)
    assert '"name": "e17"' in aside[0]["entity"]
    assert "quarantined" in caplog.text
    assert "e17" in caplog.text


async def test_a_batch_full_of_refused_rows_ends_and_the_rest_may_wait(
    database_url: str,
) -> None:
    async with running(database_url, limits=KeepingLimits(refused_rows=3)) as store:
        await sql(database_url, "ALTER TABLE entity ADD CHECK (mass <> 13)", "SELECT")
        written = await write(store, rocks(*range(1, 9), mass=13.0))
        assert written.refused.tolist() == [True] * 3 + [False] * 5
        assert not written.saved.any()


# -- saved rows that can't be used ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tick", "2147483648"),
        ("tick", "-1"),
        ("epoch", "4294967296"),
        ("x", "'NaN'"),
        ("vx", "'Infinity'"),
        ("radius", "1e30"),
        ("kind", "'300'"),
        ("mass", "-1"),
    ],
)
async def test_a_saved_row_that_cannot_be_is_set_aside_by_name(
    database_url: str, column: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(database_url) as store:
        await write(store, rocks(1, 2))
    await sql(database_url, f"UPDATE entity SET {column} = {value} WHERE name = 'e2'", "SELECT")
    async with running(database_url) as store:
        assert await found(store) == [1]
        assert (await store.load_world()).tick == 5  # no row moves the clock
        assert store.statistics().quarantined_rows == 1
    assert "e2" in caplog.text
    aside = await sql(database_url, "SELECT uuid, why FROM quarantine")
    assert aside[0]["uuid"].int == 2
    assert aside[0]["why"].startswith(f"{column} is ")


async def test_a_saved_clock_that_cannot_be_is_refused_in_one_line(database_url: str) -> None:
    async with running(database_url):
        pass
    await sql(database_url, "UPDATE world SET tick = 2147483648", "SELECT")
    async with running(database_url) as store:
        with pytest.raises(UnavailableError, match=r"clock .* is 2147483648.*--database"):
            await store.load_world()


async def test_of_two_ships_of_one_account_the_database_takes_one(database_url: str) -> None:
    async with running(database_url) as store:
        await write(store, ship(1, account=7))
        written = await write(store, ship(2, account=7))
        assert written.refused.tolist() == [True]
        assert await found(store) == [1]


# -- crowds --------------------------------------------------------------------------------------


class Crowd:
    """Many who want something of the store at once, and what they are told who do not get it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.refused: list[str] = []

    def ask(self, operation: Callable[[], Awaitable[object]]) -> None:
        self._nursery.start_soon(self._wait_for, operation)

    async def _wait_for(self, operation: Callable[[], Awaitable[object]]) -> None:
        try:
            await operation()
        except StoreError as error:
            self.refused.append(str(error))


async def test_a_crowd_at_the_accounts_leaves_connections_to_the_world(database_url: str) -> None:
    patient = KeepingLimits(database=DatabaseLimits(statement_s=7.0, operation_s=7.0))
    async with (
        running(database_url, limits=patient) as store,
        trio.open_nursery() as nursery,
        locked(database_url, "account"),
    ):
        crowd = Crowd(nursery)
        for number in range(2 * patient.database.connections):
            crowd.ask(partial(store.create_account, f"pilot {number}", "hash"))
        await trio.testing.wait_all_tasks_blocked()
        for tick in range(20):  # while they take one connection after the other
            await store.save_tick(tick)


async def test_whoever_gets_no_connection_in_time_cuts_nobody_off(database_url: str) -> None:
    hasty = KeepingLimits(database=DatabaseLimits(acquire_s=0.1))
    async with (
        running(database_url, limits=hasty) as store,
        trio.open_nursery() as nursery,
        locked(database_url, "world"),
    ):
        crowd = Crowd(nursery)
        for tick in range(hasty.database.connections + 4):
            crowd.ask(partial(store.save_tick, tick))
        with trio.fail_after(20):
            while len(crowd.refused) < 4:
                await trio.sleep(0.01)
        assert crowd.refused[:4] == ["no connection within 0.1 s"] * 4
        assert store.statistics().reconnects == 0


# -- a server that takes no writes ---------------------------------------------------------------


async def test_a_read_only_server_is_refused_at_the_start(database_url: str) -> None:
    url = f"{database_url}&default_transaction_read_only=on"
    with pytest.raises(UnavailableError, match="read-only"):
        async with open_store(url, GAME):
            pass


async def test_connections_are_opened_again_when_their_server_takes_no_more_writes(
    database_url: str,
) -> None:
    database = (await sql(database_url, "SELECT current_database()"))[0]["current_database"]
    role = (await sql(database_url, "SELECT current_user"))[0]["current_user"]
    setting = f"ALTER ROLE {role} IN DATABASE {database}"
    always = KeepingLimits(database=DatabaseLimits(reopen_s=1e-9))
    async with running(database_url, limits=always) as store:
        await store.save_tick(1)
        try:
            # As after a failover: what is connected leads to a server that only reads.
            await sql(
                database_url,
                f"{setting} SET default_transaction_read_only = on",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
            )
            with trio.fail_after(20):
                while "read-only" not in store.statistics().reason:
                    with contextlib.suppress(StoreError):
                        await store.save_tick(2)
                    await trio.sleep(0.01)
            assert not store.statistics().available
        finally:
            await sql(
                f"{database_url}&default_transaction_read_only=off",
                f"{setting} RESET default_transaction_read_only",
                "SELECT",
            )
        with trio.fail_after(20):
            while True:
                with contextlib.suppress(StoreError):
                    await store.save_tick(3)
                    break
                await trio.sleep(0.01)
        assert store.statistics().available
