"""Schemas made of descriptions: what a game can have declared, and nothing else."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
import pytest

from sidereal.protocol.errors import WireError
from sidereal.protocol.state.component import Component, Field, Replication, To
from sidereal.protocol.state.controls import ControlsField, ControlsLayout
from sidereal.protocol.state.described import schema_of_untrusted
from sidereal.protocol.state.description import (
    Description,
    SaidComponent,
    SaidControl,
    SaidField,
    SaidKind,
)
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, Begin, Schema

SHOWN, ALONE = Replication.ATTRIBUTE, Replication.PILOT
HULL: Final = Component(
    "hull",
    (
        Field("hull_hp", "f4", "hp", 0.0, 100.0, 0.5),
        Field("hull_turn", "f8", "rad", -math.pi, math.pi, math.tau / 256, wrap=True),
        Field("hull_marks", "u2"),
        Field("hull_of", "u4", reference=True),
        Field("hull_sign", "S9"),
    ),
    SHOWN,
    persisted=True,
    predicted=True,
    interpolated=True,
    proposed=True,
)
GUN: Final = Component("gun", (Field("gun_ready", "i8"),), ALONE)
HEAT: Final = Component("heat", (Field("heat_now", "f8"),), Replication.NONE, proposed=True)
CARD: Final = Component("card", (Field("card_red", "u1"),), Replication.ROLE, role="referee")
BURST: Final = Component("burst", (Field("burst_size", "u1"),), Replication.EVENT)
BANG: Final = Component("bang", (), Replication.EVENT)
KINDS: Final = (
    Begin("ship", ("motion", "body", "label", "owner", "pilot", "hull", "gun"), {"hull_hp": 9.0}),
    Begin("mark", ("motion", "owner", "card"), {}, saved=False),
)
CONTROLS: Final = ControlsLayout(
    [ControlsField("turn", 3, "axis"), ControlsField("e", 16, "press")]
)
HINT: Final = Component("hint", (Field("hint_size", "u1"),), Replication.EVENT, to=To.PILOT)
WORLD: Final = Schema(
    (*BASE_COMPONENTS, HULL, GUN, HEAT, CARD), KINDS, CONTROLS, events=[BURST, BANG, HINT]
)


def test_a_schema_of_a_description_reads_the_same_bytes() -> None:
    found = schema_of_untrusted(WORLD.description.encode())
    assert found.hash == WORLD.hash
    for name in (
        "rows",
        "own_rows",
        "private_events",
        "sent",
        "own",
        "roles",
        "numbers",
        "event_numbers",
        "shown",
    ):
        assert getattr(found, name) == getattr(WORLD, name), name
    assert (found.masks == WORLD.masks).all()
    assert found.full_record == WORLD.full_record
    assert found.controls.fields == CONTROLS.fields
    assert found.shown_to("referee") == WORLD.shown_to("referee")


def test_its_rows_are_judged_alike() -> None:
    found = schema_of_untrusted(WORLD.description.encode())
    rows = np.zeros(4, WORLD.proposed_rows[WORLD.numbers["hull"]])
    rows["hull_hp"] = [-1.0, 0.0, 100.0, math.nan]
    rows["hull_turn"][1] = 3.0
    assert found.valid_rows(rows).tolist() == WORLD.valid_rows(rows).tolist()


def test_the_world_of_the_engine_alone_is_read() -> None:
    assert schema_of_untrusted(BASE_SCHEMA.description.encode()).hash == BASE_SCHEMA.hash


# -- what nobody can have declared -----------------------------------------------------------------

SAID: Final = WORLD.description
BASE: Final = len(BASE_COMPONENTS)
FIELD: Final = SaidField("hull_x", "<f4", "", 0.0, 9.0, 0.0, False, "")
COMPONENT: Final = SaidComponent("hull", "attribute", False, False, False, True, (FIELD,))


def with_component(**change: Any) -> Description:
    component = msgspec.structs.replace(COMPONENT, **change)
    return msgspec.structs.replace(SAID, components=(*SAID.components[:BASE], component), kinds=())


def with_field(**change: Any) -> Description:
    return with_component(fields=(msgspec.structs.replace(FIELD, **change),))


def with_kinds(*kinds: SaidKind) -> Description:
    return msgspec.structs.replace(SAID, kinds=kinds)


def with_controls(*controls: SaidControl) -> Description:
    return msgspec.structs.replace(SAID, controls=controls)


def test_these_descriptions_can_be_read_when_they_are_not_changed() -> None:
    for description in (with_component(), with_field(), with_kinds(), with_controls()):
        assert schema_of_untrusted(description.encode()).hash == description.digest()


IMPOSSIBLE: Final = {
    "components of the engine": [
        msgspec.structs.replace(SAID, components=SAID.components[1:], kinds=()),
        msgspec.structs.replace(
            SAID, components=(*SAID.components[BASE - 1 :: -1], *SAID.components[BASE:])
        ),
    ],
    "a component sent as": [
        with_component(replicated=said)
        for said in ("state", "link", "event", "role", "attribute judge", "", "all")
    ],
    "a field of type": [
        with_field(dtype=dtype)
        for dtype in ("<c16", "|O", "|S0", "<u8", ">f4", "f4", "(2,)<f4", "|S99999", "<f2", "|b1")
    ],
    "a place": [with_field(cell_axis="x", quantum=2.0**-16)],
    "must be finite": [
        with_field(quantum=math.nan),
        with_field(quantum=math.inf),
        with_field(low=math.nan),
        with_field(high=math.inf),
        with_field(low=-math.inf),
        with_field(low=-math.inf, high=math.inf),
        with_field(dtype="|S8", low=math.inf, high=-math.inf),
        with_field(dtype="<i8", low=math.nan),
    ],
    "text has no range": [with_field(dtype="|S8")],
    "what can't be declared": [
        with_field(quantum=-0.0),
        with_field(dtype="|u1", low=0.2, high=8.0),
    ],
    "low must be below high": [with_field(low=9.0), with_field(dtype="|u1", high=256.0)],
    "quantum must be above 0": [with_field(quantum=-1.0)],
    "quantum too fine": [
        with_field(quantum=5e-324),
        with_field(quantum=1e-9),
        with_field(dtype="<f8", low=-1.7e308, high=1.7e308, quantum=1.0),
        with_field(wrap=True, quantum=5e-324),
    ],
    "the name is taken": [with_field(name="id"), with_field(name="x"), with_field(name="mask")],
    "two components named": [
        with_component(name="motion"),
        msgspec.structs.replace(SAID, events=(SAID.events[0], SAID.events[0])),
    ],
    "no fields": [with_component(fields=())],
    "a world has at most": [
        msgspec.structs.replace(
            with_component(),
            components=(
                *SAID.components[:BASE],
                *(
                    msgspec.structs.replace(
                        COMPONENT,
                        name=f"c{n}",
                        fields=(msgspec.structs.replace(FIELD, name=f"f{n}", dtype="|u1"),),
                    )
                    for n in range(64)
                ),
            ),
        ),
        msgspec.structs.replace(
            SAID,
            events=tuple(msgspec.structs.replace(SAID.events[1], name=f"e{n}") for n in range(129)),
        ),
    ],
    "a message holds": [
        with_component(
            fields=(msgspec.structs.replace(FIELD, dtype="|S1150", low=-math.inf, high=math.inf),)
        )
    ],
    "256 kinds": [with_kinds(*(SaidKind(f"k{n}", (1, 4)) for n in range(256)))],
    "2 times the name": [
        with_kinds(SaidKind("k", (1, 4)), SaidKind("k", (1, 2, 4))),
        with_controls(SaidControl("turn", 3, "axis"), SaidControl("turn", 2, "hold")),
    ],
    "have no order": [with_kinds(SaidKind("k", (4, 1))), with_kinds(SaidKind("k", (1, 1, 4)))],
    "without a place": [with_kinds(SaidKind("k", (2, 4))), with_kinds(SaidKind("k", (1, 2)))],
    "a control": [
        with_controls(SaidControl("turn", 3, "wheel")),
        with_controls(SaidControl("turn", 1, "hold")),
        with_controls(SaidControl("turn", 0, "axis")),
        with_controls(SaidControl("turn", -(1 << 62), "axis")),
    ],
    "an event for": [
        msgspec.structs.replace(SAID, events=(msgspec.structs.replace(SAID.events[0], to="us"),))
    ],
    "a record of controls": [
        with_controls(*(SaidControl(f"c{n}", 16, "press") for n in range(17))),
        with_controls(SaidControl("turn", (1 << 63) + 1, "axis"), SaidControl("e", 2, "hold")),
    ],
}


@pytest.mark.parametrize("said", IMPOSSIBLE)
def test_what_no_game_can_have_declared_is_refused_in_words(said: str) -> None:
    for description in IMPOSSIBLE[said]:
        with pytest.raises(WireError) as error:
            schema_of_untrusted(description.encode())
        assert said in str(error.value), description
        assert len(str(error.value)) <= 300


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x95", bytes(99)])
def test_what_is_no_description_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        schema_of_untrusted(body)
