"""Names for the arrays of this package, and the range of ticks in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
"""Structured: one packed row each."""
Ints = NDArray[np.int64]
Numbers = NDArray[np.integer[Any]]

TICK_MAX: Final = 0xFFFF_FFFF


def are_among(values: Numbers, chosen: Numbers) -> NDArray[np.bool_]:
    """Tell which numbers are among some: bool[n], as `isin` does, of few in a tenth of the time.

    Args:
        values: integers, [n].
        chosen: integers, in any order.
    """
    if not len(values) or not len(chosen):
        return np.zeros(len(values), np.bool_)
    in_order = np.sort(chosen)
    at = np.minimum(in_order.searchsorted(values), len(in_order) - 1)
    return np.asarray(in_order[at] == values)


def opaque(rows: Rows) -> Rows:
    """Look at rows as bytes, so that NumPy moves each as a whole, and not field by field.

    Choosing some of few rows of 80 fields takes a tenth of the time.
    """
    return rows.view(f"V{rows.itemsize}")


def bytes_of(rows: Rows) -> NDArray[np.uint8]:
    """Give the bytes of rows, uint8[n, size of a row]."""
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.itemsize)


def take_rows(rows: Rows, which: Ints | NDArray[np.bool_]) -> Rows:
    """Give some rows, as `rows[which]` does."""
    taken: Rows = opaque(rows)[which].view(rows.dtype)
    return taken


def join_rows(parts: Sequence[Rows]) -> Rows:
    """Put rows of one type one after the other, as `concatenate` does; at least one part."""
    joined: Rows = np.concatenate([opaque(part) for part in parts]).view(parts[0].dtype)
    return joined
