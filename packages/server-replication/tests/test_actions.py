"""Actions: what a transaction may do, what is refused in which words, and what is told to whom."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import msgspec
import numpy as np
import pytest
from drifters import RADIUS
from stage import RULES, Cast, say_hello

from sidereal.game import (
    ALL,
    AUTHORITY,
    F4,
    PILOT,
    PLAYERS,
    SECTOR,
    SHARDS,
    SYSTEMS,
    U4,
    Authority,
    Body,
    Component,
    Event,
    Game,
    Label,
    Meta,
    Motion,
    Pilot,
    Player,
    Transaction,
    field,
)
from sidereal.game.declarations import declare
from sidereal.game.spawns import Spawns
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.message.codec import (
    ASKED_ROW,
    decode_authority_untrusted,
    decode_rows_untrusted,
    decode_server_untrusted,
    encode_message,
)
from sidereal.protocol.message.player import (
    Call,
    LookAt,
    Outcome,
    PlayerChannel,
    Receipt,
    Role,
    Told,
    Values,
)
from sidereal.protocol.message.shard import Amend, Asked, ShardChannel, ShardHello
from sidereal.protocol.state.schema import EVENT_FIRST
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.keeping.posting import Posted
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.limits import ShardLinkLimits

LOUD = ActionLimits(burst=1000)


class Dock(Component, writer=AUTHORITY, saved=False, name="tests.dock"):
    load: U4 = field(10, low=0, high=100)
    lean: F4 = field(0, low=-1, high=1)


class Hull(Component, name="tests.hull"):
    hp: F4


class Honk(Event, name="tests.honk"):
    loud: U4 = field(1, low=1, high=9)


class Unheard(Event, name="tests.unheard"):
    loud: U4


class Secret(Component, writer=AUTHORITY, audience=SHARDS, saved=False, name="tests.secret"):
    code: U4 = field(7, low=0, high=9)


class Score(Component, writer=AUTHORITY, saved=False, name="tests.score"):
    points: U4


class Round(Component, writer=AUTHORITY, saved=False, name="tests.round"):
    number: U4 = field(1, low=1, high=9)


class Sealed(Component, writer=AUTHORITY, audience=SHARDS, saved=False, name="tests.sealed"):
    total: U4


class Play:
    """A game of one kind that everybody flies, with one action that a test writes.

    Attributes:
        act: what the action does.
    """

    def __init__(
        self, limits: ActionLimits = LOUD, shards: ShardLinkLimits = LIMITS.shards
    ) -> None:
        self.game = Game("play")
        craft = self.game.kind(
            "craft", Motion(), Body(radius=RADIUS), Label(), Pilot(), Dock(), Hull(), Secret()
        )
        self.game.kind("buoy", Motion())
        self.game.declare(Honk)
        self.game.account(Score())
        self.game.shared(Round())
        self.game.shared(Sealed())
        self.act: Callable[[Transaction, float], Any] = lambda tx, number: None

        @self.game.on_join
        def arrive(world: Authority, player: Player) -> None:
            at = world.free_spot(radius=RADIUS, near=(30.0, 40.0))
            player.fly(world.spawn(craft, Label(name=player.name), at=at))

        @self.game.action(rate_hz=1, durable=False, asked_by=PLAYERS | SYSTEMS)
        def do(tx: Transaction, number: Annotated[float, Meta(ge=-1e6, le=1e6)] = 0) -> None:
            self.act(tx, number)

        @self.game.action(rate_hz=1, durable=False)
        def say(tx: Transaction, text: Annotated[str, Meta(min_length=1)]) -> None:
            tx.tell(f"{tx.name}: {text}")

        @self.game.action(durable=False, asked_by=SYSTEMS)
        def mint(tx: Transaction, points: int) -> None:
            tx.add(tx.account, Score.points, points)

        self.cast = Cast(clients_max=40, game=declare(self.game), actions=limits, shards=shards)
        self._keys = 0

    def join(self, account: int, role: Role = Role.PLAYER) -> ClientEndpoint:
        client = self.cast.connect(account, role, ticks=2)
        say_hello(client, self.cast.core.schema.hash)
        self.cast.run(4)
        heard(client)
        return client

    def key(self) -> bytes:
        self._keys += 1
        return self._keys.to_bytes(16, "big")

    def ask(self, client: ClientEndpoint, *arguments: Any, action: str = "play.do") -> Receipt:
        """Call an action and wait for its receipt."""
        call = Call(self.key(), action, msgspec.msgpack.encode(arguments))
        client.send(PlayerChannel.COMMAND, encode_message(call))
        self.cast.run(4)
        postings = self.cast.core.actions.postings
        if postings.has_posting:
            postings.deliver(postings.take_posting(), Posted())
            self.cast.run(2)
        (receipt,) = (each for each in heard(client) if isinstance(each, Receipt))
        assert receipt.key == call.key
        return receipt

    def own(self, account: int) -> int:
        (player,) = (p for p in self.cast.core.clients.players if p.account == account)
        return player.net_id

    def value(self, entity: int, column: str) -> Any:
        columns = self.cast.core.world.columns
        return columns[column][columns.rows_of([entity])[0]].item()

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.cast.core.actions.counts)


def heard(client: ClientEndpoint) -> list[Any]:
    found = []
    while (event := client.next_event()) is not None:
        if isinstance(event, Received) and event.channel == PlayerChannel.COMMAND:
            found.append(decode_server_untrusted(event.channel, event.message))
    return found


def lines(client: ClientEndpoint) -> list[str]:
    return [message.text for message in heard(client) if isinstance(message, Told)]


DONE = Outcome.DONE, ""


def outcome(receipt: Receipt) -> tuple[Outcome, str]:
    return receipt.outcome, receipt.text


# -- what a transaction does ------------------------------------------------------------------


def test_an_action_changes_what_the_authority_writes() -> None:
    play = Play()
    client = play.join(7)

    def act(tx: Transaction, number: float) -> None:
        assert (tx.name, tx.own, tx.tick) == ("pilot 7", play.own(7), play.cast.core.tick)
        tx.add(tx.own, Dock.load, number)
        tx.set(tx.own, Dock.lean, 0.5)
        tx.add(tx.account, Score.points, 3)
        tx.add(tx.account, Score.points, 4)
        tx.set(tx.shared, Round.number, tx.get(tx.shared, Round.number) + tx.get(tx.own, Dock.load))

    play.act = act
    assert outcome(play.ask(client, -5)) == DONE
    assert play.value(play.own(7), "tests_dock_load") == 5
    assert play.value(play.own(7), "tests_dock_lean") == 0.5
    seen: list[float] = []
    play.act = lambda tx, number: seen.extend(
        [tx.get(tx.account, Score.points), tx.get(tx.shared, Round.number)]
    )
    play.ask(client)
    assert seen == [7, 6]
    play.ask(play.join(8))
    assert seen == [7, 6, 0, 6]


def test_what_is_written_goes_to_clients() -> None:
    play = Play()
    client = play.join(7)
    play.act = lambda tx, number: tx.set(tx.own, Dock.load, number)
    world = play.cast.core.world
    row = world.columns.rows_of([play.own(7)])[0]
    number = world.schema.numbers["tests_dock"]
    before = world.changed[number, row]
    play.ask(client, 77)
    assert world.changed[number, row] > before
    assert world.rows[number][row]["tests_dock_load"] == 77


def refuse_late(tx: Transaction, number: float) -> None:
    tx.add(tx.own, Dock.load, 1)
    tx.set(tx.shared, Round.number, 9)
    tx.tell("it was done", to=ALL)
    tx.require(number > 0, "number must be above 0")


def raise_late(tx: Transaction, number: float) -> None:
    tx.add(tx.own, Dock.load, 1)
    tx.tell("it was done")
    print(1 / number)


def go_too_far(tx: Transaction, number: float) -> None:
    tx.set(tx.account, Score.points, 50)
    tx.add(tx.own, Dock.load, 91)


FAILED = "the game failed at it; the server's log says why"


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (refuse_late, "number must be above 0"),
        (raise_late, FAILED),
        (go_too_far, "tests.dock.load would be 101: it is 0 to 100"),
    ],
)
def test_all_of_an_action_happens_or_nothing(act: Any, text: str) -> None:
    play = Play()
    client = play.join(7)
    play.act = act
    call = Call(play.key(), "play.do", msgspec.msgpack.encode([0]))
    client.send(PlayerChannel.COMMAND, encode_message(call))
    play.cast.run(4)
    assert heard(client) == [Receipt(call.key, Outcome.REFUSED, text)]
    assert play.value(play.own(7), "tests_dock_load") == 10
    assert play.cast.core.actions.books.placeless == {}


def test_an_action_that_raises_is_noted_once_and_counted() -> None:
    play = Play()
    client = play.join(7)
    play.act = raise_late
    for _ in range(3):
        play.ask(client, 0)
    (note,) = [n for n in play.cast.core.notes.take() if n.event == "action_failed"]
    assert note.fields["action"] == "play.do"
    assert "ZeroDivisionError" in str(note.fields["error"])
    assert "raise_late" in note.trace
    assert play.cast.core.actions.failed == {"play.do": 3}


def test_near_is_measured_where_things_are_now() -> None:
    play = Play()
    client = play.join(7)
    seen: list[bool] = []
    world = play.cast.core.world
    (wreck,) = (i for i in world.columns.net_id[world.columns.rows()].tolist() if i != play.own(7))
    off = math.hypot(5000 - 30, 5000 - 40)

    def act(tx: Transaction, number: float) -> None:
        seen.extend([tx.near(tx.own, wreck, off + 1), tx.near(wreck, tx.own, off - 1)])
        seen.extend(tx.near(tx.own, gone, 1e9) for gone in (0, 999, -7, 1 << 40))

    play.act = act
    assert outcome(play.ask(client)) == DONE
    assert seen == [True, False, False, False, False, False]


def test_a_place_is_read_as_it_is_now() -> None:
    play = Play()
    client, world = play.join(7), play.cast.core.world
    row = world.columns.rows_of([play.own(7)])[0]
    world.columns["vx"][row] = 8.0
    seen: list[float] = []
    play.act = lambda tx, number: seen.extend([tx.get(tx.own, Motion.x), tx.get(tx.own, Motion.y)])
    assert outcome(play.ask(client)) == DONE
    begun, since = world.columns["x"][row], world.columns.tick[row]
    assert begun < seen[0] <= begun + 8 * (play.cast.core.tick - since) * world.rules.tick_s
    assert seen[1] == world.columns["y"][row]


def test_the_account_of_another_is_had_by_what_it_flies() -> None:
    play = Play()
    giver, taker = play.join(7), play.join(8)
    assert taker.close_reason is None
    play.act = lambda tx, number: tx.add(tx.account_of(int(number)), Score.points, 5)
    assert outcome(play.ask(giver, play.own(8))) == DONE
    assert play.ask(giver, 999).text == "there is nothing that has a score"
    points: list[float] = []
    play.act = lambda tx, number: points.append(tx.get(tx.account, Score.points))
    play.ask(taker)
    play.ask(giver)
    assert points == [5, 0]


def test_who_has_no_account_and_flies_nothing_has_nothing_to_write() -> None:
    play = Play()
    stranger, watcher = play.join(0), play.join(9, Role.OBSERVER)
    play.act = lambda tx, number: tx.add(tx.account, Score.points, 1)
    assert play.ask(stranger).text == "there is nothing that has a score"
    assert outcome(play.ask(watcher)) == DONE
    play.act = lambda tx, number: tx.add(tx.own, Dock.load, 1)
    assert play.ask(watcher).text == "there is nothing that has a dock"


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        (999, "entity 999 has no dock"),
        (-8, "entity -8 is not there"),
        (-(1 << 63), "entity -9223372036854775808 is not there"),
        (1 << 45, "entity 35184372088832 has no dock"),
    ],
)
def test_ids_that_are_nobodys_here_are_refused_in_words(entity: int, text: str) -> None:
    """Of what is gone, of another world, of somebody else's account, and no ids at all."""
    play = Play()
    client, other = play.join(7), play.join(8)
    assert other.close_reason is None
    play.act = lambda tx, number: tx.add(entity, Dock.load, 1)
    assert outcome(play.ask(client)) == (Outcome.REFUSED, text)
    assert not play.cast.core.actions.failed


