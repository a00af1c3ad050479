"""A game's declarations as the schema has them: who writes what, who may see it, who has it."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import (
    AUTHORITY,
    F4,
    F8,
    PILOT,
    SHARDS,
    U2,
    U4,
    Body,
    Component,
    Event,
    Game,
    Label,
    Motion,
    Pilot,
    Text,
    field,
    role,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, name_of, schema_of, spread
from sidereal.protocol.errors import ConfigError, LocalProtocolError
from sidereal.protocol.state.component import Component as Described
from sidereal.protocol.state.component import Field, Replication
from sidereal.protocol.state.schema import BASE_COMPONENTS, EVENT_FIRST, Schema


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
    wanted = {
        "motion",
        "body",
        "predicted",
        "parent",
        *map(name_of, (Health, Launcher, Marks, Heat)),
    }
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


class Burst(Event):
    x: F8
    size: F4 = field(1, low=0, high=10, quantum=0.5)
    cause: Text = field(b"", size=4)


class Bang(Event):
    """It has no fields."""


def with_events() -> Schema:
    bursting = Game("bursting")
    bursting.kind("rock", Motion())
    bursting.declare(Burst, Bang)
    return schema_of(declare(bursting))


def test_events_have_numbers_and_rows_of_their_own_and_no_columns() -> None:
    schema = with_events()
    burst, bang = (schema.event_numbers[name_of(event)] for event in (Burst, Bang))
    assert (burst, bang) == (EVENT_FIRST, EVENT_FIRST + 1)
    columns = [column_of(Burst, each) for each in Burst.fields.values()]
    assert schema.rows[burst].names == ("id", "age", *columns)
    assert [schema.rows[burst][name].str for name in columns] == ["<f8", "|u1", "|S4"]
    assert schema.rows[bang].names == ("id", "age")
    assert schema.proposed_rows[burst].names == ("id", "epoch", "nth", *columns)
    assert schema.component(burst).name == name_of(Burst)
    assert not {*columns} & {*schema.fields, *(schema.full_record.names or ())}
    assert burst not in schema.proposed
    records = np.zeros(3, schema.proposed_rows[burst])
    records[columns[1]] = [5, 11, np.nan]
    assert schema.valid_rows(records).tolist() == [True, False, False]


class Hint(Event, to=PILOT):
    size: F4 = field(1, low=0, high=10, quantum=0.5)


def test_events_that_are_not_for_all_viewers_are_in_no_row_of_a_cell() -> None:
    hinting = Game("hinting")
    hinting.kind("rock", Motion())
    hinting.declare(Bang, Hint)
    schema = schema_of(declare(hinting))
    bang, hint = (schema.event_numbers[name_of(event)] for event in (Bang, Hint))
    assert bang in schema.rows
    assert hint not in schema.rows
    column = column_of(Hint, Hint.fields["size"])
    assert schema.private_events.keys() == {hint}
    assert schema.private_events[hint].names == ("id", "age", "nth", column)
    assert schema.private_events[hint].itemsize == 7
    assert schema.proposed_rows[hint].names == ("id", "epoch", "nth", column)


def test_a_schema_with_other_events_is_another() -> None:
    without = Game("bursting")
    without.kind("rock", Motion())
    assert schema_of(declare(without)).hash != with_events().hash


def test_an_event_that_no_message_holds_is_refused() -> None:
    wide = Field("says", "S1140")
    with pytest.raises(ConfigError, match=r"an event cry takes 11\d\d bytes; a message holds"):
        Schema(BASE_COMPONENTS, events=[Described("cry", (wide,), Replication.EVENT)])
    with pytest.raises(ConfigError, match="129 events; a world has at most 128"):
        Schema(
            BASE_COMPONENTS, events=[Described(f"e{n}", (), Replication.EVENT) for n in range(129)]
        )


def test_values_are_spread_over_entities_and_put_into_their_range() -> None:
    spread_out = spread(Burst(x=[1.0, -2.0], size=[99.0, 3.0], cause="heat"), 2)
    x, size, cause = (spread_out[column_of(Burst, each)] for each in Burst.fields.values())
    assert (x.tolist(), size.tolist(), cause.tolist()) == ([1, -2], [10, 3], [b"heat"] * 2)
    assert [column.dtype.str[1:] for column in (x, size, cause)] == ["f8", "f4", "S4"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Burst(x=[1.0]), "x: 1 values for 2 entities"),
        (Burst(x=np.nan), "x can't be nan"),
        (Burst(cause="too long"), "cause can't be .*: it takes 4 bytes"),
        (Burst(cause=b"\xc3"), "cause can't be"),
    ],
)
def test_values_that_nothing_can_be_made_of_are_named(event: Event, words: str) -> None:
    with pytest.raises(LocalProtocolError, match=words):
        spread(event, 2)
