"""A transfer: a cell that is too large for one tick, sent in parts over several ticks.

The content is fixed when the transfer begins: everybody who has changed by `to_tick`. Each part
names some of them, and is sent again when it is lost, with their state as it is by then. Whoever
has left the cell in the meantime is sent as a tombstone. What the client itself flies is in the
first part, and that goes ahead of all others. An event stays what it was; it is sent until it is
too old. Changes after `to_tick` belong to the next section, which waits until every part was sent
once. So every part that arrives counts, however many there are and however many are lost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.heads import encode_section
from sidereal.protocol.state.schema import EVENT_FIRST
from sidereal.protocol.state.stream import (
    CONTINUED,
    EXTENT,
    GONE,
    PARTIAL,
    REPLACE,
    RUN,
    RUN_ROWS_MAX,
    SECTION_SIZE_MAX,
    TOMBSTONE,
)
from sidereal.replication.edge.changelog import ChangeLog
from sidereal.replication.edge.eventlog import AGE_MAX, Happened
from sidereal.replication.edge.sections import Cuts, News
from sidereal.replication.edge.windows import Windows

Run = tuple[int, int]
"""Rows of one sort: which, and how many."""


class Scope(NamedTuple):
    """What a transfer sends: entries of a log when it begins.

    Attributes:
        what: int64[n], the sort of row.
        row: int64[n], of the world, or of the events of that sort when the transfer begins; means
            nothing for a tombstone.
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
        own: int = NET_ID_NONE,
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
            own: id of what the client flies; it is in the first part.
        """
        self.client, self.place, self.group = client, place, group
        self.since, self.to_tick = since, changes.tick
        is_own = (scope.net_id == own) & (scope.what < GONE) & (own != NET_ID_NONE)
        self._has_own = bool(is_own.any())
        shared = _share_out(changes, scope, is_own, room - SECTION_SIZE_MAX - EXTENT.itemsize)
        self._parts = [part.take(part.what < EVENT_FIRST) for part in shared]
        self._events = [_events_of(changes, part) for part in shared]
        self._sent: Ints = np.full(len(self._parts), -1, np.int64)
        self._waits: NDArray[np.bool_] = np.ones(len(self._parts), np.bool_)
        self._missing: NDArray[np.bool_] = np.ones(len(self._parts), np.bool_)

    @property
    def done(self) -> bool:
        """Whether the client has acked every part."""
        return not self._missing.any()

    @property
    def was_sent(self) -> bool:
        """Whether every part was sent once."""
        return bool((self._sent >= 0).all())

    def due(self) -> list[int]:
        """Parts to be sent, the one with what the client flies, then the longest unsent first."""
        due = np.flatnonzero(self._waits)
        order: list[int] = due[np.argsort(self._sent[due], kind="stable")].tolist()
        if self._has_own and self._waits[0]:
            order.remove(0)
            order.insert(0, 0)
        return order

    def is_first(self, part: int) -> bool:
        """Tell whether a part goes ahead of all others: it has what the client flies."""
        return self._has_own and part == 0

    def note_sent(self, part: int, tick: int) -> None:
        """Note that a part is on its way."""
        self._sent[part], self._waits[part] = tick, False

    def acked(self, part: int) -> None:
        """Note that the client has a part."""
        self._waits[part] = self._missing[part] = False

    def lost(self, part: int) -> None:
        """Note that a part is taken for lost."""
        self._waits[part] = self._missing[part]

    def write(self, part: int, changes: ChangeLog) -> bytes:
        """Write a part as it is now: section, extent, runs and rows."""
        runs, rows = _write_rows(changes, self._as_it_is(self._parts[part], changes))
        more, events = _write_events(self._events[part], changes.tick)
        runs += more
        rows += events
        is_whole = self.since < 0
        flags = PARTIAL | CONTINUED | (REPLACE if is_whole else 0)
        age = 0 if is_whole else self.to_tick - self.since
        extent = part, len(self._parts), changes.tick - self.to_tick
        return b"".join((encode_section(self.place, flags, age, runs, extent), *rows))

    def _as_it_is(self, part: Scope, changes: ChangeLog) -> Scope:
        """Leave out what entities no longer have; name as left who has left and is not back."""
        state, left = changes.state, part.what >= GONE
        if left.any():
            back = left & np.isin(part.net_id, state.net_id[state.group == self.group])
            part, left = part.take(~back), left[~back]
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


class Transfers:
    """All transfers under way.

    Attributes:
        begun: how many were, and how many of these of a whole cell.
    """

    def __init__(self, windows: Windows, age_max: int) -> None:
        """Begin without any.

        Args:
            windows: what clients were sent.
            age_max: ticks after which a transfer is given up: it is no longer known who has left.
        """
        self.begun = self.begun_whole = 0
        self._windows = windows
        self._age_max = age_max
        self._under_way: dict[tuple[int, int], list[Transfer]] = {}

    def begin(
        self,
        changes: ChangeLog,
        clients: Ints,
        own: NDArray[np.uint32],
        news: News,
        which: Ints,
        cuts: Cuts,
        room: Ints,
    ) -> None:
        """Take up transfers of sections that have too many parts; the cells count as sent.

        Args:
            changes: just published.
            clients: int64[n], rows.
            own: uint32[n], ids of what they fly.
            news: what each is to be sent.
            which: int64[n], which of the sections that were cut it is.
            cuts: those.
            room: int64[n], as of a `Transfer`.
        """
        log = cuts.log
        columns = clients, own, news.place, news.since, which, room
        # Only where a crowd comes into view: 0.2 ms for each client and crowded cell.
        for client, flown, place, since, section, span in np.stack(columns, axis=1).tolist():
            entries = slice(*cuts.entries[section].tolist())
            what, of = log.what[entries], log.row[entries]
            scope = Scope(what, of, changes.ids_of(what, of))
            group = int(self._windows.group[client, place])
            transfer = Transfer(client, place, group, since, changes, scope, span, flown)
            self._under_way.setdefault((client, place), []).append(transfer)
            where = np.array([client]), np.array([place])
            self._windows.note_sent(*where, np.array([since]), np.array([1]), transfer.to_tick)
            self.begun += 1
            self.begun_whole += since < 0

    def note_arrived(self, transfer: Transfer, part: int) -> None:
        """Note that a part has arrived."""
        transfer.acked(part)
        if transfer.done and self._drop(transfer):
            self._windows.note_arrived(*_pair(transfer), transfer.to_tick)

    def expire(self, tick: int) -> None:
        """Give up what is void or too old; before `occupied` and `due`."""
        for transfer in self._all():
            if not self._counts(transfer):
                self._drop(transfer)
            elif tick - transfer.to_tick > self._age_max:
                self._drop(transfer)
                since = np.array([transfer.since])
                self._windows.note_lost(*_pair(transfer), since, transfer.to_tick)

    def give_way(self, clients: Ints, group: Ints, tick: int) -> None:
        """Begin anew with cells of which a transfer holds up what clients fly since now.

        Args:
            clients: int64[n], rows of these.
            group: int64[n], the cell in which that is, of each.
            tick: about to be sent.
        """
        cells = dict(zip(clients.tolist(), group.tolist(), strict=True))
        for transfer in self._all() if cells else ():
            if cells.get(transfer.client) == transfer.group and not transfer.was_sent:
                self._windows.begin(*_pair(transfer), tick)

    def due(self) -> list[tuple[Transfer, list[int]]]:
        """Find the transfers of which something is to be sent, and which parts."""
        return [(transfer, parts) for transfer in self._all() if (parts := transfer.due())]

    def occupied(self, clients: Ints) -> NDArray[np.bool_]:
        """Tell which cells wait for a transfer of which some part was not sent yet.

        Returns:
            bool[n, window], by row of `clients`.
        """
        waits = np.zeros((len(clients), self._windows.group.shape[1]), np.bool_)
        for (client, place), transfers in self._under_way.items():
            if not all(transfer.was_sent for transfer in transfers):
                waits[np.searchsorted(clients, client), place] = True
        return waits

    def _all(self) -> list[Transfer]:
        # A crowd on its way to somebody new to it, or by a thin link: 5 µs each.
        return [transfer for transfers in self._under_way.values() for transfer in transfers]

    def _counts(self, transfer: Transfer) -> bool:
        """Tell whether the client, and its window's cell, are still those it was begun for."""
        windows, place = self._windows, (transfer.client, transfer.place)
        return bool(windows.active[transfer.client] and windows.entered[place] <= transfer.to_tick)

    def _drop(self, transfer: Transfer) -> bool:
        """Forget a transfer; tells whether it was there."""
        key = transfer.client, transfer.place
        transfers = self._under_way.get(key, [])
        if transfer not in transfers:
            return False
        transfers.remove(transfer)
        if not transfers:
            del self._under_way[key]
        return True


