"""Which values a field may have, and the nearest of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.space.geometry import wrap
from sidereal.protocol.state.component import Field


def valid_values(field: Field, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which values the declaration of a field allows.

    Args:
        field: the declaration.
        values: of the field's type in memory, [n].

    Returns:
        bool[n]
    """
    if field.memory_dtype.kind == "S":
        return _valid_text(values)
    if field.low is None and field.high is None and field.memory_dtype.kind != "f":
        return np.ones(len(values), dtype=np.bool_)
    return valid_numbers(field, values)


def valid_numbers(field: Field, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which numbers the declaration of a field allows, of whatever type they are given.

    Each is judged as the field keeps it: a value at a bound is inside, also where the type of the
    field has no number that is exactly the bound.

    Returns:
        bool, in the shape of `values`; NaN and infinity are outside.
    """
    low, high = field.bounds
    if field.memory_dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            values = values.astype(field.memory_dtype, copy=False)
    elif values.dtype.kind == "f":
        low, high = _nearest_floats(low, high)
    # Comparisons with NaN are false, and bounds are finite.
    return np.asarray((values >= low) & (values <= high), np.bool_)


def in_range(field: Field, values: NDArray[Any]) -> NDArray[Any]:
    """Give the nearest values that the declaration of a field allows; text is left as it is."""
    if field.memory_dtype.kind == "S":
        return values
    low, high = field.bounds
    if field.wrap:
        return np.asarray(wrap(values, low, high))
    if field.memory_dtype.kind == "f" or values.dtype == field.memory_dtype:
        return np.asarray(np.clip(values, low, high))
    if values.dtype.kind == "f":
        return np.asarray(np.clip(values, *_nearest_floats(low, high)))
    if values.dtype.kind == "u":
        values = np.minimum(values.astype(np.uint64), np.uint64(max(high, 0)))
    return np.asarray(np.clip(values.astype(np.int64), low, high))


def _nearest_floats(low: float, high: float) -> tuple[float, float]:
    """Give the least and the greatest float between whole numbers, which may be none themselves."""
    least, greatest = float(low), float(high)
    if least < low:
        least = math.nextafter(least, math.inf)
    if greatest > high:
        greatest = math.nextafter(greatest, -math.inf)
    return least, greatest


def _valid_text(values: NDArray[Any]) -> NDArray[np.bool_]:
    text = np.ascontiguousarray(values)
    letters = text.view(np.uint8).reshape(len(text), text.dtype.itemsize)
    ended = np.logical_or.accumulate(letters == 0, axis=1)
    valid: NDArray[np.bool_] = ~((letters != 0) & ended).any(axis=1)
    # Only names with letters beyond ASCII are decoded one by one (0.2 µs each); names arrive when
    # an entity is adopted or loaded, never per tick.
    for row in np.flatnonzero((letters >= 0x80).any(axis=1)):
        try:
            bytes(text[row]).decode()
        except UnicodeDecodeError:
            valid[row] = False
    return valid
