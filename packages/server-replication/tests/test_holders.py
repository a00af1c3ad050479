"""Who owns what is committed: it is in the database with that, and nobody else gets it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from drifters import RADIUS
from stage import Cast, say_hello

from sidereal.game import (
    AUTHORITY,
    U4,
    Authority,
    Body,
    Component,
    Event,
    Game,
    Label,
    Motion,
    Pilot,
    Player,
    Transaction,
    field,
)
from sidereal.game.declarations import declare
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import Call, PlayerChannel, Role
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.posting import Posted, Posting
from sidereal.replication.keeping.store import open_store

ORE, MOOD = "hold_ore", "mood_level"
CRAFT_KIND, FLARE_KIND = 1, 2


class Hold(Component, writer=AUTHORITY, name="hold"):
    ore: U4 = field(0, low=0, high=50)


class Wallet(Component, writer=AUTHORITY, name="wallet"):
    credits: U4 = field(10, low=0, high=1000)


class Mood(Component, writer=AUTHORITY, saved=False, name="mood"):
    level: U4


class Bell(Event, name="bell"):
    loud: U4


game = Game("market")
CRAFT = game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot(), Hold(), Mood())
FLARE = game.kind("flare", Motion(), saved=False)
game.declare(Bell)
game.account(Wallet())


@game.on_join
def arrive(world: Authority, player: Player) -> None:
    at = world.free_spot(radius=RADIUS, near=(30.0, 40.0))
    player.fly(world.berth(player) or world.spawn(CRAFT, Label(name=player.name), at=at))


@game.action(rate_hz=1)
def buy(tx: Transaction, ore: int) -> None:
    tx.add(tx.account, Wallet.credits, -ore)
    tx.add(tx.own, Hold.ore, ore)
    tx.add(tx.own, Mood.level, 1)
    tx.emit(Bell(), at=tx.own)


@game.action(rate_hz=1)
def signal(tx: Transaction) -> None:
    tx.add(tx.account, Wallet.credits, -1)
    tx.spawn(FLARE, at=(100.0, 0.0))


GAME = declare(game)


class Market:
    """A world with players, and a database that answers when a test lets it."""

    def __init__(self) -> None:
        self.cast = Cast(game=GAME, actions=ActionLimits(burst=1000))
        self.core = self.cast.core
        self.postings = self.core.actions.postings
        self._keys = 0

    def join(self, account: int) -> ClientEndpoint:
        client = self.cast.connect(account, Role.PLAYER, ticks=2)
        say_hello(client, self.core.schema.hash)
        self.cast.run(4)
        return client

    def leave(self, client: ClientEndpoint) -> None:
        client.close(self.cast.now)
        self.cast.run(4)

    def ask(self, client: ClientEndpoint, action: str, *arguments: Any) -> Posting:
        """Ask, and give what is to be committed."""
        self._keys += 1
        key = self._keys.to_bytes(16, "big")
        call = Call(key, f"market.{action}", msgspec.msgpack.encode(arguments))
        client.send(PlayerChannel.COMMAND, encode_message(call))
        self.cast.run(2)
        return self.postings.take_posting()

    def answer(self, posting: Posting, answer: Posted | None = None) -> None:
        self.postings.deliver(posting, answer or Posted())
        self.cast.run(2)

    def own(self, account: int) -> int:
        (player,) = (p for p in self.core.clients.players if p.account == account)
        return player.net_id

    def uuid(self, account: int) -> bytes:
        world = self.core.world
        name: bytes = world.uuid[world.columns.rows_of([self.own(account)])[0]].tobytes()
        return name

    def value(self, entity: int, column: str) -> int:
        columns = self.core.world.columns
        return int(columns[column][columns.rows_of([entity])[0]])

    def save(self) -> Batch:
        batch = self.core.saving.take_batch(1000, self.core.tick)
        assert batch is not None
        return batch


def handed_over(posting: Posting) -> list[tuple[bytes, int, bool]]:
    """Which entities a posting brings along: their names, accounts, and whether they are gone."""
    batch = posting.entities
    if batch is None:
        return []
    names = [uuid.tobytes() for uuid in batch.uuid]
    return list(zip(names, batch.account.tolist(), batch.removed.tolist(), strict=True))


# -- what is in the database with what it owns ---------------------------------------------------


@pytest.mark.parametrize("saving", ["not yet", "under way", "failed"])
def test_what_the_database_may_lack_is_committed_with_what_it_owns(saving: str) -> None:
    market = Market()
    client = market.join(7)
    if saving != "not yet":
        batch = market.save()
        if saving == "failed":
            market.core.saving.failed(batch)
    posting = market.ask(client, "buy", 5)
    assert handed_over(posting) == [(market.uuid(7), 7, False)]
    assert posting.entities is not None
    assert posting.entities.active.all()
    market.answer(posting, Posted(declined="a constraint"))
    posting = market.ask(client, "buy", 5)
    assert handed_over(posting) == [(market.uuid(7), 7, False)]
    market.answer(posting)
    assert handed_over(market.ask(client, "buy", 1)) == []


def test_what_the_database_has_is_not_given_to_it_again() -> None:
    market = Market()
    client = market.join(7)
    market.core.saving.committed(market.save())
    assert handed_over(market.ask(client, "buy", 5)) == []


def test_what_has_left_before_it_was_saved_may_be_unknown_when_it_is_back() -> None:
    market = Market()
    market.leave(market.join(7))
    client = market.join(7)
    assert handed_over(market.ask(client, "buy", 5)) == [(market.uuid(7), 7, False)]


def test_what_an_account_flew_before_goes_along() -> None:
    """The database takes one entity of each account."""
    market = Market()
    client = market.join(7)
    market.core.saving.committed(market.save())
    before = market.uuid(7)
    market.core.remove(market.core.world.columns.rows_of([market.own(7)]))
    market.leave(client)
    client = market.join(7)
    posting = market.ask(client, "buy", 5)
    assert handed_over(posting) == [(before, 7, True), (market.uuid(7), 7, False)]


async def test_what_was_bought_is_there_after_a_crash_that_saved_nothing_else(
    database_url: str,
) -> None:
    market = Market()
    client = market.join(7)
    async with open_store(database_url, GAME) as store:
        await store.begin("token of the tests", "a test")
        batch = market.save()
        assert (await store.write_rows(batch, market.core.tick)).saved.all()
        market.core.saving.committed(batch)
        market.core.remove(market.core.world.columns.rows_of([market.own(7)]))
        market.leave(client)
        client = market.join(7)
        assert await store.post(market.ask(client, "buy", 5), market.core.tick) == Posted()
    async with open_store(database_url, GAME) as store:
        await store.begin("token of the tests", "a test")
        berth = await store.load_berth(7)
        assert berth is not None
        assert (berth.uuid[0].tobytes(), int(berth.record[ORE][0])) == (market.uuid(7), 5)
        assert [row.values for row in await store.load_placeless()] == [{"wallet_credits": 5}]


def test_what_is_not_kept_is_not_committed_though_an_action_spawns_it() -> None:
    market = Market()
    client = market.join(7)
    posting = market.ask(client, "signal")
    assert posting.entities is None
    market.answer(posting)
    columns = market.core.world.columns
    rows = columns.rows()
    flare = rows[columns["kind"][rows] == FLARE_KIND]
    assert (len(flare), market.core.world.stored[flare].any()) == (1, False)
    market.core.remove(flare)
    assert not market.save().removed.any()


def test_what_is_not_kept_any_more_leaves_nothing_behind() -> None:
    """As a kind that was saved before this version of the game: the database may know it."""
    market = Market()
    market.answer(market.ask(market.join(7), "signal"))
    world, tick = market.core.world, market.core.tick
    row = np.flatnonzero(world.columns["kind"] == FLARE_KIND)
    world.stored[row] = True
    record = world.columns.store(row, world.schema.full_record)
    market.core.saving.depart(record, int(row[0]), tick, removed=False)
    assert CRAFT_KIND in (batch := market.save()).rows["kind"]
    assert FLARE_KIND not in batch.rows["kind"]


# -- who has an id by then -----------------------------------------------------------------------


def test_a_stranger_that_has_an_id_by_then_gets_nothing() -> None:
    market = Market()
    client = market.join(7)
    was = market.own(7)
    posting = market.ask(client, "buy", 5)
    market.leave(client)
    records = market.core.schema.first[[CRAFT_KIND]].copy()
    market.core.entities.create(records, market.core.tick, np.array([was]))
    market.answer(posting)
    assert [market.value(was, column) for column in (ORE, MOOD)] == [0, 0]
    assert market.core.events.happened == 0
    market.join(7)
    assert market.value(market.own(7), ORE) == 5


def test_who_is_back_under_another_id_gets_all_of_it() -> None:
    market = Market()
    client = market.join(7)
    was = market.own(7)
    posting = market.ask(client, "buy", 5)
    market.leave(client)
    market.join(7)
    assert market.own(7) != was
    market.answer(posting)
    assert [market.value(market.own(7), column) for column in (ORE, MOOD)] == [5, 1]
    assert market.core.events.happened == 1
