from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import WireError
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import (
    SECTOR_MAX,
    SECTOR_MIN,
    cell_in_sector,
    cell_origin,
    sector_of,
    wrap_angle,
)
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.quantize import (
    decode_rows_untrusted,
    encode_rows,
    quantised,
    restore_tick,
)
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, Schema

RULES = Rules()
CELL = RULES.cell_size
PROPERTY = settings(derandomize=True, deadline=None, max_examples=150)
FULL_SCHEMA = Schema(
    (
        *BASE_COMPONENTS,
        Component(
            "plugin",
            (
                Field("hull", "f8", "", 0.0, 100.0, 0.5),
                Field("heat", "f4", "", -40.0, 300.0, 0.25),
                Field("phase", "f8", "", 10.0, 20.0, 0.1, wrap=True),
                Field("gear", "i1", "", -1, 5),
                Field("raw", "f4"),
                Field("tag", "S4"),
            ),
            Replication.STATE,
        ),
    )
)

MOVES, PLUGIN = FULL_SCHEMA.numbers["motion"], FULL_SCHEMA.numbers["plugin"]

sectors = st.one_of(
    st.sampled_from([SECTOR_MIN, SECTOR_MIN + 1, -1, 0, 1, SECTOR_MAX - 1, SECTOR_MAX]),
    st.integers(SECTOR_MIN, SECTOR_MAX),
)
fractions = st.one_of(
    st.sampled_from([0.0, 0.5, math.nextafter(1.0, 0.0), 0.5 / 65536, 65535.5 / 65536]),
    st.floats(0.0, 1.0, exclude_max=True),
)


def motion(count: int = 1, **given: Any) -> dict[str, np.ndarray]:
    names = ("x", "y", "vx", "vy", "heading", "spin")
    return {
        name: np.broadcast_to(np.asarray(given.get(name, 0.0), dtype=np.float64), (count,))
        for name in names
    }


def encode(
    values: dict[str, np.ndarray],
    origin_x: Any = 0.0,
    origin_y: Any = 0.0,
    ids: Any = (1,),
    tick: Any = 0,
) -> np.ndarray:
    return encode_rows(
        BASE_SCHEMA, MOVES, values, ids, RULES, origin_x=origin_x, origin_y=origin_y, tick=tick
    )


def there_and_back(
    values: dict[str, np.ndarray], origin_x: Any = 0.0, origin_y: Any = 0.0
) -> dict[str, np.ndarray]:
    count = len(values["x"])
    ids, tick = np.arange(1, count + 1), np.full(count, 1000)
    rows = encode(values, origin_x, origin_y, ids, tick)
    return decode_rows_untrusted(
        BASE_SCHEMA, MOVES, rows, RULES, origin_x=origin_x, origin_y=origin_y
    )


