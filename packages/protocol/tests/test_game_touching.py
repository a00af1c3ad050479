"""Which kinds touch which, and the bits that say so."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import Body, Game, Motion
from sidereal.game.declarations import declare
from sidereal.game.touching import WAYS_MAX, filters_of, touching
from sidereal.protocol.errors import ConfigError


def paired(pairs: int) -> Game:
    """Kinds that let all, and for each one another kind that lets only it: all touch otherwise."""
    game = Game("paired")
    for number in range(pairs):
        one = game.kind(f"one_{number}", Motion(), Body())
        game.kind(f"other_{number}", Motion(), Body(), touches=[one])
    return game


def test_two_kinds_touch_if_each_lets_the_other() -> None:
    game = Game("some")
    one = game.kind("one", Motion(), Body())
    two = game.kind("two", Motion(), Body(), touches=[one])
    game.kind("three", Motion(), Body(), touches=[two])
    game.kind("four", Motion())
    assert touching(declare(game).kinds).tolist() == [
        [True, True, False, False],
        [True, False, False, False],
        [False, False, False, False],
        [False, False, False, False],
    ]


@pytest.mark.parametrize("game", [paired(1), paired(2), paired(WAYS_MAX // 2)])
def test_bits_say_the_same(game: Game) -> None:
    kinds = declare(game).kinds
    filters = filters_of(kinds)
    category, mask = filters.category[1 : len(kinds) + 1], filters.mask[1 : len(kinds) + 1]
    both = (category[:, None] & mask) != 0
    assert np.array_equal(both & both.T, touching(kinds))
    assert not filters.category[0]
    assert not filters.category[len(kinds) + 1 :].any()


def test_kinds_that_touch_alike_share_a_bit() -> None:
    game = Game("many")
    for number in range(100):
        game.kind(f"kind_{number}", Motion(), Body(), sensor=number == 3)
    filters = filters_of(declare(game).kinds)
    assert set(filters.category[1:101].tolist()) == {1}
    assert np.flatnonzero(filters.sensor).tolist() == [4]


def test_more_ways_than_physics_has_bits_are_refused() -> None:
    with pytest.raises(ConfigError, match="kinds touch in 34 different ways, and physics tells 32"):
        declare(paired(WAYS_MAX // 2 + 1))
