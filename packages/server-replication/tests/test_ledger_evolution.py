"""Ledgers under a newer version of their game, against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from raw_sql import sql

from sidereal.game import AUTHORITY, F4, U4, Component, Game, Motion, Text, field
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import UnavailableError
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.posting import LedgerRow, Posting, holder_of
from sidereal.replication.keeping.store import Store, open_store

ANN, BOB, WORLD = 7, 8, 0
SHIP = bytes([1] * 16)


class Purse(Component, writer=AUTHORITY, name="purse"):
    coins: U4 = field(10, low=0, high=1000)


class Renamed(Component, writer=AUTHORITY, name="purse"):
    credits: U4 = field(10, low=0, high=2000, was="coins")


class Longer(Component, writer=AUTHORITY, name="purse"):
    coins: U4 = field(10, low=0, high=1000)
    motto: Text = field(b"it's on", size=12)
    gems: U4 = field(3)


class Behind(Component, name="purse"):
    coins: U4 = field(10, low=0, high=1000)


class Other(Component, writer=AUTHORITY, name="wallet"):
    coins: U4 = field(10, low=0, high=1000)


class Tank(Component, writer=AUTHORITY, name="tank"):
    fuel: F4 = field(1.2, low=0.7, high=1.2)


class SmallTank(Component, writer=AUTHORITY, name="tank"):
    fuel: F4 = field(1.1, low=0.9, high=1.1)


def make_game(component: Component, *, account: bool = True) -> Declarations:
    """A game whose ships have a component, and every account and the world too, if they may."""
    game = Game("trade")
    game.kind("ship", Motion(), component)
    if account:
        game.account(type(component)())
        game.shared(type(component)())
    return declare(game)


@asynccontextmanager
async def opened(url: str, game: Declarations, *, clamp: bool = False) -> AsyncIterator[Store]:
    async with open_store(url, game, clamp=clamp) as store:
        await store.begin("token of the tests", "a test")
        yield store


async def refused(url: str, game: Declarations) -> str:
    """Start a version that can't be, and give the words."""
    with pytest.raises(UnavailableError) as refusal:
        async with opened(url, game):
            pass
    return str(refusal.value)


async def launch(store: Store, game: Declarations, **values: Any) -> bool:
    """Save a new ship; tell whether the database has taken it."""
    rows = schema_of(game).first[[1]].copy()
    rows["epoch"], rows["tick"] = 1, 40
    for column, value in values.items():
        rows[column] = value
    nobody, ticks = np.zeros(1, np.int64), np.full(1, 40, np.int64)
    uuid = np.frombuffer(SHIP, "V16")
    batch = Batch(rows, uuid, nobody, np.ones(1, np.bool_), np.zeros(1, np.bool_), ticks, ticks)
    return bool((await store.write_rows(batch, 40)).saved.all())


async def pay(store: Store, column: str, **coins: Any) -> None:
    """Let ann, bob, the world or the ship have what they are said to have."""
    holders = {
        "ann": holder_of(ANN),
        "bob": holder_of(BOB),
        "world": holder_of(WORLD),
        "ship": SHIP,
    }
    component = column.partition("_")[0]
    rows = [
        LedgerRow(component, -1, holders[name], {column: value}) for name, value in coins.items()
    ]
    await store.post(Posting(1, 50, (), tuple(rows)), 51)


async def accounts(store: Store) -> dict[bytes, dict[str, Any]]:
    return {row.holder: row.values for row in await store.load_placeless()}


async def ship(store: Store) -> dict[str, Any]:
    (row,) = (await store.load_world(berths=True)).rows
    return {name: row[name].item() for name in row.dtype.names or ()}


async def test_a_renamed_field_takes_its_values_along(database_url: str) -> None:
    old, new = make_game(Purse()), make_game(Renamed())
    async with opened(database_url, old) as store:
        assert await launch(store, old)
        await pay(store, "purse_coins", ann=777, world=5, ship=400)
    for _ in range(2):  # the second start finds it done
        async with opened(database_url, new) as store:
            assert await accounts(store) == {
                holder_of(ANN): {"purse_credits": 777},
                holder_of(WORLD): {"purse_credits": 5},
            }
            assert (await ship(store))["purse_credits"] == 400
    async with opened(database_url, new) as store:  # the old range went with the old name
        await pay(store, "purse_credits", bob=2000)


