"""Games whose code is not here: declarations made of what a server has described."""

from __future__ import annotations

from typing import Final

import pytest

from sidereal.game import (
    ALL,
    AUTHORITY,
    EVERYONE,
    F4,
    F8,
    I1,
    I2,
    PILOT,
    SHARD,
    SHARDS,
    U2,
    U4,
    VIEWERS,
    Body,
    Component,
    Controls,
    Entity,
    Event,
    Game,
    Held,
    Label,
    Motion,
    Pilot,
    Press,
    Rows,
    Text,
    angle,
    axis,
    field,
    hold,
    press,
    role,
)
from sidereal.game.bits import layout_of_all
from sidereal.game.declarations import Declarations, declare
from sidereal.game.described import NO_GAME, Described, declare_untrusted
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.errors import WireError
from sidereal.protocol.state.component import Component as Said
from sidereal.protocol.state.component import Field, Replication
from sidereal.protocol.state.controls import ControlsField, ControlsLayout
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, Schema


class Health(Component, name="far.health"):
    hp: F4 = field(100, low=1, high=100, quantum=0.5, unit="hp")
    shots: U2
    by: Entity


class Course(Component, audience=PILOT, saved=False, name="far.course"):
    bearing: F8
    note: Text = field(b"", size=12)


class Card(Component, audience=role("referee"), writer=AUTHORITY, name="far.card"):
    shown: I2 = field(-7, low=-9, high=-3)


class Heat(Component, audience=SHARDS, name="far.heat"):
    degrees: F4


class Purse(Component, writer=AUTHORITY, name="far.purse"):
    credits: U4


class Helm(Controls, name="far.helm"):
    thrust: I1 = axis("UP", "DOWN", steps=3)
    turn: I1 = axis("LEFT", "RIGHT")
    brake: Held = hold("B")
    fire: Press = press("F1")
    aim: F4 = angle(bits=9)
    look: F4 = angle(pointer=True, bits=6)


class Burst(Event, name="far.burst"):
    size: F4
    by: Entity


class Bell(Event, to=ALL, name="far.bell"):
    pass


def wear(own: Rows) -> None:
    own[Health].hp[:] = 9


def make_game() -> Game:
    game = Game("far")
    boat = game.kind("boat", Motion(), Body(), Label(), Pilot(), Health(), Course(), Heat())
    game.kind("buoy", Motion(), Body(), Label(), Card())
    game.kind("mine", Motion(), Body())
    game.account(Purse())
    game.declare(Helm, Burst, Bell)
    game.model(Health, reads=[Motion])(wear)
    game.look(boat, symbol="star", colour="#f00")
    return game


FAR: Final = declare(make_game())
NEAR: Final = declare_untrusted(schema_of(FAR).description.encode())


def test_events_are_for_whom_they_are_declared() -> None:
    assert [event.to for event in NEAR.events] == [VIEWERS, ALL]


BY_NAME: Final = {component.record_name: component for component in NEAR.components}


def test_it_is_read_by_the_schema_that_was_described() -> None:
    assert isinstance(NEAR, Described)
    assert schema_of(NEAR) is NEAR.schema
    assert NEAR.schema.hash == schema_of(FAR).hash


def test_kinds_have_their_names_numbers_and_components() -> None:
    def components(game: Declarations) -> dict[str, set[str]]:
        return {
            kind.name: {type(c).record_name.replace(".", "_") for c in kind.components}
            for kind in game.kinds
        }

    assert components(NEAR) == components(FAR)
    assert [NEAR.kind_number(kind.name) for kind in FAR.kinds] == [1, 2, 3]
    assert NEAR.numbers(Pilot) == (1,)


def test_components_are_found_under_the_columns_of_the_schema() -> None:
    for there in (Health, Course, Card, Heat, Purse):
        here = BY_NAME[there.record_name.replace(".", "_")]
        assert list(here.fields) == list(there.fields)
        for name, declared in there.fields.items():
            assert column_of(here, here.fields[name]) == column_of(there, declared)
            assert here.fields[name].dtype == declared.dtype
            assert here.fields[name].options.unit == declared.options.unit
            assert here.fields[name].range_text() == declared.range_text()


def test_who_is_told_and_who_writes_is_known() -> None:
    said = {name: (c.audience, c.writer, c.saved) for name, c in BY_NAME.items()}
    assert said["far_health"] == (EVERYONE, SHARD, True)
    assert said["far_course"] == (PILOT, SHARD, False)
    assert said["far_card"] == (role("referee"), AUTHORITY, True)
    assert said["far_heat"] == (SHARDS, SHARD, True)


def test_an_account_may_have_what_actions_write() -> None:
    names = {type(component).record_name.rpartition("_")[2] for component in NEAR.accounts}
    assert names == {"card", "purse"}


