"""A foreign client that knows a world by its description alone reads what is sent of it."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from sidereal.client.replica import Replica as RealReplica
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.quantize import encode_rows
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema

from .foreign.described import world_of
from .foreign.description import read_description
from .foreign.octets import Malformed
from .foreign.replica import Replica
from .foreign.rows import Reference
from .foreign.snapshots import Grid, read_snapshot

RULES: Final = Rules()
GRID: Final = Grid(RULES.cell_size, RULES.cells_per_side, RULES.view_radius_cells)
CASES: Final = 4000


def component(name: str, sent: Replication, **flags: Any) -> Component:
    fields = (
        Field(f"{name}_share", "f4", "", 0.0, 100.0, 0.5),
        Field(f"{name}_exact", "f8", "", -5.0, 5.0),
        Field(f"{name}_count", "u1", "", 0, 9, 1),
        Field(f"{name}_note", "S5"),
    )
    return Component(name, fields, sent, **flags)


SCHEMA: Final = Schema(
    (
        *BASE_COMPONENTS,
        component("near", Replication.ATTRIBUTE),
        component("hidden", Replication.NONE),
        component("fuel", Replication.PILOT),
        component("flight", Replication.ATTRIBUTE, predicted=True),
        component("radar", Replication.ROLE, role="operator"),
        component("gear", Replication.NONE, predicted=True),
    )
)
WORLD: Final = world_of(read_description(SCHEMA.description.encode()))
NEAR, HIDDEN, FUEL, FLIGHT, RADAR, GEAR = range(8, 14)
OWN: Final = (FUEL, FLIGHT, GEAR)


def test_description_says_what_comes_where() -> None:
    assert set(WORLD.sent) == {1, 2, 3, 4, 6, 7, NEAR, FLIGHT, RADAR}
    assert tuple(WORLD.flown) == OWN


def values_of(number: int) -> dict[str, np.ndarray]:
    """Of one entity, in memory."""
    fields = SCHEMA.components[number - 1].fields
    said = (4.5, 1.25, 7, b"Ada") if number > 7 else (1.0,) * len(fields)
    return {
        field.name: np.array([value]).astype(field.memory_dtype)
        for field, value in zip(fields, said, strict=True)
    }


def snapshot(tick: int = 100) -> bytes:
    """Entity 5 with all components that clients are sent of it, and the same as flown."""
    numbers = (1, 2, NEAR, FLIGHT, RADAR)
    mask = sum(1 << number for number in numbers)
    own = 2 | sum(1 << number for number in OWN)
    head = b"\x44" + bytes([tick, 0, 0])
    private = bytes([4 | 8 | 16 | 32, len(OWN)])
    private += b"".join(bytes([number, 1]) for number in OWN)
    private += struct.pack("<IIH", 5, 1, own) + struct.pack("<4iIi", 1, 2, 3, 4, 5, 6)
    private += struct.pack("<bH", 0, 9) + b"".join(memory(number) for number in OWN)
    rows = struct.pack("<IBH", 5, 1, mask)
    for number in numbers:
        values = values_of(number)
        rows += encode_rows(SCHEMA, number, values, np.array([5]), RULES).tobytes()
    runs = bytes([0, 1]) + b"".join(bytes([number, 1]) for number in numbers)
    return head + private + bytes([0, 1 | (1 + len(numbers)) << 4]) + runs + rows


def memory(number: int) -> bytes:
    return b"".join(values.tobytes() for values in values_of(number).values())


def changed(body: bytes) -> Iterator[bytes]:
    """A snapshot as it is, then with a few bytes changed."""
    yield body
    rng = random.Random(3)
    for _ in range(CASES):
        other = bytearray(body)
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(len(other))
            other[at] = rng.choice((other[at] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)))
        yield bytes(other)


def test_snapshots_of_a_world_with_a_game_are_read_alike() -> None:
    refused = 0
    for body in changed(snapshot()):
        real = RealReplica(SCHEMA, RULES)
        applied = real.apply_untrusted([body], 0.0)
        mine = taken(body)
        assert (mine is None) == (not applied), body.hex()
        if mine is None:
            refused += 1
            continue
        ids = real.columns.net_id[real.rows()].tolist()
        assert sorted(mine.visible()) == sorted(ids), body.hex()
        own, answer = mine.pilot.own, real.private.answer()
        assert (own and own[:4]) == (answer and answer[:4]), body.hex()
    assert CASES / 10 < refused < CASES


def taken(body: bytes) -> Replica | None:
    replica = Replica(GRID, 100, 256, RULES.tick_hz)
    try:
        replica.take(read_snapshot(body, GRID, WORLD))
    except Malformed:
        return None
    return replica


def test_fields_are_what_was_sent() -> None:
    replica = taken(snapshot())
    assert replica is not None
    (entity,) = replica.visible().values()
    seen = {number: entity.components[number].values for number in (NEAR, FLIGHT, RADAR)}
    for number, row in [*seen.items(), *replica.pilot.components.items()]:
        name = SCHEMA.components[number - 1].name
        said = [row[f"{name}_{field}"] for field in ("share", "exact", "count", "note")]
        assert said == [4.5, 1.25, 7, "Ada"]
    (section,) = read_snapshot(snapshot(), GRID, WORLD).sections
    assert [row.vx for row in section.rows if isinstance(row, Reference)] == [1.0]
    assert entity.reference == replica.pilot.reference, "what is flown is where it says alone"
    assert sorted(replica.pilot.components) == [*OWN]


def test_entity_that_is_shown_stays_so_while_a_component_is_missing() -> None:
    mask = struct.pack("<IBH", 5, 1, 1 << 1 | 1 << 2 | 1 << RADAR | 1 << 3)
    given = b"\x04" + bytes([101, 0, 0]) + bytes([0, 0xF0, 0]) + mask
    bodies = [snapshot(), given]
    real, mine = RealReplica(SCHEMA, RULES), Replica(GRID, 100, 256, RULES.tick_hz)
    for body in bodies:
        mine.take(read_snapshot(body, GRID, WORLD))
        real.apply_untrusted([body], 0.0)
        assert [*mine.visible()] == real.columns.net_id[real.rows()].tolist() == [5]
    assert 3 not in mine.visible()[5].components
    assert NEAR not in mine.visible()[5].components
