"""A transfer: a cell that is too large for one tick, sent in parts over several ticks.

The content is fixed when the transfer begins: everybody who has changed by `to_tick`. Each part
names some of them and is sent again until it is acked, with their state as it is by then. Whoever
has left the cell in the meantime is sent as a tombstone. Changes after `to_tick` belong to the next
section. So every part that arrives counts, however many there are and however many are lost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.stream import (
    CONTINUED,
    EXTENT,
    GONE,
    PARTIAL,
    REPLACE,
    RUN,
    RUN_ROWS_MAX,
    SECTION,
    TOMBSTONE,
)
from sidereal.replication.edge.changelog import ChangeLog
from sidereal.replication.limits import LIMITS


class Scope(NamedTuple):
    """What a transfer sends: entries of a log when it begins.

    Attributes:
        what: int64[n], the sort of row.
        row: int64[n], of the world; means nothing for a tombstone.
        net_id: uint32[n]
    """

    what: Ints
    row: Ints
    net_id: NDArray[np.uint32]

    def take(self, at: NDArray[np.integer] | NDArray[np.bool_]) -> Scope:
        """Some of them, or in another order."""
        return Scope(self.what[at], self.row[at], self.net_id[at])


class Transfer:
    """One cell on its way to one client.

    Attributes:
        client: row.
        place: of the cell.
        group: of the cell.
        since: tick up to which the client had it, -1 for nothing.
        to_tick: tick up to which it will.
    """

    def __init__(
        self,
        client: int,
        place: int,
        group: int,
        since: int,
        changes: ChangeLog,
        scope: Scope,
        room: int,
        resend_ticks: int = LIMITS.edge.resend_ticks,
    ) -> None:
        """Share out what is to be sent.

        Args:
            client: row.
            place: of the cell.
            group: of the cell.
            since: tick up to which the client has it, -1 for nothing.
            changes: just published.
            scope: what changed since.
            room: bytes of a datagram for section, extent, runs and rows.
            resend_ticks: a part is sent again when no ack has come for so long.
        """
        self.client, self.place, self.group = client, place, group
        self.since, self.to_tick = since, changes.tick
        self._parts = _share_out(changes, scope, room - SECTION.itemsize - EXTENT.itemsize)
        self._sent: Ints = np.full(len(self._parts), -resend_ticks, np.int64)
        self._resend_ticks = resend_ticks
        self._missing: NDArray[np.bool_] = np.ones(len(self._parts), np.bool_)

    @property
    def done(self) -> bool:
        """Whether the client has acked every part."""
        return not self._missing.any()

    def due(self, tick: int) -> list[int]:
        """Parts to be sent now, the longest unsent first."""
        due = np.flatnonzero(self._missing & (self._sent <= tick - self._resend_ticks))
        order: list[int] = due[np.argsort(self._sent[due], kind="stable")].tolist()
        return order

    def was_sent(self, part: int) -> bool:
        """Tell whether a part was sent before."""
        return bool(self._sent[part] >= 0)

    def acked(self, part: int) -> None:
        """Note that the client has a part."""
        self._missing[part] = False

    def write(self, part: int, changes: ChangeLog) -> bytes:
        """Write a part as it is now: section, extent, runs and rows."""
        self._sent[part] = changes.tick
        runs, rows = _write_rows(changes, self._as_it_is(self._parts[part], changes))
        section = np.zeros((), SECTION)
        section["place"], section["runs"] = self.place, len(runs)
        section["flags"] = PARTIAL | CONTINUED | (REPLACE if self.since < 0 else 0)
        section["age"] = 0 if self.since < 0 else self.to_tick - self.since
        extent = np.zeros((), EXTENT)
        extent["part"], extent["parts"] = part, len(self._parts)
        extent["to_age"] = changes.tick - self.to_tick
        return b"".join((section.tobytes(), extent.tobytes(), runs.tobytes(), *rows))

    def _as_it_is(self, part: Scope, changes: ChangeLog) -> Scope:
        """Leave out what entities no longer have, and name who has left as left."""
        state, left = changes.state, part.what >= GONE
        row = np.where(left, 0, part.row)
        here = (state.net_id[row] == part.net_id) & (state.group[row] == self.group)
        has = state.changed[np.where(left, 0, part.what), row] >= 0
        kept = part.take(left | (here & has))
        net_id, what = changes.left(self.group, np.unique(part.net_id[~left & ~here]))
        return Scope(
            np.concatenate((kept.what, what)),
            np.concatenate((kept.row, np.zeros_like(what))),
            np.concatenate((kept.net_id, net_id)),
        )


def _write_rows(changes: ChangeLog, entries: Scope) -> tuple[NDArray[np.void], list[bytes]]:
    heads: list[tuple[int, int]] = []
    rows: list[bytes] = []
    for what in np.unique(entries.what).tolist():
        mine = entries.take(entries.what == what)
        count = len(mine.what)
        heads += [
            (what, min(RUN_ROWS_MAX, count - first)) for first in range(0, count, RUN_ROWS_MAX)
        ]
        if what >= GONE:
            rows.append(mine.net_id.astype(TOMBSTONE["id"]).tobytes())
        else:
            rows.append(changes.rows_of(what)[mine.row].tobytes())
    return np.array(heads, RUN), rows


def _share_out(changes: ChangeLog, scope: Scope, room: int) -> list[Scope]:
    """Share entries out over parts; all of an entity are in one part."""
    types = changes.row_types
    row_size = np.zeros(max(types) + 1, np.int64)
    row_size[list(types)] = [dtype.itemsize for dtype in types.values()]
    scope = scope.take(np.argsort(scope.net_id, kind="stable"))
    size = row_size[scope.what]
    first = np.flatnonzero(np.diff(scope.net_id.astype(np.int64), prepend=-1))
    before = np.cumsum(size) - size
    # Every entity begins at most `span` into its part, so that the part ends within the room.
    span = room - int(row_size.sum()) - RUN.itemsize * len(types)
    entity = np.repeat(np.arange(len(first)), np.diff(first, append=len(size)))
    part_of = before[first][entity] // span
    return [scope.take(part_of == part) for part in range(int(part_of.max(initial=-1)) + 1)]