def test_what_an_action_emits_happens_and_nothing_does_if_it_is_refused() -> None:
    play = Play()
    client = play.join(7)

    def honk(tx: Transaction, number: float) -> None:
        tx.emit(Honk(loud=3), at=tx.own)
        tx.emit(Honk(), at=tx.own)
        tx.emit(Honk(), at=tx.own if number else 12345)

    play.act = honk
    assert outcome(play.ask(client)) == (Outcome.REFUSED, "entity 12345 is not there")
    assert play.cast.core.events.happened == 0
    assert outcome(play.ask(client, 1)) == DONE
    kept = play.cast.core.edge.changes.events.kept[EVENT_FIRST]
    assert kept.row["id"].tolist() == [play.own(7)] * 3
    assert kept.row["tests_honk_loud"].tolist() == [3, 1, 1]


def test_an_entity_without_the_component_is_refused_in_words() -> None:
    play = Play()
    client = play.join(7)
    spawns = Spawns(declare(play.game), play.cast.core.schema)
    records = spawns.make(play.game.kinds[1], [])
    records["tick"] = play.cast.core.tick
    (row,) = play.cast.core.entities.create(records, play.cast.core.tick)
    there = int(play.cast.core.world.columns.net_id[row])
    play.act = lambda tx, number: tx.add(there, Dock.load, 1)
    assert play.ask(client).text == f"entity {there} has no dock"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda tx, n: tx.set(tx.own, Hull.hp, 1), "shards write Hull"),
        (lambda tx, n: tx.set(tx.own, Label.name, 1), "not durable"),
        (lambda tx, n: tx.set(tx.own, Dock.load, 1.5), "holds whole numbers"),
        (lambda tx, n: tx.set(tx.own, Dock.load, "many"), "actions write numbers"),
        (lambda tx, n: tx.get(tx.own, "load"), "is no field of play"),
        (lambda tx, n: tx.get(tx.account, Dock.load), r"an account has no Dock: .* game\.account"),
        (lambda tx, n: tx.get(tx.shared, Score.points), r"the world has no Score: .* game\.shared"),
        (lambda tx, n: tx.emit(Honk(loud=10), at=tx.own), "loud = 10 is outside 1 to 9"),
        (lambda tx, n: tx.emit(Unheard(), at=tx.own), r"say part\.declare\(Unheard\)"),
        (lambda tx, n: tx.tell("x" * 1001), "1000 characters at most"),
        (lambda tx, n: tx.tell("x", to=SECTOR), "VIEWERS, ALL or PILOT, not sector"),
    ],
)
def test_a_games_mistake_is_a_failure_with_its_reason_in_the_log(act: Any, words: str) -> None:
    play = Play()
    client = play.join(7)
    play.act = act
    assert play.ask(client).text == FAILED
    (note,) = [n for n in play.cast.core.notes.take() if n.event == "action_failed"]
    assert re.search(words, str(note.fields["error"])), note.fields["error"]


