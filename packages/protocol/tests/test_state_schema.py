from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.schema import (
    BASE_COMPONENTS,
    BASE_SCHEMA,
    MOTION,
    NAMES_TAKEN,
    Schema,
)
from sidereal.protocol.state.values import valid_values

HULL = Component(
    "hull",
    (Field("hull", "f8", "point", 0.0, 100.0, 0.5), Field("shield", "u1", "point", 0, 200)),
    Replication.STATE,
    persisted=True,
)
CARGO = Component(
    "cargo", (Field("ore", "u2", "t"), Field("worth", "i8", "credit")), persisted=True
)
BY_NAME = {component.name: component for component in BASE_COMPONENTS}


def full_rows(count: int) -> np.ndarray:
    records = np.zeros(count, dtype=BASE_SCHEMA.full_record)
    records["id"] = np.arange(1, count + 1)
    records["kind"] = 2
    records["radius"] = 4.0
    records["mass"] = 20.0
    records["name"] = b"rock"
    return records


def test_rows_are_packed_as_the_protocol_says() -> None:
    motion, body, label, owner = (BASE_SCHEMA.rows[number] for number in (1, 2, 3, 4))
    assert motion == np.dtype(
        [
            ("id", "<u4"),
            ("tick", "<u2"),
            ("x", "<u2"),
            ("y", "<u2"),
            ("vx", "<i2"),
            ("vy", "<i2"),
            ("heading", "<u2"),
            ("spin", "<i2"),
        ]
    )
    assert body == np.dtype([("id", "<u4"), ("radius", "<f4"), ("mass", "<f4"), ("group", "<u4")])
    assert label == np.dtype([("id", "<u4"), ("name", "S24")])
    assert owner == np.dtype([("id", "<u4"), ("shard", "<u2")])
    assert BASE_SCHEMA.rows[0] == np.dtype([("id", "<u4"), ("kind", "u1"), ("mask", "u1")])
    assert BASE_SCHEMA.shown == (1, 2, 3, 4, 6, 7)
    assert (BASE_SCHEMA.mask_shown, BASE_SCHEMA.mask_places) == (0b11011110, 0b10)
    assert BASE_SCHEMA.exact_record.itemsize == 69
    assert BASE_SCHEMA.full_record.itemsize == 128


def test_full_record_begins_as_the_exact_record() -> None:
    full, exact = BASE_SCHEMA.full_record, BASE_SCHEMA.exact_record
    assert full.fields is not None
    assert exact.fields is not None
    assert {name: full.fields[name] for name in exact.fields} == dict(exact.fields)


def test_database_columns_are_the_persisted_fields() -> None:
    columns = dict(Schema((*BASE_COMPONENTS, HULL, CARGO)).database_columns())
    assert columns == {
        **dict.fromkeys(("x", "y", "vx", "vy", "heading", "spin", "hull"), "double precision"),
        "kind": "smallint",
        "radius": "real",
        "mass": "real",
        "group": "uuid",
        "of": "uuid",
        "name": "text",
        "shield": "smallint",
        "ore": "integer",
        "worth": "bigint",
    }


def test_a_game_s_component_has_a_row_and_is_in_every_record_it_belongs_to() -> None:
    schema = Schema((*BASE_COMPONENTS, HULL, CARGO))
    number = schema.numbers["hull"]
    assert number == len(BASE_COMPONENTS) + 1
    assert schema.rows[number] == np.dtype([("id", "<u4"), ("hull", "u1"), ("shield", "u1")])
    assert schema.numbers["cargo"] not in schema.rows
    assert schema.exact_record["hull"] == np.dtype("<f8")
    assert "ore" in (schema.full_record.names or ())
    assert "ore" not in (schema.exact_record.names or ())


@pytest.mark.parametrize(("components", "size"), [(7, 1), (8, 2), (15, 2), (16, 4), (63, 8)])
def test_a_mask_is_as_wide_as_the_components_that_are_shown(components: int, size: int) -> None:
    schema = Schema(
        Component(f"c{at}", (Field(f"f{at}", "u1"),), Replication.ATTRIBUTE)
        for at in range(components)
    )
    assert schema.rows[0]["mask"].itemsize == size
    assert schema.mask_shown == schema.mask_all == (1 << components + 1) - 2


def test_a_world_has_at_most_63_components() -> None:
    with pytest.raises(ConfigError, match="64 components"):
        Schema(Component(f"c{at}", (Field(f"f{at}", "u1"),)) for at in range(64))


