"""How a game's behaviours are asked, and what they are shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sidereal.client.interpolation import References
from sidereal.client.prediction import OwnState
from sidereal.client.private import PrivateState
from sidereal.game import (
    F4,
    I1,
    PILOT,
    SHARDS,
    Body,
    BotView,
    Component,
    Controls,
    Game,
    Held,
    Motion,
    Pilot,
    axis,
    field,
    hold,
)
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.errors import ConfigError, GameFailedError, LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.private import Flown
from sidereal.tools.bots.behaviour import Mind, choose_behaviour

RULES = Rules()


class Hull(Component):
    hp: F4 = field(100, low=0, high=100)


class Fuel(Component, audience=PILOT):
    left: F4 = field(1, low=0, high=1)


class Engine(Component, audience=SHARDS):
    heat: F4 = field(0)


class Stick(Controls):
    turn: I1 = axis("A", "D")
    push: Held = hold("W")


def make_game() -> Game:
    game = Game("craft")
    game.kind("buoy", Motion(), Body())
    game.kind("kite", Motion(), Body(), Hull(), Fuel(), Engine(), Pilot())
    game.declare(Stick)
    return game


class Picture:
    """A replica that knows what it was told."""

    def __init__(self, game: Declarations) -> None:
        self.columns = Columns(schema_of(game))
        self.private = PrivateState(schema_of(game), RULES)

    def put(self, net_id: int, **values: float) -> None:
        (row,) = self.columns.allocate([net_id])
        for name, value in values.items():
            self.columns[name][row] = value
        self.columns.tick[row] = 96

    def rows(self) -> np.ndarray:
        return self.columns.rows()

    def newer(self, rows: np.ndarray) -> References:
        motion = (self.columns[name][rows] for name in Motion.fields)
        return References(self.columns.tick[rows], *motion)


def client_of(state: OwnState | None, replica: Picture | None = None) -> Any:
    return SimpleNamespace(own_state=state, net_id=7, replica=replica, rules=RULES, newest_tick=100)


HERE = OwnState(10.0, 20.0, 0.0, -4.0, 0.5, 0.0)


def ask(game: Game, client: Any) -> tuple[int, float]:
    declared = declare(game)
    return Mind(declared, choose_behaviour(declared, None), np.random.default_rng(1)).decide(client)


def test_a_bot_holds_what_the_behaviour_says_until_the_next_tick_or_as_long_as_it_says() -> None:
    game = make_game()

    @game.bot("turn")
    def turn(bot: BotView) -> Any:
        held = Stick(turn=np.sign(bot.own[Motion].vy), push=1)
        return held if bot.own[Motion].x[0] > 0 else (held, 2.5)

    assert ask(game, client_of(HERE)) == (0b110, RULES.tick_s)
    assert ask(game, client_of(HERE._replace(x=-10.0))) == (0b110, 2.5)


def test_a_bot_remembers_and_draws_its_own_numbers() -> None:
    game = make_game()
    seen = []

    @game.bot("count")
    def count(bot: BotView) -> Stick:
        bot.memory["asked"] = bot.memory.get("asked", 0) + 1
        seen.append((bot.memory["asked"], float(bot.rng.random())))
        return Stick()

    declared = declare(game)
    behaviour = choose_behaviour(declared, "count")
    for seed in (3, 3, 4):
        mind = Mind(declared, behaviour, np.random.default_rng(seed))
        mind.decide(client_of(HERE))
        mind.decide(client_of(HERE))
    assert [asked for asked, _ in seen] == [1, 2] * 3
    assert seen[:2] == seen[2:4] != seen[4:]


def test_a_bot_is_not_asked_before_it_knows_what_it_flies() -> None:
    game = make_game()
    game.bot("never")(lambda bot: pytest.fail("it was asked"))
    assert ask(game, client_of(None)) == (0, 0.0)
    assert ask(game, client_of(HERE, Picture(declare(game)))) == (0, 0.0)


def test_a_bot_that_keeps_a_picture_sees_others_by_kind_and_component() -> None:
    game = make_game()
    picture = Picture(declare(game))
    picture.put(3, kind=1, x=1.0, vx=5.0, radius=9.0)
    picture.put(7, kind=2, radius=2.0)
    picture.put(9, kind=2, radius=4.0)
    hull = column_of(Hull, Hull.fields["hp"])
    picture.columns[hull][picture.columns.rows_of([7, 9])] = 50.0, 60.0
    picture.private.flown = Flown(7, 1, 0)
    picture.private.values[column_of(Fuel, Fuel.fields["left"])] = np.float32(0.75)

    @game.bot("look")
    def look(bot: BotView) -> Stick:
        assert (bot.tick, bot.tick_s) == (100, RULES.tick_s)
        assert (bot.own.id.tolist(), bot.others.id.tolist()) == ([7], [3, 9])
        assert (len(bot.own), len(bot.others)) == (1, 2)
        assert bot.own[Motion].y.tolist() == [20.0]
        assert bot.own[Hull].hp.tolist() == [50.0]
        assert bot.own[Fuel].left.tolist() == [0.75]
        assert bot.others[Motion].x.tolist() == [1.0 + 4 * 5.0 * RULES.tick_s, 0.0]
        assert bot.others[Body].radius.tolist() == [9.0, 4.0]
        assert bot.others.rows().tolist() == [0, 1]
        assert bot.others.rows(game.kinds[0]).tolist() == [0]
        assert bot.others.rows(Hull, Body).tolist() == [1]
        assert bot.others[Hull].hp[bot.others.rows(Hull)].tolist() == [60.0]
        return Stick(push=1)

    assert ask(game, client_of(HERE, picture))[0] == 0b100


def test_a_bot_without_a_picture_sees_nobody() -> None:
    game = make_game()

    @game.bot("look")
    def look(bot: BotView) -> Stick:
        assert len(bot.others) == len(bot.others[Motion].x) == len(bot.others[Hull].hp) == 0
        assert bot.others.rows(Hull).tolist() == []
        return Stick(push=1)

    assert ask(game, client_of(HERE))[0] == 0b100


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda bot: bot.own[Hull], "hull, but keeps no picture of the world: raise --mirror"),
        (lambda bot: bot.own.rows(Hull), "asks for kinds, but keeps no picture of the world"),
        (lambda bot: bot.others[Fuel], "fuel, which it is not sent"),
        (lambda bot: bot.own[Engine], "engine, which it is not sent"),
        (lambda bot: bot.others[Stick], "stick, which it is not sent"),
    ],
)
def test_what_a_bot_cannot_know_is_said(read: Any, says: str) -> None:
    game = make_game()
    game.bot("read")(read)
    with pytest.raises(GameFailedError, match=says):
        ask(game, client_of(HERE))


def test_a_behaviour_that_raises_is_named_with_its_place() -> None:
    def dream(bot: BotView) -> Stick:
        return Stick(turn=bot.own[Motion].pony[0])  # type: ignore[attr-defined]

    game = make_game()
    game.bot("dreamer")(dream)
    line = dream.__code__.co_firstlineno + 1
    with pytest.raises(GameFailedError) as caught:
        ask(game, client_of(HERE))
    assert str(caught.value).startswith(
        f"bot dreamer raised: {__file__}:{line}: AttributeError: Motion has no field 'pony'"
    )
    assert caught.value.what == "bot dreamer"


@pytest.mark.parametrize("query", ["buoy", Stick, Hull()])
def test_what_is_no_query_is_named(query: Any) -> None:
    game = make_game()
    game.bot("seeker")(lambda bot: Stick(turn=len(bot.others.rows(query))))
    with pytest.raises(GameFailedError, match="is no query: say a kind"):
        ask(game, client_of(HERE))


@pytest.mark.parametrize("given", [None, 3, Stick(turn=[1, 1]), (Motion(), 1.0)])
def test_a_behaviour_that_gives_no_controls_is_named(given: Any) -> None:
    game = make_game()
    game.bot("wrong")(lambda bot: given)
    with pytest.raises(LocalProtocolError, match=r"bot wrong gave .* it decides for one: Stick"):
        ask(game, client_of(HERE))


def test_the_first_behaviour_is_what_bots_do_unless_told() -> None:
    game = make_game()
    game.bot("first")(lambda bot: Stick())
    game.bot("second")(lambda bot: Stick())
    for said, found in ((None, "first"), ("second", "second")):
        behaviour = choose_behaviour(declare(game), said)
        assert behaviour is not None
        assert behaviour.name == found
    with pytest.raises(ConfigError, match="--behaviour is 'dance'; there are: first, second"):
        choose_behaviour(declare(game), "dance")


def test_bots_of_a_game_without_behaviours_hold_nothing() -> None:
    game = make_game()
    assert choose_behaviour(declare(game), None) is None
    assert ask(game, client_of(HERE)) == (0, 0.0)
    with pytest.raises(ConfigError, match="--behaviour is 'wander'; craft declares none"):
        choose_behaviour(declare(game), "wander")


def test_a_world_says_what_its_bots_do_unless_they_are_told() -> None:
    game = make_game()
    game.bot("first")(lambda bot: Stick())
    game.bot("second")(lambda bot: Stick())
    game.world("arena", bots="second")(lambda make: None)
    game.world("plain")(lambda make: None)
    declared = declare(game)
    for said, found in (((None, "arena"), "second"), (("first", "arena"), "first")):
        behaviour = choose_behaviour(declared, *said)
        assert behaviour is not None
        assert behaviour.name == found
    assert choose_behaviour(declared, None, "plain") == choose_behaviour(declared, None)
    with pytest.raises(ConfigError, match="--world is 'moon'; there are: arena, plain"):
        choose_behaviour(declared, None, "moon")
