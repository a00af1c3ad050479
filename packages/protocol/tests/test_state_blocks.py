"""Columns in blocks: together they are what each is alone."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.state.blocks import Blocks
from sidereal.protocol.state.component import Field

FIELDS = (
    *(Field(name, "f8") for name in ("x", "y", "vx", "vy", "spin")),
    *(Field(name, "u1") for name in ("kind", "left")),
    Field("name", "S3"),
)
NAMES = [field.name for field in FIELDS]


def some_records(count: int, names: list[str], other: str = "") -> np.ndarray:
    """Rows with these fields, one of them of another type than in memory, and with one more."""
    types = {field.name: "f4" if field.name == other else field.dtype for field in FIELDS}
    records = np.zeros(count, [("id", "<u4"), *((name, types[name]) for name in names)])
    for nth, name in enumerate(names):
        records[name] = np.arange(count) + 10 * nth
    return records


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], ["vx", "name"], NAMES[1:6]])
@pytest.mark.parametrize("other", ["", "y"])
def test_records_are_put_into_the_columns_of_their_fields(names: list[str], other: str) -> None:
    blocks, rows = Blocks(FIELDS, 8), np.array([6, 1, 3])
    records = some_records(6, names, other)[::2]
    blocks.put(rows, records)
    assert list(blocks.arrays) == NAMES
    for name, column in blocks.arrays.items():
        expected = np.zeros(8, column.dtype)
        if name in names:
            expected[rows] = records[name]
        assert column.tolist() == expected.tolist()


def test_rows_are_taken_over_and_cleared_alone() -> None:
    blocks, others = Blocks(FIELDS, 4), Blocks(FIELDS, 4)
    others.put(np.arange(4), some_records(4, NAMES))
    blocks.copy(others, np.array([0, 2]))
    others.clear(np.array([2]))
    assert blocks.arrays["vy"].tolist() == [30.0, 0.0, 32.0, 0.0]
    assert others.arrays["vy"].tolist() == [30.0, 31.0, 0.0, 33.0]
    assert others.arrays["name"].tolist() == [b"70", b"71", b"", b"73"]


def test_columns_keep_what_they_have_when_they_grow() -> None:
    blocks = Blocks(FIELDS, 2)
    blocks.put(np.arange(2), some_records(2, NAMES))
    blocks.grow(4)
    assert blocks.arrays["spin"].tolist() == [40.0, 41.0, 0.0, 0.0]
    blocks.put(np.array([3]), some_records(1, NAMES))
    assert blocks.arrays["spin"].tolist() == [40.0, 41.0, 0.0, 40.0]
