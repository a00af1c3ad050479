"""Rows of entities as PostgreSQL's binary COPY: whole columns at once, both ways.

Every field has a fixed width here (text travels as bytes padded with NUL), so a COPY stream is one
packed array, and NumPy writes or reads it without looking at a single row.

A component that entities may be given or lose has a column that says so: 1 of an entity that was
given it, -1 of one from which it was taken, 0 where the entity is as its kind begins. So a column
that is new begins with 0, whatever kinds the saved entities are of. Who was given a component that
only actions write is in its ledger, which is saved at once.

Source: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sidereal.game import AUTHORITY
from sidereal.game.builtin import BUILTIN
from sidereal.game.declarations import Declarations
from sidereal.game.schema import column_of, name_of, schema_of
from sidereal.protocol.errors import StoreError
from sidereal.protocol.state.component import Field
from sidereal.protocol.state.values import valid_values
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.references import saved_alone

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"

_WIRE_TYPES: Final = {
    "smallint": ">i2",
    "integer": ">i4",
    "bigint": ">i8",
    "real": ">f4",
    "double precision": ">f8",
    "boolean": "u1",
    "uuid": "V16",
}
OWN_COLUMNS: Final = (
    ("uuid", "uuid"),
    ("epoch", "bigint"),
    ("tick", "bigint"),
    ("account", "bigint"),
    ("active", "boolean"),
    ("removed", "boolean"),
    ("saved_tick", "bigint"),
)
"""Columns of the table `entity` that are no component's."""

