"""Which values a field may have, and the nearest of them."""

from __future__ import annotations

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
    low, high = field.bounds
    # Comparisons with NaN are false, and bounds are finite: this refuses NaN and infinity too.
    inside = (values >= low) & (values <= high)
    return np.asarray(inside, dtype=np.bool_)


def in_range(field: Field, values: NDArray[Any]) -> NDArray[Any]:
    """Give the nearest values that the declaration of a field allows; text is left as it is."""
    if field.memory_dtype.kind == "S":
        return values
    low, high = field.bounds
    if field.wrap:
        return np.asarray(wrap(values, low, high))
    return np.asarray(np.clip(values, low, high))


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
