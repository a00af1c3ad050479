"""Ledgers and receipts in a real PostgreSQL: what is committed together, and what is refused."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import trio
from raw_sql import sql

from sidereal.game import AUTHORITY, F4, U4, Component, Game, Motion, Text, field
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import UnavailableError
from sidereal.replication.keeping.database import RefusedError
from sidereal.replication.keeping.limits import KeepingLimits
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.posting import (
    KeptReceipt,
    LedgerRow,
    Posted,
    Posting,
    holder_of,
)
from sidereal.replication.keeping.references import saved_alone, saved_record
from sidereal.replication.keeping.store import Store, open_store
from sidereal.replication.keeping.tables import FencedError

ORE, FLAG, CREDITS = "hold_ore", "hold_flag", "purse_credits"
ANN, BOB = 7, 8


class Hold(Component, writer=AUTHORITY, name="hold"):
    ore: F4 = field(20, low=0, high=50)
    flag: Text = field(b"none", size=8)


class Purse(Component, writer=AUTHORITY, name="purse"):
    credits: U4 = field(10, low=0, high=1000)


class SmallPurse(Component, writer=AUTHORITY, name="purse"):
    credits: U4 = field(10, low=0, high=100)


class OtherPurse(Component, writer=AUTHORITY, name="purse"):
    credits: F4 = field(10, low=0, high=1000)


def make_game(purse: type[Component] = Purse) -> Declarations:
    game = Game("trade")
    game.kind("craft", Motion(), Hold(ore=5))
    game.kind("rock", Motion())
    game.account(purse())
    return declare(game)


GAME = make_game()
SCHEMA = schema_of(GAME)
UUID_1, UUID_2, UUID_3 = (bytes([at] * 16) for at in (1, 2, 3))


@contextlib.asynccontextmanager
async def opened(url: str, game: Declarations = GAME) -> AsyncIterator[Store]:
    async with open_store(url, game) as store:
        await store.begin("token of the tests", "a test")
        yield store


def receipt(key: int, account: int = ANN, outcome: int = 0) -> KeptReceipt:
    return KeptReceipt(account, bytes([key] * 16), bytes([9] * 16), outcome, "Ünïté" * outcome)


def purse(account: int, credits: int) -> LedgerRow:
    return LedgerRow("purse", -account, holder_of(account), {CREDITS: credits})


def hold(uuid: bytes, ore: float, flag: bytes = b"red") -> LedgerRow:
    return LedgerRow("hold", 1, uuid, {ORE: ore, FLAG: flag})


def posting(number: int, receipts: list[KeptReceipt], *rows: LedgerRow) -> Posting:
    return Posting(number, 50 + number, tuple(receipts), rows)


def batch(saved_tick: int, *uuids: bytes, removed: bool = False, ore: float = 5.0) -> Batch:
    count = len(uuids)
    rows = saved_alone(SCHEMA, np.repeat(SCHEMA.first[[1]], count))
    rows["epoch"], rows[ORE], rows["tick"] = 1, ore, saved_tick
    ticks = np.full(count, saved_tick, np.int64)
    return Batch(
        rows,
        np.frombuffer(b"".join(uuids), "V16"),
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
        np.full(count, removed),
        ticks,
        ticks,
    )


async def write(store: Store, rows: Batch) -> None:
    assert (await store.write_rows(rows, int(rows.saved_tick.max()))).saved.all()


async def holds(store: Store) -> dict[bytes, tuple[float, bytes]]:
    world = await store.load_world(berths=True)
    return {
        uuid.tobytes(): (float(row[ORE]), bytes(row[FLAG]))
        for uuid, row in zip(world.uuid, world.rows, strict=True)
    }


async def purses(store: Store) -> dict[bytes, Any]:
    return {row.holder: row.values[CREDITS] for row in await store.load_placeless()}


async def test_a_posting_is_there_as_a_whole_and_is_read_with_its_entities(
    database_url: str,
) -> None:
    async with opened(database_url) as store:
        await write(store, batch(40, UUID_1, UUID_2))
        rows = purse(ANN, 15), purse(0, 3), hold(UUID_1, 2.5)
        assert await store.post(posting(1, [receipt(1), receipt(2)], *rows), 51) == Posted()
        assert await holds(store) == {UUID_1: (2.5, b"red"), UUID_2: (5.0, b"none")}
        assert await purses(store) == {holder_of(ANN): 15, holder_of(0): 3}
        berth = await store.load_berth(0)
        assert berth is not None
    async with opened(database_url) as store:
        assert await purses(store) == {holder_of(ANN): 15, holder_of(0): 3}
        assert (await store.load_world()).tick == 51


async def test_a_posting_that_is_tried_again_knows_itself_and_counts_once(
    database_url: str,
) -> None:
    async with opened(database_url) as store:
        first = posting(1, [receipt(1), receipt(2, outcome=1)], purse(ANN, 15))
        assert await store.post(first, 51) == Posted()
        assert await store.post(first, 52) == Posted()
        assert await purses(store) == {holder_of(ANN): 15}


async def test_calls_of_an_earlier_posting_are_known_and_nothing_is_committed(
    database_url: str,
) -> None:
    known = receipt(2, outcome=1)
    async with opened(database_url) as store:
        await store.post(posting(1, [receipt(1), known], purse(ANN, 15)), 51)
        again = posting(2, [known._replace(outcome=0), receipt(3)], purse(ANN, 99))
        assert await store.post(again, 52) == Posted(known=(known,))
        other = posting(3, [receipt(1, BOB)], purse(BOB, 1))
        assert await store.post(other, 53) == Posted()
    async with opened(database_url) as store:  # the next server counts its postings anew
        same = posting(1, [receipt(1), known], purse(ANN, 99))
        answer = await store.post(same, 54)
        assert sorted(answer.known) == [receipt(1), known]
        assert await purses(store) == {holder_of(ANN): 15, holder_of(BOB): 1}
        rows = await sql(database_url, "SELECT count(*) FROM receipt")
        assert rows[0]["count"] == 3


async def test_what_is_spawned_is_there_with_the_posting_and_in_its_ledgers(
    database_url: str,
) -> None:
    async with opened(database_url) as store:
        spawned = posting(1, [receipt(1)], purse(ANN, 5))._replace(entities=batch(51, UUID_1))
        assert await store.post(spawned, 51) == Posted()
        assert await store.post(spawned, 52) == Posted()
        again = spawned._replace(number=2, entities=batch(52, UUID_2))
        assert (await store.post(again, 53)).known == (receipt(1),)
        assert await holds(store) == {UUID_1: (5.0, b"none")}
        # Saved behind from now on, like all else.
        await write(store, batch(54, UUID_1, ore=9.0))
        assert await holds(store) == {UUID_1: (5.0, b"none")}


async def test_who_has_a_component_no_more_is_in_its_ledger_no_more(database_url: str) -> None:
    async with opened(database_url) as store:
        await write(store, batch(40, UUID_1, UUID_2))
        taken = LedgerRow("hold", 1, UUID_1, {})
        await store.post(posting(1, [], taken, hold(UUID_2, 2.5)), 51)
        rows = await sql(database_url, "SELECT holder::text FROM ledger_hold")
        assert [row["holder"] for row in rows] == ["02020202-0202-0202-0202-020202020202"]
        assert await holds(store) == {UUID_1: (5.0, b"none"), UUID_2: (2.5, b"red")}


async def test_what_a_posting_removes_no_older_batch_brings_back(database_url: str) -> None:
    async with opened(database_url) as store:
        await write(store, batch(40, UUID_1, UUID_2))
        ending = posting(1, [receipt(1)])._replace(entities=batch(51, UUID_1, removed=True))
        await store.post(ending, 51)
        # It was taken from the world before the answer of the database was there.
        await write(store, batch(53, UUID_1, UUID_2))
        assert set(await holds(store)) == {UUID_2}


@pytest.mark.parametrize(
    "wrong",
    [purse(ANN, 1001), purse(ANN, -1), hold(UUID_1, 51.0), hold(UUID_1, float("nan"))],
)
async def test_what_the_declaration_does_not_allow_the_table_does_not_take(
    database_url: str, wrong: LedgerRow
) -> None:
    async with opened(database_url) as store:
        with pytest.raises(RefusedError, match="_range"):
            await store.post(posting(1, [receipt(1)], purse(BOB, 5), wrong), 51)
        assert await purses(store) == {}
        assert await store.post(posting(2, [receipt(1)], purse(BOB, 6)), 51) == Posted()


async def test_a_server_that_was_replaced_commits_nothing(database_url: str) -> None:
    async with opened(database_url) as store, opened(database_url) as newer:
        with pytest.raises(FencedError):
            await store.post(posting(1, [receipt(1)], purse(ANN, 5)), 51)
        assert await newer.post(posting(1, [receipt(1)], purse(ANN, 6)), 51) == Posted()
        assert await purses(newer) == {holder_of(ANN): 6}


async def test_saving_behind_brings_what_is_new_into_its_ledgers_and_changes_nothing_there(
    database_url: str,
) -> None:
    async with opened(database_url) as store:
        await write(store, batch(40, UUID_1, ore=7.0))
        # An action was faster than the first saving of its entity.
        await store.post(posting(1, [receipt(1)], hold(UUID_2, 1.5)), 51)
        await write(store, batch(52, UUID_1, UUID_2, UUID_3, ore=9.0))
        assert await holds(store) == {
            UUID_1: (7.0, b"none"),
            UUID_2: (1.5, b"red"),
            UUID_3: (9.0, b"none"),
        }


async def test_a_component_that_is_new_begins_as_it_is_declared(database_url: str) -> None:
    game = Game("trade")
    game.kind("craft", Motion())
    bare = declare(game)
    async with opened(database_url, bare) as store:
        rows = batch(40, UUID_1)
        short = np.zeros(1, saved_record(schema_of(bare)))
        for name in short.dtype.names or ():
            short[name] = rows.rows[name]
        await write(store, Batch(short, *list(rows.arrays())[1:]))
    async with opened(database_url) as store:
        assert await holds(store) == {UUID_1: (5.0, b"none")}


async def test_a_field_that_is_new_begins_as_its_holder_does(database_url: str) -> None:
    async with opened(database_url) as store:
        await write(store, batch(40, UUID_1))
        await store.post(posting(1, [receipt(1)], hold(UUID_1, 2.0), purse(ANN, 5)), 51)
    await sql(database_url, "ALTER TABLE ledger_hold DROP COLUMN hold_ore", "SELECT")
    async with opened(database_url) as store:
        assert await holds(store) == {UUID_1: (5.0, b"red")}


async def test_a_narrower_range_is_refused_with_the_rows_that_are_outside(
    database_url: str,
) -> None:
    small = make_game(SmallPurse)
    async with opened(database_url) as store:
        await store.post(posting(1, [], purse(ANN, 101), purse(BOB, 100)), 51)
    async with open_store(database_url, small) as store:
        with pytest.raises(
            UnavailableError,
            match=r"narrowed .*: 1 of purse_credits outside 0 to 100: .*--clamp",
        ):
            await store.begin("token of the tests", "a test")
    async with opened(database_url) as store:
        await store.post(posting(1, [], purse(ANN, 99)), 52)
    async with opened(database_url, small) as store:
        with pytest.raises(RefusedError, match="_range"):
            await store.post(posting(1, [], purse(ANN, 101)), 53)
    async with opened(database_url) as store:
        assert await store.post(posting(1, [], purse(ANN, 1000)), 54) == Posted()


async def test_values_outside_a_narrower_range_are_brought_into_it_on_demand(
    database_url: str,
) -> None:
    async with opened(database_url) as store:
        await store.post(posting(1, [], purse(ANN, 101), purse(BOB, 7)), 51)
    async with open_store(database_url, make_game(SmallPurse), clamp=True) as store:
        await store.begin("token of the tests", "a test")
        assert await purses(store) == {holder_of(ANN): 100, holder_of(BOB): 7}


async def test_a_field_of_another_type_is_refused(database_url: str) -> None:
    async with opened(database_url):
        pass
    async with open_store(database_url, make_game(OtherPurse)) as store:
        with pytest.raises(UnavailableError, match=r"purse_credits is bigint, not real"):
            await store.begin("token of the tests", "a test")


async def test_what_was_removed_or_answered_long_ago_is_forgotten(database_url: str) -> None:
    limits = KeepingLimits(removed_kept_ticks=10, forget_every_ticks=5, receipts_kept_ticks=20)
    async with open_store(database_url, GAME, limits) as store:
        await store.begin("token of the tests", "a test")
        await write(store, batch(40, UUID_1, UUID_2))
        await store.post(posting(1, [receipt(1)], hold(UUID_1, 1.0)), 51)
        await store.post(posting(20, [receipt(2)], hold(UUID_2, 2.0)), 70)
        await write(store, batch(60, UUID_1, removed=True))
        await store.save_tick(75)

        async def left() -> list[Any]:
            return list(
                await sql(
                    database_url,
                    "SELECT encode(key, 'hex') AS left FROM receipt "
                    "UNION SELECT holder::text FROM ledger_hold ORDER BY 1",
                )
            )

        with trio.fail_after(10):
            while len(found := await left()) > 2:
                await trio.sleep(0.02)
    assert [row["left"] for row in found] == [
        "02020202-0202-0202-0202-020202020202",
        "02" * 16,
    ]
