"""Which values a field may have, and the nearest of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.space.geometry import wrap
from sidereal.protocol.state.arrays import bytes_of
from sidereal.protocol.state.component import Field


def valid_values(field: Field, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which values the declaration of a field allows.

    Args:
        field: the declaration.
        values: of the field's type in memory, [n].

    Returns:
        bool[n]
    """
    if not is_judged(field):
        return np.ones(len(values), dtype=np.bool_)
    if field.memory_dtype.kind == "S":
        return _valid_text(values)
    return valid_numbers(field, values)


def is_judged(field: Field) -> bool:
    """Tell whether a field may not hold every value of its type in memory."""
    return field.memory_dtype.kind == "S" or _has_range(field)


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


class _Group(NamedTuple):
    """Fields of one type: the places of their bytes in a row, and the ends of their ranges."""

    places: NDArray[np.int64]
    low: NDArray[Any]
    high: NDArray[Any]


class RowRanges:
    """Tells which rows of one type hold only values that the declarations of their fields allow.

    Numbers of one type are judged together: rows come by the hundred fields, and few at a time.
    """

    def __init__(self, row: np.dtype[Any], fields: Iterable[Field]) -> None:
        """Prepare to judge.

        Args:
            row: type of the rows.
            fields: that are looked at.
        """
        self._apart: list[Field] = []
        numbers: dict[np.dtype[Any], list[Field]] = {}
        places: Mapping[str, Any] = row.fields or {}
        for field in fields:
            if places[field.name][0] != field.memory_dtype or field.memory_dtype.kind == "S":
                self._apart.append(field)
            elif _has_range(field):
                numbers.setdefault(field.memory_dtype, []).append(field)
        self._groups = [
            _Group(
                np.concatenate([places[f.name][1] + np.arange(dtype.itemsize) for f in group]),
                np.array([f.bounds[0] for f in group], dtype),
                np.array([f.bounds[1] for f in group], dtype),
            )
            for dtype, group in numbers.items()
        ]

    def valid(self, rows: NDArray[np.void]) -> NDArray[np.bool_]:
        """Tell which rows are valid, bool[n]: of each field what `valid_values` says."""
        raw, valid = bytes_of(rows), np.ones(len(rows), np.bool_)
        for places, low, high in self._groups:
            # The bytes of these fields, side by side, are numbers again.
            values = raw.take(places, axis=1).view(low.dtype)
            valid &= ((values >= low) & (values <= high)).all(axis=1)
        for field in self._apart:
            valid &= valid_values(field, rows[field.name])
        return valid


def _has_range(field: Field) -> bool:
    """Tell whether numbers of the type of a field can be others than it may have."""
    if field.memory_dtype.kind == "S":
        return False
    return field.memory_dtype.kind == "f" or field.low is not None or field.high is not None


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