def values(client: ClientEndpoint) -> list[tuple[bool, int]]:
    found = [each for each in heard(client) if isinstance(each, Values)]
    return [(each.shared, int.from_bytes(each.row, "little")) for each in found]


def test_who_joins_is_told_what_its_account_and_the_world_have_and_all_that_changes() -> None:
    play = Play()

    def act(tx: Transaction, number: float) -> None:
        tx.add(tx.account, Score.points, 1)
        tx.set(tx.shared, Round.number, number)
        tx.add(tx.shared, Sealed.total, 1)  # no client is told of what is SHARDS'

    play.act = act
    ann = play.join(7)
    ann.send(PlayerChannel.COMMAND, encode_message(Call(play.key(), "play.do", b"\x91\x04")))
    play.cast.run(4)
    later = play.cast.connect(8, Role.PLAYER, ticks=2)
    stranger = play.cast.connect(0, Role.PLAYER, ticks=2)
    for client in (later, stranger):
        say_hello(client, play.cast.core.schema.hash)
    play.cast.run(4)
    assert values(later) == [(True, 4), (False, 0)]
    assert values(stranger) == [(True, 4)]
    call = Call(play.key(), "play.do", b"\x91\x05")
    ann.send(PlayerChannel.COMMAND, encode_message(call))
    play.cast.run(4)
    assert values(later) == values(stranger) == [(True, 5)]
    messages = heard(ann)
    assert [type(each) for each in messages] == [Values, Values, Receipt] * 2
    score = [each for each in messages if isinstance(each, Values) and not each.shared]
    assert [int.from_bytes(each.row, "little") for each in score] == [1, 2]