async def test_what_is_no_longer_declared_is_named_and_comes_back(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    long, short = make_game(Longer()), make_game(Purse())
    async with opened(database_url, long) as store:
        row = {"purse_coins": 1, "purse_motto": b"we", "purse_gems": 2}
        await store.post(Posting(1, 50, (), (LedgerRow("purse", -1, holder_of(ANN), row),)), 51)
    async with opened(database_url, short) as store:
        await pay(store, "purse_coins", ann=9, bob=8)
    assert "ledger_purse.purse_gems, ledger_purse.purse_motto" in caplog.text
    caplog.clear()
    async with opened(database_url, make_game(Other())) as store:
        assert await accounts(store) == {}
    assert "ledger_purse" in caplog.text
    async with opened(database_url, long) as store:
        assert await accounts(store) == {
            holder_of(ANN): {"purse_coins": 9, "purse_motto": "we", "purse_gems": 2},
            holder_of(BOB): {"purse_coins": 8, "purse_motto": "it's on", "purse_gems": 3},
        }


async def test_a_field_that_is_new_is_what_its_holder_begins_with(database_url: str) -> None:
    old = make_game(Purse())
    async with opened(database_url, old) as store:
        assert await launch(store, old)
        await pay(store, "purse_coins", ann=1, world=2, ship=3)
    game = Game("trade")
    game.kind("ship", Motion(), Longer(gems=4, motto="ship"))
    game.account(Longer(gems=5))
    game.shared(Longer(gems=6))
    async with opened(database_url, declare(game)) as store:
        found = await accounts(store)
        begun = await ship(store)
    assert {holder: row["purse_gems"] for holder, row in found.items()} == {
        holder_of(ANN): 5,
        holder_of(WORLD): 6,
    }
    assert found[holder_of(ANN)]["purse_motto"] == "it's on"
    assert (begun["purse_gems"], begun["purse_motto"]) == (4, b"ship")


async def test_what_shards_wrote_is_refused_to_actions(database_url: str) -> None:
    behind = make_game(Behind(), account=False)
    async with opened(database_url, behind) as store:
        assert await launch(store, behind, purse_coins=55)
    (term,) = await sql(database_url, "SELECT term FROM authority")
    assert await refused(database_url, make_game(Renamed())) == (
        "the game has changed who writes what is saved: purse was written by shards "
        "(purse_coins): run the version before, or give these components other names, by which "
        "they begin anew"
    )
    # Nobody who writes was disturbed by that.
    assert await sql(database_url, "SELECT term FROM authority") == [term]
    async with opened(database_url, behind) as store:
        assert (await ship(store))["purse_coins"] == 55


async def test_what_actions_wrote_is_refused_to_shards(database_url: str) -> None:
    game = make_game(Purse())
    async with opened(database_url, game) as store:
        await pay(store, "purse_coins", ann=55)
    words = await refused(database_url, make_game(Behind(), account=False))
    assert "purse was written by actions (ledger_purse): run the version before" in words


async def test_a_value_at_its_bound_is_taken_whatever_its_type_makes_of_it(
    database_url: str,
) -> None:
    """No 32 bits are 1.2, or 0.7: one is a little more, the other a little less."""
    game = make_game(Tank())
    async with opened(database_url, game) as store:
        assert await launch(store, game)
        await pay(store, "tank_fuel", ann=np.float32(0.7).item(), bob=np.float32(1.2).item())
        assert (await ship(store))["tank_fuel"] == np.float32(1.2)
    async with opened(database_url, game) as store:  # none of them is outside
        assert len(await accounts(store)) == 2
    words = await refused(database_url, make_game(SmallTank()))
    assert "3 of tank_fuel outside 0.9 to 1.1" in words
    small = make_game(SmallTank())
    for clamp in (True, False):
        async with opened(database_url, small, clamp=clamp) as store:
            found = {row["tank_fuel"] for row in (await accounts(store)).values()}
            assert found == {np.float32(0.9).item(), np.float32(1.1).item()}
