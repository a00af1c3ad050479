"""Columns: the types that a record's annotations name, and what `field` says about one."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.state.component import Field as SchemaField
from sidereal.protocol.state.values import valid_numbers

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.int64]
"""Rows: indices into columns."""


class Storage(NamedTuple):
    """How a column is kept.

    Attributes:
        dtype: NumPy's name of the type; `S` is text, whose length `field(size=…)` says.
        reference: whether the numbers are ids of entities.
    """

    dtype: str
    reference: bool = False


F4: TypeAlias = Annotated[NDArray[np.float32], Storage("f4")]
F8: TypeAlias = Annotated[NDArray[np.float64], Storage("f8")]
I1: TypeAlias = Annotated[NDArray[np.int8], Storage("i1")]
I2: TypeAlias = Annotated[NDArray[np.int16], Storage("i2")]
I4: TypeAlias = Annotated[NDArray[np.int32], Storage("i4")]
I8: TypeAlias = Annotated[NDArray[np.int64], Storage("i8")]
U1: TypeAlias = Annotated[NDArray[np.uint8], Storage("u1")]
U2: TypeAlias = Annotated[NDArray[np.uint16], Storage("u2")]
U4: TypeAlias = Annotated[NDArray[np.uint32], Storage("u4")]
Entity: TypeAlias = Annotated[NDArray[np.uint32], Storage("u4", reference=True)]
"""Ids of entities; 0 is none. The database keeps them as uuids."""
Text: TypeAlias = Annotated[NDArray[np.bytes_], Storage("S")]
"""UTF-8 of a fixed size in bytes, filled up with NUL."""

COLUMN_TYPES: Final = "F4 (or F8, I1, I2, I4, I8, U1, U2, U4, Entity, Text)"


class Curve(enum.Enum):
    """How a face draws a field between two snapshots."""

    STEP = "step"
    """It keeps the older value."""
    LINEAR = "linear"
    ANGLE = "angle"
    """Linear, the short way round; `high` is the same angle as `low`."""


STEP: Final = Curve.STEP
LINEAR: Final = Curve.LINEAR
ANGLE: Final = Curve.ANGLE


@dataclass(frozen=True, slots=True)
class Binding:
    """What in a player's hand moves a field of the controls.

    Attributes:
        input: `axis`, `press`, `hold` or `angle`.
        keys: names of keys; of an axis the one that counts up, then the one that counts down.
        pointer: whether the pointer says it.
        does: what each of the keys does, in words for players; without any it has the column's
            name.
    """

    input: str
    keys: tuple[str, ...] = ()
    pointer: bool = False
    does: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What `field` was told; a class makes a `Field` of it."""

    default: float | bytes = 0
    low: float | None = None
    high: float | None = None
    quantum: float | None = None
    unit: str = ""
    curve: Curve = STEP
    was: str = ""
    size: int = 0
    binding: Binding | None = None


@dataclass(frozen=True, eq=False)
class Field:
    """One column of a record, as it was declared.

    Attributes:
        record: name of the record that it belongs to, with its part.
        name: of the column.
        storage: how it is kept.
        options: all else that was said.
    """

    record: str
    name: str
    storage: Storage
    options: Options

    def __str__(self) -> str:
        return f"{self.record}.{self.name}"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Little-endian type in memory."""
        return self.schema_field().memory_dtype

    def schema_field(self) -> SchemaField:
        """Say the same in the words of the schema that both ends of a link compare."""
        return self._schema_field

    @cached_property
    def _schema_field(self) -> SchemaField:
        options, text = self.options, self.storage.dtype == "S"
        return SchemaField(
            self.name,
            f"S{options.size}" if text else self.storage.dtype,
            options.unit,
            options.low,
            options.high,
            None if options.quantum is None else float(options.quantum),
            wrap=options.curve is ANGLE,
            reference=self.storage.reference,
        )

    def outside(self, values: ArrayLike) -> Bools:
        """Tell which values the declaration does not allow.

        Args:
            values: numbers, or text in bytes.

        Returns:
            bool, in the shape of `values`; NaN is outside, and a number is judged as it is kept.
        """
        array = np.asarray(values)
        if self.storage.dtype == "S":
            return np.asarray(np.char.str_len(array.astype(np.bytes_)) > self.options.size)
        return ~valid_numbers(self.schema_field(), array)

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        declared = self.schema_field()
        found = [f"{self.record}.{problem}" for problem in declared.problems()]
        if found:
            return found
        options = self.options
        if options.curve is not STEP and declared.memory_dtype.kind != "f":
            found.append(f"{self}: only floats have a curve; the others step")
        if options.size and self.storage.dtype != "S":
            found.append(f"{self}: only Text has a size")
        if self.outside(options.default).any():
            found.append(f"{self}: the default {options.default!r} is outside {self.range_text()}")
        return found

    def range_text(self) -> str:
        """Say in words what is allowed."""
        if self.storage.dtype == "S":
            return f"{self.options.size} bytes"
        low, high = self.schema_field().bounds
        return f"{low:g} to {high:g}"


def field(
    default: float | bytes = 0,
    *,
    low: float | None = None,
    high: float | None = None,
    quantum: float | None = None,
    unit: str = "",
    curve: Curve = STEP,
    was: str = "",
    size: int = 0,
) -> Any:
    """Declare a column: `hp: F4 = field(100, low=0, high=100, quantum=0.5, unit="hp")`.

    A column without `field` is 0 at first and may hold whatever its type can.

    Args:
        default: what a new entity has.
        low: least valid value; None is the type's least.
        high: greatest valid value; None is the type's greatest.
        quantum: step on the wire, in the field's unit; it needs `low` and `high`. Without one the
            value travels as it is in memory.
        unit: for people.
        curve: how faces draw it between two snapshots.
        was: a former name; a saved world's column of that name is renamed.
        size: bytes of a `Text`.
    """
    return Options(default, low, high, quantum, unit, curve, was, size)


def bound(options: Options, binding: Binding) -> Options:
    """Bind a column to what moves it."""
    return replace(options, binding=binding)


def angle_options(bits: int) -> Options:
    """An angle from -π to π in a number of bits."""
    return Options(0, -math.pi, math.pi, math.tau / (1 << bits), "rad", ANGLE)
