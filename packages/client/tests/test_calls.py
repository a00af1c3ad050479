"""Calls of actions that have no receipt yet: once sent, again in every session, until answered."""

from __future__ import annotations

import random

import pytest

from sidereal.client.calls import Calls
from sidereal.client.limits import Limits
from sidereal.game import SYSTEMS, Game, Motion, Transaction
from sidereal.game.declarations import declare
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.limits import ARGUMENTS_SIZE_MAX
from sidereal.protocol.message.player import Call, Outcome, Receipt

AGAIN_S = 2.0
game = Game("market")
game.kind("stall", Motion())


@game.action(rate_hz=1)
def sell(tx: Transaction, ore: int, note: str = "") -> None:
    """Nobody runs it here."""


@game.action(asked_by=SYSTEMS)
def restock(tx: Transaction, ore: int) -> None:
    """Nobody may call it."""


def calls(count: int = 4) -> Calls:
    limits = Limits(calls=count, call_again_s=AGAIN_S)
    return Calls(declare(game).actions, random.Random(1).randbytes, limits)


def sent(asked: Calls, ore: int = 1) -> Call:
    call = asked.add("market.sell", {"ore": ore})
    asked.sent(call)
    return call


def test_arguments_travel_in_their_order_with_defaults() -> None:
    call = calls().add("market.sell", {"ore": 7})
    assert (call.action, call.arguments) == ("market.sell", b"\x92\x07\xa0")
    assert len(call.key) == 16


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("market.steal", {}, r"there is no action market\.steal; there are: market\.sell"),
        (
            "market.restock",
            {"ore": 1},
            r"there is no action market\.restock; there are: market\.sell",
        ),
        ("market.sell", {}, "ore"),
        ("market.sell", {"ore": 1, "gold": 2}, "gold"),
        ("market.sell", {"ore": 1, "note": "x" * ARGUMENTS_SIZE_MAX}, "there is room for 1024"),
        ("market.sell", {"ore": object()}, "object"),
    ],
)
def test_what_can_not_be_asked_is_refused_here(
    action: str, arguments: dict[str, object], words: str
) -> None:
    asked = calls()
    with pytest.raises(LocalProtocolError, match=words):
        asked.add(action, arguments)
    assert len(asked) == 0


def test_too_many_calls_without_a_receipt_are_refused() -> None:
    asked = calls(2)
    first, _ = sent(asked), sent(asked)
    with pytest.raises(LocalProtocolError, match="2 calls wait for their receipts"):
        sent(asked)
    assert asked.answer(Receipt(first.key, Outcome.DONE, ""), 1.0) == first
    sent(asked)


def test_what_has_no_receipt_is_sent_again_in_the_next_session() -> None:
    asked = calls()
    done, lost = sent(asked), sent(asked, 2)
    asked.answer(Receipt(done.key, Outcome.REFUSED, "no"), 1.0)
    late = asked.add("market.sell", {"ore": 3})
    assert asked.begin_session() == [lost, late]
    assert asked.answer(Receipt(done.key, Outcome.DONE, ""), 2.0) is None


def test_not_now_ends_a_call_that_was_sent_once() -> None:
    asked = calls()
    call = sent(asked)
    assert asked.answer(Receipt(call.key, Outcome.NOT_NOW, "wait"), 1.0) == call
    assert (len(asked), asked.next_timer()) == (0, None)


def test_not_now_says_nothing_of_a_call_that_was_sent_before() -> None:
    asked = calls()
    call = sent(asked)
    asked.begin_session()
    assert asked.answer(Receipt(call.key, Outcome.NOT_NOW, "wait"), 1.0) is None
    assert asked.next_timer() == 1.0 + AGAIN_S
    assert asked.take_due(0.9 + AGAIN_S) == []
    assert asked.take_due(1.0 + AGAIN_S) == [call]
    assert asked.next_timer() is None
    assert asked.answer(Receipt(call.key, Outcome.DONE, ""), 4.0) == call