# -- what is asked wrongly ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (b"", "Input data was truncated"),
        (b"\xc1", "malformed"),
        (b"\x91" * 1024, "Expected `float`"),
        (msgspec.msgpack.encode([1, 2]), "length"),
        (msgspec.msgpack.encode(["seven"]), "Expected `float`, got `str` - at `number`"),
        (msgspec.msgpack.encode([1e7]), "at `number`"),
        (msgspec.msgpack.encode([math.nan]), "Expected `float`"),
        (msgspec.msgpack.encode({"number": 1}), "Expected `array`"),
        (msgspec.msgpack.encode([None]), "got `None`"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments: bytes, words: str) -> None:
    play = Play()
    client = play.join(7)
    ran: list[float] = []
    play.act = lambda tx, number: ran.append(number)
    client.send(PlayerChannel.COMMAND, encode_message(Call(play.key(), "play.do", arguments)))
    play.cast.run(4)
    (receipt,) = heard(client)
    assert receipt.outcome is Outcome.REFUSED
    assert words in receipt.text
    assert (ran, play.counts) == ([], {"bad_arguments": 1})


def test_an_action_that_there_is_not_is_refused_in_words() -> None:
    play = Play()
    client = play.join(7)
    receipt = play.ask(client, action="play.steal")
    assert outcome(receipt) == (Outcome.REFUSED, "there is no such action")
    assert play.counts == {"unknown_action": 1, "refused": 1}


