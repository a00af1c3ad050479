"""Controls as the bits of one number: what an input carries.

A column takes bits in the order of its declaration: an axis two, one for each direction; whatever
is held or pressed takes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.game.column import Field
from sidereal.game.component import Controls
from sidereal.game.record import as_columns

BITS_MAX: Final = 16

Buttons = NDArray[np.uint16]


class _Place(NamedTuple):
    """Where a column's bits are.

    Attributes:
        name: of the column.
        up: the bit of its upper direction, or of itself.
        down: the bit of its lower direction; 0 for what has none.
    """

    name: str
    up: int
    down: int


def layout_problems(controls: Sequence[type[Controls]]) -> Iterator[str]:
    """Say what does not fit into the bits of an input."""
    if len(controls) > 1:
        names = ", ".join(each.record_name for each in controls)
        yield f"a game has one class of controls, not {names}"
    for each in controls:
        for field in each.fields.values():
            if _count_of(field) == 0:
                yield f"{field}: an input has bits for axes, presses and what is held, no numbers"
        bits = sum(_count_of(field) for field in each.fields.values())
        if bits > BITS_MAX:
            yield f"{each.record_name}: {bits} bits; an input has {BITS_MAX}"


def pack(values: Controls) -> int:
    """Write what is held, one value a column, as a number."""
    return int(pack_rows(values))


def pack_rows(values: Controls) -> Buttons:
    """Write columns as numbers: uint16[n]."""
    packed = np.zeros((), np.uint16)
    for place in _places(type(values)):
        held = getattr(values, place.name)
        packed = packed | (held > 0) * np.uint16(place.up) | (held < 0) * np.uint16(place.down)
    return packed


def unpack(controls: type[Controls], buttons: Buttons) -> Controls:
    """Read numbers as columns.

    Args:
        controls: the declaration.
        buttons: uint16[n]
    """
    arrays: dict[str, NDArray[Any]] = {}
    for place in _places(controls):
        value = ((buttons & place.up) != 0).astype(np.int8)
        value -= (buttons & place.down) != 0
        arrays[place.name] = value.astype(controls.fields[place.name].dtype)
    return as_columns(controls, arrays)


def bits_of(controls: type[Controls]) -> dict[str, tuple[int, int]]:
    """Tell the bit of each column's upper direction, and of its lower one, 0 where it has none."""
    return {place.name: (place.up, place.down) for place in _places(controls)}


def _places(controls: type[Controls]) -> Iterator[_Place]:
    at = 0
    for name, field in controls.fields.items():
        up, down = 1 << at, 1 << (at + 1)
        yield _Place(name, up, down if _count_of(field) == 2 else 0)
        at += _count_of(field)


def _count_of(field: Field) -> int:
    binding = field.options.binding
    sort = binding.input if binding is not None else ""
    if sort == "axis" and field.options.high == 1:
        return 2
    return 1 if sort in ("press", "hold") else 0
