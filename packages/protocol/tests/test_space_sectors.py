from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.cells import window_cells, window_offsets
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN, cell_in_sector, sector_of
from sidereal.protocol.space.sectors import SectorTable, pack_sector, unpack_sector

RULES = Rules()
PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
numbers = st.one_of(
    st.sampled_from([SECTOR_MIN, SECTOR_MIN + 1, -1, 0, 1, SECTOR_MAX - 1, SECTOR_MAX]),
    st.integers(SECTOR_MIN, SECTOR_MAX),
)
pairs = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=12)


@PROPERTY
@given(pairs)
def test_keys_name_sectors_and_sort_like_them(sectors: list[tuple[int, int]]) -> None:
    x, y = np.array(sectors, dtype=np.int32).T
    keys = pack_sector(x, y)
    back_x, back_y = unpack_sector(keys)
    assert [str(a.dtype) for a in (keys, back_x, back_y)] == ["int64", "int32", "int32"]
    assert list(zip(back_x.tolist(), back_y.tolist(), strict=True)) == sectors
    assert sorted(sectors) == [sectors[i] for i in np.argsort(keys, kind="stable")]


def test_window_is_row_major_from_the_lower_left() -> None:
    cells = window_cells(0, 0, 5, 1, RULES)
    assert cells.tolist() == [[x, y] for y in (0, 1, 2) for x in (0, 1, 2)]
    assert window_offsets(2)[12].tolist() == [0, 0]


def test_window_crosses_borders_of_sectors() -> None:
    cells = window_cells(-1, 7, 3, 2, RULES)
    assert cells[0].tolist() == [-1 - 2, 28 - 2]
    assert cells[-1].tolist() == [-1 + 2, 28 + 2]


def test_windows_of_many_centres_come_at_once() -> None:
    x, y, cell = np.array([0, -3]), np.array([5, SECTOR_MAX]), np.array([0, 15])
    many = window_cells(x, y, cell, 2, RULES)
    assert many.shape == (2, 25, 2)
    for row in range(2):
        assert (many[row] == window_cells(x[row], y[row], cell[row], 2, RULES)).all()


def test_sectors_become_active_only_when_told() -> None:
    table = SectorTable(RULES)
    keys = pack_sector([4, -4], [0, 9])
    assert table.rows_of(keys).tolist() == [-1, -1]
    assert table.rows_of(keys, create=True).tolist() == [1, 0]
    assert table.rows_of(keys).tolist() == [1, 0]
    assert table.rows_of(pack_sector(4, 9)).tolist() == -1
    assert (table.row_count, table.group_count) == (2, 32)


@PROPERTY
@given(st.lists(pairs, max_size=5))
def test_rows_are_dense_and_never_change(batches: list[list[tuple[int, int]]]) -> None:
    table = SectorTable(RULES)
    known: dict[tuple[int, int], int] = {}
    for batch in batches:
        rows = table.rows_of(pack_sector(*np.array(batch, dtype=np.int32).T), create=True)
        assert rows.dtype == np.int32
        for sector, row in zip(batch, rows.tolist(), strict=True):
            assert known.setdefault(sector, row) == row
    assert sorted(known.values()) == list(range(table.row_count))
    assert (table.keys[1:] > table.keys[:-1]).all()


def test_released_rows_are_given_to_others() -> None:
    table = SectorTable(RULES)
    keys = pack_sector([0, 1, 2], [0, 0, 0])
    table.rows_of(keys, create=True)
    table.release(keys[1])
    assert table.rows_of(keys).tolist() == [0, -1, 2]
    assert table.rows_of(pack_sector([8, 9], [8, 9]), create=True).tolist() == [1, 3]
    with pytest.raises(LocalProtocolError, match="only active"):
        table.release(keys)


@PROPERTY
@given(st.lists(st.tuples(*[st.floats(-5000, 5000)] * 2), min_size=1, max_size=10))
def test_groups_are_cells_of_rows(points: list[tuple[float, float]]) -> None:
    table = SectorTable(RULES)
    x, y = np.array(points).T
    assert (table.group_of(x, y, create=False) == -1).all()
    groups = table.group_of(x, y)
    assert groups.dtype == np.int32
    rows = table.rows_of(pack_sector(*sector_of(x, y, RULES)))
    assert (groups == rows * 16 + cell_in_sector(x, y, RULES)).all()
    assert (table.group_of(x, y, create=False) == groups).all()


def test_window_groups_are_the_groups_of_the_windows_cells() -> None:
    table = SectorTable(RULES)
    everywhere = np.mgrid[-2000:2000:250, -2000:2000:250].reshape(2, -1) + 125.0
    table.group_of(*everywhere)
    windows = table.window_groups([0, -1], [0, 1], [0, 6], 2)
    assert windows.shape == (2, 25)
    cells = window_cells([0, -1], [0, 1], [0, 6], 2, RULES)
    centres = cells * 250.0 + 125.0
    assert (windows == table.group_of(centres[..., 0], centres[..., 1], create=False)).all()
    assert (table.window_groups(0, 0, 0, 2) == windows[0]).all()


def test_inactive_sectors_have_no_groups() -> None:
    table = SectorTable(RULES)
    table.rows_of(pack_sector(0, 0), create=True)
    assert table.window_groups(0, 0, 0, 1).tolist() == [-1, -1, -1, -1, 0, 1, -1, 4, 5]


@pytest.mark.parametrize("edge", [SECTOR_MIN, SECTOR_MAX])
def test_windows_do_not_reach_around_the_world(edge: int) -> None:
    table = SectorTable(RULES)
    corners = [SECTOR_MIN, 0, SECTOR_MAX]
    x, y = (axis.ravel() for axis in np.meshgrid(corners, corners))
    table.rows_of(pack_sector(x, y), create=True)
    corner = 0 if edge == SECTOR_MIN else 15
    row = int(table.rows_of(pack_sector(edge, edge)))
    groups = table.window_groups(edge, edge, corner, 1)
    assert sorted(set(groups.tolist())) == sorted(
        {-1, *(row * 16 + cell for cell in ((0, 1, 4, 5) if corner == 0 else (10, 11, 14, 15)))}
    )
    assert (groups == -1).sum() == 5
