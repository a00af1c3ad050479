"""State on the wire's grid: what a receiver sees, the sender can compute.

A quantised field travels as `rint(value / quantum)`; zero is always on the grid. A wrapping one
counts steps modulo the whole turn. A position is counted from the lower left corner of the
entity's cell in 65,536ths of it: on the upper edge it stays at the last step, it never wraps to the
first. Encoding clamps to the declared range; decoding refuses what lies outside of it. A field
without a quantum travels as it is in memory.

`quantised` and `decode_rows_untrusted` end in the same float64 operations on the same codes, so
they agree bit for bit, and the server can compare the truth with what its receivers have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import wrap
from sidereal.protocol.state.component import Field
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.values import is_judged, valid_values

Values = Mapping[str, NDArray[Any]]
"""Arrays of equal length by field name, in the types of memory."""

_TICK_SPAN: Final = 1 << 16


def encode_rows(
    schema: Schema,
    number: int,
    values: Values,
    net_id: ArrayLike,
    rules: Rules,
    *,
    origin_x: ArrayLike = 0.0,
    origin_y: ArrayLike = 0.0,
    tick: ArrayLike = 0,
) -> NDArray[np.void]:
    """Pack rows of a component, or of an event, for everyone in interest.

    Args:
        schema: declares the component.
        number: of the component or the event.
        values: at least its fields, [n], finite; beyond their range they are clamped.
        net_id: uint32[n]
        rules: for the size of cells.
        origin_x: of a place: float64[n] or one number, lower left corner of each entity's cell.
        origin_y: likewise.
        tick: of a place: int64[n], of the reference; 16 bits of it travel.

    Returns:
        `Component.row`[n] of it; of events without when each was.
    """
    ids = np.asarray(net_id)
    grid = _grid(schema, number, rules)
    rows = np.zeros(len(ids), dtype=schema.component(number).row)
    rows["id"] = ids
    if schema.component(number).is_reckoned:
        rows["tick"] = np.asarray(tick, dtype=np.int64) % _TICK_SPAN
    for field in grid.plain:
        rows[field.name] = values[field.name]
    codes = _codes(grid, values, origin_x, origin_y)
    for at, name in enumerate(grid.names):
        rows[name] = codes[at]
    return rows


def decode_rows_untrusted(
    schema: Schema,
    number: int,
    rows: NDArray[np.void],
    rules: Rules,
    *,
    origin_x: ArrayLike = 0.0,
    origin_y: ArrayLike = 0.0,
) -> dict[str, NDArray[Any]]:
    """Unpack a component's rows that a peer sent.

    Args:
        schema: declares the component.
        number: of the component.
        rows: `schema.rows[number]`[n]
        rules: for the size of cells.
        origin_x: of a place: float64[n] or one number, lower left corner of each row's cell.
        origin_y: likewise.

    Returns:
        The component's fields by name, [n] in the types of memory.

    Raises:
        WireError: a value outside its declared range.
    """
    outside = outside_rows(schema, number, rows, rules)
    if outside.any():
        name = schema.component(number).name
        raise WireError(f"{name} out of range, {int(outside.sum())} rows")
    return decode_rows(schema, number, rows, rules, origin_x=origin_x, origin_y=origin_y)


def decode_rows(
    schema: Schema,
    number: int,
    rows: NDArray[np.void],
    rules: Rules,
    *,
    origin_x: ArrayLike = 0.0,
    origin_y: ArrayLike = 0.0,
) -> dict[str, NDArray[Any]]:
    """Unpack rows of which `outside_rows` has said that none is outside.

    Args:
        schema: as for `decode_rows_untrusted`; likewise all else.
        number: likewise.
        rows: likewise.
        rules: likewise.
        origin_x: likewise.
        origin_y: likewise.

    Returns:
        The component's fields by name, [n] in the types of memory.
    """
    grid = _grid(schema, number, rules)
    codes = np.empty((len(grid.names), len(rows)), dtype=np.int64)
    for at, name in enumerate(grid.names):
        codes[at] = rows[name]
    values = _values(grid, codes, origin_x, origin_y)
    for field in grid.plain:
        values[field.name] = rows[field.name].copy()
    return values


def outside_rows(
    schema: Schema, number: int, rows: NDArray[np.void], rules: Rules
) -> NDArray[np.bool_]:
    """Tell which rows hold a value outside its declared range, bool[n]."""
    grid = _grid(schema, number, rules)
    outside = np.zeros(len(rows), np.bool_)
    for name, first, last in grid.narrower:
        codes = rows[name]
        outside |= (codes < first) | (codes > last)
    for field in grid.judged:
        outside |= ~valid_values(field, rows[field.name])
    return outside


def quantised(
    schema: Schema,
    number: int,
    values: Values,
    rules: Rules,
    *,
    origin_x: ArrayLike = 0.0,
    origin_y: ArrayLike = 0.0,
) -> dict[str, NDArray[Any]]:
    """Give what receivers of `encode_rows` will have after `decode_rows_untrusted`, exactly.

    Args:
        schema: declares the component.
        number: of the component.
        values: as for `encode_rows`; likewise the origins.
        rules: for the size of cells.
        origin_x: as above.
        origin_y: likewise.

    Returns:
        The component's fields by name, [n] in the types of memory.
    """
    grid = _grid(schema, number, rules)
    seen = _values(grid, _codes(grid, values, origin_x, origin_y), origin_x, origin_y)
    for field in grid.plain:
        seen[field.name] = values[field.name].astype(field.memory_dtype)
    return seen


def codes_of(field: Field, values: NDArray[Any]) -> NDArray[Any]:
    """Give the codes of values; values of a field without a quantum are their own.

    Args:
        field: the declaration; no position along a cell's axis.
        values: of the field's type in memory, [n].

    Returns:
        float64[n], whole numbers, or `values`.
    """
    if field.quantum is None:
        return values
    nearest = np.rint(values.astype(np.float64) / field.quantum)
    return np.mod(nearest, field.codes[1] + 1) if field.wrap else nearest


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


class _Grid(NamedTuple):
    """The quantised fields of a component as columns[k, 1], so that all are computed at once.

    Attributes:
        names: of the quantised fields, in order.
        plain: the others.
        judged: of these, those that may not hold every value of their type.
        low: least value; -inf along cell axes, whose origin shifts them; likewise `high`.
        clips: whether a code in range may stand for a value beyond its bounds.
        narrower: fields whose type on the wire holds codes that are out of range, with their
            least and greatest code.
        on_x: rows that count from the cell's left edge; likewise `on_y` from its lower one.
        wraps: row, low, high and number of codes of fields that wrap.
        narrow: rows whose type in memory is not float64, and that type.
    """

    names: tuple[str, ...]
    plain: tuple[Field, ...]
    judged: tuple[Field, ...]
    step: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    clips: bool
    narrower: tuple[tuple[str, int, int], ...]
    on_x: tuple[int, ...]
    on_y: tuple[int, ...]
    wraps: tuple[tuple[int, float, float, int], ...]
    narrow: tuple[tuple[int, np.dtype], ...]


@lru_cache(maxsize=256)
def _grid(schema: Schema, number: int, rules: Rules) -> _Grid:
    component = schema.component(number)
    fields = [field for field in component.fields if field.quantum is not None]
    bounds = [
        (-math.inf, math.inf) if field.cell_axis or field.wrap else field.bounds for field in fields
    ]

    def column(values: Iterable[float], dtype: type) -> NDArray[Any]:
        return np.array(list(values), dtype=dtype).reshape(-1, 1)

    ends = [
        (code * _step(field, rules), *bound)
        for field, bound in zip(fields, bounds, strict=True)
        for code in field.codes
    ]
    return _Grid(
        names=tuple(field.name for field in fields),
        plain=tuple(f for f in component.fields if f.quantum is None),
        judged=tuple(f for f in component.fields if f.quantum is None and is_judged(f)),
        step=column((_step(field, rules) for field in fields), np.float64),
        first=column((field.codes[0] for field in fields), np.int64),
        last=column((field.codes[1] for field in fields), np.int64),
        low=column((low for low, _ in bounds), np.float64),
        high=column((high for _, high in bounds), np.float64),
        clips=any(not low <= end <= high for end, low, high in ends),
        narrower=tuple((field.name, *field.codes) for field in fields if not _is_full(field)),
        on_x=tuple(row for row, field in enumerate(fields) if field.cell_axis == "x"),
        on_y=tuple(row for row, field in enumerate(fields) if field.cell_axis == "y"),
        wraps=tuple(
            (row, *field.bounds, field.codes[1] + 1)
            for row, field in enumerate(fields)
            if field.wrap
        ),
        narrow=tuple(
            (row, field.memory_dtype)
            for row, field in enumerate(fields)
            if field.memory_dtype != np.float64
        ),
    )


def _is_full(field: Field) -> bool:
    """Tell whether every number of the type on the wire is a code."""
    limits = np.iinfo(field.wire_dtype)
    return field.codes == (limits.min, limits.max)


def _step(field: Field, rules: Rules) -> float:
    assert field.quantum is not None, field.name
    return field.quantum * rules.cell_size if field.cell_axis else field.quantum


def _codes(
    grid: _Grid, values: Values, origin_x: ArrayLike, origin_y: ArrayLike
) -> NDArray[np.int64]:
    """Quantise: int64[k, n]."""
    count = len(values[grid.names[0]]) if grid.names else 0
    exact = np.empty((len(grid.names), count), dtype=np.float64)
    for row, name in enumerate(grid.names):
        exact[row] = values[name]
    for row in grid.on_x:
        exact[row] -= origin_x
    for row in grid.on_y:
        exact[row] -= origin_y
    nearest = np.rint(exact / grid.step)
    # Wrapped or clamped as floats: a cast of a number beyond int64 would be undefined.
    for row, _, _, count in grid.wraps:
        nearest[row] = np.mod(nearest[row], count)
    return np.clip(nearest, grid.first, grid.last).astype(np.int64)


def _values(
    grid: _Grid, codes: NDArray[np.int64], origin_x: ArrayLike, origin_y: ArrayLike
) -> dict[str, NDArray[Any]]:
    """Give the values of codes, the same for both ends."""
    exact = codes * grid.step
    if grid.clips:
        np.minimum(np.maximum(exact, grid.low, out=exact), grid.high, out=exact)
    for row in grid.on_x:
        exact[row] += origin_x
    for row in grid.on_y:
        exact[row] += origin_y
    for row, low, high, _ in grid.wraps:
        exact[row] = wrap(exact[row], low, high)
    values: dict[str, NDArray[Any]] = dict(zip(grid.names, exact, strict=True))
    for row, dtype in grid.narrow:
        values[grid.names[row]] = exact[row].astype(dtype)
    return values
