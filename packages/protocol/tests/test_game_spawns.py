"""Records of what a game spawns: what is said, what the kind says, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.game import F4, I2, Body, Component, Game, Kind, Label, Motion, field
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.game.spawns import Spawns
from sidereal.protocol.errors import GameError


class Health(Component):
    hp: F4 = field(100, low=0, high=100)
    level: I2 = field(1, low=0, high=9)


class Cargo(Component):
    ore: F4 = field(3, low=1, high=50)


game = Game("mines")
ROCK = game.kind("rock", Motion(), Body(radius=3, mass=7), Label())
SHAFT = game.kind("shaft", Motion(spin=0.5), Health(hp=40))
game.declare(Cargo)
GAME = declare(game)
SCHEMA = schema_of(GAME)


def make(kind: Kind, *components: Any, count: int | None = None) -> np.ndarray:
    return Spawns(GAME, SCHEMA).make(kind, components, count)


def test_what_is_left_out_is_as_the_kind_has_it() -> None:
    (row,) = make(SHAFT, Health(level=4), Motion(x=5.0))
    said = {name: float(row[name]) for name in ("x", "y", "spin", "kind")}
    assert said == {"x": 5.0, "y": 0.0, "spin": 0.5, "kind": 2.0}
    assert (row["test_game_spawns_health_hp"], row["test_game_spawns_health_level"]) == (40.0, 4)


def test_what_a_kind_does_not_have_holds_what_is_valid() -> None:
    rows = make(SHAFT, count=3)
    assert SCHEMA.valid_rows(rows).all()
    assert rows["test_game_spawns_cargo_ore"].tolist() == [3.0, 3.0, 3.0]


def test_one_value_is_for_all_and_an_array_has_one_for_each() -> None:
    rows = make(ROCK, Motion(x=np.arange(4.0), y=2.0), Label(name=["a", "b", "ł", ""]))
    assert rows["x"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert rows["y"].tolist() == [2.0] * 4
    assert rows["name"].tolist() == [b"a", b"b", "ł".encode(), b""]
    assert rows["radius"].tolist() == [3.0] * 4


@pytest.mark.parametrize(("count", "expected"), [(None, 1), (0, 0), (5, 5)])
def test_without_arrays_there_are_as_many_as_are_counted(count: int | None, expected: int) -> None:
    assert len(make(ROCK, count=count)) == expected


FOREIGN = Game("other").kind("wreck", Motion())


@pytest.mark.parametrize(
    ("kind", "components", "count", "text"),
    [
        (FOREIGN, [], None, "mines has no kind wreck; it has rock, shaft"),
        (ROCK, [Health()], None, "spawn(rock): it has no Health; it has Motion, Body, Label"),
        (ROCK, [Motion(), Motion()], None, "spawn(rock): Motion is said twice"),
        (
            ROCK,
            [Motion],
            None,
            f"spawn(rock): {Motion!r} is no component; write Motion(), not Motion",
        ),
        (
            ROCK,
            [Motion(x=[1, 2]), Body(mass=[1, 2, 3])],
            None,
            "spawn(rock): values of different lengths: motion.x is 2, body.mass is 3",
        ),
        (
            ROCK,
            [Motion(x=[1, 2])],
            5,
            "spawn(rock): values of different lengths: motion.x is 2, count is 5",
        ),
        (ROCK, [], -1, "spawn(rock): count is -1"),
        (
            SHAFT,
            [Health(hp=[1, 2, 101])],
            None,
            "spawn(shaft): test_game_spawns.health.hp[2] = 101 is outside 0 to 100",
        ),
        (
            ROCK,
            [Motion(x=float("nan"))],
            None,
            "spawn(rock): motion.x = nan is outside -2.14748e+12 to 2.14748e+12",
        ),
        (ROCK, [Label(name="x" * 25)], None, "spawn(rock): label.name"),
        (ROCK, [Label(name=b"\xff")], None, "spawn(rock): a text is not UTF-8, or has a NUL in it"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    kind: Kind, components: list[Any], count: int | None, text: str
) -> None:
    with pytest.raises(GameError) as caught:
        make(kind, *components, count=count)
    assert str(caught.value).startswith(text)
