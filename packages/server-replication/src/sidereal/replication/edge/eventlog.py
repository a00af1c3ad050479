"""What has happened in every cell: events, kept for as long as somebody may have to be sent them.

Events of one tick and cell count together: who is sent one of them is sent them all. How many there
are is bounded, so that nothing which a game does in one place takes the room of all else there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.schema import EVENT_FIRST, Schema

AGE_MAX: Final = 255
"""Ticks since an event: they travel in a byte."""

PER_CELL: Final = 64
"""Events of one cell and tick, by default; of more the first ones count."""
KEPT_MAX: Final = 1 << 16
"""Events that are kept, by default, and those of a tick more; then the oldest are let go."""


class Happened(NamedTuple):
    """Events of one sort, the oldest first.

    Attributes:
        row: `Schema.rows`[n] of the sort; their `age` is that as of the published tick.
        group: int64[n], the cell.
        tick: int64[n]
    """

    row: Rows
    group: Ints
    tick: Ints

    def take(self, keep: NDArray[np.bool_] | Ints) -> Happened:
        """Some of them."""
        return Happened(self.row[keep], self.group[keep], self.tick[keep])


class EventLog:
    """The events of a world.

    Attributes:
        kept: what has happened, by sort.
        crowded: events that were not kept: too many in one cell and tick, or of one tick.
        crowded_out: events that were kept no longer, to make room for newer ones.
    """

    def __init__(self, schema: Schema, per_cell: int = PER_CELL, kept_max: int = KEPT_MAX) -> None:
        """Begin with nothing.

        Args:
            schema: for the rows.
            per_cell: events of one cell and tick; of more the first ones count.
            kept_max: events that are kept, and those of a tick more.
        """
        self.crowded = self.crowded_out = 0
        self._per_cell = per_cell
        self._kept_max = kept_max
        none = np.zeros(0, np.int64)
        self.kept = {
            number: Happened(np.zeros(0, schema.rows[number]), none, none)
            for number in schema.rows
            if number >= EVENT_FIRST
        }
        self._noted: list[tuple[int, Rows, Ints]] = []
        self._waiting = 0

    def note(self, what: int, rows: Rows, group: NDArray[np.integer]) -> None:
        """Note events of the tick that is published next: as many as are kept, while none is.

        Args:
            what: their sort.
            rows: `Schema.rows[what]`[n]
            group: int[n], the cell of each; those of group -1 are in none.
        """
        inside = np.flatnonzero(group >= 0)
        taken = inside[: max(0, self._kept_max - self._waiting)]
        self.crowded += len(inside) - len(taken)
        if len(taken):
            self._waiting += len(taken)
            self._noted.append((what, rows[taken], group[taken].astype(np.int64)))

    def publish(self, tick: int) -> Ints:
        """Take over what was noted, as far as there is room.

        Returns:
            int64[n], the cells in which something has happened.
        """
        noted, self._noted, self._waiting = self._noted, [], 0
        group = np.concatenate([np.zeros(0, np.int64), *(of for _, _, of in noted)])
        keep = rank_within(group) < self._per_cell
        self.crowded += int((~keep).sum())
        first = 0
        fresh: defaultdict[int, list[Happened]] = defaultdict(list)
        for what, rows, of in noted:
            mine = keep[first : first + len(of)]
            first += len(of)
            ticks = np.full(int(mine.sum()), tick, np.int64)
            fresh[what].append(Happened(rows[mine], of[mine], ticks))
        for what, more in fresh.items():
            joined = zip(self.kept[what], *more, strict=True)
            self.kept[what] = Happened(*(np.concatenate(columns) for columns in joined))
        if noted:
            self._make_room()
        for happened in filter(_any, self.kept.values()):
            happened.row["age"] = np.minimum(tick - happened.tick, AGE_MAX)
        return group[keep]

    def prune(self, oldest: int) -> None:
        """Let go of events before a tick."""
        for what, happened in self.kept.items():
            if _any(happened) and happened.tick[0] < oldest:
                self.kept[what] = happened.take(happened.tick >= oldest)

    def forget(self, groups: NDArray[np.int32]) -> None:
        """Let go of what has happened in cells of sectors that are no more."""
        self._noted = [
            (what, rows[kept], of[kept])
            for what, rows, of in self._noted
            for kept in [~np.isin(of, groups)]
        ]
        self._waiting = sum(len(of) for _, _, of in self._noted)
        for what, happened in self.kept.items():
            if _any(happened):
                self.kept[what] = happened.take(~np.isin(happened.group, groups))

    def _make_room(self) -> None:
        """Let go of the oldest ticks when too much is kept."""
        ticks = np.concatenate([happened.tick for happened in self.kept.values()])
        over = len(ticks) - self._kept_max
        if over > 0:
            self.prune(int(np.partition(ticks, over)[over]))
            self.crowded_out += len(ticks) - sum(len(each.tick) for each in self.kept.values())


def _any(happened: Happened) -> bool:
    return len(happened.tick) > 0


def rank_within(group: Ints) -> Ints:
    """Count for each how many of its group come before it, int64[n]."""
    order = np.argsort(group, kind="stable")
    grouped = group[order]
    begins = np.flatnonzero(np.diff(grouped, prepend=-1))
    first = np.repeat(begins, np.diff(begins, append=len(group)))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - first
    return rank
