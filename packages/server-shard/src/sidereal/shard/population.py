"""All that this shard knows of: its own bodies and the ghosts of others, in one table.

Game logic, pairs and references do not care on which side of a border a row is; who may write it
does. What is only true of the one or the other stands in `bodies` and in `ghosts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.state.arrays import opaque, take_rows
from sidereal.protocol.state.blocks import Blocks
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.protocol.state.schema import MOTION, Schema

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Population:
    """Entities by row.

    Attributes:
        columns: the truth at the shard's tick; of ghosts, where their references lead by then.
        own: bool[capacity], whether this shard simulates it.
        reference: `Schema.exact_record[capacity]`: what was proposed last of a body, or sent last
            of a ghost.
        known: what was proposed last of the other components that shards write, or sent last of a
            ghost: an array by row for each field.
        version: counts up whenever somebody comes or goes.
    """

    def __init__(self, schema: Schema) -> None:
        self.columns = Columns(schema)
        self.own: NDArray[np.bool_] = np.zeros(self.columns.capacity, dtype=np.bool_)
        self.reference: NDArray[np.void] = np.zeros(self.columns.capacity, schema.exact_record)
        self._known = Blocks(schema.fields.values(), self.columns.capacity)
        self.known = self._proposed()
        self.version = 0

    def own_rows(self) -> Ints:
        """Rows of the bodies, ascending."""
        return np.flatnonzero(self.columns.alive & self.own)

    def ghost_rows(self) -> Ints:
        """Rows of the ghosts, ascending."""
        return np.flatnonzero(self.columns.alive & ~self.own)

    def rows_of(self, net_ids: ArrayLike, *, own: bool) -> Ints:
        """Look bodies up by id, or ghosts: int64[n], -1 where there is no such one."""
        rows = self.columns.rows_of(net_ids)
        known = rows >= 0
        return np.where(known & (self.own[rows] == own), rows, -1)

    def mark(self, rows: Ints) -> NDArray[np.bool_]:
        """Give bool[capacity], true in some rows: whether a row is among them is one look then."""
        marked = np.zeros(self.columns.capacity, np.bool_)
        marked[rows] = True
        return marked

    def load(self, records: NDArray[np.void], *, own: bool) -> Ints:
        """Enter entities, or overwrite those that are there.

        Args:
            records: `Schema.full_record[n]`, one per entity; they become references.
            own: whether this shard simulates them; those that are there must be alike.

        Returns:
            int64[n] rows.
        """
        rows = self.columns.load(records)
        self._reserve()
        exact = np.empty(len(records), dtype=self.reference.dtype)
        for name in exact.dtype.names or ():
            exact[name] = records[name]
        opaque(self.reference)[rows] = opaque(exact)
        self._take_for_known(rows)
        self.own[rows] = own
        self.version += 1
        return rows

    def free(self, rows: Ints) -> None:
        """Forget entities."""
        self.columns.free(rows)
        self._take_for_known(rows)
        self.own[rows] = False
        self.version += 1

    def follow(self, rows: Ints, tick: ArrayLike, tick_s: float) -> None:
        """Move entities along the straight lines of their references.

        Args:
            rows: int64[n]
            tick: to which, one or int64[n].
            tick_s: length of a tick in seconds.

        Mutates:
            x, y and heading of the columns.
        """
        x, y, heading = self.lines(rows, tick, tick_s)
        self.columns["x"][rows], self.columns["y"][rows] = x, y
        self.columns["heading"][rows] = heading

    def lines(self, rows: Ints, tick: ArrayLike, tick_s: float) -> tuple[Floats, Floats, Floats]:
        """Work out where the straight lines of references lead.

        Args:
            rows: int64[n]
            tick: to which, one or float64[n].
            tick_s: length of a tick in seconds.

        Returns:
            x, y and heading, float64[n] each.
        """
        kept = take_rows(self.reference, rows)
        reference = Motion(*(kept[name] for name in Motion._fields))
        return extrapolate(*reference, kept["tick"], tick, tick_s)

    def equip(self, rows: Ints, number: int, values: Mapping[str, Any] | None) -> None:
        """Give bodies a component, or take it; what it holds counts as proposed.

        Args:
            rows: int64[n], each once.
            number: of the component.
            values: by column, one or [n]; None to take it.
        """
        bit = np.uint64(1 << number)
        if values is None:
            self.columns.mask[rows] &= ~bit
        else:
            self.columns.mask[rows] |= bit
        schema = self.columns.schema
        held = schema.first[self.columns["kind"][rows]] if values is None else values
        for field in schema.component(number).fields:
            self.columns[field.name][rows] = held[field.name]
            self.known[field.name][rows] = self.columns[field.name][rows]
        self.version += 1

    def amend(self, records: NDArray[np.void]) -> None:
        """Take in what the authority has decided of bodies: of components that shards do not write.

        Args:
            records: `Schema.full_record[n]`; those of another epoch than the body's are void.
        """
        columns, schema = self.columns, self.columns.schema
        rows = self.rows_of(records["id"], own=True)
        counts = (rows >= 0) & (columns.epoch[rows] == records["epoch"])
        rows, records = rows[counts], records[counts]
        theirs = set(schema.numbers.values()) - {*schema.proposed, *schema.kept}
        bits = np.uint64(sum(1 << number for number in theirs))
        columns.mask[rows] = (columns.mask[rows] & ~bits) | (schema.masks_of(records) & bits)
        for number in theirs:
            for field in schema.component(number).fields:
                columns[field.name][rows] = records[field.name]
        self.version += 1

    def _take_for_known(self, rows: Ints) -> None:
        self._known.copy(self.columns.blocks, rows)

    def _proposed(self) -> dict[str, NDArray[Any]]:
        """Give those of the known fields that count, by name."""
        schema = self.columns.schema
        numbers = (n for n in schema.proposed if n != schema.numbers[MOTION.name])
        fields = (field for number in numbers for field in schema.component(number).fields)
        return {field.name: self._known.arrays[field.name] for field in fields}

    def _reserve(self) -> None:
        more = self.columns.capacity - len(self.own)
        if more > 0:
            self.own = np.concatenate([self.own, np.zeros(more, dtype=np.bool_)])
            self.reference = np.concatenate(
                [self.reference, np.zeros(more, dtype=self.reference.dtype)]
            )
            self._known.grow(self.columns.capacity)
            self.known = self._proposed()