# The hash of the base components. When this test fails, a declaration changed, and with it the
# wire or the tables: clients and shards of the old declaration are refused from then on. If that is
# meant, see whether the database needs a migration, then pin the new hash here.
BASE_HASH = "3c2ac9ade7e929d7f243573f097ba3a8"


def test_base_hash_is_pinned() -> None:
    assert BASE_SCHEMA.hash.hex() == BASE_HASH


def test_hash_depends_on_declarations_alone() -> None:
    rebuilt = [
        Component(**{f.name: getattr(component, f.name) for f in dataclasses.fields(Component)})
        for component in BASE_COMPONENTS
    ]
    assert Schema(rebuilt).hash == BASE_SCHEMA.hash


@pytest.mark.parametrize(
    "change",
    [
        {"name": "vz"},
        {"dtype": "f4"},
        {"unit": "km/s"},
        {"low": -200.0},
        {"high": 200.0},
        {"quantum": 1 / 64},
        {"quantum": None},
    ],
    ids=str,
)
def test_hash_changes_with_any_change_of_a_field(change: dict[str, Any]) -> None:
    changed = dataclasses.replace(MOTION.fields[2], **change)
    fields = (*MOTION.fields[:2], changed, *MOTION.fields[3:])
    motion = dataclasses.replace(MOTION, fields=fields)
    assert Schema((motion, *BASE_COMPONENTS[1:])).hash != BASE_SCHEMA.hash