KIND: Final = "kind"
"""The field whose numbers the database keeps as names."""
KIND_NAME_SIZE_MAX: Final = 31
"""Bytes of a kind's name."""
LEDGER_PREFIX: Final = "ledger_"
"""Of the names of ledgers; the rest is the component."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `width` is the bytes of a text, 0 for the rest."""

    name: str
    type: str
    width: int = 0

    @property
    def is_reference(self) -> bool:
        """Whether it leads to entities."""
        return self.type == "uuid"

    @property
    def wire_dtype(self) -> str:
        """NumPy's name of the type in a COPY stream."""
        return f"S{self.width}" if self.width else _WIRE_TYPES[self.type]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The table of a component that only actions write: a row for each holder that has one.

    Attributes:
        component: its name in the schema.
        columns: beside the holder.
        kinds: names of the kinds whose entities have it.
    """

    component: str
    columns: tuple[Column, ...]
    kinds: tuple[str, ...]

    @property
    def table(self) -> str:
        """Name of the table."""
        return LEDGER_PREFIX + self.component


class RowCopy:
    """The table `entity` of one game.

    Attributes:
        game: that is played.
        schema: its columns.
        kinds: names of its kinds.
        columns: in the order of COPY; those of components come last.
        entity_columns: those of them that the table `entity` has; the others are of ledgers.
        component_columns: those of components alone.
        behind_columns: those of them that are not of ledgers, and written behind.
        defaults: declared values by column.
        ledgers: of the components that only actions write.
        given: bits of the components that entities may gain or lose, by the columns that say so.
    """

    def __init__(self, game: Declarations) -> None:
        """Lay out the columns."""
        self.game = game
        self.schema = schema = schema_of(game)
        self.kinds = [kind.name for kind in game.kinds]
        self._kinds = np.array(["", *self.kinds], f"S{KIND_NAME_SIZE_MAX}")
        self.component_columns = tuple(
            Column(KIND, "text", KIND_NAME_SIZE_MAX)
            if name == KIND
            else Column(name, type_, _text_width(schema.fields[name]))
            for name, type_ in schema.database_columns()
        )
        self.defaults = {
            column_of(component, field): field.options.default
            for component in game.components
            for field in component.fields.values()
        }
        self.ledgers = tuple(self._make_ledgers())
        of_ledgers = {column.name for ledger in self.ledgers for column in ledger.columns}
        self.given = {
            f"{component.name} given": np.uint64(1 << number)
            for number, component in enumerate(schema.components, 1)
            if component.persisted and number not in schema.kept
        }
        self.component_columns += tuple(Column(name, "smallint") for name in self.given)
        own = tuple(Column(name, type_) for name, type_ in OWN_COLUMNS)
        self.columns = (*own, *self.component_columns)
        self.entity_columns = tuple(c for c in self.columns if c.name not in of_ledgers)
        self.behind_columns = tuple(c for c in self.component_columns if c.name not in of_ledgers)
        self._written = _blank_tuple(self.columns)
        in_ledgers = (column for ledger in self.ledgers for column in ledger.columns)
        kept = (Column(ledger.table, "boolean") for ledger in self.ledgers)
        self._read_columns = (*self.entity_columns, *in_ledgers, *kept)
        self._read = _blank_tuple(self._read_columns)

    def _make_ledgers(self) -> Iterator[Ledger]:
        by_name = {column.name: column for column in self.component_columns}
        for component in self.game.components:
            if component.writer is AUTHORITY and component.saved and component not in BUILTIN:
                fields = component.fields.values()
                columns = tuple(by_name[column_of(component, field)] for field in fields)
                kinds = tuple(kind.name for kind in self.game.kinds if kind.has(component))
                yield Ledger(name_of(component), columns, kinds)

    def encode(self, batch: Batch) -> bytearray:
        """Write a batch as a COPY stream."""
        rows = batch.rows
        size = len(rows) * self._written.dtype.itemsize
        stream = bytearray(len(HEADER) + size + len(TRAILER))
        stream[: len(HEADER)] = HEADER
        stream[-len(TRAILER) :] = TRAILER
        body = memoryview(stream)[len(HEADER) : len(HEADER) + size]
        tuples = np.frombuffer(body, dtype=self._written.dtype)
        # As opaque bytes: field by field would take ten times as long.
        tuples.view(f"V{self._written.dtype.itemsize}")[:] = self._written.tobytes()
        tuples["uuid"] = batch.uuid
        tuples["epoch"] = rows["epoch"]
        tuples["tick"] = rows["tick"]
        tuples["account"] = batch.account
        tuples["active"] = batch.active
        tuples["removed"] = batch.removed
        tuples["saved_tick"] = batch.saved_tick
        differ = bool(rows["differs"].any())
        for column in self.component_columns:
            if column.name in self.given:
                if differ:
                    tuples[column.name] = self._given_or_taken(rows, self.given[column.name])
                continue
            values = rows[column.name]
            if column.name == KIND:
                values = self._kinds[values]
            elif column.width:
                values = _clean_text(self.schema.fields[column.name], values)
            tuples[column.name] = values
        return stream

    def decode(self, stream: bytes) -> NDArray[np.void]:
        """Read a COPY stream with these columns, and whether the entity is in each ledger.

        Returns:
            Structured array with a field per column, big-endian.

        Raises:
            StoreError: the stream is not what was asked for.
        """
        extension = int.from_bytes(stream[15:19], "big")
        start = len(HEADER) + extension
        count, rest = divmod(len(stream) - start - len(TRAILER), self._read.dtype.itemsize)
        if not stream.startswith(HEADER[:11]) or count < 0 or rest:
            raise StoreError("the database sent rows of another layout")
        tuples = np.frombuffer(stream, dtype=self._read.dtype, count=count, offset=start)
        for column in self._read_columns:
            if (tuples[f"{column.name} size"] != self._read[f"{column.name} size"]).any():
                raise StoreError(f"the database holds rows without {column.name}")
        return tuples

    def saved_records(self, tuples: NDArray[np.void]) -> NDArray[np.void]:
        """Make saved records, [n], of what `decode` gave; ids are 0.

        What is not kept, or not yet, is as entities of their kind begin. A kind whose name the game
        does not know is none, and 0.
        """
        begins = self.schema.first[self._numbers_of(tuples[KIND])]
        records = saved_alone(self.schema, begins)
        in_ledgers = {
            np.uint64(1 << self.schema.numbers[ledger.component]): ledger.table
            for ledger in self.ledgers
        }
        records["epoch"] = tuples["epoch"]
        records["tick"] = tuples["tick"]
        for column in self.component_columns:
            if column.name in self.given:
                bit = self.given[column.name]
                held = (self.schema.masks[records[KIND]] & bit) != 0
                said = tuples[column.name]
                there = (tuples[in_ledgers[bit]] != 0) if bit in in_ledgers else said > 0
                other = (there & ~held) | ((said < 0) & held)
                records["differs"] |= np.where(other, bit, np.uint64(0))
            elif column.name != KIND:
                records[column.name] = tuples[column.name]
        for ledger in self.ledgers:
            missing = tuples[ledger.table] == 0
            for column in (column for column in ledger.columns if not column.is_reference):
                first = self.schema.first[column.name][records[KIND]]
                records[column.name][missing] = first[missing]
        return records

    def _given_or_taken(self, rows: NDArray[np.void], bit: np.uint64) -> NDArray[np.int8]:
        """Say of which entities a component was given or taken: 1, -1, or 0."""
        has = (self.schema.masks_of(rows) & bit) != 0
        return np.where(rows["differs"] & bit != 0, np.where(has, 1, -1), 0).astype(np.int8)

    def _numbers_of(self, names: NDArray[Any]) -> NDArray[np.int64]:
        order = np.argsort(self._kinds)
        place = np.searchsorted(self._kinds, names, sorter=order)
        numbers = order[np.minimum(place, len(order) - 1)]
        return np.where(self._kinds[numbers] == names, numbers, 0)


def _blank_tuple(columns: Sequence[Column]) -> NDArray[np.void]:
    """Make a tuple of a COPY stream with the sizes of all columns in it, and no values."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for column in columns:
        fields += [(f"{column.name} size", ">i4"), (column.name, column.wire_dtype)]
    blank = np.zeros((), np.dtype(fields))
    blank["fields"] = len(columns)
    for column in columns:
        blank[f"{column.name} size"] = blank.dtype[column.name].itemsize
    return blank


def _text_width(field: Field) -> int:
    dtype = field.memory_dtype
    return dtype.itemsize if dtype.kind == "S" else 0


def _clean_text(field: Field, values: NDArray[Any]) -> NDArray[Any]:
    # For one text that is not UTF-8 the database refuses a whole batch. The world never holds one;
    # if it does all the same, the rest of the batch still has to be saved.
    valid = valid_values(field, values)
    return values if valid.all() else np.where(valid, values, b"?")
