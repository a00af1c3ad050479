"""Gauges, compasses, keys of actions and sounds: what is taken, and what is said of the rest."""

from __future__ import annotations

from typing import Annotated

import pytest

from sidereal.game import (
    AUTHORITY,
    F4,
    PILOT,
    SHARDS,
    SYSTEMS,
    U1,
    U4,
    Component,
    Controls,
    Entity,
    Event,
    Game,
    Held,
    Label,
    Meta,
    Motion,
    Part,
    Pilot,
    Transaction,
    field,
    hold,
)
from sidereal.game.declarations import declare
from sidereal.game.logic import TYPED_LETTERS_MAX, Typed
from sidereal.protocol.errors import ConfigError


class Hull(Component):
    hp: F4 = field(100, low=0, high=100)


class Purse(Component, writer=AUTHORITY, audience=PILOT):
    credits: U4


class Secret(Component, audience=SHARDS):
    plan: U4
    target: Entity


class Chest(Component):
    gold: U4


class Stick(Controls):
    shoot: Held = hold("MOUSE_LEFT")
    brake: Held = hold("X")


class Bang(Event):
    """It has no fields."""


class Mark(Component, writer=AUTHORITY):
    number: U1 = field(1, low=1, high=4)
    plain: U1


class Laps(Component, audience=PILOT):
    next: U1


def craft() -> Game:
    game = Game("panel")
    game.kind("craft", Motion(), Pilot(), Hull(), Label(), Secret())
    game.account(Purse())
    game.declare(Stick)
    return game


def problems_of(game: Game) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        declare(game)
    return str(caught.value).split("\n")


def test_gauges_show_numbers_of_who_is_flown_of_accounts_and_of_the_world() -> None:
    game = craft()
    game.gauge(Hull.hp, label="hull", colour="#f00")
    game.gauge(Purse.credits)
    hull, credits = declare(game).gauges
    assert (hull.label, hull.rgb, hull.range) == ("hull", (255, 0, 0), (0, 100))
    assert (credits.label, credits.range) == ("credits", None)


def test_what_can_be_no_gauge_is_named() -> None:
    game = craft()
    game.kind("box", Motion(), Chest())
    game.gauge(Hull, label="hull")
    game.gauge(Label.name, colour="red")
    game.gauge(Secret.target)
    game.gauge(Secret.plan, label="much too long a label")
    game.gauge(Chest.gold)
    where = "test_game_panel"
    assert problems_of(game) == [
        f"gauge of {Hull}: it shows a field, as in Health.hp",
        "gauge of label.name: colour 'red' is not of the form #8cf or #88ccff",
        "gauge of label.name: it shows a number",
        f"gauge of {where}.secret.target: it shows a number",
        f"gauge of {where}.secret.plan: label 'much too long a label' has 1 to 12 letters",
        f"gauge of {where}.secret.plan: its player is not sent {where}.secret",
        f"gauge of {where}.chest.gold: nothing that is flown has it, no account and not the world",
    ]


def test_gauges_and_compasses_of_what_a_game_has_not_are_left_out() -> None:
    part = Part("elsewhere")
    part.gauge(Chest.gold)
    part.compass(Part("far").kind("depot", Motion()))
    declared = declare(Game("small", parts=[craft(), part]))
    assert (declared.gauges, declared.compasses) == ((), ())


def test_a_compass_has_the_name_of_its_kind_unless_said() -> None:
    game = craft()
    depot = game.kind("depot", Motion())
    game.compass(depot)
    game.compass(game.kinds[0], label="others", colour="#0f0")
    first, second = declare(game).compasses
    assert (first.label, first.rgb) == ("depot", None)
    assert (second.label, second.rgb) == ("others", (0, 255, 0))
    game.compass(depot, colour="green")
    assert problems_of(game) == [
        "compass to depot: colour 'green' is not of the form #8cf or #88ccff"
    ]


def test_a_course_is_numbered_for_all_to_see_and_counted_by_who_flies_it() -> None:
    game = craft()
    mark = game.kind("mark", Motion(), Mark(), Label())
    game.compass(mark, course=(Mark.number, Laps.next))
    game.extend(game.kinds[0], Laps())
    (compass,) = declare(game).compasses
    number, passed = Mark.fields["number"], Laps.fields["next"]
    assert compass.course == (number, passed)
    for course in ((1, 2), (Mark.plain, Laps.next), (Mark.number, Chest.gold), (Laps.next,) * 2):
        game.compass(mark, course=course)
    where = "compass to mark"
    assert problems_of(game) == [
        f"{where}: a course is two fields, as in (Gate.number, Lap.next)",
        f"{where}: {Mark.fields['plain']} counts from its low= to its high=",
        f"{where}: its player is not sent {Chest.record_name}",
        f"{where}: everyone sees the number of a mark, but not {passed}",
        f"{where}: {passed} counts from its low= to its high=",
    ]


def test_an_action_with_a_key_is_asked_for_at_once_or_with_what_is_typed() -> None:
    game = craft()

    @game.action(rate_hz=1, key="ENTER")
    def say(tx: Transaction, text: Annotated[str, Meta(max_length=40)]) -> None: ...

    @game.action(rate_hz=1, key="Y")
    def note(tx: Transaction, text: str) -> None: ...

    @game.action(rate_hz=1, key="J")
    def jump(tx: Transaction, how_far: int = 3) -> None: ...

    actions = declare(game).actions
    assert [action.key for action in actions] == ["ENTER", "Y", "J"]
    assert [action.typed for action in actions] == [
        Typed("text", 40),
        Typed("text", TYPED_LETTERS_MAX),
        None,
    ]


def test_keys_that_actions_can_not_have_are_named() -> None:
    game = craft()

    @game.action(rate_hz=1, key="X")
    def jump(tx: Transaction) -> None: ...

    @game.action(rate_hz=1, key="RETURN")
    def sell(tx: Transaction, ore: int) -> None: ...

    @game.action(asked_by=SYSTEMS, key="J")
    def mine(tx: Transaction) -> None: ...

    jumped, sold, mined, *rest = sorted(problems_of(game), key=lambda said: "panel.j" not in said)
    assert jumped == "panel.jump: X is for test_game_panel.stick.brake already"
    assert sold == "action panel.sell: by a key it is given no more than one str"
    assert mined == "action panel.mine: only systems ask for it: leave out key"
    assert rest[0].startswith("panel.sell: there is no key 'RETURN'; there are A to Z")


def test_a_sound_is_one_of_those_there_are() -> None:
    game = craft()
    game.effect(Bang, kind="burst", size=10, sound="burst")
    assert declare(game).effects[0].sound == "burst"
    game.effect(Bang, kind="burst", size=10, sound="boom")
    assert problems_of(game) == [
        "effect of test_game_panel.bang: sound 'boom' is not among shot, burst, hum, chime, clank"
    ]