@st.composite
def references(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    count = draw(st.integers(1, 4))
    columns: dict[str, list[float]] = {name: [] for name in ("vx", "vy", "heading", "spin")}
    for _ in range(count):
        columns["vx"].append(draw(st.floats(-250, 250)))
        columns["vy"].append(draw(st.floats(-250, 250)))
        columns["heading"].append(draw(st.floats(-math.pi, math.pi)))
        columns["spin"].append(draw(st.floats(-31, 31)))
    values = {name: np.array(column) for name, column in columns.items()}
    for axis in ("x", "y"):
        whole = np.array([draw(sectors) for _ in range(count)], dtype=np.float64)
        within = np.array([draw(fractions) for _ in range(count)])
        position = (whole + within) * RULES.sector_size
        edge = (SECTOR_MAX + 1) * RULES.sector_size
        values[axis] = np.minimum(position, math.nextafter(edge, 0.0))
    sector_x, sector_y = sector_of(values["x"], values["y"], RULES)
    cell = cell_in_sector(values["x"], values["y"], RULES)
    return values, *cell_origin(sector_x, sector_y, cell, RULES)


@PROPERTY
@given(references())
def test_receivers_are_at_most_half_a_step_off(
    case: tuple[dict[str, np.ndarray], np.ndarray, np.ndarray],
) -> None:
    values, origin_x, origin_y = case
    seen = there_and_back(values, origin_x, origin_y)
    for axis, origin in (("x", origin_x), ("y", origin_y)):
        off = np.abs(seen[axis] - values[axis])
        # On the last half step of a cell the nearest code would be the next cell's first.
        last_half = values[axis] - origin > CELL * 65535 / 65536
        step = CELL / 65536
        rounding = np.spacing(np.abs(values[axis])) * 2
        assert (off <= np.where(last_half, step, step / 2) + rounding).all()
        assert (seen[axis] >= origin).all()
        assert (seen[axis] < origin + CELL).all()
    assert (np.abs(seen["vx"] - values["vx"]) <= 0.5 / 128).all()
    assert (np.abs(seen["vy"] - values["vy"]) <= 0.5 / 128).all()
    assert (np.abs(seen["spin"] - values["spin"]) <= 0.5 / 1024).all()
    turned = np.abs(wrap_angle(seen["heading"] - values["heading"]))
    assert (turned <= math.pi / 65536 + 1e-12).all()
    assert ((seen["heading"] >= -math.pi) & (seen["heading"] < math.pi)).all()


@PROPERTY
@given(references())
def test_sender_knows_bit_for_bit_what_receivers_see(
    case: tuple[dict[str, np.ndarray], np.ndarray, np.ndarray],
) -> None:
    values, origin_x, origin_y = case
    seen = there_and_back(values, origin_x, origin_y)
    computed = quantised(BASE_SCHEMA, MOVES, values, RULES, origin_x=origin_x, origin_y=origin_y)
    assert list(seen) == list(computed)
    for name in seen:
        assert seen[name].tobytes() == computed[name].tobytes()


@PROPERTY
@given(references())
def test_what_is_on_the_grid_stays_where_it_is(
    case: tuple[dict[str, np.ndarray], np.ndarray, np.ndarray],
) -> None:
    values, origin_x, origin_y = case
    where = {"origin_x": origin_x, "origin_y": origin_y}
    once = quantised(BASE_SCHEMA, MOVES, values, RULES, **where)
    twice = quantised(BASE_SCHEMA, MOVES, once, RULES, **where)
    for name in once:
        assert once[name].tobytes() == twice[name].tobytes()


@pytest.mark.parametrize("sector", [SECTOR_MIN, -1, 0, 1, SECTOR_MAX])
def test_upper_edge_of_a_cell_does_not_wrap_to_its_lower_edge(sector: int) -> None:
    origin = np.float64(sector) * RULES.sector_size
    for x in (origin + CELL, np.nextafter(origin + CELL, -np.inf), origin + CELL * 1.5):
        records = encode(motion(x=x), origin)
        assert records["x"] == 65535
    records = encode(motion(x=origin - 1.0), origin)
    assert records["x"] == 0


def test_rest_and_straight_ahead_are_exact() -> None:
    seen = there_and_back(motion(x=125.0, y=0.0))
    assert [float(seen[name][0]) for name in seen] == [125.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_codes_are_rounded_to_the_nearest() -> None:
    spin = np.array([0.4, 0.6, -0.4, -0.6]) / 1024
    records = encode(motion(4, spin=spin), ids=np.arange(1, 5))
    assert records["spin"].tolist() == [0, 1, 0, -1]


@pytest.mark.parametrize("name", ["vx", "vy", "spin"])
def test_values_beyond_the_range_are_clamped(name: str) -> None:
    high = BASE_SCHEMA.fields[name].bounds[1]
    seen = there_and_back(motion(2, **{name: np.array([1e300, -1e300])}))
    assert seen[name].tolist() == [high, -high]


def test_headings_wrap() -> None:
    turns = np.array([math.pi, -math.pi, 3 * math.pi, math.tau, -math.pi / 65536 / 4])
    seen = there_and_back(motion(5, heading=turns))["heading"]
    assert seen.tolist() == [-math.pi, -math.pi, -math.pi, 0.0, 0.0]


def test_wire_velocity_beyond_the_range_is_refused() -> None:
    records = encode(motion())
    records["vx"] = 250 * 128
    decode_rows_untrusted(BASE_SCHEMA, MOVES, records, RULES)
    records["vx"] += 1
    with pytest.raises(WireError, match="motion out of range"):
        decode_rows_untrusted(BASE_SCHEMA, MOVES, records, RULES)


@PROPERTY
@given(st.binary(max_size=64), st.sampled_from(FULL_SCHEMA.shown))
def test_any_bytes_decode_to_valid_values_or_raise_wire_error(body: bytes, number: int) -> None:
    dtype = FULL_SCHEMA.rows[number]
    rows = np.frombuffer(body[: len(body) // dtype.itemsize * dtype.itemsize], dtype=dtype)
    try:
        values = decode_rows_untrusted(FULL_SCHEMA, number, rows, RULES)
    except WireError:
        return
    full = np.zeros(len(rows), dtype=FULL_SCHEMA.full_record)
    full["kind"] = full["radius"] = full["mass"] = 1
    full["phase"] = 10.0
    for name, column in values.items():
        assert column.dtype == FULL_SCHEMA.fields[name].memory_dtype
        full[name] = column
    assert FULL_SCHEMA.valid_rows(full).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_raw_floats_from_the_wire_must_be_finite(bad: float) -> None:
    records = np.zeros(1, dtype=FULL_SCHEMA.rows[PLUGIN])
    records["raw"] = bad
    with pytest.raises(WireError, match="plugin out of range"):
        decode_rows_untrusted(FULL_SCHEMA, PLUGIN, records, RULES)


def test_plugin_fields_travel_by_their_own_declaration() -> None:
    values: dict[str, np.ndarray] = {
        "hull": np.array([99.8, 0.2]),
        "heat": np.array([-40.0, 21.3], dtype=np.float32),
        "phase": np.array([19.97, 10.04]),
        "gear": np.array([-1, 5], dtype=np.int8),
        "raw": np.array([1.5, -2.25], dtype=np.float32),
        "tag": np.array([b"ab", b"wxyz"]),
    }
    records = encode_rows(FULL_SCHEMA, PLUGIN, values, [1, 2], RULES)
    assert records.dtype.itemsize == 4 + 1 + 2 + 1 + 1 + 4 + 4
    seen = decode_rows_untrusted(FULL_SCHEMA, PLUGIN, records, RULES)
    assert seen["hull"].tolist() == [100.0, 0.0]
    assert seen["heat"].tolist() == [-40.0, 21.25]
    assert seen["phase"] == pytest.approx([10.0, 10.0])
    assert seen["gear"].tolist() == [-1, 5]
    assert seen["raw"].tolist() == [1.5, -2.25]
    assert seen["tag"].tolist() == [b"ab", b"wxyz"]


def test_receivers_never_see_a_value_beyond_a_range_of_broken_steps() -> None:
    # Twice 0.7 is beyond 1.1, and three times 0.1 is a hair beyond 0.3.
    fields = (Field("a", "f8", "", 0.0, 1.1, 0.7), Field("b", "f8", "", 0.0, 0.3, 0.1))
    schema = Schema([Component("c", fields, Replication.STATE)])
    values = {"a": np.array([1.1]), "b": np.array([0.3])}
    records = encode_rows(schema, 1, values, [1], RULES)
    seen = decode_rows_untrusted(schema, 1, records, RULES)
    assert (seen["a"].tolist(), seen["b"].tolist()) == ([1.1], [0.3])
    assert quantised(schema, 1, values, RULES) == seen


def test_no_rows_are_no_trouble() -> None:
    records = encode(motion(0), ids=())
    values = decode_rows_untrusted(BASE_SCHEMA, MOVES, records, RULES)
    assert len(records) == len(values["x"]) == 0


@PROPERTY
@given(st.integers(0, 2**40), st.integers(-32768, 32767))
def test_ticks_come_back_whole_across_the_turn_of_16_bits(near: int, age: int) -> None:
    tick = near + age
    assert restore_tick(np.array([tick % 65536], dtype=np.uint16), near).tolist() == [tick]
