"""Rows as a whole: what is chosen, joined and looked for is what NumPy's own functions give."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.state.arrays import are_among, join_rows, take_rows

ROW = np.dtype([("id", "<u4"), ("x", "<f8"), ("name", "S3"), ("mass", "<f4")])


def some_rows(count: int) -> np.ndarray:
    rows = np.zeros(count, ROW)
    rows["id"], rows["x"] = np.arange(count), np.linspace(-1.0, 1.0, count)
    rows["name"], rows["mass"] = b"abc", 1.5
    return rows


@pytest.mark.parametrize(
    "which",
    [
        np.array([3, 0, 3]),
        np.zeros(0, np.int64),
        np.array([True, False, True, False, True]),
    ],
)
def test_rows_that_are_taken_are_those_that_were_named(which: np.ndarray) -> None:
    rows = some_rows(5)
    taken = take_rows(rows, which)
    assert taken.dtype == ROW
    assert taken.tolist() == rows[which].tolist()
    taken["x"] = 7.0
    assert (rows["x"] < 7.0).all()


def test_rows_are_joined_in_order() -> None:
    rows = some_rows(6)
    joined = join_rows([rows[:2], rows[:0], rows[5:1:-2]])
    assert joined.dtype == ROW
    assert joined.tolist() == np.concatenate([rows[:2], rows[5:1:-2]]).tolist()
    joined["x"] = 7.0
    assert (rows["x"] < 7.0).all()


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_numbers_among_others_are_found(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(0, 50, 60).astype(np.uint32)
    chosen = rng.integers(0, 50, count)
    assert are_among(values, chosen).tolist() == np.isin(values, chosen).tolist()
    assert are_among(values[:0], chosen).tolist() == []
