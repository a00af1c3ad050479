"""Controls as records: what an input carries, as one number for each tick.

A column takes the bits that its values need, in the order of the declaration (`ControlsLayout`). Of
an axis the upper steps come first, then the lower ones; a press counts up to `PRESSES_MAX`; what
is held is 0 or 1; an angle counts the steps of a turn from 0. So 0 is always: nobody touches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from sidereal.game.column import Binding, Field
from sidereal.game.component import PRESSES_MAX, Controls
from sidereal.game.record import as_columns
from sidereal.protocol.space.geometry import wrap_angle
from sidereal.protocol.state.controls import (
    NO_CONTROLS,
    RECORD_BITS_MAX,
    ControlsField,
    ControlsLayout,
    Records,
)
from sidereal.protocol.state.quantize import codes_of

_CODES: Final = {"press": PRESSES_MAX + 1, "hold": 2}

C = TypeVar("C", bound=Controls)

_layouts: Final[dict[type[Controls], ControlsLayout]] = {}
"""Made once for each class: a declaration does not change."""


def layout_problems(controls: Sequence[type[Controls]]) -> Iterator[str]:
    """Say what does not fit into a record."""
    if len(controls) > 1:
        names = ", ".join(each.record_name for each in controls)
        yield f"a game has one class of controls, not {names}"
    for each in controls:
        bits = 0 if each.problems else layout_of(each).bits
        if bits > RECORD_BITS_MAX:
            yield f"{each.record_name}: {bits} bits; a record of controls has {RECORD_BITS_MAX}"


def layout_of_all(controls: Sequence[type[Controls]]) -> ControlsLayout:
    """Lay out a record of a game's controls, of which there is one class at most."""
    return layout_of(controls[0]) if controls else NO_CONTROLS


def layout_of(controls: type[Controls]) -> ControlsLayout:
    """Lay out a record of controls that have no problems."""
    made = _layouts.get(controls)
    if made is None:
        fields = [_described(field) for field in controls.fields.values()]
        made = _layouts[controls] = ControlsLayout(fields)
    return made


def pack(values: Controls) -> int:
    """Write what is held and pressed, one value a column, as a record."""
    return int(pack_rows(values))


def pack_rows(values: Controls) -> Records:
    """Write columns as records, uint64[n]; what is out of range becomes the nearest in it."""
    controls = type(values)
    codes = {f.name: _codes(f, getattr(values, f.name)) for f in controls.fields.values()}
    return layout_of(controls).join(codes)


def unpack(controls: type[C], records: Records) -> C:
    """Read records as columns.

    Args:
        controls: the declaration.
        records: uint64[n], with codes that there are.
    """
    codes = layout_of(controls).split(records)
    arrays = {f.name: _values(f, codes[f.name]).astype(f.dtype) for f in controls.fields.values()}
    return as_columns(controls, arrays)


def _described(field: Field) -> ControlsField:
    binding = _binding_of(field)
    if binding.input == "axis":
        codes = 2 * _steps(field) + 1
    elif binding.input == "angle":
        codes = field.schema_field().codes[1] + 1
    else:
        codes = _CODES[binding.input]
    return ControlsField(field.name, codes, binding.input)


def _codes(field: Field, values: NDArray[Any]) -> NDArray[Any]:
    sort, values = _binding_of(field).input, np.asarray(values)
    if sort == "angle":
        return codes_of(field.schema_field(), values)
    if sort == "axis":
        steps = _steps(field)
        whole = np.clip(np.rint(values), -steps, steps).astype(np.int64)
        return np.asarray(np.where(whole >= 0, whole, steps - whole))
    return np.asarray(np.clip(np.ceil(values), 0, _CODES[sort] - 1))


def _values(field: Field, codes: NDArray[np.int64]) -> NDArray[Any]:
    sort = _binding_of(field).input
    if sort == "angle":
        quantum = field.options.quantum
        assert quantum is not None
        return wrap_angle(codes * quantum)
    if sort == "axis":
        steps = _steps(field)
        return np.asarray(np.where(codes <= steps, codes, steps - codes))
    return codes


def _binding_of(field: Field) -> Binding:
    binding = field.options.binding
    assert binding is not None, field
    return binding


def _steps(field: Field) -> int:
    assert field.options.high is not None
    return round(field.options.high)
