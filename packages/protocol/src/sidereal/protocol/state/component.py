"""What a component or an event is: named fields and how each is kept, sent, checked and saved."""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
CELL_AXES: Final = ("", "x", "y")
WIRE_BITS_MAX: Final = 32
"""Bits of the widest code of a quantised field."""


_DATABASE_TYPES: Final = {
    "f4": "real",
    "f8": "double precision",
    "i1": "smallint",
    "u1": "smallint",
    "i2": "smallint",
    "u2": "integer",
    "i4": "integer",
    "u4": "bigint",
    "i8": "bigint",
}


class Replication(enum.Enum):
    """Who is sent a component, and how."""

    STATE = "state"
    """Everyone in interest, and shards propose it."""
    ATTRIBUTE = "attribute"
    """Everyone in interest."""
    PILOT = "pilot"
    """The client that flies the entity, and the processes that hold the whole of it."""
    ROLE = "role"
    """Clients of one role in interest, and the processes that hold the whole entity."""
    LINK = "link"
    """Only the shard and the replication server, beside the exact state."""
    NONE = "none"
    """The processes that hold the whole entity: its shard, the replication server, the store."""
    EVENT = "event"
    """No state, but what has happened: who is told of it shows it once."""


class To(enum.Enum):
    """Whom an event is for."""

    VIEWERS = "viewers"
    """Everyone in interest: it travels with the cell in which it happened."""
    SECTOR = "sector"
    """The clients that are in its subject's sector; this and the next two are private events: they
    travel in the private sections of those who are told."""
    PILOT = "pilot"
    """The client that flies its subject."""
    ALL = "all"
    """Every client."""


@dataclass(frozen=True)
class Field:
    """One column of a component.

    On the wire a field with a quantum is the code `rint(value / quantum)` in the smallest integer
    type that holds every code of its range; a field without one travels as it is.

    Attributes:
        name: of the column, the record's field and the database column; unique in a schema.
        dtype: NumPy's name of the type in memory (`"f8"`, `"u1"`, `"S24"`).
        unit: for people.
        low: least valid value; None: the type's least.
        high: greatest valid value; None: the type's greatest.
        quantum: width of a step on the wire, in the field's unit, or in cells with `cell_axis`.
        wrap: whether `high` is the same as `low`, as with angles.
        cell_axis: `"x"` or `"y"` when this is a position along that axis, sent relative to the
            entity's cell.
        reference: whether the numbers are ids of entities; the database has their uuids.
    """

    name: str
    dtype: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    quantum: float | None = None
    wrap: bool = False
    cell_axis: str = ""
    reference: bool = False

    @cached_property
    def memory_dtype(self) -> np.dtype:
        """Little-endian type in memory and in exact records."""
        return np.dtype(self.dtype).newbyteorder("<")

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest valid value: whole for whole numbers, infinite for text."""
        least, greatest = _type_bounds(self.memory_dtype)
        low = least if self.low is None else self.low
        high = greatest if self.high is None else self.high
        if self.memory_dtype.kind in "iu":  # exact: not every number of 64 bits is a float
            return math.ceil(low), math.floor(high)
        return float(low), float(high)

    @cached_property
    def codes(self) -> tuple[int, int]:
        """Least and greatest code on the wire of a quantised field."""
        assert self.quantum is not None, self.name
        if self.cell_axis:
            return 0, round(1.0 / self.quantum) - 1
        low, high = self.bounds
        if self.wrap:
            return 0, round((high - low) / self.quantum) - 1
        return round(low / self.quantum), round(high / self.quantum)

    @cached_property
    def wire_dtype(self) -> np.dtype:
        """Little-endian type on the wire, of the code when the field is quantised."""
        if self.quantum is None:
            return self.memory_dtype
        low, high = self.codes
        kind = "i" if low < 0 else "u"
        for size in (1, 2, 4):
            limits = np.iinfo(f"{kind}{size}")
            if limits.min <= low and high <= limits.max:
                return np.dtype(f"<{kind}{size}")
        raise ValueError(f"{self.name}: more than {WIRE_BITS_MAX} bits")

    @property
    def database_type(self) -> str:
        """PostgreSQL's name of its type there."""
        if self.reference:
            return "uuid"
        dtype = self.memory_dtype
        return "text" if dtype.kind == "S" else _DATABASE_TYPES[dtype.str[1:]]

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        try:
            dtype = self.memory_dtype
        except TypeError:
            return [f"{self.name}: {self.dtype!r} is no NumPy type"]
        if dtype.kind not in "fiuS" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
            return [f"{self.name}: type must be f4, f8, an integer or S with a length"]
        found = []
        if not NAME_PATTERN.fullmatch(self.name):
            found.append(f"{self.name!r}: name must match {NAME_PATTERN.pattern}")
        if dtype.kind == "S" and dtype.itemsize == 0:
            found.append(f"{self.name}: text needs a length, as in S24")
        if self.cell_axis not in CELL_AXES:
            found.append(f"{self.name}: cell_axis must be x or y")
        numbers = [v for v in (self.low, self.high, self.quantum) if v is not None]
        if not all(math.isfinite(number) for number in numbers):
            return [*found, f"{self.name}: low, high and quantum must be finite"]
        if dtype.kind == "S":
            if numbers or self.wrap or self.cell_axis:
                found.append(f"{self.name}: text has no range, quantum, wrap or cell_axis")
            return found
        low, high = self.bounds
        least, greatest = _type_bounds(dtype)
        if not least <= low < high <= greatest:
            return [*found, f"{self.name}: low must be below high, both within {self.dtype}"]
        return found + self._quantum_problems()

    def _quantum_problems(self) -> list[str]:
        if self.quantum is None:
            if self.wrap or self.cell_axis:
                return [f"{self.name}: wrap and cell_axis need a quantum"]
            return []
        if self.quantum <= 0:
            return [f"{self.name}: quantum must be above 0"]
        if self.wrap and self.cell_axis:
            return [f"{self.name}: a position in space does not wrap"]
        if not self.cell_axis and (self.low is None or self.high is None):
            return [f"{self.name}: quantum needs low and high"]
        found = []
        if self.memory_dtype.kind in "iu" and self.quantum != int(self.quantum):
            found.append(f"{self.name}: the quantum of an integer must be whole")
        low, high = self.bounds
        farthest = 1.0 if self.cell_axis else max(high - low, abs(low), abs(high))
        if not math.isfinite(farthest / self.quantum):
            return [*found, f"{self.name}: quantum too fine, codes exceed {WIRE_BITS_MAX} bits"]
        if self.cell_axis or self.wrap:
            steps = (1.0 if self.cell_axis else high - low) / self.quantum
            if round(steps) < 2 or abs(steps - round(steps)) > 1e-6:
                found.append(f"{self.name}: a whole number of steps must fill the range")
        first, last = self.codes
        if last >= 1 << (WIRE_BITS_MAX - (first < 0)) or first < -(1 << (WIRE_BITS_MAX - 1)):
            found.append(f"{self.name}: quantum too fine, codes exceed {WIRE_BITS_MAX} bits")
        return found


