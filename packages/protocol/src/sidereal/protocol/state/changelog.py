"""Rows by group, the newest change first, so that "since when" is a prefix.

Every row has a group and the tick of its change, packed into one key: the group in the upper bits,
the tick counted backwards in the lower 32. Sorted by it, what changed in a group after a tick is
the front of the group's rows, found by one binary search.

Arrays by group have one entry more than groups, so that group -1 is one in which nothing ever is.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
Ints = NDArray[np.int64]

TICK_MAX: Final = 0xFFFF_FFFF


class Changelog(NamedTuple):
    """A sorted log; operations return a new one.

    Attributes:
        key: int64[rows], ascending.
        rows: what is logged, structured.
        start: int64[groups + 1], first row of each group.
        newest: int64[groups + 1], tick of the newest change ever logged in each group, or -1.
    """

    key: Ints
    rows: Rows
    start: Ints
    newest: Ints

    @property
    def group_count(self) -> int:
        """Groups it answers for."""
        return len(self.newest) - 1

    def prefix(self, group: Ints, since: Ints) -> tuple[Ints, Ints]:
        """Find what changed in groups after ticks.

        Args:
            group: int64[n], -1 for none.
            since: int64[n], from -1 (all) to `TICK_MAX`.

        Returns:
            First row and count, int64[n] each.
        """
        start = self.start[group]
        count = np.zeros(len(group), dtype=np.int64)
        at = np.flatnonzero(self.newest[group] > since)
        if len(at):
            end = np.searchsorted(self.key, _order_key(group[at], since[at]))
            count[at] = end - start[at]
        return start, count

    def rows_of(self, group: int) -> slice:
        """Where the rows of one group are."""
        last = group + 1 == self.group_count
        return slice(int(self.start[group]), len(self.key) if last else int(self.start[group + 1]))

    def widened(self, group_count: int) -> Changelog:
        """The same log, answering for more groups."""
        more = group_count - self.group_count
        start = np.insert(self.start, -1, np.full(more, len(self.key)))
        return self._replace(start=start, newest=np.insert(self.newest, -1, np.full(more, -1)))

    def joined(self, group: Ints, tick: Ints, rows: Rows) -> Changelog:
        """The log with more rows; none may have a group it does not answer for."""
        fresh = _order_key(group, tick)
        order = np.argsort(fresh, kind="stable")
        place = np.searchsorted(self.key, fresh[order])
        newest = self.newest.copy()
        np.maximum.at(newest, group, tick)
        key = np.insert(self.key, place, fresh[order])
        joined = np.insert(self.rows, place, rows[order])
        return Changelog(key, joined, _starts(key, self.group_count), newest)

    def kept(self, keep: NDArray[np.bool_]) -> Changelog:
        """The log without some rows; `newest` still knows of them."""
        key = self.key[keep]
        return self._replace(key=key, rows=self.rows[keep], start=_starts(key, self.group_count))

    def ticks(self) -> Ints:
        """Tick of every row's change, int64[rows]."""
        return TICK_MAX - (self.key & TICK_MAX)

    def groups(self) -> Ints:
        """Group of every row, int64[rows]."""
        return self.key >> 32


def arranged(group: Ints, tick: Ints, rows: Rows, group_count: int) -> Changelog:
    """Sort rows into a log; equals keep their order, or the processor would decide the bytes sent.

    Args:
        group: int64[n], each from 0 to below `group_count`.
        tick: int64[n], from 0 to `TICK_MAX`.
        rows: [n], structured.
        group_count: groups it answers for.
    """
    key = _order_key(group, tick)
    order = np.argsort(key, kind="stable")
    key = key[order]
    newest = np.full(group_count + 1, -1, dtype=np.int64)
    first = np.flatnonzero(np.diff(key >> 32, prepend=-1))
    newest[key[first] >> 32] = TICK_MAX - (key[first] & TICK_MAX)
    return Changelog(key, rows.take(order), _starts(key, group_count), newest)


def empty(dtype: np.dtype[Any]) -> Changelog:
    """A log of nothing that answers for no group."""
    none = np.zeros(0, dtype=np.int64)
    return arranged(none, none, np.zeros(0, dtype=dtype), 0)


def _order_key(group: Ints, tick: Ints) -> Ints:
    return (group << 32) + (TICK_MAX - tick)


def _starts(key: Ints, group_count: int) -> Ints:
    start = np.zeros(group_count + 1, dtype=np.int64)
    start[:-1] = np.searchsorted(key, np.arange(group_count, dtype=np.int64) << 32)
    return start