def test_arguments_beyond_all_measure_are_dropped_and_counted() -> None:
    play = Play()
    client = play.join(7)
    for call in (
        Call(play.key(), "play.do", bytes(1025)),
        Call(play.key(), "x" * 64, b"\x90"),
        Call(bytes(15), "play.do", b"\x90"),
    ):
        client.send(PlayerChannel.COMMAND, encode_message(call))
    play.cast.run(4)
    assert heard(client) == []
    assert play.cast.core.clients.dropped["malformed"] == 3
    assert outcome(play.ask(client)) == DONE


def test_before_it_has_joined_nobody_is_asked_anything() -> None:
    play = Play()
    client = play.cast.connect(7, Role.PLAYER)
    client.send(PlayerChannel.COMMAND, encode_message(Call(play.key(), "play.do", b"\x90")))
    play.cast.run(4)
    assert heard(client) == []
    assert play.cast.core.clients.dropped["no_hello"] == 1


# -- how often -------------------------------------------------------------------------------------


def test_an_account_that_asks_too_often_is_put_off() -> None:
    play = Play(ActionLimits(burst=3))
    client, other = play.join(7), play.join(8)
    ran: list[str] = []
    play.act = lambda tx, number: ran.append(tx.name)
    receipts = [play.ask(client) for _ in range(4)]
    assert [r.outcome for r in receipts] == [Outcome.DONE] * 3 + [Outcome.NOT_NOW]
    assert receipts[-1].text == "not now: play.do is done 1 times a second at most"
    assert outcome(play.ask(client, "hello", action="play.say")) == DONE
    assert outcome(play.ask(other)) == DONE
    play.cast.run(RULES.tick_hz)
    assert outcome(play.ask(client)) == DONE
    assert ran == ["pilot 7"] * 3 + ["pilot 8", "pilot 7"]
    assert play.counts == {"done": 6, "too_fast": 1}


def test_who_never_ceases_to_ask_is_answered_as_often_as_may_be() -> None:
    """As a client does that comes back with many calls: it repeats those that were put off."""
    play = Play(ActionLimits(burst=1))
    client = play.join(7)
    asks = 5 * RULES.tick_hz // 4
    done = sum(play.ask(client).outcome is Outcome.DONE for _ in range(asks))
    assert done == 5


def test_a_session_of_the_same_account_may_ask_no_more_often() -> None:
    play = Play(ActionLimits(burst=2))
    first = play.join(7)
    assert [play.ask(first).outcome for _ in range(2)] == [Outcome.DONE] * 2
    second = play.join(7)
    assert play.ask(second).outcome is Outcome.NOT_NOW
    play.cast.run(2 * RULES.tick_hz)
    assert play.ask(second).outcome is Outcome.DONE


# -- once ------------------------------------------------------------------------------------------


def test_a_call_that_comes_again_is_answered_again_and_not_run() -> None:
    play = Play(ActionLimits(burst=1))
    client = play.join(7)
    ran: list[float] = []

    def act(tx: Transaction, number: float) -> None:
        ran.append(number)
        tx.require(number > 1, "too small")

    play.act = act
    call = Call(play.key(), "play.do", msgspec.msgpack.encode([1]))
    for _ in range(2):
        client.send(PlayerChannel.COMMAND, encode_message(call))
        play.cast.run(4)
    again = play.join(7)
    again.send(PlayerChannel.COMMAND, encode_message(call))
    play.cast.run(4)
    refused = Receipt(call.key, Outcome.REFUSED, "too small")
    assert (heard(client)[:2], heard(again)) == ([refused, refused], [refused])
    assert (ran, play.counts) == ([1], {"refused": 1, "repeated": 2})


