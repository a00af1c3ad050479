"""State on the wire's grid: what a receiver sees, the sender can compute.

A quantised field travels as `rint(value / quantum)`; zero is always on the grid. A wrapping one
counts steps modulo the whole turn. A position is counted from the lower left corner of the
entity's cell in 65,536ths of it: on the upper edge it stays at the last step, it never wraps to the
first. Encoding clamps to the declared range; decoding refuses what lies outside of it.

`quantised` and `decode_wire_untrusted` end in the same float64 operations on the same codes, so
they agree bit for bit, and the server can compare the truth with what its receivers have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import wrap
from sidereal.protocol.state.component import Field
from sidereal.protocol.state.schema import Schema, valid_values

Values = Mapping[str, NDArray[Any]]
"""Arrays of equal length by field name, in the types of memory."""

_TICK_SPAN: Final = 1 << 16


def encode_wire(
    schema: Schema,
    values: Values,
    origin_x: ArrayLike,
    origin_y: ArrayLike,
    net_id: ArrayLike,
    tick: ArrayLike,
    rules: Rules,
) -> NDArray[np.void]:
    """Pack references for everyone in interest.

    Args:
        schema: declares the STATE fields.
        values: at least the STATE fields, [n], finite; beyond their range they are clamped.
        origin_x: float64[n] or one number, lower left corner of each entity's cell.
        origin_y: likewise.
        net_id: uint32[n]
        tick: int64[n], of the reference; 16 bits of it travel.
        rules: for the size of cells.

    Returns:
        `schema.wire_record`[n]
    """
    ids = np.asarray(net_id)
    records = np.empty(len(ids), dtype=schema.wire_record)
    records["id"] = ids
    records["tick"] = np.asarray(tick, dtype=np.int64) % _TICK_SPAN
    for field in schema.state_fields:
        origin = _origin(field, origin_x, origin_y)
        if field.quantum is None:
            records[field.name] = values[field.name]
        else:
            records[field.name] = _codes(field, values[field.name], origin, rules)
    return records


def decode_wire_untrusted(
    schema: Schema,
    records: NDArray[np.void],
    origin_x: ArrayLike,
    origin_y: ArrayLike,
    newest_tick: ArrayLike,
    rules: Rules,
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Unpack references that a peer sent.

    Args:
        schema: declares the STATE fields.
        records: `schema.wire_record`[n]
        origin_x: float64[n] or one number, lower left corner of the cell each belongs to.
        origin_y: likewise.
        newest_tick: int64, one number or [n]: a whole tick less than 32,768 away from theirs.
        rules: for the size of cells.

    Returns:
        The STATE fields by name, [n] in the types of memory, and the whole ticks, int64[n].

    Raises:
        WireError: a value outside its declared range.
    """
    values: dict[str, NDArray[Any]] = {}
    for field in schema.state_fields:
        received = records[field.name]
        if field.quantum is None:
            if not valid_values(field, received).all():
                raise WireError(f"{field.name} out of range")
            values[field.name] = received.copy()
            continue
        codes = received.astype(np.int64)
        first, last = field.codes
        if ((codes < first) | (codes > last)).any():
            raise WireError(f"{field.name} out of range")
        origin = _origin(field, origin_x, origin_y)
        values[field.name] = _dequantised(field, codes, origin, rules)
    return values, restore_tick(records["tick"], newest_tick)


def quantised(
    schema: Schema, values: Values, origin_x: ArrayLike, origin_y: ArrayLike, rules: Rules
) -> dict[str, NDArray[Any]]:
    """Give what receivers of `encode_wire` will have after `decode_wire_untrusted`, exactly.

    Args:
        schema: declares the STATE fields.
        values: as for `encode_wire`.
        origin_x: likewise.
        origin_y: likewise.
        rules: for the size of cells.

    Returns:
        The STATE fields by name, [n] in the types of memory.
    """
    seen: dict[str, NDArray[Any]] = {}
    for field in schema.state_fields:
        if field.quantum is None:
            seen[field.name] = values[field.name].astype(field.memory_dtype)
        else:
            origin = _origin(field, origin_x, origin_y)
            codes = _codes(field, values[field.name], origin, rules)
            seen[field.name] = _dequantised(field, codes, origin, rules)
    return seen


def restore_tick(low_bits: ArrayLike, near_tick: ArrayLike) -> NDArray[np.int64]:
    """Give the ticks with these 16 low bits that lie nearest to a known one.

    Args:
        low_bits: uint16[n]
        near_tick: int64, one number or [n].

    Returns:
        int64[n], from `near_tick` - 32,768 to `near_tick` + 32,767.
    """
    near = np.asarray(near_tick, dtype=np.int64)
    ahead = (np.asarray(low_bits, dtype=np.int64) - near) % _TICK_SPAN
    return near + np.where(ahead < _TICK_SPAN // 2, ahead, ahead - _TICK_SPAN)


def _origin(field: Field, origin_x: ArrayLike, origin_y: ArrayLike) -> NDArray[np.float64]:
    chosen = {"x": origin_x, "y": origin_y, "": 0.0}[field.cell_axis]
    return np.asarray(chosen, dtype=np.float64)


def _step(field: Field, rules: Rules) -> float:
    assert field.quantum is not None, field.name
    return field.quantum * rules.cell_size if field.cell_axis else field.quantum


def _codes(
    field: Field, values: NDArray[Any], origin: NDArray[np.float64], rules: Rules
) -> NDArray[np.int64]:
    first, last = field.codes
    nearest = np.rint((values.astype(np.float64) - origin) / _step(field, rules))
    # Wrapped or clamped as floats: a cast of a number beyond int64 would be undefined.
    if field.wrap:
        nearest = np.mod(nearest, last + 1)
    return np.clip(nearest, first, last).astype(np.int64)


def _dequantised(
    field: Field, codes: NDArray[np.int64], origin: NDArray[np.float64], rules: Rules
) -> NDArray[Any]:
    values = origin + codes * _step(field, rules)
    if field.wrap:
        values = wrap(values, *field.bounds)
    elif not field.cell_axis:
        values = np.clip(values, *field.bounds)
    return values.astype(field.memory_dtype, copy=False)
