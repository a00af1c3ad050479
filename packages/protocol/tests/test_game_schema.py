"""A game's declarations as the schema has them: who writes what, who may see it, who has it."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import (
    AUTHORITY,
    F4,
    PILOT,
    SHARDS,
    U2,
    U4,
    Body,
    Component,
    Game,
    Label,
    Motion,
    Pilot,
    field,
    role,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, name_of, schema_of


class Health(Component):
    hp: F4 = field(100, low=1, high=100, quantum=0.5)
    shots: U2


class Launcher(Component, audience=PILOT):
    ready: U4


class Marks(Component, audience=role("referee"), saved=False):
    warned: U4 = field(3, low=2, high=9)


class Heat(Component, audience=SHARDS):
    degrees: F4


class Hold(Component, writer=AUTHORITY, audience=PILOT):
    ore: U4


HIDDEN = (Launcher, Marks, Heat, Hold)
game = Game("hiding")
HULL = game.kind(
    "hull", Motion(spin=2), Body(radius=6, mass=12), Label(), Health(hp=80), *(c() for c in HIDDEN)
)
BUOY = game.kind("buoy", Motion(), Health())
SCHEMA = schema_of(declare(game))


def test_what_not_everybody_may_see_is_in_no_record_for_clients() -> None:
    hidden = {column_of(c, f) for c in HIDDEN for f in c.fields.values()}
    assert len(hidden) == 4
    rows = (SCHEMA.rows[number] for number in (0, *SCHEMA.shown))
    sent = {name for row in rows for name in row.names or ()}
    assert not hidden & sent
    assert hidden < set(SCHEMA.full_record.names or ())
    assert {column_of(Health, f) for f in Health.fields.values()} < sent
    assert not {SCHEMA.numbers[name_of(c)] for c in HIDDEN} & set(SCHEMA.shown)


def test_clients_of_a_role_are_sent_its_components_besides() -> None:
    number = SCHEMA.numbers[name_of(Marks)]
    assert SCHEMA.roles == ("referee",)
    assert SCHEMA.shown_to("referee") == SCHEMA.sent == tuple(sorted((*SCHEMA.shown, number)))
    assert SCHEMA.shown_to("player") == SCHEMA.shown_to("") == SCHEMA.shown
    assert SCHEMA.rows.keys() == {0, *SCHEMA.sent}


def test_a_pilot_is_sent_its_own_components_as_they_are_in_memory() -> None:
    own = {SCHEMA.component(number).name for number in SCHEMA.own}
    assert own == {"motion", name_of(Launcher), name_of(Hold)}
    assert SCHEMA.mask_own == sum(1 << number for number in SCHEMA.own)
    for component in (Launcher, Hold):
        row = SCHEMA.own_rows[SCHEMA.numbers[name_of(component)]]
        columns = [column_of(component, f) for f in component.fields.values()]
        assert row.names == tuple(columns)
        assert all(row[column] == SCHEMA.fields[column].memory_dtype for column in columns)


def test_a_pilot_is_sent_exactly_what_a_model_writes() -> None:
    steered = Game("steered")
    steered.kind("hull", Motion(), Health(), Pilot())
    steered.model(Health, reads=(Motion,))(lambda own: None)
    schema = schema_of(declare(steered))
    assert schema.numbers[name_of(Health)] in schema.own
    assert schema.numbers[name_of(Health)] in schema.shown


def test_shards_propose_what_they_write_whoever_may_see_it() -> None:
    wanted = {"motion", "body", *map(name_of, (Health, Launcher, Marks, Heat))}
    assert {SCHEMA.component(number).name for number in SCHEMA.proposed} == wanted


@pytest.mark.parametrize("component", [Health, *HIDDEN])
def test_a_row_that_is_proposed_has_the_fields_of_its_component(
    component: type[Component],
) -> None:
    row = SCHEMA.proposed_rows[SCHEMA.numbers[name_of(component)]]
    columns = [column_of(component, f) for f in component.fields.values()]
    assert row.names == ("id", "epoch", "tick", *columns)
    assert all(row[column] == SCHEMA.fields[column].memory_dtype for column in columns)


def test_kinds_have_their_components_and_an_owner() -> None:
    def has(kind: int) -> set[str]:
        mask = int(SCHEMA.masks[kind])
        return {name for name, number in SCHEMA.numbers.items() if mask >> number & 1}

    assert has(1) == {"motion", "body", "label", "owner", *map(name_of, (Health, *HIDDEN))}
    assert has(2) == {"motion", "owner", name_of(Health)}
    assert has(0) == has(3) == set()


def test_entities_begin_with_what_their_kind_says_and_else_with_defaults() -> None:
    hull, buoy = SCHEMA.first[1], SCHEMA.first[2]
    hp, shots, warned = (
        "test_game_schema_health_hp",
        "test_game_schema_health_shots",
        ("test_game_schema_marks_warned"),
    )
    assert (hull["kind"], hull["spin"], hull["radius"], hull["mass"]) == (1, 2.0, 6.0, 12.0)
    assert (hull[hp], hull[shots], hull[warned]) == (80.0, 0, 3)
    # What an entity does not have is in range all the same: records hold all fields.
    assert (buoy["kind"], buoy["radius"], buoy[hp], buoy[warned]) == (2, 1.0, 100.0, 3)
    assert SCHEMA.valid_rows(SCHEMA.first[1:3]).all()
    assert (SCHEMA.first["kind"] == np.arange(256)).all()