def test_a_key_is_one_calls_and_one_accounts() -> None:
    play = Play()
    client, other = play.join(7), play.join(8)
    ran: list[str] = []
    play.act = lambda tx, number: ran.append(tx.name)
    key = play.key()
    calls = (
        (client, Call(key, "play.do", b"\x90")),
        (client, Call(key, "play.do", b"\x91\x01")),
        (client, Call(key, "play.say", b"\x91\xa1a")),
        (other, Call(key, "play.do", b"\x90")),
    )
    for who, call in calls:
        who.send(PlayerChannel.COMMAND, encode_message(call))
        play.cast.run(4)
    wrong = Receipt(key, Outcome.REFUSED, "this key belongs to another call")
    assert heard(client) == [Receipt(key, Outcome.DONE, ""), wrong, wrong]
    assert heard(other) == [Receipt(key, Outcome.DONE, "")]
    assert ran == ["pilot 7", "pilot 8"]


def test_so_many_receipts_of_an_account_are_remembered() -> None:
    play = Play(ActionLimits(burst=1000, receipts=3))
    client, other = play.join(7), play.join(8)
    keys = [play.ask(client).key for _ in range(4)]
    for _ in range(5):
        play.ask(other)
    for key in (keys[0], keys[3]):
        client.send(PlayerChannel.COMMAND, encode_message(Call(key, "play.do", b"\x90")))
        play.cast.run(4)
    assert play.counts == {"done": 10, "repeated": 1}


def test_of_too_many_receipts_those_of_who_was_answered_longest_ago_are_forgotten() -> None:
    play = Play(ActionLimits(burst=1000, receipts=3, receipts_in_all=5))
    clients = [play.join(account) for account in (7, 8, 9)]
    keys = [play.ask(client).key for client in clients for _ in range(2)]
    for client, key in zip(clients, keys[::2], strict=True):
        client.send(PlayerChannel.COMMAND, encode_message(Call(key, "play.do", b"\x90")))
        play.cast.run(4)
    assert play.counts == {"done": 7, "repeated": 2}


# -- what is told -------------------------------------------------------------------------------


def test_a_line_goes_to_those_who_have_the_speaker_in_view_and_back() -> None:
    play = Play()
    speaker, near, far = (play.join(account, Role.OBSERVER) for account in (1, 2, 3))
    in_view = RULES.view_radius_cells * RULES.cell_size
    near.send(PlayerChannel.COMMAND, encode_message(LookAt(in_view, 0.0)))
    far.send(PlayerChannel.COMMAND, encode_message(LookAt(in_view + RULES.cell_size, 0.0)))
    play.cast.run(4)
    play.ask(speaker, "hello", action="play.say")
    assert [lines(client) for client in (near, far)] == [["pilot 1: hello"], []]
    play.act = lambda tx, number: tx.tell("to all", to=ALL)
    play.ask(speaker)
    assert [lines(client) for client in (near, far)] == [["to all"], ["to all"]]
    play.act = lambda tx, number: tx.tell("to me", to=PILOT)
    call = Call(play.key(), "play.do", b"\x90")
    speaker.send(PlayerChannel.COMMAND, encode_message(call))
    play.cast.run(4)
    assert heard(speaker) == [Told("to me"), Receipt(call.key, Outcome.DONE, "")]
    assert [lines(client) for client in (near, far)] == [[], []]


def test_what_may_not_stand_in_a_line_is_not_told_and_keeps_no_action_from_its_end() -> None:
    play = Play()
    client = play.join(7)
    for text, told in (("a\nb\u202ec" + "\u0301" * 20, "a?b?c" + "\u0301" * 8), ("\u200d", None)):
        play.act = partial(lambda text, tx, number: tx.tell(text, to=PILOT), text)
        call = Call(play.key(), "play.do", b"\x90")
        client.send(PlayerChannel.COMMAND, encode_message(call))
        play.cast.run(4)
        lines = [] if told is None else [Told(told)]
        assert heard(client) == [*lines, Receipt(call.key, Outcome.DONE, "")]