def _pair(transfer: Transfer) -> tuple[Ints, Ints]:
    return np.array([transfer.client]), np.array([transfer.place])


def _write_rows(changes: ChangeLog, entries: Scope) -> tuple[list[Run], list[bytes]]:
    heads: list[Run] = []
    rows: list[bytes] = []
    for what in np.unique(entries.what).tolist():
        mine = entries.take(entries.what == what)
        heads += _runs_of(what, len(mine.what))
        if what >= GONE:
            rows.append(mine.net_id.astype(TOMBSTONE["id"]).tobytes())
        else:
            rows.append(changes.rows_of(what)[mine.row].tobytes())
    return heads, rows


def _events_of(changes: ChangeLog, part: Scope) -> dict[int, Happened]:
    """Take events down: the log may let go of them before the transfer is done."""
    found = {}
    for what in np.unique(part.what[part.what >= EVENT_FIRST]).tolist():
        found[what] = changes.events.kept[what].take(part.row[part.what == what])
    return found


def _write_events(events: dict[int, Happened], tick: int) -> tuple[list[Run], list[bytes]]:
    heads: list[Run] = []
    rows: list[bytes] = []
    for what, happened in events.items():
        recent = happened.take(tick - happened.tick <= AGE_MAX)
        recent.row["age"] = tick - recent.tick
        heads += _runs_of(what, len(recent.row))
        rows.append(recent.row.tobytes())
    return heads, rows