def _type_bounds(dtype: np.dtype) -> tuple[float, float]:
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if dtype.kind == "f":
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max)
    return -math.inf, math.inf


@dataclass(frozen=True)
class Component:
    """A group of fields that are kept, sent and saved alike; or an event, which is sent only.

    Attributes:
        name: unique in a schema.
        fields: in the order of records.
        replicated: who is sent it.
        persisted: whether the database keeps it.
        predicted: whether the client that flies an entity computes it ahead.
        interpolated: whether clients draw it between two references.
        proposed: whether its shard changes it, and proposes what is new of it.
        role: of the clients that are sent it, if not all are.
        to: whom an event is for.
    """

    name: str
    fields: tuple[Field, ...]
    replicated: Replication = Replication.NONE
    persisted: bool = False
    predicted: bool = False
    interpolated: bool = False
    proposed: bool = False
    role: str = ""
    to: To = To.VIEWERS

    @cached_property
    def is_shown(self) -> bool:
        """Whether everyone in interest is sent it."""
        return self.replicated in (Replication.STATE, Replication.ATTRIBUTE)

    @cached_property
    def is_reckoned(self) -> bool:
        """Whether it is a place, which receivers continue from its tick by dead reckoning."""
        return any(field.cell_axis for field in self.fields)

    @cached_property
    def row(self) -> np.dtype[Any]:
        """Its row on the wire: the id, when it was if that has to be said, the fields.

        A place has the low 16 bits of its tick, an event how many ticks ago it was. A private event
        has the how manyth it is of those that its receiver is told of that tick, from 0.
        """
        when = [("tick", "<u2")] if self.is_reckoned else []
        if self.replicated is Replication.EVENT:
            when = [("age", "u1")]
        if self.is_private_event:
            when += [("nth", "u1")]
        fields = [(field.name, field.wire_dtype) for field in self.fields]
        return np.dtype([("id", "<u4"), *when, *fields])

    @cached_property
    def is_private_event(self) -> bool:
        """Whether it is an event that only some clients are told of, in private sections."""
        return self.replicated is Replication.EVENT and self.to is not To.VIEWERS

    @cached_property
    def is_own(self) -> bool:
        """Whether whoever flies an entity is sent it exactly, in the private section."""
        return self.predicted or self.replicated is Replication.PILOT

    @cached_property
    def own_row(self) -> np.dtype[Any]:
        """Its row there, without an id: as in memory, or a place on a grid of 32 bits."""
        if not self.is_reckoned:
            return np.dtype([(field.name, field.memory_dtype) for field in self.fields])
        return np.dtype([(f.name, "<u4" if f.wrap else "<i4") for f in self.fields])

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        found = [problem for field in self.fields for problem in field.problems()]
        if not NAME_PATTERN.fullmatch(self.name):
            found.append(f"{self.name!r}: name must match {NAME_PATTERN.pattern}")
        if not self.fields and self.replicated is not Replication.EVENT:
            found.append(f"{self.name}: no fields")
        return found
