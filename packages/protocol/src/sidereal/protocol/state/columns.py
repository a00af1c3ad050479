"""Entities as a struct of arrays, indexed by row.

Rows of freed entities are used again, the lowest first, so that the living stay close together.
Growing replaces the arrays: fetch `columns["x"]` anew after `allocate` or `load`, never keep it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.state.blocks import Blocks
from sidereal.protocol.state.idtable import IdTable
from sidereal.protocol.state.schema import DIFFERS, Schema


class Columns:
    """One array per field of a schema, and what every entity has besides.

    Attributes:
        schema: the declaration behind the arrays.
        blocks: the arrays of its fields.
        net_id: uint32[capacity], 0 in free rows.
        epoch: uint32[capacity], fence of the entity's owner.
        tick: int64[capacity], tick of the row's reference.
        alive: bool[capacity]
        mask: uint64[capacity], the components that each has, 0 in free rows.
        count: how many are alive.
    """

    def __init__(self, schema: Schema, capacity: int = 1024) -> None:
        if capacity < 1:
            raise LocalProtocolError("capacity must be at least 1")
        self.schema = schema
        self.net_id: NDArray[np.uint32] = np.zeros(capacity, dtype=np.uint32)
        self.epoch: NDArray[np.uint32] = np.zeros(capacity, dtype=np.uint32)
        self.tick: NDArray[np.int64] = np.zeros(capacity, dtype=np.int64)
        self.alive: NDArray[np.bool_] = np.zeros(capacity, dtype=np.bool_)
        self.mask: NDArray[np.uint64] = np.zeros(capacity, dtype=np.uint64)
        self.count = 0
        self.blocks = Blocks(schema.fields.values(), capacity)
        self._ids = IdTable()

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.blocks.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.blocks.arrays)

    def __len__(self) -> int:
        return self.count

    @property
    def capacity(self) -> int:
        """Rows there are; doubles when they run out."""
        return len(self.alive)

    def rows(self) -> NDArray[np.int64]:
        """Rows of the living, ascending."""
        return np.flatnonzero(self.alive)

    def rows_of(self, net_ids: ArrayLike) -> NDArray[np.int64]:
        """Look network ids up.

        Returns:
            int64[n], -1 where the id is unknown.
        """
        return self._ids.rows_of(net_ids)

    def allocate(self, net_ids: ArrayLike) -> NDArray[np.int64]:
        """Give new entities rows; all their fields are 0. May grow, and so replace, the arrays.

        Args:
            net_ids: uint32[n], all different and unknown, none 0.

        Returns:
            int64[n] rows, in the order of `net_ids`.

        Raises:
            LocalProtocolError: an id is 0, known or given twice.
        """
        ids = np.asarray(net_ids, dtype=np.int64)
        if len(ids) == 0:
            return np.empty(0, dtype=np.int64)
        if (ids == NET_ID_NONE).any() or len(np.unique(ids)) != len(ids):
            raise LocalProtocolError("network ids must be different from 0 and from each other")
        if (self._ids.rows_of(ids) >= 0).any():
            raise LocalProtocolError("a network id has a row already")
        self._reserve(self.count + len(ids))
        rows = np.flatnonzero(~self.alive)[: len(ids)]
        self.alive[rows] = True
        self.net_id[rows] = ids
        self._ids.add(ids, rows)
        self.count += len(ids)
        return rows

    def free(self, rows: ArrayLike) -> None:
        """Forget entities and clear their rows.

        Raises:
            LocalProtocolError: a row is free already or given twice.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) == 0:
            return
        if not self.alive[rows].all() or len(np.unique(rows)) != len(rows):
            raise LocalProtocolError("only living rows can be freed, each once")
        self._ids.remove(self.net_id[rows].astype(np.int64))
        self.alive[rows] = False
        for array in (self.net_id, self.epoch, self.tick, self.mask):
            array[rows] = 0
        self.blocks.clear(rows)
        self.count -= len(rows)

    def load(self, records: NDArray[np.void]) -> NDArray[np.int64]:
        """Enter or overwrite entities from records, as far as these have fields.

        Args:
            records: any record of the schema with whole ticks, ids all different.

        Returns:
            int64[n] rows, in the order of `records`.

        Raises:
            LocalProtocolError: as `allocate`.
        """
        ids = records["id"].astype(np.int64)
        rows = self._ids.rows_of(ids)
        new = rows < 0
        rows[new] = self.allocate(ids[new])
        self.update(rows, records)
        return rows

    def update(self, rows: NDArray[np.int64], records: NDArray[np.void]) -> None:
        """Overwrite known entities from records, as far as these have fields.

        Their kind says which components they have, and a full record in which they differ from it.
        """
        names = records.dtype.names or ()
        if "epoch" in names:
            self.epoch[rows] = records["epoch"]
        if "tick" in names:
            self.tick[rows] = records["tick"]
        self.blocks.put(rows, records)
        if "kind" in names:
            self.mask[rows] = self.schema.masks_of(records)

    def has(self, rows: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
        """Tell which rows have a component, by its number: bool[n]."""
        return np.asarray(self.mask[rows] & np.uint64(1 << number) != 0)

    def store(self, rows: ArrayLike, dtype: np.dtype) -> NDArray[np.void]:
        """Pack rows into records.

        Args:
            rows: int64[n] of living entities.
            dtype: one of the schema's records with whole ticks and unquantised values.

        Returns:
            `dtype`[n]
        """
        rows = np.asarray(rows, dtype=np.int64)
        records = np.empty(len(rows), dtype=dtype)
        for name in dtype.names or ():
            if name == "id":
                records[name] = self.net_id[rows]
            elif name == "epoch":
                records[name] = self.epoch[rows]
            elif name == "tick":
                records[name] = self.tick[rows]
            elif name == DIFFERS[0]:
                records[name] = self.mask[rows] ^ self.schema.masks[self["kind"][rows]]
            else:
                records[name] = self.blocks.arrays[name][rows]
        return records

    def _reserve(self, count: int) -> None:
        capacity = self.capacity
        while capacity < count:
            capacity *= 2
        if capacity > self.capacity:
            self.net_id = _grown(self.net_id, capacity)
            self.epoch = _grown(self.epoch, capacity)
            self.tick = _grown(self.tick, capacity)
            self.alive = _grown(self.alive, capacity)
            self.mask = _grown(self.mask, capacity)
            self.blocks.grow(capacity)


def _grown(array: NDArray[Any], capacity: int) -> NDArray[Any]:
    grown = np.zeros(capacity, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
