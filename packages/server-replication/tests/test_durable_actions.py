"""Durable actions: in which order they run, when they take effect, and what a lost answer costs."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from drifters import RADIUS
from stage import Cast, say_hello

from sidereal.game import (
    AUTHORITY,
    PILOT,
    PLAYERS,
    SYSTEMS,
    U4,
    Authority,
    Body,
    Component,
    Entity,
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
from sidereal.protocol.channel.events import Received
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.message.codec import ASKED_ROW, decode_server_untrusted, encode_message
from sidereal.protocol.message.player import (
    Call,
    Outcome,
    PlayerChannel,
    Receipt,
    Role,
    Told,
    Values,
)
from sidereal.protocol.message.shard import Asked, ShardChannel, ShardHello
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.keeping.posting import KeptReceipt, Posted, Posting, holder_of
from sidereal.replication.keeping.references import to_saved
from sidereal.replication.keeping.stored import Berth

ORE, CREDITS, POT = "tests_cargo_ore", "tests_wallet_credits", "tests_pot_credits"


class Cargo(Component, writer=AUTHORITY, audience=PILOT, name="tests.cargo"):
    ore: U4 = field(20, low=0, high=50)


class Wallet(Component, writer=AUTHORITY, name="tests.wallet"):
    credits: U4 = field(10, low=0, high=1000)


class Pot(Component, writer=AUTHORITY, name="tests.pot"):
    credits: U4


class Mood(Component, writer=AUTHORITY, saved=False, name="tests.mood"):
    level: U4


class Bell(Event, name="tests.bell"):
    loud: U4


game = Game("trade")
CRAFT = game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot(), Cargo(), Mood())
BUOY = game.kind("buoy", Motion(), Cargo())
game.declare(Bell)
game.account(Wallet())
game.shared(Pot())


@game.on_join
def arrive(world: Authority, player: Player) -> None:
    at = world.free_spot(radius=RADIUS, near=(30.0, 40.0))
    player.fly(world.berth(player) or world.spawn(CRAFT, Label(name=player.name), at=at))


@game.action(rate_hz=1)
def sell(tx: Transaction, ore: int) -> None:
    tx.add(tx.account, Wallet.credits, ore)
    tx.add(tx.own, Cargo.ore, -ore)
    tx.tell(f"{tx.name} sold {ore}")


@game.action(rate_hz=1)
def pool(tx: Transaction, amount: int) -> None:
    tx.add(tx.account, Wallet.credits, -amount)
    tx.add(tx.shared, Pot.credits, amount)


@game.action(rate_hz=1)
def cheer(tx: Transaction) -> None:
    tx.add(tx.own, Mood.level, 1)


@game.action(rate_hz=1)
def fail(tx: Transaction) -> None:
    tx.add(tx.own, Cargo.ore, 1)
    raise RuntimeError("oh")


@game.action(rate_hz=1, durable=False)
def count(tx: Transaction) -> None:
    tx.tell(f"{tx.get(tx.account, Wallet.credits):g} credits")


@game.action(rate_hz=1, durable=False, asked_by=PLAYERS | SYSTEMS)
def sigh(tx: Transaction) -> None:
    tx.set(tx.own, Mood.level, 0)


@game.action(rate_hz=1)
def drop(tx: Transaction, x: float) -> None:
    tx.spawn(BUOY, Cargo(ore=2), at=(x, 50.0))
    tx.add(tx.account, Wallet.credits, -4)


@game.action(rate_hz=1)
def ring(tx: Transaction) -> None:
    tx.emit(Bell(), at=tx.own)
    tx.add(tx.account, Wallet.credits, -1)


@game.action(rate_hz=1, durable=False, asked_by=PLAYERS | SYSTEMS)
def puff(tx: Transaction) -> None:
    tx.spawn(BUOY, at=(1.0, 2.0))


@game.action(rate_hz=1)
def scrap(tx: Transaction, entity: int) -> None:
    tx.add(tx.account, Wallet.credits, tx.get(entity, Cargo.ore))
    tx.emit(Bell(), at=entity)
    tx.despawn(entity)


@game.action(rate_hz=1, durable=False)
def poof(tx: Transaction, entity: int) -> None:
    tx.despawn(entity)


@game.action(rate_hz=1, durable=False)
def weigh(tx: Transaction, entity: int) -> None:
    tx.tell(f"{tx.get(entity, Cargo.ore):g}")


GAME = declare(game)


class Trade:
    """A world with players, and a database that answers when a test lets it."""

    def __init__(self, **limits: int) -> None:
        self.cast = Cast(game=GAME, actions=ActionLimits(**{"burst": 1000, **limits}))
        self.desk = self.cast.core.actions
        self._keys = 0

    def join(self, account: int) -> ClientEndpoint:
        client = self.cast.connect(account, Role.PLAYER, ticks=2)
        say_hello(client, self.cast.core.schema.hash)
        self.cast.run(4)
        heard(client)
        return client

    def ask(self, client: ClientEndpoint, action: str, *arguments: Any) -> Call:
        """Ask, and let the call come through."""
        self._keys += 1
        key = self._keys.to_bytes(16, "big")
        call = Call(key, f"trade.{action}", msgspec.msgpack.encode(arguments))
        self.send(client, call)
        return call

    def send(self, client: ClientEndpoint, call: Call, ticks: int = 2) -> None:
        client.send(PlayerChannel.COMMAND, encode_message(call))
        self.cast.run(ticks)

    def take(self) -> Posting:
        return self.desk.postings.take_posting()

    def answer(self, posting: Posting, answer: Posted | None = None) -> None:
        """Let the database answer, and what follows come to the clients."""
        self.desk.postings.deliver(posting, answer or Posted())
        self.cast.run(2)

    def own(self, account: int) -> int:
        (player,) = (p for p in self.cast.core.clients.players if p.account == account)
        return player.net_id

    def ore(self, account: int) -> int:
        columns = self.cast.core.world.columns
        return int(columns[ORE][columns.rows_of([self.own(account)])[0]])

    def credits(self, account: int) -> int | float | bytes:
        placeless = self.desk.books.placeless
        return next((v for cell, v in placeless.items() if cell == (-account, CREDITS)), 10)


def heard(client: ClientEndpoint) -> list[Any]:
    """What a client was told, but for what its account and the world have."""
    found = []
    while (event := client.next_event()) is not None:
        if isinstance(event, Received) and event.channel == PlayerChannel.COMMAND:
            message = decode_server_untrusted(event.channel, event.message)
            found += [] if isinstance(message, Values) else [message]
    return found


def done(call: Call) -> Receipt:
    return Receipt(call.key, Outcome.DONE, "")


def values_of(posting: Posting) -> dict[tuple[str, bytes], dict[str, Any]]:
    return {(row.component, row.holder): row.values for row in posting.rows}


def test_nothing_happens_before_the_database_has_answered() -> None:
    trade = Trade()
    client = trade.join(7)
    call = trade.ask(client, "sell", 5)
    posting = trade.take()
    columns = trade.cast.core.world.columns
    uuid = trade.cast.core.world.uuid[columns.rows_of([trade.own(7)])[0]].tobytes()
    assert values_of(posting) == {
        ("tests_wallet", holder_of(7)): {CREDITS: 15},
        ("tests_cargo", uuid): {ORE: 15},
    }
    (kept,) = posting.receipts
    assert (kept.account, kept.key, kept.outcome, kept.text) == (7, call.key, Outcome.DONE, "")
    trade.cast.run(10)
    assert (trade.ore(7), trade.credits(7), heard(client)) == (20, 10, [])
    trade.desk.postings.deliver(posting, Posted())
    assert (trade.ore(7), trade.credits(7)) == (20, 10)  # not before the next tick
    trade.cast.run(1)
    assert (trade.ore(7), trade.credits(7)) == (15, 15)
    trade.cast.run(1)
    assert heard(client) == [Told("pilot 7 sold 5"), done(call)]


def test_each_action_goes_by_what_those_before_it_have_written() -> None:
    trade = Trade()
    ann, bob = trade.join(7), trade.join(8)
    first = trade.ask(ann, "cheer")
    posting = trade.take()
    calls = [
        trade.ask(ann, "pool", 6),
        trade.ask(bob, "pool", 7),
        trade.ask(ann, "pool", 6),
        trade.ask(ann, "sell", 3),
    ]
    trade.answer(posting)
    assert heard(ann) == [done(first)]
    posting = trade.take()
    rows = values_of(posting)
    assert rows["tests_wallet", holder_of(7)] == {CREDITS: 7}
    assert rows["tests_wallet", holder_of(8)] == {CREDITS: 3}
    assert rows["tests_pot", holder_of(0)] == {POT: 13}
    assert [r.outcome for r in posting.receipts] == [0, 0, 1, 0]
    trade.answer(posting)
    refused = Receipt(
        calls[2].key, Outcome.REFUSED, "tests.wallet.credits would be -2: it is 0 to 1000"
    )
    told = Told("pilot 7 sold 3")
    assert heard(ann) == [told, done(calls[0]), refused, done(calls[3])]
    assert heard(bob) == [told, done(calls[1])]
    assert (trade.credits(7), trade.credits(8), trade.ore(7)) == (7, 3, 17)


def test_refusals_and_failures_are_committed_and_change_nothing() -> None:
    trade = Trade()
    client = trade.join(7)
    call = trade.ask(client, "fail")
    posting = trade.take()
    assert posting.rows == ()
    assert [receipt.outcome for receipt in posting.receipts] == [Outcome.REFUSED]
    trade.answer(posting)
    (receipt,) = heard(client)
    assert (receipt.key, receipt.outcome) == (call.key, Outcome.REFUSED)
    assert trade.ore(7) == 20


def test_what_is_not_saved_is_not_in_the_posting_and_changes_with_it() -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "cheer")
    posting = trade.take()
    assert posting.rows == ()
    columns = trade.cast.core.world.columns
    row = columns.rows_of([trade.own(7)])[0]
    assert columns["tests_mood_level"][row] == 0
    trade.answer(posting)
    assert columns["tests_mood_level"][row] == 1


def test_so_many_go_together() -> None:
    trade = Trade(together=2)
    client = trade.join(7)
    calls = [trade.ask(client, "pool", 1) for _ in range(4)]
    sizes = []
    for _ in range(3):
        posting = trade.take()
        sizes.append(len(posting.receipts))
        trade.answer(posting)
    assert sizes == [1, 2, 1]
    assert heard(client) == [done(call) for call in calls]


def test_what_is_not_durable_does_not_wait_unless_it_needs_what_is_about_to_change() -> None:
    trade = Trade()
    ann, bob = trade.join(7), trade.join(8)
    trade.ask(ann, "sell", 5)
    trade.ask(ann, "cheer")
    posting = trade.take()
    counted = trade.ask(bob, "count")
    trade.ask(ann, "count")
    assert heard(bob) == [Told("10 credits"), done(counted)]
    assert heard(ann) == [Told("10 credits")]  # of who is near
    trade.answer(posting)
    trade.cast.run(1)
    lines = [each.text for each in heard(ann) if isinstance(each, Told)]
    assert lines == ["pilot 7 sold 5", "15 credits"]


def test_what_writes_what_is_about_to_change_waits_too() -> None:
    trade = Trade()
    client = trade.join(7)
    cheer, sigh = trade.ask(client, "cheer"), trade.ask(client, "sigh")
    assert heard(client) == []
    trade.answer(trade.take())
    assert heard(client) == [done(cheer), done(sigh)]
    columns = trade.cast.core.world.columns
    assert columns["tests_mood_level"][columns.rows_of([trade.own(7)])[0]] == 0


def buoys(trade: Trade) -> list[tuple[bytes, float, int, bool]]:
    world = trade.cast.core.world
    rows = world.columns.rows()
    rows = rows[world.columns["kind"][rows] == 2]
    return [
        (
            world.uuid[row].tobytes(),
            float(world.columns["x"][row]),
            int(world.columns[ORE][row]),
            bool(world.stored[row]),
        )
        for row in rows.tolist()
    ]


def test_what_is_spawned_is_saved_with_the_rest_and_comes_with_the_answer() -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "cheer")
    first = trade.take()
    for x in (100.0, 200.0, 300.0):
        trade.ask(client, "drop", x)
    trade.answer(first)
    posting = trade.take()
    assert [receipt.outcome for receipt in posting.receipts] == [0, 0, 1]
    batch = posting.entities
    assert batch is not None
    assert batch.rows["x"].tolist() == [100.0, 200.0]
    assert batch.active.all()
    assert buoys(trade) == []
    trade.answer(posting)
    names = [uuid.tobytes() for uuid in batch.uuid]
    assert buoys(trade) == [(names[0], 100.0, 2, True), (names[1], 200.0, 2, True)]
    assert trade.credits(7) == 2


def test_what_is_emitted_happens_with_the_answer_to_who_is_still_there() -> None:
    trade = Trade()
    client, leaver = trade.join(7), trade.join(8)
    trade.ask(client, "ring")
    posting = trade.take()
    assert trade.cast.core.events.happened == 0
    trade.answer(posting)
    assert trade.cast.core.events.happened == 1
    trade.ask(leaver, "ring")
    posting = trade.take()
    leaver.close(trade.cast.now)
    trade.cast.run(4)
    trade.answer(posting)
    assert trade.cast.core.events.happened == 1
    assert trade.credits(8) == 9


def test_what_is_spawned_by_what_is_not_durable_is_there_at_once() -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "puff")
    ((_, x, ore, stored),) = buoys(trade)
    assert (x, ore, stored) == (1.0, 20, False)


def test_what_can_not_be_spawned_is_the_games_mistake() -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "drop", 1e13)
    posting = trade.take()
    assert ([r.outcome for r in posting.receipts], posting.entities) == ([1], None)
    assert trade.desk.failed == {"trade.drop": 1}


# -- what ends -----------------------------------------------------------------------------------


def ids_of_buoys(trade: Trade) -> list[int]:
    columns = trade.cast.core.world.columns
    rows = columns.rows()
    ids: list[int] = columns.net_id[rows[columns["kind"][rows] == 2]].tolist()
    return ids


def with_buoys(count: int) -> tuple[Trade, ClientEndpoint, list[int]]:
    """A world with buoys, which the database has."""
    trade = Trade()
    client = trade.join(7)
    for x in range(count):
        trade.ask(client, "puff")
        trade.cast.core.world.columns["x"][trade.cast.core.world.columns.rows()[-1]] = 10.0 * x
    saved(trade)
    heard(client)
    return trade, client, ids_of_buoys(trade)


def test_what_an_action_ends_is_removed_with_the_posting_and_gone_with_the_answer() -> None:
    trade, client, (one, other) = with_buoys(2)
    columns = trade.cast.core.world.columns
    name = trade.cast.core.world.uuid[columns.rows_of([one])[0]].tobytes()
    call = trade.ask(client, "scrap", one)
    posting = trade.take()
    batch = posting.entities
    assert batch is not None
    assert [uuid.tobytes() for uuid in batch.uuid] == [name]
    assert (batch.removed.tolist(), batch.active.tolist()) == ([True], [False])
    assert ids_of_buoys(trade) == [one, other]
    trade.answer(posting)
    assert (ids_of_buoys(trade), trade.credits(7)) == ([other], 30)
    assert trade.cast.core.events.happened == 1
    assert trade.cast.core.entities.ended == 1
    assert heard(client) == [done(call)]


def test_what_one_action_ends_is_not_there_for_those_after_it() -> None:
    trade, client, (buoy,) = with_buoys(1)
    trade.ask(client, "cheer")
    first = trade.take()
    calls = [trade.ask(client, "scrap", buoy) for _ in range(2)]
    trade.answer(first)
    posting = trade.take()
    assert [receipt.outcome for receipt in posting.receipts] == [Outcome.DONE, Outcome.REFUSED]
    waits = trade.ask(client, "weigh", buoy)
    heard(client)
    trade.answer(posting)
    gone = Receipt(calls[1].key, Outcome.REFUSED, f"entity {buoy} is not there")
    late = Receipt(waits.key, Outcome.REFUSED, f"entity {buoy} has no cargo")
    assert heard(client) == [done(calls[0]), gone, late]
    assert trade.credits(7) == 30


def test_what_the_database_does_not_take_does_not_end() -> None:
    trade, client, (buoy,) = with_buoys(1)
    trade.ask(client, "scrap", buoy)
    trade.answer(trade.take(), Posted(declined="a constraint"))
    assert ids_of_buoys(trade) == [buoy]


def test_what_is_ended_by_what_is_not_durable_is_gone_at_once() -> None:
    trade, client, (buoy,) = with_buoys(1)
    trade.ask(client, "poof", buoy)
    assert ids_of_buoys(trade) == []
    batch = trade.cast.core.saving.take_batch(10, trade.cast.core.tick)
    assert batch is not None
    assert batch.removed.any()


@pytest.mark.parametrize("is_saved", [True, False])
@pytest.mark.parametrize("is_asked_for", [True, False])
def test_what_ends_while_it_is_in_its_berth_does_not_come_back(
    is_saved: bool, is_asked_for: bool
) -> None:
    trade = Trade()
    client, other = trade.join(7), trade.join(8)
    trade.ask(client, "scrap", trade.own(8))
    posting = trade.take()
    trade.cast.store[8] = berth_of(trade, 8)
    was = trade.cast.store[8].uuid.tobytes()
    other.close(trade.cast.now)
    trade.cast.run(5)
    if is_saved:
        saved(trade)
    if is_asked_for:  # what the database has said is from before
        trade.cast.store_answers = False
        again = trade.cast.connect(8, Role.PLAYER, ticks=2)
        say_hello(again, trade.cast.core.schema.hash)
        trade.cast.run(4)
        trade.answer(posting)
        trade.cast.store_answers = True
        trade.cast.run(4)
    else:
        trade.answer(posting)
        trade.join(8)
    world = trade.cast.core.world
    assert was not in [world.uuid[row].tobytes() for row in world.columns.rows()]


# -- what hooks give of what only actions write ---------------------------------------------------


class Medal(Component, writer=AUTHORITY, name="tests.medal"):
    number: U4


class Awarding:
    """A world whose hooks give and take medals when a test says so."""

    def __init__(self) -> None:
        self.game = Game("awards")
        craft = self.game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot(), Cargo())
        self.game.declare(Medal)
        self.ask: list[Any] = []

        @self.game.on_join
        def arrive(world: Authority, player: Player) -> None:
            at = world.free_spot(radius=RADIUS, near=(30.0, 40.0))
            player.fly(world.berth(player) or world.spawn(craft, Label(name=player.name), at=at))

        @self.game.every(0.05)
        def award(world: Authority) -> None:
            for entity, number in self.ask:
                if number:
                    world.give(entity, Medal(number=number))
                else:
                    world.take(entity, Medal)
            self.ask.clear()

        @self.game.action(rate_hz=1)
        def load(tx: Transaction) -> None:
            tx.add(tx.own, Cargo.ore, 1)

        self.cast = Cast(game=declare(self.game), actions=ActionLimits(burst=1000))
        self.postings = self.cast.core.actions.postings
        self.come()

    def come(self) -> None:
        self.client = self.cast.connect(7, Role.PLAYER, ticks=2)
        say_hello(self.client, self.cast.core.schema.hash)
        self.cast.run(4)
        self.own = next(p.net_id for p in self.cast.core.clients.players if p.net_id)

    def leave(self) -> None:
        self.client.close(self.cast.now)
        self.cast.run(5)

    def number(self) -> int | None:
        """Tell which medal there is, if any."""
        world = self.cast.core.world
        rows = world.columns.rows_of([self.own])
        has = world.columns.has(rows, world.schema.numbers["tests_medal"])[0]
        return int(world.columns[NUMBER][rows[0]]) if has else None

    def leave_as_it_was(self, berth: Berth) -> None:
        """Leave, and be saved: the database has not heard yet what was given meanwhile."""
        self.leave()
        batch = self.cast.core.saving.take_batch(1000, self.cast.core.tick)
        assert batch is not None
        self.cast.core.saving.committed(batch)
        self.cast.store[7] = berth

    def berth(self) -> Berth:
        """Give what the database has if it has all by now."""
        world = self.cast.core.world
        rows = world.columns.rows_of([self.own])
        record = to_saved(world, world.columns.store(rows, world.schema.full_record))
        return Berth(record, world.uuid[rows].copy())

    def give(self, number: int) -> None:
        """Give a medal with a number, or take it: 0."""
        self.ask.append((self.own, number))
        self.cast.run(3)

    def answer(self, answer: Posted | None = None) -> list[dict[str, Any]]:
        """Let the database answer: what it was given of medals."""
        posting = self.postings.take_posting()
        self.postings.deliver(posting, answer or Posted())
        self.cast.run(2)
        return [row.values for row in posting.rows if row.component == "tests_medal"]


NUMBER = "tests_medal_number"


def test_what_a_hook_gives_and_takes_is_saved_like_what_actions_write() -> None:
    play = Awarding()
    play.give(5)
    assert play.answer() == [{NUMBER: 5}]
    play.give(0)
    assert play.answer() == [{}]
    assert not play.postings.has_posting


def test_what_was_given_last_is_saved_when_the_one_before_was_under_way() -> None:
    play = Awarding()
    play.give(5)
    posting = play.postings.take_posting()
    play.give(6)
    play.give(7)
    play.postings.deliver(posting, Posted())
    play.cast.run(2)
    assert play.answer() == [{NUMBER: 7}]


def test_what_was_given_to_one_that_has_left_is_saved_all_the_same() -> None:
    play = Awarding()
    play.give(5)
    posting = play.postings.take_posting()
    play.give(6)
    play.leave()
    play.postings.deliver(posting, Posted())
    play.cast.run(2)
    assert play.answer() == [{NUMBER: 6}]


@pytest.mark.parametrize("is_given_here", [True, False])
def test_what_was_given_last_stays_when_one_is_back_before_the_one_before_is_saved(
    is_given_here: bool,
) -> None:
    play = Awarding()
    play.give(5)
    posting = play.postings.take_posting()
    if is_given_here:
        play.leave()
        play.come()
        play.give(6)
    else:
        play.give(6)
        play.leave()
    play.postings.deliver(posting, Posted())
    play.cast.run(2)
    if not is_given_here:
        play.come()
    assert play.number() == 6
    assert play.answer() == [{NUMBER: 6}]
    assert play.number() == 6


@pytest.mark.parametrize("is_back", [True, False])
@pytest.mark.parametrize(("before", "after"), [(None, 5), (4, 5), (4, None)])
def test_what_was_given_is_so_for_one_that_is_read_before_it_is_committed(
    before: int | None, after: int | None, is_back: bool
) -> None:
    play = Awarding()
    if before:
        play.give(before)
        play.answer()
    berth = play.berth()
    play.give(after or 0)
    posting = play.postings.take_posting()
    play.leave_as_it_was(berth)
    if is_back:
        play.come()
    play.postings.deliver(posting, Posted())
    play.cast.run(2)
    if not is_back:
        play.come()
    assert play.number() == after
    if play.postings.has_posting:
        assert play.answer() == [{NUMBER: after} if after else {}]
    assert not play.postings.has_posting


@pytest.mark.parametrize("last", [7, None])
def test_what_waits_to_be_saved_is_so_for_one_that_comes_back_without_it(last: int | None) -> None:
    play = Awarding()
    play.give(5)
    play.answer()
    berth = play.berth()
    play.give(6)
    posting = play.postings.take_posting()
    play.give(last or 0)
    play.leave_as_it_was(berth)
    play.come()
    assert play.number() == last
    play.postings.deliver(posting, Posted())
    play.cast.run(2)
    assert play.answer() == [{NUMBER: last} if last else {}]
    assert play.number() == last


def test_what_is_given_is_saved_alone_when_it_was_not_taken_with_an_action() -> None:
    play = Awarding()
    play.give(5)
    posting = play.postings.take_posting()
    play.client.send(
        PlayerChannel.COMMAND,
        encode_message(Call(bytes(16), "awards.load", msgspec.msgpack.encode([]))),
    )
    play.give(6)
    play.postings.deliver(posting, Posted())
    play.cast.run(2)
    assert play.answer(Posted(declined="a constraint")) == [{NUMBER: 6}]
    assert play.answer(Posted(declined="a constraint")) == [{NUMBER: 6}]
    assert play.answer() == []
    (note,) = [n for n in play.cast.core.notes.take() if n.event == "action_declined"]
    assert note.fields["action"] == "give"
    assert not play.postings.has_posting


@pytest.mark.parametrize("last", [6, None])
def test_what_the_database_did_not_take_is_so_for_one_that_came_back_meanwhile(
    last: int | None,
) -> None:
    play = Awarding()
    play.give(5)
    berth = play.berth()
    posting = play.postings.take_posting()
    play.client.send(
        PlayerChannel.COMMAND,
        encode_message(Call(bytes(16), "awards.load", msgspec.msgpack.encode([]))),
    )
    play.give(last or 0)
    play.postings.deliver(posting, Posted())
    play.cast.run(2)
    posting = play.postings.take_posting()
    assert len(posting.receipts) == 1
    play.leave_as_it_was(berth)
    play.come()
    play.postings.deliver(posting, Posted(declined="a constraint"))
    play.cast.run(2)
    assert play.number() == last
    assert play.answer() == [{NUMBER: last} if last else {}]


def test_whose_ledgers_are_written_is_saved_with_them_as_it_is() -> None:
    trade = Trade()
    client = trade.join(7)
    world = trade.cast.core.world
    name = world.uuid[world.columns.rows_of([trade.own(7)])[0]].tobytes()
    trade.ask(client, "sell", 5)
    batch = trade.take().entities
    assert batch is not None
    assert [uuid.tobytes() for uuid in batch.uuid] == [name]
    flags = batch.active.tolist(), batch.removed.tolist()
    assert (batch.account.tolist(), *flags) == ([7], [True], [False])


def test_what_is_not_saved_is_spawned_and_not_in_the_posting() -> None:
    game = Game("flashes")
    craft = game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot())
    flash = game.kind("flash", Motion(), saved=False)
    game.kind("buoy", Motion())

    @game.on_join
    def arrive(world: Authority, player: Player) -> None:
        player.fly(world.spawn(craft, Label(name=player.name), at=(0.0, 0.0)))

    @game.action(rate_hz=1)
    def shine(tx: Transaction) -> None:
        tx.spawn(flash, at=(5.0, 5.0))

    cast = Cast(game=declare(game))
    client = cast.connect(7, Role.PLAYER, ticks=2)
    say_hello(client, cast.core.schema.hash)
    cast.run(4)
    call = Call(bytes(16), "flashes.shine", msgspec.msgpack.encode([]))
    client.send(PlayerChannel.COMMAND, encode_message(call))
    cast.run(2)
    postings = cast.core.actions.postings
    posting = postings.take_posting()
    assert posting.entities is None
    postings.deliver(posting, Posted())
    cast.run(2)
    world = cast.core.world
    rows = world.columns.rows()
    (row,) = rows[world.columns["kind"][rows] == 2]
    assert not world.stored[row]


# -- who is led to --------------------------------------------------------------------------------


class Moored(Component, writer=AUTHORITY, name="tests.moored"):
    at: Entity


def test_who_is_led_to_is_saved_by_name_and_found_again_by_it() -> None:
    game = Game("harbour")
    craft = game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot(), Moored())
    buoy = game.kind("buoy", Motion())
    game.account(Moored())

    @game.on_join
    def arrive(world: Authority, player: Player) -> None:
        at = world.free_spot(radius=RADIUS, near=(30.0, 40.0))
        player.fly(world.spawn(craft, Label(name=player.name), at=at))
        world.spawn(buoy, at=(9.0, 9.0))

    @game.action(rate_hz=1)
    def moor(tx: Transaction, entity: int) -> None:
        tx.set(tx.own, Moored.at, entity)
        tx.set(tx.account, Moored.at, entity)

    declared = declare(game)
    cast = Cast(game=declared, actions=ActionLimits(burst=1000))
    client = cast.connect(7, Role.PLAYER, ticks=2)
    say_hello(client, cast.core.schema.hash)
    cast.run(4)
    world = cast.core.world
    rows = world.columns.rows()
    (row,) = rows[world.columns["kind"][rows] == 2]
    call = Call(bytes(16), "harbour.moor", msgspec.msgpack.encode([int(world.columns.net_id[row])]))
    client.send(PlayerChannel.COMMAND, encode_message(call))
    cast.run(2)
    posting = cast.core.actions.postings.take_posting()
    name = world.uuid[row].tobytes()
    assert [each.values for each in posting.rows] == [{"tests_moored_at": name}] * 2
    later = Cast(game=declared)
    later.core.world.ids.take(1000, 0)
    records = to_saved(world, world.columns.store(np.array([row]), world.schema.full_record))
    later.core.populate(records, world.uuid[[row]])
    later.core.actions.books.load(each for each in posting.rows if each.entity < 0)
    books = later.core.actions.books
    found = books.read(books.find(-7, Moored.at))
    assert later.core.world.columns.rows_of([found])[0] >= 0
    assert found != world.columns.net_id[row]


# -- what comes again ----------------------------------------------------------------------------


def test_a_call_that_comes_again_waits_for_the_answer_that_is_under_way() -> None:
    trade = Trade()
    client = trade.join(7)
    call = trade.ask(client, "sell", 5)
    posting = trade.take()
    again = trade.join(7)
    trade.send(again, call)
    trade.answer(posting)
    assert not trade.desk.postings.has_posting
    assert heard(again) == [Told("pilot 7 sold 5"), done(call)]
    trade.send(again, call)
    assert (heard(again), trade.credits(7)) == ([done(call)], 15)


def test_what_a_server_before_this_one_committed_is_answered_and_not_done_again() -> None:
    trade = Trade()
    client = trade.join(7)
    first = trade.ask(client, "cheer")
    posting = trade.take()
    known, other, wrong = (trade.ask(client, "sell", ore) for ore in (5, 2, 1))
    trade.answer(posting)
    posting = trade.take()
    by_key = {receipt.key: receipt for receipt in posting.receipts}
    told = by_key[known.key]._replace(outcome=Outcome.REFUSED, text="no buyer")
    foreign = by_key[wrong.key]._replace(digest=bytes(16))
    trade.answer(posting, Posted(known=(told, foreign)))
    again = trade.take()
    assert [receipt.key for receipt in again.receipts] == [other.key]
    assert again.number != posting.number
    assert values_of(again)["tests_wallet", holder_of(7)] == {CREDITS: 12}
    trade.answer(again)
    assert heard(client) == [
        done(first),
        Receipt(known.key, Outcome.REFUSED, "no buyer"),
        Receipt(wrong.key, Outcome.REFUSED, "this key belongs to another call"),
        Told("pilot 7 sold 2"),
        done(other),
    ]
    assert trade.credits(7) == 12


def test_of_what_the_database_does_not_take_the_rest_is_done() -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "cheer")
    posting = trade.take()
    first, second, third = (trade.ask(client, "sell", ore) for ore in (5, 2, 1))
    trade.answer(posting)
    heard(client)
    trade.answer(trade.take(), Posted(declined="a constraint"))
    answers = []
    for declined in ("", "a constraint", ""):
        posting = trade.take()
        assert len(posting.receipts) == 1
        trade.answer(posting, Posted(declined=declined))
        answers += [each for each in heard(client) if isinstance(each, Receipt)]
    no = "the database does not take it; the server's log says why"
    assert answers == [done(first), Receipt(second.key, Outcome.REFUSED, no), done(third)]
    assert (trade.credits(7), trade.ore(7)) == (16, 14)
    (note,) = [n for n in trade.cast.core.notes.take() if n.event == "action_declined"]
    assert note.fields == {"action": "trade.sell", "why": "a constraint"}


# -- a database that does not answer ------------------------------------------------------------


def test_while_the_database_does_not_answer_calls_are_put_off_and_their_number_is_bounded() -> None:
    trade = Trade(waiting=2, waiting_ticks=20)
    client = trade.join(7)
    first = trade.ask(client, "sell", 1)
    posting = trade.take()
    waiting = [trade.ask(client, "sell", 1) for _ in range(2)]
    too_many = trade.ask(client, "sell", 1)
    assert heard(client) == [
        Receipt(too_many.key, Outcome.NOT_NOW, "not now: too much waits to be done")
    ]
    trade.cast.run(25)
    no_answer = "not now: the database does not answer"
    assert heard(client) == [Receipt(call.key, Outcome.NOT_NOW, no_answer) for call in waiting]
    trade.answer(posting)
    assert heard(client)[-1] == done(first)
    trade.send(client, waiting[0])
    trade.answer(trade.take())
    assert heard(client)[-1] == done(waiting[0])
    assert dict(trade.desk.counts) == {"too_much": 1, "not_now": 2, "done": 2}


def test_what_need_not_wait_is_done_though_too_much_waits() -> None:
    trade = Trade(waiting=1)
    ann, bob = trade.join(7), trade.join(8)
    trade.ask(ann, "cheer")
    posting = trade.take()
    trade.ask(ann, "cheer")
    puff, sigh, cheer = (trade.ask(bob, name) for name in ("puff", "sigh", "cheer"))
    too_much = "not now: too much waits to be done"
    assert heard(bob) == [done(puff), done(sigh), Receipt(cheer.key, Outcome.NOT_NOW, too_much)]
    needs_it = trade.ask(ann, "sigh")
    assert heard(ann) == [Receipt(needs_it.key, Outcome.NOT_NOW, too_much)]
    assert dict(trade.desk.counts) == {"done": 2, "too_much": 2}
    trade.answer(posting)
    trade.send(ann, needs_it)
    assert trade.desk.counts["too_much"] == 2, "it may wait now"


def test_what_systems_ask_for_is_done_if_it_need_not_wait_though_too_much_does() -> None:
    trade = Trade(waiting=2)
    client, shard = trade.join(7), trade.cast.connect_shard()
    hello = ShardHello(trade.cast.core.schema.hash, "one", bytes(16), 1, 1, bytes(16), spare=False)
    shard.send(ShardChannel.LEASE, encode_message(hello))
    trade.cast.run(4)
    (row,) = trade.cast.core.world.columns.rows_of([trade.own(7)])
    asking = np.array([(trade.own(7), trade.cast.core.world.columns.epoch[row])], ASKED_ROW)
    trade.ask(client, "cheer")
    trade.take()
    trade.ask(client, "cheer")
    for action in ("puff", "sigh"):
        asked = Asked(f"trade.{action}", asking.tobytes(), msgspec.msgpack.encode([[]]))
        shard.send(ShardChannel.LEASE, encode_message(asked))
        trade.cast.run(2)
    assert len(ids_of_buoys(trade)) == 1
    counts = trade.desk.counts
    assert (counts["asked"], counts["done"], counts["too_much"]) == (2, 1, 1)


def test_who_has_no_account_can_not_ask_for_what_is_kept() -> None:
    trade = Trade()
    stranger = trade.join(0)
    call = trade.ask(stranger, "sell", 1)
    text = "this is kept, and needs an account: log in with one"
    assert heard(stranger) == [Receipt(call.key, Outcome.REFUSED, text)]
    assert not trade.desk.postings.has_posting


def test_only_the_posting_that_was_taken_is_answered() -> None:
    trade = Trade()
    with pytest.raises(LocalProtocolError, match="nothing to be committed"):
        trade.take()
    trade.ask(trade.join(7), "sell", 1)
    posting = trade.take()
    with pytest.raises(LocalProtocolError, match="nothing to be committed"):
        trade.take()
    with pytest.raises(LocalProtocolError, match="not the one"):
        trade.desk.postings.deliver(posting._replace(number=99), Posted())


# -- those that go meanwhile ----------------------------------------------------------------------


def berth_of(trade: Trade, account: int) -> Berth:
    """What the database has of what an account flies, as it is now."""
    world = trade.cast.core.world
    rows = world.columns.rows_of([trade.own(account)])
    record = to_saved(world, world.columns.store(rows, world.schema.full_record))
    return Berth(record, world.uuid[rows].copy())


def saved(trade: Trade) -> None:
    """Let all that waits to be saved be saved."""
    saving = trade.cast.core.saving
    while (batch := saving.take_batch(1000, trade.cast.core.tick)) is not None:
        saving.committed(batch)


@pytest.mark.parametrize("is_saved", [True, False])
def test_what_is_committed_of_one_that_has_left_is_so_when_it_comes_back(is_saved: bool) -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "sell", 5)
    posting = trade.take()
    trade.cast.store[7] = berth_of(trade, 7)
    client.close(trade.cast.now)
    trade.cast.run(5)
    if is_saved:
        saved(trade)
    trade.answer(posting)
    trade.join(7)
    assert (trade.ore(7), trade.credits(7)) == (15, 15)


def test_what_is_committed_of_one_that_is_back_already_is_so() -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "sell", 5)
    posting, was = trade.take(), trade.own(7)
    client.close(trade.cast.now)
    trade.cast.run(5)
    trade.join(7)
    assert trade.own(7) != was
    trade.answer(posting)
    assert (trade.ore(7), trade.credits(7)) == (15, 15)


def test_what_is_gone_for_good_keeps_its_account() -> None:
    trade = Trade()
    client = trade.join(7)
    call = trade.ask(client, "sell", 5)
    posting = trade.take()
    world = trade.cast.core.world
    trade.cast.core.remove(world.columns.rows_of(np.array([trade.own(7)])))
    trade.answer(posting)
    assert heard(client)[-1] == done(call)
    assert trade.credits(7) == 15


def test_what_was_never_saved_and_is_gone_leaves_nothing_in_a_ledger() -> None:
    """It is saved as removed, by which the database forgets its rows of ledgers, too."""
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "sell", 5)
    trade.answer(trade.take())
    core = trade.cast.core
    core.remove(core.world.columns.rows_of(np.array([trade.own(7)])))
    batch = core.saving.take_batch(1000, core.tick)
    assert batch is not None
    assert batch.removed.any()


def test_what_the_database_has_of_accounts_is_read_at_the_start() -> None:
    trade = Trade()
    client = trade.join(7)
    trade.ask(client, "pool", 4)
    rows = trade.take().rows
    later = Trade()
    later.desk.books.load(row._replace(entity=0) for row in rows)
    client = later.join(7)
    later.ask(client, "count")
    assert [each.text for each in heard(client) if isinstance(each, Told)] == ["6 credits"]
    call = later.ask(client, "pool", 5)
    posting = later.take()
    assert values_of(posting)["tests_pot", holder_of(0)] == {POT: 9}
    assert isinstance(posting.receipts[0], KeptReceipt)
    assert posting.receipts[0].key == call.key


def test_who_waits_for_what_it_flies_is_put_off_and_not_refused_for_good() -> None:
    """As after a restart: a client asks again as soon as it is welcome."""
    trade = Trade()
    trade.cast.store_answers = False
    client = trade.join(7)
    call = trade.ask(client, "sell", 5)
    text = "not now: what you fly is being fetched"
    assert heard(client) == [Receipt(call.key, Outcome.NOT_NOW, text)]
    assert not trade.desk.postings.has_posting
    trade.cast.store_answers = True
    trade.cast.run(4)
    trade.send(client, call)
    trade.answer(trade.take())
    assert heard(client)[-1] == done(call)
    assert trade.ore(7) == 15