def test_nothing_can_be_predicted_or_asked_for() -> None:
    assert not NEAR.models
    assert not NEAR.actions
    assert NEAR.predicted() == ()


def test_controls_are_laid_out_as_there_and_have_keys_of_their_own() -> None:
    assert layout_of_all(NEAR.controls).fields == layout_of_all(FAR.controls).fields
    [helm] = NEAR.controls
    bound = {name: each.options.binding for name, each in helm.fields.items()}
    keys = {name: binding.keys for name, binding in bound.items() if binding is not None}
    assert keys == {
        "thrust": ("W", "S"),
        "turn": ("A", "D"),
        "brake": ("X",),
        "fire": ("SPACE",),
        "aim": (),
        "look": (),
    }
    points = [name for name, binding in bound.items() if binding is not None and binding.pointer]
    assert points == ["aim"]


def test_controls_for_which_there_is_no_key_are_not_bound() -> None:
    presses = ControlsLayout([ControlsField(f"p{n}", 16, "press") for n in range(16)])
    [controls] = declared(controls=presses).controls
    keys = [f.options.binding.keys for f in controls.fields.values() if f.options.binding]
    assert keys[0] == ("SPACE",)
    assert keys[-1] == ()


def test_looks_tell_kinds_apart_and_show_what_is_flown() -> None:
    assert [look.symbol for look in NEAR.looks] == ["arrow", "circle", "square"]
    assert [look.label is None for look in NEAR.looks] == [False, False, True]
    assert {look.rgb for look in NEAR.looks} == {None}


def test_events_have_their_names_and_a_word_is_shown_of_each() -> None:
    assert [event.record_name for event in NEAR.events] == ["far_burst", "far_bell"]
    assert list(NEAR.events[0].fields) == ["size", "by"]
    assert [(effect.event, effect.kind) for effect in NEAR.effects] == [
        (event, "text") for event in NEAR.events
    ]


def test_without_a_game_there_is_what_every_world_has() -> None:
    assert schema_of(NO_GAME).hash == BASE_SCHEMA.hash
    assert len(NO_GAME.kinds) == len(NO_GAME.events) == len(NO_GAME.controls) == 0


# -- what no class statement can make --------------------------------------------------------------


def declared(
    *fields: Field, controls: ControlsLayout | None = None, event: Field | None = None
) -> Described:
    """Declare a world with a component hull and an event burst of these fields."""
    hull = [Said("hull", fields, Replication.ATTRIBUTE, proposed=True)] if fields else []
    burst = [Said("burst", (event,), Replication.EVENT)] if event else []
    layout = controls or ControlsLayout()
    schema = Schema((*BASE_COMPONENTS, *hull), (), layout, burst)
    return declare_untrusted(schema.description.encode())


@pytest.mark.parametrize(
    "column",
    [
        "audience",
        "writer",
        "saved",
        "fields",
        "problems",
        "declare_fields",
        "tick",
        "mro",
        "_given",
        "_",
    ],
)
def test_columns_that_would_break_a_class_are_refused(column: str) -> None:
    with pytest.raises(WireError):
        declared(Field(f"hull_{column}", "f4"))


@pytest.mark.parametrize("column", ["__slots__", "__init__", "__class__", "__init_subclass__", ""])
def test_no_description_reaches_what_python_has(column: str) -> None:
    with pytest.raises(WireError):
        declared(Field(f"hull_{column}", "f4"))


@pytest.mark.parametrize("column", ["class", "def", "none", "name", "self"])
def test_words_of_the_language_are_columns_like_any_other(column: str) -> None:
    world = declared(Field(f"hull_{column}", "f4"))
    assert list(world.components[-1].fields) == [column]


def test_events_have_columns_of_their_own_that_are_refused() -> None:
    for column in ("to", "subject", "tick"):
        with pytest.raises(WireError):
            declared(event=Field(f"burst_{column}", "f4"))


@pytest.mark.parametrize("name", ["hp", "hullhp", "hull", "burst_hp"])
def test_fields_are_named_after_their_component(name: str) -> None:
    with pytest.raises(WireError, match=f"a field {name} of hull"):
        declared(Field(name, "f4"))


@pytest.mark.parametrize(
    "control",
    [
        ControlsField("turn", 4, "axis"),
        ControlsField("turn", 2, "axis"),
        ControlsField("turn", (1 << 40) + 1, "axis"),
        ControlsField("fire", 15, "press"),
        ControlsField("brake", 3, "hold"),
        ControlsField("aim", 5, "angle"),
        ControlsField("aim", 1 << 40, "angle"),
        ControlsField("fields", 2, "hold"),
    ],
)
def test_controls_that_nobody_can_declare_are_refused(control: ControlsField) -> None:
    with pytest.raises(WireError):
        declared(controls=ControlsLayout([control]))
