from pathlib import Path

import numpy as np
import pytest

from sidereal.client.front.config import ViewConfig, check_view_config
from sidereal.client.front.keys import (
    Action,
    Ask,
    Binding,
    Pan,
    Steer,
    make_bindings,
    targets_by_key,
)
from sidereal.client.front.layers import LAYERS_SHOWN, Layer, parse_layers
from sidereal.client.front.palette import SHARDS, shard_colour, shard_colours
from sidereal.game import I1, Controls, Game, Held, Motion, axis, hold
from sidereal.game.declarations import Declarations, declare
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.protocol.errors import ConfigError

FRONTIER = load(DEFAULT_GAME)


def play(controls: type[Controls]) -> Declarations:
    game = Game("keys")
    game.kind("thing", Motion())
    game.declare(controls)
    return declare(game)


class Stick(Controls):
    push: I1 = axis("W", "S")
    slow_down: Held = hold("SHIFT")


UP, DOWN = Steer("push", 1), Steer("push", -1)


def said(bindings: tuple[Binding, ...]) -> dict[str, str]:
    return {binding.shown: binding.does for binding in bindings}


@pytest.mark.parametrize("observing", [False, True])
def test_every_key_does_one_thing_and_everything_has_a_key(observing: bool) -> None:
    bindings = make_bindings(play(Stick), observing=observing)
    keys = [key for binding in bindings for key in binding.keys]
    assert len(keys) == len(set(keys)) == len(targets_by_key(bindings))
    moving = {*Pan} if observing else {UP, DOWN, Steer("slow_down", 1)}
    assert {binding.target for binding in bindings} == {*Action, *Layer, *moving}


def test_what_a_player_holds_is_listed_by_the_names_of_the_controls() -> None:
    bindings = make_bindings(play(Stick), observing=False)
    shown = said(bindings)
    assert (shown["W ▲"], shown["S ▼"], shown["Shift"]) == ("push +", "push −", "slow down")
    targets = targets_by_key(bindings)
    assert targets["W"] == targets["UP"] == UP
    assert targets["S"] == targets["DOWN"] == DOWN
    assert targets["LSHIFT"] == targets["RSHIFT"] == Steer("slow_down", 1)
    assert "pan up" in said(make_bindings(play(Stick), observing=True)).values()


def test_what_keys_do_is_said_in_the_words_of_the_game() -> None:
    class Spoken(Controls):
        thrust: I1 = axis("W", "S", does=("forward", "backward"))
        aimed: Held = hold("MOUSE_LEFT", does="shoot at the pointer")

    shown = said(make_bindings(play(Spoken), observing=False))
    assert (shown["W ▲"], shown["S ▼"]) == ("forward", "backward")
    assert shown["Mouse L"] == "shoot at the pointer"


def test_no_key_of_the_whole_game_is_explained_by_the_name_of_a_column() -> None:
    columns = {name for controls in FRONTIER.controls for name in controls.fields}
    bindings = make_bindings(FRONTIER, observing=False)
    words = [each.does for each in bindings if isinstance(each.target, Steer | Ask)]
    assert len(words) >= 14
    assert not columns - {"brake"} & {word.removesuffix(" +").removesuffix(" −") for word in words}


def test_a_key_that_a_control_takes_is_not_the_viewers() -> None:
    class Greedy(Controls):
        climb: I1 = axis("UP", "DOWN")
        walk: I1 = axis("W", "S")
        one: Held = hold("1")
        pick: Held = hold("TAB")
        hit: Held = hold("H")

    bindings = make_bindings(play(Greedy), observing=False)
    targets, shown = targets_by_key(bindings), said(bindings)
    assert (targets["UP"], targets["W"], targets["KEY_1"]) == (
        Steer("climb", 1),
        Steer("walk", 1),
        Steer("one", 1),
    )
    assert (shown["▲"], shown["W"], shown["1"], shown["Tab"]) == (
        "climb +",
        "walk +",
        "one",
        "pick",
    )
    assert targets["QUESTION"] is Action.HELP
    assert targets["H"] == Steer("hit", 1)
    assert not {Layer.GRID, Action.SELECT_NEXT} & {binding.target for binding in bindings}


def test_layers_are_read_by_name() -> None:
    assert parse_layers("grid, owners") == {Layer.GRID, Layer.OWNERS}
    assert parse_layers("") == frozenset()
    assert parse_layers(None) == LAYERS_SHOWN


def test_unknown_layers_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"grit, foo \(there are: grid, owners"):
        parse_layers("grit,owners,foo")


def test_all_problems_of_the_flags_are_said_at_once(tmp_path: Path) -> None:
    config = ViewConfig(
        layers="grit",
        size=(10, 10),
        seconds=-1.0,
        at=(1 << 40, 0),
        shot=tmp_path / "away" / "picture.jpg",
    )
    with pytest.raises(ConfigError) as caught:
        check_view_config(config)
    problems = str(caught.value)
    assert all(flag in problems for flag in ("--size", "--seconds", "--at", "--shot", "layer"))
    assert "No such file or directory" in problems
    assert ".png" in problems


def test_a_client_off_screen_that_shows_nothing_and_never_ends_is_refused() -> None:
    with pytest.raises(ConfigError, match="--headless shows nothing: add --shot"):
        check_view_config(ViewConfig(headless=True))
    check_view_config(ViewConfig(headless=True, seconds=1.0))


@pytest.mark.parametrize("place", ["/nonexistent/x.png", "/proc/x.png", "/x\0.png"])
def test_a_picture_that_cannot_be_written_is_refused_before_it_is_drawn(place: str) -> None:
    with pytest.raises(ConfigError, match=r"--shot is .* it must be a file that can be written"):
        check_view_config(ViewConfig(shot=Path(place)))


def test_usual_flags_are_fine(tmp_path: Path) -> None:
    check_view_config(ViewConfig())
    check_view_config(ViewConfig(shot=tmp_path / "world.png", seconds=2.5, at=(-7, 7), layers=""))


def test_shards_have_colours_of_their_own() -> None:
    colours = [shard_colour(shard) for shard in range(len(SHARDS) + 1)]
    assert len(set(colours)) == len(SHARDS) + 1
    assert shard_colour(len(SHARDS) + 1) == shard_colour(1)


def test_colours_by_column_are_those_by_one() -> None:
    shards = np.array([0, 1, 7, 8, 65535], dtype=np.uint16)
    assert [tuple(row) for row in shard_colours(shards).tolist()] == [
        shard_colour(int(shard)) for shard in shards
    ]
