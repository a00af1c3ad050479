"""How the looks of a game become columns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sidereal.client.front.looks import Looks
from sidereal.client.front.rows import Shape
from sidereal.client.view import empty_view
from sidereal.game import Body, Game, Label, Motion, Pilot
from sidereal.game.declarations import declare
from sidereal.game.look import SYMBOLS

MakeFeed = Callable[[dict[tuple[int, int], int]], Any]


@pytest.fixture
def feed(make_feed: MakeFeed) -> Any:
    feed = make_feed({})
    feed.place(1, "craft", 0.0, 0.0, radius=40.0, name="Ada")
    feed.place(2, "rock", 0.0, 0.0, radius=50.0, name="Vesta")
    feed.place(3, "depot", 0.0, 0.0, radius=50.0, name="Halley")
    feed.place(4, "beacon", 0.0, 0.0, radius=7.0, reach=200.0)
    feed.place(5, "beacon", 0.0, 0.0, radius=7.0, reach=300.0)
    feed.place(6, "bare", 0.0, 0.0, radius=20.0, name="Bess")
    return feed


def test_each_symbol_can_be_drawn_and_only_dots_and_rocks_are_scenery() -> None:
    game = Game("all")
    for symbol in SYMBOLS:
        game.look(game.kind(symbol, Motion(), Body()), symbol=symbol)
    looks = Looks(declare(game))
    assert set(looks.shape[1 : len(SYMBOLS) + 1]) == set(Shape)
    scenery = [symbol for number, symbol in enumerate(SYMBOLS, 1) if looks.scenery[number]]
    assert scenery == ["dot", "rock"]


def test_a_symbol_is_as_large_as_the_look_says_and_else_as_the_body(feed: Any) -> None:
    looks = Looks(feed.game)
    reach = looks.reach_px(feed.view(0.0), 2.0)
    assert reach.tolist() == [100.0, 100.0, 18.0, 400.0, 600.0, 40.0]


def test_a_symbol_is_never_too_small_to_see(feed: Any) -> None:
    reach = Looks(feed.game).reach_px(feed.view(0.0), 0.002)
    assert reach.min() > 0.5
    assert reach[0] > 2 * reach[1]


def test_without_entities_there_is_nothing_to_measure(feed: Any) -> None:
    looks, view = Looks(feed.game), empty_view()
    assert len(looks.reach_px(view, 1.0)) == len(looks.labels(view)) == 0


def test_labels_are_what_the_look_names_and_of_a_kind_without_a_look_its_name(feed: Any) -> None:
    labels = Looks(feed.game).labels(feed.view(0.0))
    assert labels.tolist() == [b"Ada", b"", b"Halley", b"", b"", b"Bess"]


def test_who_may_be_flown_and_which_colours_there_are(feed: Any) -> None:
    looks = Looks(feed.game)
    assert np.flatnonzero(looks.flown).tolist() == [1]
    assert np.flatnonzero(looks.coloured).tolist() == [4]
    assert looks.colour[4].tolist() == [0, 255, 0]


def test_a_kind_that_the_game_does_not_know_is_a_dot() -> None:
    game = Game("one")
    game.kind("only", Motion(), Pilot(), Label())
    looks = Looks(declare(game))
    for number in (0, 2, 255):
        assert looks.kind(number) is None
        assert looks.shown(number) == []
        assert looks.scenery[number]
    known = looks.kind(1)
    assert known is not None
    assert known.name == "only"
    assert looks.shown(1) == [Motion, Label]