@pytest.mark.parametrize(
    "change",
    [
        {"name": "movement"},
        {"replicated": Replication.ATTRIBUTE},
        {"persisted": False},
        {"predicted": False},
        {"interpolated": False},
        {"fields": MOTION.fields[::-1]},
        {"fields": MOTION.fields[:-1]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_hash_changes_with_any_change_of_a_component(change: dict[str, Any]) -> None:
    motion = dataclasses.replace(MOTION, **change)
    assert Schema((motion, *BASE_COMPONENTS[1:])).hash != BASE_SCHEMA.hash


@pytest.mark.parametrize("change", [{"wrap": False}, {"cell_axis": "y"}], ids=str)
def test_hash_changes_with_the_meaning_of_a_field(change: dict[str, Any]) -> None:
    position = Field("p", "f8", "unit", -4.0, 4.0, 1 / 16, cell_axis="x")
    angle = Field("p", "f8", "unit", -4.0, 4.0, 1 / 16, wrap=True)
    field = position if "cell_axis" in change else angle
    before = Schema([Component("c", (field,))])
    assert Schema([Component("c", (dataclasses.replace(field, **change),))]).hash != before.hash


def test_hash_changes_with_the_order_and_number_of_components() -> None:
    hashes = {
        BASE_SCHEMA.hash,
        Schema(BASE_COMPONENTS[::-1]).hash,
        Schema(BASE_COMPONENTS[:-1]).hash,
        Schema((*BASE_COMPONENTS, HULL)).hash,
    }
    assert len(hashes) == 4


@pytest.mark.parametrize("name", sorted(NAMES_TAKEN))
def test_names_that_records_have_already_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: the name is taken"):
        Schema([Component("c", (Field(name, "u1"),))])


def test_clash_of_fields_between_components_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"extra\.radius: the name is taken"):
        Schema((*BASE_COMPONENTS, Component("extra", (Field("radius", "f8"),))))


def test_every_problem_is_named_at_once() -> None:
    broken = Component("Broken", (Field("a", "f8", low=1.0, high=0.0), Field("b", "U4")))
    with pytest.raises(ConfigError) as caught:
        Schema((broken, Component("empty", ())))
    for part in ("Broken", "a: low", "b: type", "empty: no fields"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (Field("a", "nonsense"), "no NumPy type"),
        (Field("a", "f2"), "type must be"),
        (Field("a", "S"), "needs a length"),
        (Field("a", "S8", quantum=1.0), "text has no range"),
        (Field("A", "u1"), "must match"),
        (Field("a", "f8", low=float("nan")), "must be finite"),
        (Field("a", "f8", low=0.0, high=1.0, quantum=0.0), "above 0"),
        (Field("a", "f8", low=0.0, high=1.0, quantum=1e-12), "too fine"),
        (Field("a", "f8", low=-1.0, high=1.0, quantum=2.0**-32), "too fine"),
        (Field("a", "f8", low=0.0, high=1.0, wrap=True), "need a quantum"),
        (Field("a", "f8", low=0.0, high=1.0, quantum=0.3, wrap=True), "whole number"),
        (Field("a", "f8", low=0.0, quantum=0.5, wrap=True), "needs low and high"),
        (Field("a", "f8", quantum=0.5), "needs low and high"),
        (Field("a", "u1", high=256), "both within u1"),
        (Field("a", "i2", low=0, high=9, quantum=0.5), "must be whole"),
        (Field("a", "f8", quantum=0.5, wrap=True, cell_axis="x"), "does not wrap"),
        (Field("a", "f8", quantum=0.5, cell_axis="z"), "must be x or y"),
    ],
)
def test_impossible_field_is_refused_in_words(field: Field, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Schema([Component("c", (field,))])


def test_persisted_u8_is_refused() -> None:
    with pytest.raises(ConfigError, match="PostgreSQL has no u8"):
        Schema([Component("c", (Field("a", "u8"),), persisted=True)])


def test_honest_rows_are_valid() -> None:
    assert BASE_SCHEMA.valid_rows(full_rows(5)).all()


@pytest.mark.parametrize("name", ["x", "vy", "heading", "radius", "mass"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.4e38])
def test_numbers_out_of_range_make_only_their_row_invalid(name: str, value: float) -> None:
    records = full_rows(4)
    records[name][2] = value
    assert BASE_SCHEMA.valid_rows(records).tolist() == [True, True, False, True]


@pytest.mark.parametrize("name", [f.name for f in BASE_SCHEMA.fields.values() if f.low is not None])
def test_ends_of_a_range_are_valid_and_the_next_numbers_are_not(name: str) -> None:
    field = BASE_SCHEMA.fields[name]
    assert field.low is not None
    assert field.high is not None
    low, high = field.memory_dtype.type(field.low), field.memory_dtype.type(field.high)
    step = 1 if field.memory_dtype.kind in "iu" else None
    records = full_rows(4)
    records[name] = [
        low,
        high,
        low - step if step else np.nextafter(low, -np.inf, dtype=low.dtype),
        np.uint8(0) if step else np.nextafter(high, np.inf, dtype=high.dtype),
    ]
    assert BASE_SCHEMA.valid_rows(records).tolist() == [True, True, False, False]


def test_text_must_be_utf8_without_nul() -> None:
    texts = [b"", b"plain", "Zürich".encode(), b"\xff\xfe", b"a\0b", "é".encode() * 12, b"\xc3"]
    records = full_rows(len(texts))
    records["name"] = texts
    assert BASE_SCHEMA.valid_rows(records).tolist() == [True, True, True, False, False, True, False]


def test_rows_are_judged_as_their_values_are_one_by_one() -> None:
    rng = np.random.default_rng(5)
    records = full_rows(400)
    for name, field in BASE_SCHEMA.fields.items():
        rows = rng.random(400) < 0.05
        if field.memory_dtype.kind == "f":
            with np.errstate(over="ignore"):
                records[name][rows] = rng.choice([0.0, 1.0, -1e300, np.nan], rows.sum())
        elif field.memory_dtype.kind in "iu":
            records[name][rows] = rng.integers(0, 200, rows.sum())
    one_by_one = np.ones(400, np.bool_)
    for name, field in BASE_SCHEMA.fields.items():
        one_by_one &= valid_values(field, records[name])
    assert 0.2 < one_by_one.mean() < 0.8
    assert BASE_SCHEMA.valid_rows(records).tolist() == one_by_one.tolist()
    assert BASE_SCHEMA.valid_rows(records[::3]).tolist() == one_by_one[::3].tolist()
    assert BASE_SCHEMA.valid_rows(records[:0]).tolist() == []


def test_rows_with_other_types_than_in_memory_are_judged_as_these() -> None:
    rows = np.array([(1.0, 2), (1e9, 2), (1.0, 0)], dtype=[("vx", "f4"), ("kind", "i8")])
    assert BASE_SCHEMA.valid_rows(rows).tolist() == [True, False, False]


def test_undeclared_fields_are_not_looked_at() -> None:
    records = np.array([(np.nan, 1.0)], dtype=[("other", "f8"), ("x", "f8")])
    assert BASE_SCHEMA.valid_rows(records).all()
