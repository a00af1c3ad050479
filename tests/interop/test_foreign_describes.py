"""What a foreign client makes of a world that it knows from its description alone."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pytest

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.quantize import decode_rows, encode_rows
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema

from .foreign.described import read_columns, read_row
from .foreign.octets import Malformed, Octets

RULES: Final = Rules()
COUNT: Final = 50
TURN: Final = (-math.pi, math.pi)
HULL: Final = Component(
    "hull",
    (
        Field("hull_hp", "f4", "hp", 0.0, 100.0, 0.5),
        Field("hull_trim", "f4", "", -3.0, 3.0, 0.25),
        Field("hull_far", "f8", "", -100_000.0, 100_000.0, 0.01),
        Field("hull_ore", "u4", "", 0, 70_000, 10),
        Field("hull_aim", "f8", "rad", *TURN, math.tau / 256, wrap=True),
        Field("hull_fine", "f8", "rad", *TURN, math.tau / 65_536, wrap=True),
    ),
    Replication.ATTRIBUTE,
)
LOG: Final = Component(
    "log",
    (
        *(Field(f"log_{t}", t) for t in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4")),
        Field("log_note", "S12"),
    ),
    Replication.ATTRIBUTE,
)
SCHEMA: Final = Schema((*BASE_COMPONENTS, HULL, LOG))
COLUMNS: Final = read_columns(SCHEMA.description.encode())


@pytest.mark.parametrize("component", [HULL, LOG], ids=lambda component: component.name)
def test_rows_say_what_they_say_to_a_client_that_has_the_game(component: Component) -> None:
    rng, number = np.random.default_rng(1), SCHEMA.numbers[component.name]
    values = {
        field.name: np.array([b"Ada", "Łódź".encode()] * (COUNT // 2))
        if field.memory_dtype.kind == "S"
        else rng.uniform(*np.clip(field.bounds, -1e9, 1e9), COUNT).astype(field.memory_dtype)
        for field in component.fields
    }
    ids = np.arange(1, COUNT + 1)
    rows = encode_rows(SCHEMA, number, values, ids, RULES)
    expected = decode_rows(SCHEMA, number, rows, RULES)
    octets = Octets(rows.tobytes())
    for at in range(COUNT):
        row = read_row(COLUMNS[number], octets)
        assert row.id == ids[at]
        for name, value in row.values.items():
            said = expected[name][at]
            if isinstance(said, bytes):
                assert value == said.decode()
            else:
                assert value == pytest.approx(float(said), rel=1e-6, abs=1e-9), name
    octets.end()


def test_what_is_out_of_range_is_malformed() -> None:
    number = SCHEMA.numbers["hull"]
    row = bytearray(SCHEMA.rows[number].itemsize)
    with pytest.raises(Malformed, match="id 0"):
        read_row(COLUMNS[number], Octets(bytes(row)))
    row[0] = 1
    assert read_row(COLUMNS[number], Octets(bytes(row))).values["hull_hp"] == 0.0
    row[4] = 201
    with pytest.raises(Malformed, match="hull_hp"):
        read_row(COLUMNS[number], Octets(bytes(row)))
