"""What a client knows of its account and of the world."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.client.placeless import Placeless
from sidereal.game import AUTHORITY, U4, Component, Game, Motion, field
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import WireError
from sidereal.protocol.message.player import Values


class Purse(Component, writer=AUTHORITY, name="tests.purse"):
    credits: U4 = field(0, low=0, high=100)


class Round(Component, writer=AUTHORITY, name="tests.round"):
    number: U4


game = Game("tiny")
game.kind("craft", Motion())
game.account(Purse())
game.shared(Round())
GAME = declare(game)
SCHEMA = schema_of(GAME)
PURSE, ROUND = SCHEMA.numbers["tests_purse"], SCHEMA.numbers["tests_round"]


def u4(value: int) -> bytes:
    return np.array(value, "<u4").tobytes()


def test_the_newest_values_are_known_by_whose_they_are() -> None:
    placeless = Placeless(GAME, SCHEMA)
    assert placeless.get(Purse, shared=False) is None
    for credits in (5, 7):
        placeless.apply_untrusted(Values(False, PURSE, u4(credits)))
    placeless.apply_untrusted(Values(True, ROUND, u4(3)))
    purse, third = placeless.get(Purse, shared=False), placeless.get(Round, shared=True)
    assert purse is not None
    assert third is not None
    assert (int(purse.credits), int(third.number)) == (7, 3)
    with pytest.raises(KeyError):
        placeless.get(Round, shared=False)


@pytest.mark.parametrize(
    "wrong",
    [
        Values(True, PURSE, u4(1)),
        Values(False, ROUND, u4(1)),
        Values(False, 1, u4(1)),
        Values(False, 999, u4(1)),
        Values(False, PURSE, u4(1)[:-1]),
        Values(False, PURSE, u4(1) + b"\0"),
        Values(False, PURSE, u4(101)),
    ],
)
def test_what_can_not_be_is_not_taken_in(wrong: Values) -> None:
    placeless = Placeless(GAME, SCHEMA)
    with pytest.raises(WireError):
        placeless.apply_untrusted(wrong)
    assert placeless.get(Purse, shared=False) is None
