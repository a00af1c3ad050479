"""What a foreign client makes of a world that it knows from its description alone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import numpy as np
import pytest

from sidereal.protocol.errors import WireError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.described import schema_of_untrusted
from sidereal.protocol.state.quantize import decode_rows, encode_rows
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema

from .foreign.described import read_row
from .foreign.description import read_description, schema_hash
from .foreign.octets import Malformed, Octets
from .recorder.happening import SCHEMA as RECORDED

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
WORLD: Final = read_description(SCHEMA.description.encode())


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
        row = read_row(WORLD.components[number - 1].fields, octets)
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
        read_row(WORLD.components[number - 1].fields, Octets(bytes(row)))
    row[0] = 1
    assert (
        read_row(WORLD.components[number - 1].fields, Octets(bytes(row))).values["hull_hp"] == 0.0
    )
    row[4] = 201
    with pytest.raises(Malformed, match="hull_hp"):
        read_row(WORLD.components[number - 1].fields, Octets(bytes(row)))


VALUES: Final = (
    *(0, 1, 2, 3, 16, 31, 256, -1, 2**31, 2**32, 0.0, 0.5, 2.5, 100.0, -1.0, math.inf, math.nan),
    *("", "a", "A", "a_b", "a b", "role x", "role ", "a" * 31, "a" * 32, "a" * 33, "\n", "é"),
    *("axis", "hold", "viewers", "sector", "all", "state", "none", "link", "<f4", "|i1", "<u8"),
    *("|S1", "|S0", True, False, None, b"x", [], [1], [1, 4], [4, 1], [1, 4, 99]),
)
"""What is put in the place of something in a description."""


def places(node: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Where something stands in nested arrays."""
    if path:
        yield path
    if isinstance(node, list):
        for at, inner in enumerate(node):
            yield from places(inner, (*path, at))


def changed_descriptions(count: int) -> Iterator[bytes]:
    """A description, then the same with something else in one place beyond what all worlds have."""
    world, recorded = (
        msgspec.msgpack.decode(schema.description.encode()) for schema in (SCHEMA, RECORDED)
    )
    text = msgspec.msgpack.encode([*world[:2], *recorded[2:]])
    yield text
    base = len(BASE_COMPONENTS)
    free = [p for p in places(msgspec.msgpack.decode(text)) if p[0] != 1 or p[1:2] >= (base,)]
    rng = random.Random(1)
    for _ in range(count):
        changed = msgspec.msgpack.decode(text)
        *path, last = rng.choice(free)
        node = changed
        for at in path:
            node = node[at]
        if isinstance(node[last], list) and node[last] and rng.random() < 0.3:
            node[last].insert(0, rng.choice(node[last])) if rng.random() < 0.5 else node[last].pop()
        else:
            node[last] = rng.choice(VALUES)
        yield msgspec.msgpack.encode(changed)


def test_what_may_be_declared_is_what_the_document_says() -> None:
    refused = accepted = 0
    for body in changed_descriptions(3000):
        is_good = is_read(body, read_description, Malformed)
        assert is_good == is_read(body, schema_of_untrusted, WireError), body.hex()
        accepted += is_good
        refused += not is_good
    assert refused > 1000
    assert accepted > 100


def is_read(body: bytes, read: Callable[[bytes], object], refusal: type[Exception]) -> bool:
    try:
        read(body)
    except refusal:
        return False
    return True


def test_hash_is_that_of_the_bytes() -> None:
    body = next(changed_descriptions(0))
    assert schema_hash(body) == schema_of_untrusted(body).hash