def test_however_many_speak_a_client_hears_a_few_lines_and_always_its_own() -> None:
    play = Play()
    crowd = [play.join(account, Role.OBSERVER) for account in range(1, 41)]
    play.cast.run(20)

    def heard_when_all_speak() -> list[str]:
        lines(crowd[0])
        for client in crowd:
            call = Call(play.key(), "play.say", msgspec.msgpack.encode(["hello"]))
            client.send(PlayerChannel.COMMAND, encode_message(call))
        play.cast.run(4)
        return lines(crowd[0])

    heard = [heard_when_all_speak() for _ in range(5)]
    assert len(heard[0]) == LIMITS.players.heard_burst + 1
    # Five rounds of four ticks each: what a client may hear in a second, and its own lines.
    assert sum(map(len, heard[1:])) <= LIMITS.players.heard_per_s * 16 * RULES.tick_s + 4 + 1
    assert all("pilot 1: hello" in each for each in heard)
    assert play.cast.core.clients.dropped["lines_unheard"] > 40 * 100
    assert all(client.close_reason is None for client in crowd)


# -- what systems ask for ----------------------------------------------------------------------


class Mine:
    """A world with a shard that has joined, and a player whose craft it simulates."""

    def __init__(self, shards: ShardLinkLimits = LIMITS.shards) -> None:
        self.play = Play(shards=shards)
        self.client = self.play.join(7)
        self.shard = self.play.cast.connect_shard()
        core = self.play.cast.core
        hello = ShardHello(core.schema.hash, "one", bytes(16), 1, 1, bytes(16), spare=False)
        self.shard.send(ShardChannel.LEASE, encode_message(hello))
        self.play.cast.run(4)
        self.net_id = self.play.own(7)
        (row,) = core.world.columns.rows_of([self.net_id])
        self.epoch = int(core.world.columns.epoch[row])
        assert core.world.columns["shard"][row] == 1
        heard(self.client)

    def ask(
        self, rows: list[tuple[int, int]], calls: list[Any], action: str = "play.do", ticks: int = 2
    ) -> None:
        body = np.array(rows, ASKED_ROW).tobytes()
        asked = Asked(action, body, msgspec.msgpack.encode(calls))
        self.shard.send(ShardChannel.LEASE, encode_message(asked))
        self.play.cast.run(ticks)


def test_a_shard_asks_on_behalf_of_what_it_simulates() -> None:
    mine = Mine()
    seen: list[Any] = []

    def act(tx: Transaction, number: float) -> None:
        seen.append((tx.name, tx.own, tx.account, number))
        tx.add(tx.own, Dock.load, number)
        tx.tell(f"{tx.name} loads", to=PILOT)

    mine.play.act = act
    mine.ask([(mine.net_id, mine.epoch)], [[3]])
    assert seen == [("pilot 7", mine.net_id, -7, 3)]
    assert heard(mine.client) == [Told("pilot 7 loads")]
    assert mine.play.value(mine.net_id, "tests_dock_load") == 13


def amended(mine: Mine) -> list[tuple[int, int]]:
    """What the shard was told of loads since the last call: ids and values."""
    schema, found = mine.play.cast.core.schema, []
    while (event := mine.shard.next_event()) is not None:
        if isinstance(event, Received) and event.channel == ShardChannel.LEASE:
            message = decode_authority_untrusted(event.channel, event.message)
            if isinstance(message, Amend):
                rows = decode_rows_untrusted(message.rows, schema.full_record, 100)
                found += rows[["id", "tests_dock_load"]].tolist()
    return found


def test_who_simulates_an_entity_is_told_what_actions_write_of_it() -> None:
    mine = Mine()
    assert amended(mine) == []
    mine.play.act = lambda tx, number: tx.add(tx.own, Dock.load, number)
    mine.play.ask(mine.client, 3)
    assert amended(mine) == [(mine.net_id, 13)]
    mine.play.cast.run(5)
    assert amended(mine) == []


def test_nobody_asks_for_what_another_simulates_or_did_simulate() -> None:
    mine = Mine()
    ran: list[float] = []
    mine.play.act = lambda tx, number: ran.append(number)
    strangers = [(mine.net_id, mine.epoch - 1), (999, 1), (mine.net_id, mine.epoch)]
    mine.ask(strangers, [[1], [2], [3]])
    assert ran == [3]
    assert mine.play.counts["asked_of_others"] == 2
    (note,) = (n for n in mine.play.cast.core.notes.take() if n.event == "ask_refused")
    assert (note.fields["count"], note.fields["entity"]) == (2, mine.net_id)


