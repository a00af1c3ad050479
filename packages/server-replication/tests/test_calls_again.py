"""Calls that come again: in another session, to another version, or without an account."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from drifters import RADIUS
from stage import Cast, say_hello

from sidereal.game import (
    AUTHORITY,
    U4,
    Authority,
    Body,
    Component,
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
from sidereal.protocol.message.codec import decode_server_untrusted, encode_message
from sidereal.protocol.message.player import Call, Outcome, PlayerChannel, Receipt, Role
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.keeping.posting import Posted, Posting


class Hold(Component, writer=AUTHORITY, name="hold"):
    ore: U4 = field(0, low=0, high=50)


game = Game("port")
CRAFT = game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot(), Hold())
said: list[str] = []


@game.on_join
def arrive(world: Authority, player: Player) -> None:
    at = world.free_spot(radius=RADIUS, near=(30.0, 40.0))
    player.fly(world.berth(player) or world.spawn(CRAFT, Label(name=player.name), at=at))


@game.action(rate_hz=1)
def load(tx: Transaction, ore: int) -> None:
    tx.add(tx.own, Hold.ore, ore)


@game.action(rate_hz=1, durable=False)
def say(tx: Transaction, text: str) -> None:
    said.append(text)


GAME = declare(game)


class Port:
    """A world with players, and a database that answers when a test lets it."""

    def __init__(self, **limits: int) -> None:
        said.clear()
        self.cast = Cast(game=GAME, actions=ActionLimits(**{"burst": 1000, **limits}))
        self.postings = self.cast.core.actions.postings
        self._keys = 0

    def join(self, account: int) -> ClientEndpoint:
        client = self.cast.connect(account, Role.PLAYER, ticks=2)
        say_hello(client, self.cast.core.schema.hash)
        self.cast.run(4)
        return client

    def leave(self, client: ClientEndpoint) -> None:
        client.close(self.cast.now)
        self.cast.run(3)

    def call(self, action: str, *arguments: Any) -> Call:
        self._keys += 1
        key = self._keys.to_bytes(16, "big")
        return Call(key, f"port.{action}", msgspec.msgpack.encode(arguments))

    def send(self, client: ClientEndpoint, call: Call) -> None:
        client.send(PlayerChannel.COMMAND, encode_message(call))
        self.cast.run(2)

    def answer(self, answer: Posted | None = None) -> Posting:
        """Let the database answer, and what follows come to the clients."""
        posting = self.postings.take_posting()
        self.postings.deliver(posting, answer or Posted())
        self.cast.run(2)
        return posting

    def ore(self, account: int) -> int:
        (player,) = (p for p in self.cast.core.clients.players if p.account == account)
        columns = self.cast.core.world.columns
        return int(columns["hold_ore"][columns.rows_of([player.net_id])[0]])


def receipts(client: ClientEndpoint) -> list[Receipt]:
    found = []
    while (event := client.next_event()) is not None:
        if isinstance(event, Received) and event.channel == PlayerChannel.COMMAND:
            message = decode_server_untrusted(event.channel, event.message)
            found += [message] if isinstance(message, Receipt) else []
    return found


def outcomes(client: ClientEndpoint) -> list[tuple[Outcome, str]]:
    return [(receipt.outcome, receipt.text) for receipt in receipts(client)]


# -- without an account --------------------------------------------------------------------------


def test_a_call_of_somebody_without_an_account_is_not_done_again_in_its_next_session() -> None:
    port = Port()
    first = port.join(0)
    call = port.call("say", "hello")
    port.send(first, call)
    port.leave(first)
    again = port.join(0)
    port.send(again, call)
    assert outcomes(again) == [(Outcome.DONE, "")]
    assert said == ["hello"]


def test_all_who_have_no_account_share_half_of_the_receipts() -> None:
    port = Port(receipts=1, receipts_in_all=6)
    player, strangers = port.join(7), [port.join(0), port.join(0)]
    mine = port.call("say", "mine")
    port.send(player, mine)
    calls = [port.call("say", str(number)) for number in range(5)]
    for number, call in enumerate(calls):
        port.send(strangers[number % 2], call)
    port.send(player, mine)
    for call in calls[2:]:
        port.send(strangers[0], call)
    assert said == ["mine", "0", "1", "2", "3", "4"]
    port.send(strangers[0], calls[1])
    assert said[6:] == ["1"]


# -- in another session --------------------------------------------------------------------------


def waiting(port: Port) -> tuple[ClientEndpoint, Call]:
    """Let a call wait while the database does not answer to another."""
    other, client = port.join(8), port.join(7)
    port.send(other, port.call("load", 1))
    call = port.call("load", 5)
    port.send(client, call)
    return client, call


def test_a_call_that_waits_is_done_for_what_its_player_flies_when_it_is_back() -> None:
    port = Port()
    client, call = waiting(port)
    port.leave(client)
    again = port.join(7)
    port.send(again, call)
    port.answer()
    port.answer()
    assert (outcomes(again), port.ore(7)) == ([(Outcome.DONE, "")], 5)


def test_a_call_that_waits_waits_for_the_berth_of_its_player() -> None:
    port = Port()
    client, call = waiting(port)
    saving = port.cast.core.saving
    port.leave(client)
    while (batch := saving.take_batch(1000, port.cast.core.tick)) is not None:
        saving.committed(batch)
    port.cast.store_answers = False
    again = port.join(7)
    port.send(again, call)
    port.answer()
    assert not port.postings.has_posting
    port.cast.store_answers = True
    port.cast.run(2)
    port.answer()
    assert (outcomes(again), port.ore(7)) == ([(Outcome.DONE, "")], 5)


def test_a_call_that_waits_is_forgotten_when_its_player_has_gone_and_done_when_it_asks_again() -> (
    None
):
    port = Port()
    client, call = waiting(port)
    port.leave(client)
    port.answer()
    assert not port.postings.has_posting
    again = port.join(7)
    port.send(again, call)
    port.answer()
    assert (outcomes(again), port.ore(7)) == ([(Outcome.DONE, "")], 5)
    assert port.cast.core.actions.counts["left"] == 1


# -- to another version --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [(("buy", 5), "there is no such action"), (("load", "much"), "Expected `int`, got `str`")],
)
def test_what_this_version_can_not_do_may_have_been_done_by_the_one_before(
    call: tuple[Any, ...], text: str
) -> None:
    port = Port()
    client = port.join(7)
    known, new = port.call(*call), port.call(*call)
    port.send(client, known)
    posting = port.postings.take_posting()
    (kept,) = posting.receipts
    assert (kept.outcome, posting.rows) == (Outcome.REFUSED, ())
    port.postings.deliver(posting, Posted(known=(kept._replace(outcome=Outcome.DONE, text=""),)))
    port.cast.run(2)
    assert outcomes(client) == [(Outcome.DONE, "")]
    port.send(client, new)
    port.answer()
    ((outcome, words),) = outcomes(client)
    assert outcome is Outcome.REFUSED
    assert text in words
    port.send(client, new)  # the same, from memory
    assert len(outcomes(client)) == 1
    assert not port.postings.has_posting


def test_who_has_no_account_is_refused_at_once_and_who_asks_too_often_is_put_off() -> None:
    port = Port(burst=1)
    stranger, client = port.join(0), port.join(7)
    port.send(stranger, port.call("buy", 5))
    assert outcomes(stranger) == [(Outcome.REFUSED, "there is no such action")]
    for _ in range(2):
        port.send(client, port.call("buy", 5))
    text = "not now: port.buy is done 1 times a second at most"
    assert outcomes(client) == [(Outcome.NOT_NOW, text)]
    port.answer()
    assert outcomes(client) == [(Outcome.REFUSED, "there is no such action")]
