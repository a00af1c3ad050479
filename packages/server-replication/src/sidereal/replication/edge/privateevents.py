"""Events on their way to single clients: those to a sector, to a pilot, and to all.

Theory of operation. An event is **addressed** when it happens: it is of a sector, or of an account,
or for everybody. When the tick is published it is known which clients these are, and each of them
has a copy of it here: to a pilot means to the client of the account that flew the subject when it
happened, to a sector means to the clients that are in it at the end of the tick. A copy is sent in
the private section of one snapshot, and again when that is lost, until it is acked: the oldest
first, as far as there is room. It says at which tick the event happened, and the how manyth it is
of those of that tick that this client is told of. By these two the client knows what it has had.

A copy is given up when it is so old that its age does not fit into a byte, or when too many wait
for one client: the oldest of these. Of a tick each client is told of a few. So what is kept is
bounded, whatever a game emits and whatever a link carries.

What one client is told of is nothing to another: neither its copies nor their numbers depend on
what others are told of.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.component import To
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.stream import RUN
from sidereal.replication.edge.eventlog import AGE_MAX, rank_within
from sidereal.replication.limits import LIMITS, EdgeLimits
from sidereal.replication.world import ACCOUNT_NONE

NEVER = -1

_AGE_AT, _NTH_AT = 4, 5
"""Where a row has its age and its number: behind the id."""


class Addressed(NamedTuple):
    """Events of one sort that have happened in a tick.

    Attributes:
        what: the sort.
        rows: `Schema.private_events[what]`[n], but for when it was, and its number.
        sector: int64[n], packed, in which it was.
        account: int64[n], which flew the subject, `ACCOUNT_NONE` for none.
    """

    what: int
    rows: Rows
    sector: Ints
    account: Ints


class Hearers(NamedTuple):
    """The clients that may be told.

    Attributes:
        client: int64[n], their rows.
        sector: int64[n], packed, where each is: its entity, or where it looks without one.
        somewhere: bool[n], whether that is known by now.
        account: int64[n], of those who fly something, or may; `ACCOUNT_NONE` of all others.
    """

    client: Ints
    sector: Ints
    somewhere: NDArray[np.bool_]
    account: Ints


NOBODY: Final = Hearers(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.int64)
)


class Copies(NamedTuple):
    """Copies of events, the oldest first.

    Attributes:
        row: uint8[n, widest], each a row of its sort, and zeros behind it.
        what: int64[n], the sort.
        client: int64[n], who is told.
        tick: int64[n], when it happened.
        sent: int64[n], tick of the snapshot that it is on its way with, or NEVER.
    """

    row: NDArray[np.uint8]
    what: Ints
    client: Ints
    tick: Ints
    sent: Ints

    def take(self, at: NDArray[np.bool_] | Ints) -> Copies:
        """Some of them."""
        row, what, client, tick, sent = self
        return Copies(row[at], what[at], client[at], tick[at], sent[at])


class Chosen(NamedTuple):
    """Copies that go with the snapshots of a tick, those of one client after those of another.

    Attributes:
        of: int64[n], index into the clients at hand.
        what: int64[n], the sort.
        row: uint8[n, widest]
    """

    of: Ints
    what: Ints
    row: NDArray[np.uint8]

    def rows(self, what: int, dtype: np.dtype[Any]) -> Rows:
        """The rows of a sort."""
        packed: Rows = np.ascontiguousarray(self.row[self.what == what, : dtype.itemsize])
        return packed.view(dtype)[:, 0]


class PrivateEvents:
    """The copies for all clients.

    Attributes:
        happened: in the newest tick that was published.
        crowded: copies that were never made: too many for one client in one tick.
        crowded_out: copies that were given up because too many waited for one client.
        outdated: copies that were given up because they had grown too old.
    """

    def __init__(self, schema: Schema, limits: EdgeLimits = LIMITS.edge) -> None:
        self.crowded = self.crowded_out = self.outdated = 0
        self.types = schema.private_events
        self.happened: list[Addressed] = []
        self._to = {number: schema.component(number).to for number in self.types}
        self._limits = limits
        self._sizes = np.zeros(256, np.int64)
        self._sizes[list(self.types)] = [dtype.itemsize for dtype in self.types.values()]
        none = np.zeros(0, np.int64)
        no_rows = np.zeros((0, self.row_size_max), np.uint8)
        self._waiting = Copies(no_rows, none, none, none, none)
        self._noted: list[Addressed] = []
        self._chosen: Ints = np.zeros(0, np.int64)

    @property
    def row_size_max(self) -> int:
        """Bytes of the largest row, 0 for a game without such events."""
        return int(self._sizes.max())

    @property
    def size_least(self) -> int:
        """Bytes of one event in a section, whichever it is."""
        return RUN.itemsize + self.row_size_max if self.types else 0

    @property
    def size_most(self) -> int:
        """Bytes that there are for events in a section beside all else that it may have."""
        return max(self._limits.events_size, self.size_least) if self.types else 0

    @property
    def count(self) -> int:
        """Copies that wait, or are on their way."""
        return len(self._waiting.what)

    @property
    def any_noted(self) -> bool:
        """Whether there are events of the tick that is published next."""
        return bool(self._noted)

    def note(self, addressed: Addressed) -> None:
        """Note events of the tick that is published next."""
        self._noted.append(addressed)

    def publish(self, tick: int, hearers: Hearers) -> None:
        """Make copies of what was noted, and give up what is too old or too much."""
        self.happened, self._noted = self._noted, []
        self._chosen = np.zeros(0, np.int64)
        if self.happened:
            fresh = _joined([self._copies_of(each, hearers) for each in self.happened])
            nth = rank_within(fresh.client)
            kept = nth < self._limits.events_per_tick
            self.crowded += int((~kept).sum())
            fresh = fresh.take(kept)
            fresh.row[:, _NTH_AT] = nth[kept]
            fresh.tick[:] = tick
            self._waiting = _joined([self._waiting, fresh])
        if self.count:
            recent = tick - self._waiting.tick <= AGE_MAX
            newest_first = rank_within(self._waiting.client[::-1])[::-1]
            fits = newest_first < self._limits.events_waiting
            self.outdated += int((~recent).sum())
            self.crowded_out += int((recent & ~fits).sum())
            if not (recent & fits).all():
                self._waiting = self._waiting.take(recent & fits)

    def _copies_of(self, addressed: Addressed, hearers: Hearers) -> Copies:
        """Make a copy for each client that is told; of too many the first ones count."""
        what, rows, sector, account = addressed
        to = self._to[what]
        if to is To.SECTOR:
            key, told = sector, (sector[:, None] == hearers.sector) & hearers.somewhere
        elif to is To.PILOT:
            flown = account != ACCOUNT_NONE
            key, told = account, (account[:, None] == hearers.account) & flown[:, None]
        else:
            key, told = np.zeros_like(sector), np.ones((len(rows), len(hearers.client)), np.bool_)
        # Not more copies are made than one client takes: there may be many clients.
        kept = rank_within(np.unique(key, return_inverse=True)[1]) < self._limits.events_per_tick
        self.crowded += int(told[~kept].sum())
        event, hearer = np.nonzero(told & kept[:, None])
        packed = np.zeros((len(event), self.row_size_max), np.uint8)
        size, count = rows.dtype.itemsize, len(event)
        packed[:, :size] = rows[event].view(np.uint8).reshape(count, size)
        return Copies(
            packed,
            np.full(count, what, np.int64),
            hearers.client[hearer],
            np.zeros(count, np.int64),
            np.full(count, NEVER, np.int64),
        )

    def are_due(self, clients: Ints) -> NDArray[np.bool_]:
        """Tell for which clients some have to be sent, bool[n]."""
        due = self._waiting.client[self._waiting.sent == NEVER]
        return np.isin(clients, due)

    def choose(self, clients: Ints, room: Ints, tick: int) -> Chosen:
        """Choose what goes along in this tick: the oldest, as far as there is room.

        Args:
            clients: int64[n], rows, ascending.
            room: int64[n], bytes for runs and rows.
            tick: of the snapshots.
        """
        waiting = self._waiting
        at = np.flatnonzero((waiting.sent == NEVER) & np.isin(waiting.client, clients))
        at = at[np.argsort(waiting.client[at], kind="stable")]
        of = np.searchsorted(clients, waiting.client[at])
        # No more runs than rows.
        size = np.cumsum(self._sizes[waiting.what[at]] + RUN.itemsize)
        before = np.concatenate([np.zeros(1, np.int64), size])[np.searchsorted(of, of)]
        fits = size - before <= room[of]
        at, of = at[fits], of[fits]
        self._chosen = at
        order = np.lexsort((waiting.what[at], of))
        chosen = waiting.take(at[order])
        chosen.row[:, _AGE_AT] = tick - chosen.tick
        return Chosen(of[order], chosen.what, chosen.row)

    def note_sent(self, clients: Ints, tick: int) -> None:
        """Note whose private sections have left, int64[n]: with them goes what was chosen."""
        left = np.isin(self._waiting.client[self._chosen], clients)
        self._waiting.sent[self._chosen[left]] = tick

    def settle(self, clients: Ints, tick: int, *, is_lost: bool) -> None:
        """Note what became of the private sections of a tick.

        Args:
            clients: int64[n], whose.
            tick: of the snapshots.
            is_lost: whether they are taken for lost; else they have arrived.
        """
        if not self.count:
            return
        settled = (self._waiting.sent == tick) & np.isin(self._waiting.client, clients)
        if is_lost:
            self._waiting.sent[settled] = NEVER
        elif settled.any():
            self._waiting = self._waiting.take(~settled)

    def forget(self, client: int) -> None:
        """Give up what is for a client: it has left, or another one has its row."""
        self._waiting = self._waiting.take(self._waiting.client != client)


def _joined(copies: list[Copies]) -> Copies:
    return Copies(*(np.concatenate(columns) for columns in zip(*copies, strict=True)))
