from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import (
    SECTOR_MAX,
    SECTOR_MIN,
    absolute_cell,
    absolute_cell_of,
    cell_in_sector,
    cell_origin,
    sector_of,
    wrap,
    wrap_angle,
)

RULES = Rules()
PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)
WORLD = float(2**31 * 1000)

rules = st.sampled_from(
    [RULES, Rules(sector_size=900.0, cell_size=60.0), Rules(sector_size=96.3, cell_size=96.3)]
)
# Edges of sectors and cells and their neighbours, in all sizes, and anything between.
positions = st.one_of(
    st.builds(
        lambda edge, size, towards: float(np.nextafter(edge * size, towards)),
        st.one_of(st.integers(-9, 9), st.integers(SECTOR_MIN, SECTOR_MAX)),
        st.sampled_from([1000.0, 250.0, 60.0, 96.3]),
        st.sampled_from([-np.inf, np.inf]),
    ),
    st.integers(-8_000_000, 8_000_000).map(lambda cell: cell * 250.0),
    st.floats(-WORLD, WORLD),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, -1e-300]),
)


@PROPERTY
@given(st.lists(positions, min_size=1, max_size=8), rules)
def test_cells_are_the_exact_floor_of_the_quotient(xs: list[float], rules: Rules) -> None:
    side = rules.cells_per_side
    cell_x, cell_y = absolute_cell_of(xs, xs[::-1], rules)
    low, high = SECTOR_MIN * side, (SECTOR_MAX + 1) * side - 1
    expected = [
        min(max(math.floor(Fraction(x) / Fraction(rules.cell_size)), low), high) for x in xs
    ]
    assert cell_x.tolist() == expected
    assert cell_y.tolist() == expected[::-1]


@PROPERTY
@given(positions, positions, rules)
def test_sector_and_cell_name_the_absolute_cell(x: float, y: float, rules: Rules) -> None:
    sector_x, sector_y = sector_of([x], [y], rules)
    cell = cell_in_sector([x], [y], rules)
    assert [str(a.dtype) for a in (sector_x, sector_y, cell)] == ["int32", "int32", "uint8"]
    assert cell[0] < rules.cells_per_side**2
    assert absolute_cell(sector_x, sector_y, cell, rules) == absolute_cell_of([x], [y], rules)


@PROPERTY
@given(st.integers(SECTOR_MIN, SECTOR_MAX), st.integers(SECTOR_MIN, SECTOR_MAX), st.integers(0, 15))
def test_origin_of_a_cell_lies_in_that_cell(sector_x: int, sector_y: int, cell: int) -> None:
    origin_x, origin_y = cell_origin([sector_x], [sector_y], [cell], RULES)
    assert origin_x.tolist() == [sector_x * 1000.0 + cell % 4 * 250.0]
    assert origin_y.tolist() == [sector_y * 1000.0 + cell // 4 * 250.0]
    found_x, found_y = sector_of(origin_x, origin_y, RULES)
    assert (found_x.tolist(), found_y.tolist()) == ([sector_x], [sector_y])
    assert cell_in_sector(origin_x, origin_y, RULES).tolist() == [cell]


@pytest.mark.parametrize(
    ("x", "sector", "column"),
    [
        (0.0, 0, 0),
        (-5e-324, -1, 3),
        (249.99999999999997, 0, 0),
        (250.0, 0, 1),
        (999.9999999999999, 0, 3),
        (1000.0, 1, 0),
        (-1000.0, -1, 0),
        (-1000.0000000000001, -2, 3),
        (-WORLD, SECTOR_MIN, 0),
        (math.nextafter(WORLD, 0.0), SECTOR_MAX, 3),
        (WORLD - 1000.0, SECTOR_MAX, 0),
        (math.nextafter(WORLD - 1000.0, 0.0), SECTOR_MAX - 1, 3),
    ],
)
def test_edges_belong_to_the_upper_cell(x: float, sector: int, column: int) -> None:
    sector_x, sector_y = sector_of([x], [0.0], RULES)
    assert (sector_x.tolist(), sector_y.tolist()) == ([sector], [0])
    assert cell_in_sector([x], [0.0], RULES).tolist() == [column]
    assert cell_in_sector([0.0], [x], RULES).tolist() == [column * 4]


def test_beyond_the_worlds_edge_counts_as_the_last_cell() -> None:
    sector_x, sector_y = sector_of([WORLD, 1e300, np.inf], [-WORLD * 2, -1e300, -np.inf], RULES)
    assert sector_x.tolist() == [SECTOR_MAX] * 3
    assert sector_y.tolist() == [SECTOR_MIN] * 3


@PROPERTY
@given(st.floats(-1e6, 1e6))
def test_wrapped_angles_point_the_same_way(angle: float) -> None:
    wrapped = float(wrap_angle(angle))
    assert -math.pi <= wrapped < math.pi
    assert math.cos(wrapped - angle) == pytest.approx(1.0)


@PROPERTY
@given(st.floats(-math.pi, math.pi, exclude_max=True))
def test_angles_in_range_are_left_alone(angle: float) -> None:
    assert float(wrap_angle(angle)).hex() == angle.hex()


@pytest.mark.parametrize(
    "angle", [math.pi, -math.pi, math.nextafter(-math.pi, -4), math.nextafter(math.pi, 4)]
)
def test_the_seam_belongs_to_one_side(angle: float) -> None:
    assert -math.pi <= float(wrap_angle(angle)) < math.pi


def test_ranges_wrap_where_they_say() -> None:
    assert wrap([9.5, 10.0, 19.5, 20.0, 31.0], 10.0, 20.0).tolist() == [
        19.5,
        10.0,
        19.5,
        10.0,
        11.0,
    ]