def test_calls_of_a_shard_that_are_refused_are_noted_once_a_tick_for_each_reason() -> None:
    mine = Mine()
    mine.play.act = lambda tx, number: tx.require(number > 2, f"{number} is too few")
    mine.ask([(mine.net_id, mine.epoch)] * 4, [[1], [3], [1], [2]])
    mine.ask([(mine.net_id, mine.epoch)], [[2]])
    notes = [n for n in mine.play.cast.core.notes.take() if n.event.startswith("ask_refused")]
    fields = [(n.event, n.fields["why"], n.fields["count"]) for n in notes]
    assert fields == [
        ("ask_refused", "1.0 is too few", 2),
        ("ask_refused_again", "2.0 is too few", 1),
        ("ask_refused_again", "2.0 is too few", 1),
    ]


@pytest.mark.parametrize(
    ("action", "calls"),
    [("play.steal", [[1]]), ("play.do", []), ("play.do", [[1], [2]]), ("play.do", [["x"]])],
)
def test_what_a_shard_asks_wrongly_is_counted_against_it(action: str, calls: list[Any]) -> None:
    mine = Mine()
    ran: list[float] = []
    mine.play.act = lambda tx, number: ran.append(number)
    mine.ask([(mine.net_id, mine.epoch)], calls, action)
    (shard,) = mine.play.cast.core.shards.shards
    assert (ran, mine.play.counts) == ([], {"asked_wrongly": 1})
    assert shard.faults > 0


def test_what_systems_ask_for_no_player_may_and_the_other_way_round() -> None:
    mine = Mine()
    play = mine.play
    text = "there is no such action"
    assert outcome(play.ask(mine.client, 5, action="play.mint")) == (Outcome.REFUSED, text)
    mine.ask([(mine.net_id, mine.epoch)], [["in another's name"]], "play.say")
    assert lines(mine.client) == []
    assert play.counts == {"unknown_action": 1, "refused": 1, "asked_wrongly": 1}
    mine.ask([(mine.net_id, mine.epoch)], [[5]], "play.mint")
    assert values(mine.client) == [(False, 5)]


def test_what_a_shard_asks_for_beyond_its_share_is_dropped_unread() -> None:
    mine = Mine(shards=ShardLinkLimits(asks_per_tick=3, asks_saved_ticks=2))
    ran: list[float] = []
    mine.play.act = lambda tx, number: ran.append(number)
    me = (mine.net_id, mine.epoch)
    mine.ask([me] * 9, [*([number] for number in range(6)), ["none"], [], [7]], ticks=1)
    assert ran == [0, 1, 2, 3, 4, 5]
    assert mine.play.counts["asked_too_much"] == 3
    ran.clear()
    mine.ask([me] * 4, [[1]] * 4, ticks=1)
    assert len(ran) == 3
    (shard,) = mine.play.cast.core.shards.shards
    assert shard.faults == 0


# -- what is told of others -----------------------------------------------------------------------


def test_a_refusal_says_no_number_that_who_asks_may_not_know() -> None:
    play = Play()
    client, other = play.join(7), play.join(8)
    assert other.close_reason is None
    play.act = lambda tx, number: tx.add(int(number), Dock.load, 100)
    assert play.ask(client, play.own(8)).text == "tests.dock.load would leave its range"
    known = "tests.dock.load would be 110: it is 0 to 100"
    assert play.ask(client, play.own(7)).text == known
    play.act = lambda tx, number: tx.add(tx.own, Secret.code, 100)
    assert play.ask(client).text == "tests.secret.code would leave its range"


def test_what_all_share_is_told_once_a_tick_however_many_change_it() -> None:
    play = Play()
    clients = [play.join(account) for account in (7, 8, 9)]
    play.act = lambda tx, number: tx.set(tx.shared, Round.number, number)
    keys = [play.key() for _ in clients]
    for number, (client, key) in enumerate(zip(clients, keys, strict=True), 3):
        call = Call(key, "play.do", msgspec.msgpack.encode([number]))
        client.send(PlayerChannel.COMMAND, encode_message(call))
    play.cast.run(4)
    for client, key in zip(clients, keys, strict=True):
        told, receipt = heard(client)
        assert isinstance(told, Values)
        assert (told.shared, int.from_bytes(told.row, "little")) == (True, 5)
        assert receipt == Receipt(key, Outcome.DONE, "")
