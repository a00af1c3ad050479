"""Write-behind: what changed and is not saved yet, newest wins.

Theory of operation. Each tick marks the rows that changed; marking a row again replaces it. A
batch is taken, oldest first, written by the store, and either committed or given back. One batch is
out at a time, and what is marked meanwhile waits, so the writes of an entity reach the database in
order. What comes back fills in only where nothing newer waits. Nothing is forgotten but over the
limit; then it is what was marked last, counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.errors import LocalProtocolError

ROWS_WAITING_MAX: Final = 1 << 20
"""Rows that may wait for the database."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows to save together; all arrays have one length, and no uuid comes twice.

    Attributes:
        rows: `Schema.full_record`[n].
        uuid: void16[n].
        account: int64[n], whose ship it is, 0 for none.
        active: bool[n], whether the entity takes part in the world.
        saved_tick: int64[n], when the row was last marked.
        since_tick: int64[n], since when something of it has not been saved.
    """

    rows: NDArray[np.void]
    uuid: NDArray[np.void]
    account: NDArray[np.int64]
    active: NDArray[np.bool_]
    saved_tick: NDArray[np.int64]
    since_tick: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tick(self) -> int:
        """Newest tick in the batch: the world's clock is saved at no less."""
        return int(self.saved_tick.max(initial=0))

    def viewed(self, record: np.dtype) -> Batch:
        """The same memory with rows of another type."""
        return replace(self, rows=self.rows.view(record))

    @property
    def keys(self) -> NDArray[np.bytes_]:
        """The uuids as bytes[n] that sort and compare."""
        return self.uuid.view("S16")

    def select(self, rows: NDArray[Any]) -> Batch:
        """Some of the rows, copied."""
        return Batch(*(array[rows] for array in self.arrays()))

    def arrays(self) -> Iterator[NDArray[Any]]:
        """The arrays, in the order of the attributes."""
        return (getattr(self, field.name) for field in fields(self))


class WriteBehind:
    """Rows that wait to be saved.

    Attributes:
        dropped: rows forgotten over the limit.
    """

    def __init__(self, limit: int = ROWS_WAITING_MAX) -> None:
        """Start empty; at most `limit` rows wait."""
        self.dropped = 0
        self._limit = limit
        self._count = 0
        self._waiting: Batch | None = None
        self._keys: NDArray[np.bytes_] = np.empty(0, "S16")
        self._slots: NDArray[np.int64] = np.empty(0, np.int64)
        self._out: Batch | None = None
        self._record = np.dtype("V1")

    @property
    def depth(self) -> int:
        """Rows not saved yet, those in flight included."""
        return self._count + (len(self._out) if self._out is not None else 0)

    def lag_ticks(self, tick: int) -> int:
        """For how long the oldest change has not been saved."""
        oldest = tick
        if self._waiting is not None and self._count:
            oldest = min(oldest, int(self._waiting.since_tick[: self._count].min()))
        if self._out is not None:
            oldest = min(oldest, int(self._out.since_tick.min(initial=tick)))
        return tick - oldest

    def mark(
        self,
        rows: NDArray[np.void],
        uuid: NDArray[np.void],
        account: ArrayLike,
        active: ArrayLike,
        tick: int,
    ) -> None:
        """Remember rows to be saved, in place of older ones of the same uuid.

        Args:
            rows: `Schema.full_record`[n].
            uuid: void16[n], each once.
            account: int64[n].
            active: bool[n].
            tick: of the world, now.
        """
        count = len(rows)
        ticks = np.full(count, tick, np.int64)
        self._record = rows.dtype
        self._merge(
            Batch(
                np.ascontiguousarray(rows).view(_opaque(rows.dtype)),
                np.ascontiguousarray(uuid),
                np.broadcast_to(np.asarray(account, np.int64), count),
                np.broadcast_to(np.asarray(active, np.bool_), count),
                ticks,
                ticks,
            ),
            replace=True,
        )

    def take_batch(self, rows_max: int) -> Batch | None:
        """Take the rows that have waited longest; None when there is nothing, or one is out."""
        if self._out is not None or self._waiting is None or self._count == 0:
            return None
        waiting = self._waiting
        if self._count <= rows_max:
            taken, kept = np.arange(self._count), np.empty(0, np.int64)
        else:
            order = np.argsort(waiting.since_tick[: self._count], kind="stable")
            taken, kept = order[:rows_max], np.sort(order[rows_max:])
        self._out = waiting.select(taken).viewed(self._record)
        self._keep(kept)
        return self._out

    def committed(self, batch: Batch) -> None:
        """The batch is in the database."""
        self._settle(batch)

    def failed(self, batch: Batch) -> None:
        """The batch may not be in the database: it waits again, where nothing newer does."""
        self._settle(batch)
        self._merge(batch.viewed(_opaque(self._record)), replace=False)

    def _settle(self, batch: Batch) -> None:
        if batch is not self._out:
            raise LocalProtocolError("this batch is not the one that was taken")
        self._out = None

    def _merge(self, rows: Batch, *, replace: bool) -> None:
        if not len(rows):
            return
        at = np.searchsorted(self._keys, rows.keys)
        known = np.zeros(len(rows), np.bool_)
        if len(self._keys):
            known = self._keys[np.minimum(at, len(self._keys) - 1)] == rows.keys
        if known.all():
            self._meet(self._slots[at], rows, replace=replace)
            return
        self._meet(self._slots[at[known]], rows.select(known), replace=replace)
        self._append(rows.select(~known), at[~known])

    def _meet(self, slots: NDArray[np.int64], rows: Batch, *, replace: bool) -> None:
        if self._waiting is None:
            return
        since = self._waiting.since_tick
        oldest = np.minimum(since[slots], rows.since_tick)
        if replace:
            for mine, theirs in zip(self._waiting.arrays(), rows.arrays(), strict=True):
                mine[slots] = theirs
        since[slots] = oldest

    def _append(self, rows: Batch, at: NDArray[np.int64]) -> None:
        room = self._limit - self._count
        if len(rows) > room:
            self.dropped += len(rows) - room
            rows, at = rows.select(np.arange(room)), at[:room]
        start, self._count = self._count, self._count + len(rows)
        self._waiting = _grown(self._waiting, self._count, rows)
        for mine, theirs in zip(self._waiting.arrays(), rows.arrays(), strict=True):
            mine[start : self._count] = theirs
        order = np.argsort(rows.keys, kind="stable")
        self._keys = np.insert(self._keys, at[order], rows.keys[order])
        self._slots = np.insert(self._slots, at[order], start + order)

    def _keep(self, slots: NDArray[np.int64]) -> None:
        assert self._waiting is not None
        self._count = len(slots)
        for array in self._waiting.arrays():
            array[: self._count] = array[slots]
        keys = self._waiting.keys[: self._count]
        self._slots = np.argsort(keys, kind="stable")
        self._keys = keys[self._slots]


def _opaque(record: np.dtype) -> np.dtype:
    # NumPy copies records field by field, at ten times the cost of copying bytes.
    return np.dtype(f"V{record.itemsize}")


def _grown(batch: Batch | None, count: int, like: Batch) -> Batch:
    size = 0 if batch is None else len(batch)
    if batch is not None and count <= size:
        return batch
    # Rows past the count are never read.
    length = max(count, 2 * size, 1024)
    grown = Batch(*(np.empty(length, array.dtype) for array in like.arrays()))
    if batch is not None:
        for new, old in zip(grown.arrays(), batch.arrays(), strict=True):
            new[:size] = old
    return grown