def _runs_of(what: int, count: int) -> list[Run]:
    return [(what, min(RUN_ROWS_MAX, count - first)) for first in range(0, count, RUN_ROWS_MAX)]


def _share_out(
    changes: ChangeLog, scope: Scope, is_own: NDArray[np.bool_], room: int
) -> list[Scope]:
    """Share entries out over parts; all of an entity are in one part, but for its events.

    Those that are the client's own, bool[n], come first.
    """
    types = changes.row_types
    row_size = np.zeros(max(types) + 1, np.int64)
    row_size[list(types)] = [dtype.itemsize for dtype in types.values()]
    happened = scope.what >= EVENT_FIRST
    whose = np.where(happened, (1 << 32) + np.arange(len(scope.what)), scope.net_id)
    whose[is_own] = 0
    order = np.argsort(whose, kind="stable")
    scope, whose = scope.take(order), whose[order]
    size = row_size[scope.what]
    first = np.flatnonzero(np.diff(whose, prepend=-1))
    entity = np.repeat(np.arange(len(first)), np.diff(first, append=len(size)))
    filled = np.cumsum(np.bincount(entity, size, len(first)))
    span = room - RUN.itemsize * len(np.unique(scope.what))
    parts, begin, before = [], 0, 0.0
    while begin < len(first):
        # An entity that is larger than that goes alone.
        end = max(begin + 1, int(np.searchsorted(filled, before + span, side="right")))
        parts.append(scope.take((entity >= begin) & (entity < end)))
        begin, before = end, float(filled[end - 1])
    return parts
