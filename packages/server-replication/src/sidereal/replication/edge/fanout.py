"""Snapshots for all clients: what each of them is sent this tick, cut into datagrams.

Theory of operation. For every client and cell the server knows up to which tick the client was sent
the cell. The client is sent what has changed since. All pairs of client and cell are handled
together, in a few array operations: pairs with news ask for sections, and each section that is
asked for is cut once, however many clients need it. A client that is new to a cell, or too far
behind, is sent the whole cell. What remains per datagram is one join of shared pieces (about 1 µs).

Nothing is repeated until the channel takes it for lost. A cell of which something was lost is sent
again since the tick from which on the lost section said what had changed, as it is by then; see
`windows`. So what a client is sent does not depend on how long its acks take. Acks are needed to
know which cells a client has: those in which nothing has happened that it has not acked are
unchanged.

Every client has an allowance: what its link carries now, and at most some datagrams per tick.
`rooms` says how much of it is for cells. When that is not enough, the most urgent cells come first:
see `urgency`. A cell that is too large for what a client usually gets in a tick becomes a transfer.
A client for which there is nothing new is sent nothing, but for one datagram in `silence_s`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.sectors import SectorTable
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.schema import Schema
from sidereal.replication.edge.changelog import ChangeLog
from sidereal.replication.edge.cutting import Cut, cut_datagrams, fit, offsets, ranges, write_heads
from sidereal.replication.edge.in_flight import TAG_BITS, InFlight, Sent
from sidereal.replication.edge.owncells import OwnCells
from sidereal.replication.edge.private import PrivateLog
from sidereal.replication.edge.privatesections import PrivateSections
from sidereal.replication.edge.rooms import Rooms
from sidereal.replication.edge.sections import (
    Cuts,
    Layout,
    News,
    Sections,
    ask,
    joined,
    sections_of,
)
from sidereal.replication.edge.statistics import FanoutStatistics
from sidereal.replication.edge.transfer import Transfer, Transfers
from sidereal.replication.edge.urgency import Urgency
from sidereal.replication.edge.windows import Windows
from sidereal.replication.limits import LIMITS, EdgeLimits

Message = tuple[int, bytes, int]
"""Client, datagram, and the tag by which to ack it."""

_Bits = NDArray[np.bool_]
_Parts = dict[int, tuple[Transfer, int]]


class Fanout:
    """Everything the clients were sent, and what to send them next; publish `private` first."""

    def __init__(
        self,
        schema: Schema,
        rules: Rules,
        changes: ChangeLog,
        clients_max: int,
        limits: EdgeLimits = LIMITS.edge,
        private: PrivateLog | None = None,
    ) -> None:
        """Begin without clients.

        Args:
            schema: of the rows.
            rules: for the window.
            changes: in the world.
            clients_max: rows for clients; `join` takes numbers below it.
            limits: how much is sent at a time.
            private: what each client alone is told.

        Raises:
            ConfigError: an entity's rows do not fit into a datagram.
        """
        self._rules = rules
        self._changes = changes
        self._logs = (changes, *changes.roles.values())
        self._log_of = np.zeros(clients_max, np.int64)
        self._limits = limits
        self.private = private or PrivateLog(schema, rules, clients_max)
        self._layout = Layout(schema, rules, self.private.size_max)
        self._windows = Windows(rules, clients_max, limits.sectors_at_once)
        self._section_age_max = rules.streams.section_age_max
        self._in_flight = InFlight(rules.streams.reorder_ticks)
        self._transfers = Transfers(self._windows, self._section_age_max)
        self._own_cells = OwnCells(self._windows, clients_max)
        self._urgency = Urgency(self._windows, self._own_cells, limits.ring_stretch)
        self._rooms = Rooms(self._layout, rules, clients_max, limits)
        self._acks: list[Sequence[int]] = []
        self._losses: list[Sequence[int]] = []
        self._collected = -1
        self._counts = dict.fromkeys(FanoutStatistics.__dataclass_fields__, 0)

    def join(self, client: int, role: str = "") -> None:
        """Begin with a client that has nothing; snapshots begin once `move` has set its window."""
        self._log_of[client] = self._logs.index(self._changes.of(role))
        self._rooms.join(client)
        self._windows.remove(client)
        self._own_cells.forget(client)
        self.private.join(client)

    def leave(self, client: int) -> None:
        """Forget a client."""
        self._windows.remove(client)

    def move(self, client: int, tick: int, cell_x: int, cell_y: int) -> None:
        """Put the middle of a client's window into an absolute cell; `refresh` must follow."""
        self._windows.move(client, max(tick, self._next_tick()), cell_x, cell_y)

    def refresh(self, table: SectorTable) -> None:
        """Follow windows that moved and sectors that came or went; before every `collect`."""
        self._changes.reserve(table.group_count)
        self._windows.resolve(table, self._next_tick())

    def acked(self, client: int, tags: Sequence[int]) -> None:
        """Note the tags of datagrams that a client has received."""
        if self._windows.active[client]:
            self._acks.append(tags)

    def lost(self, client: int, tags: Sequence[int]) -> None:
        """Note the tags of datagrams that are taken for lost on their way to a client."""
        if self._windows.active[client]:
            self._losses.append(tags)

    def collect(self, tick: int, allowance: Ints) -> Iterator[Message]:
        """Write every client's datagrams of a tick.

        Args:
            tick: as published.
            allowance: int64[clients], bytes that can leave for each now.

        Returns:
            The datagrams, written as they are taken; take all of them before the next `publish`.

        Raises:
            LocalProtocolError: nothing is published for that tick, or this was done.
        """
        if tick != self._changes.tick or tick <= self._collected:
            raise LocalProtocolError(f"tick {tick} collected, {self._changes.tick} is published")
        self._own_cells.follow(self.private.row, self._changes.state, tick)
        self._settle(tick)
        self._collected = tick
        clients = self._windows.rows()
        if not len(clients):
            return iter(())
        private = self.private.collect(clients, self._windows, allowance[clients])
        room = self._rooms.share(clients, allowance[clients], private.size, tick)
        sections, pieces, unchanged = self._find_news(clients)
        sections, parts = self._add_parts(clients, sections, pieces, room)
        new = np.bincount(sections.row, sections.size, len(clients))
        room = self._rooms.save_up(clients, room, private.size, new, tick)
        sections, cut, deferred = self._fit(clients, sections, private.size, room, parts)
        cut = self._rooms.speak(clients, cut, private.size, room, tick)
        self._record(clients, sections, cut, unchanged, parts)
        self.private.note_sent(np.where(private.begin(cut), clients[cut.row], -1))
        put_off, own = deferred[cut.row], private.begin(cut)
        centres = [self._windows.centre[client] for client in clients[cut.row].tolist()]
        heads = write_heads(cut, sections.place, unchanged, put_off, own, centres, tick)
        self._count(cut, sections, parts, deferred)
        return self._messages(clients, heads, private, sections, pieces, cut)

    def statistics(self) -> FanoutStatistics:
        """Counts since the start."""
        now = {
            "late_acks": self._in_flight.late,
            "ticks_in_flight": self._in_flight.age(self._collected),
            "transfers": self._transfers.begun,
            "transfers_whole": self._transfers.begun_whole,
        }
        return FanoutStatistics(**self._counts | now)

    # -- what each client has -------------------------------------------------------------------

    def _next_tick(self) -> int:
        """Tick of the next snapshot, as far as is known."""
        return max(self._changes.tick, self._collected + 1)

    def _settle(self, tick: int) -> None:
        """Take in what became of datagrams."""
        windows, in_flight = self._windows, self._in_flight
        acked = np.fromiter(chain.from_iterable(self._acks), np.int64)
        lost = np.fromiter(chain.from_iterable(self._losses), np.int64)
        self.private.settle(acked, lost)
        for gone in chain(in_flight.expire(tick), in_flight.settle(lost, acked=False)):
            windows.note_lost(gone.clients, gone.places, gone.since, gone.tick)
            self._counts["lost"] += len(gone.clients)
            for transfer, part in gone.transfer_parts:
                transfer.lost(part)
        for came in in_flight.settle(acked, acked=True):
            windows.note_arrived(came.clients, came.places, came.tick)
            windows.note_unchanged(came.unchanged_clients, came.unchanged_places, came.tick)
            for transfer, part in came.transfer_parts:
                self._transfers.note_arrived(transfer, part)
        self._acks.clear()
        self._losses.clear()
        fresh = self._own_cells.fresh
        self._transfers.give_way(fresh, self._own_cells.group[fresh], tick)
        self._transfers.expire(tick)

    # -- what each client needs -----------------------------------------------------------------

    def _find_news(self, clients: Ints) -> tuple[Sections, list[bytes], _Bits]:
        """Sections of every client, their pieces, and which places of each are unchanged."""
        windows, tick = self._windows, self._changes.tick
        group, sent, log_of = windows.group[clients], windows.sent[clients], self._log_of[clients]
        newest = np.empty_like(sent)
        for at, log in enumerate(self._logs):
            of = np.flatnonzero(log_of == at)
            newest[of] = self._own_cells.newest_of(log, clients[of], group[of])
        is_news = (newest > sent) | (sent < 0)
        row, place = np.nonzero(is_news & ~self._transfers.occupied(clients))
        since = sent[row, place]
        since[tick - since > self._section_age_max] = -1
        news = News(row, place, since)
        found = [
            self._cut(log, clients, news.take(log_of[row] == at))
            for at, log in enumerate(self._logs)
        ]
        return *joined(found), windows.has(clients, newest)

    def _cut(self, changes: ChangeLog, clients: Ints, news: News) -> tuple[Sections, Cuts]:
        """Cut what clients need from their log; what has too many parts begins to be sent."""
        group = self._windows.group[clients[news.row], news.place]
        most = self._limits.replace_parts, self._limits.section_parts
        asked, which = ask(changes, group, news.since, news.place, *most)
        cuts = self._layout.cut(changes, asked)
        usual = self._rooms.usual(clients)[news.row]
        large = (cuts.parts > asked.parts_max)[which] | (cuts.whole_size[which] > usual)
        if large.any():
            begun, room = news.take(large), np.minimum(self._layout.whole_max, usual[large] // 2)
            owners = clients[begun.row]
            own = self._own_cells.net_id[owners]
            self._transfers.begin(changes, owners, own, begun, which[large], cuts, room)
            news, which = news.take(~large), which[~large]
        return sections_of(news, which, cuts), cuts

    def _add_parts(
        self, clients: Ints, sections: Sections, pieces: list[bytes], room: Ints
    ) -> tuple[Sections, _Parts]:
        """Add parts of transfers that are due, the most urgent, as many as could leave.

        Mutates:
            pieces: they are appended.

        Returns:
            All sections, and which pieces are parts.
        """
        parts: _Parts = {}
        rows: list[tuple[int, ...]] = []
        due, left = self._transfers.due(), room.copy()
        # A crowd on its way to somebody new to it, or by a thin link: 5 µs each.
        for at in self._by_urgency(due):
            transfer, those = due[at]
            row = int(np.searchsorted(clients, transfer.client))
            for part in those:
                if left[row] <= 0:
                    break
                piece = len(pieces)
                pieces.append(transfer.write(part, self._logs[self._log_of[transfer.client]]))
                size = len(pieces[piece])
                rows.append((row, transfer.place, transfer.since, 0, 1, size, piece))
                parts[piece] = transfer, part
                left[row] -= size
        if not rows:
            return sections, parts
        columns = zip(sections, np.array(rows, np.int64).T, strict=True)
        both = Sections(*(np.concatenate(pair) for pair in columns))
        return both.take(np.argsort(both.row, kind="stable")), parts

    def _fit(
        self, clients: Ints, sections: Sections, private_size: Ints, room: Ints, parts: _Parts
    ) -> tuple[Sections, Cut, Ints]:
        """Cut sections into datagrams; of clients over budget only the most urgent.

        Returns:
            The sections that are sent, the datagrams they are in, and how many cells of each
            client are put off.
        """
        count, most = len(clients), self._limits.datagrams
        room_first = self._layout.room - private_size
        deferred = np.zeros(count, np.int64)
        cut = cut_datagrams(sections.row, sections.size, count, room_first, self._layout.room)
        over = np.bincount(sections.row, sections.size, count) > room
        over[cut.row[cut.rank >= most]] = True
        if over.any():
            rows, tick = np.flatnonzero(over), self._changes.tick
            first = [piece for piece, (transfer, part) in parts.items() if transfer.is_first(part)]
            sections = sections.take(self._urgency.order(clients, sections, rows, first, tick))
            deferred += np.bincount(sections.row[sections.is_last], minlength=count)
            lately = self._rooms.lately(clients)
            fits = fit(sections.row, sections.size, sections.is_last, room, lately)
            sections = sections.take(fits)
            cut = cut_datagrams(sections.row, sections.size, count, room_first, self._layout.room)
            cut = cut.take(cut.rank < most)
            sections = sections.take(ranges(cut.first, cut.end - cut.first))
            deferred -= np.bincount(sections.row[sections.is_last], minlength=count)
            bounds = offsets(cut.end - cut.first)
            cut = cut._replace(first=bounds[:-1], end=bounds[1:])
        return sections, cut, deferred

    def _by_urgency(self, due: list[tuple[Transfer, list[int]]]) -> list[int]:
        """Order in which transfers are sent."""
        if not due:
            return []
        owners, places = np.array([(each.client, each.place) for each, _ in due], np.int64).T
        urgency = self._urgency.of(owners, places, self._changes.tick)
        urgency[[transfer.is_first(parts[0]) for transfer, parts in due]] = np.inf
        order: list[int] = np.argsort(-urgency, kind="stable").tolist()
        return order

    # -- datagrams ------------------------------------------------------------------------------

    def _record(
        self, clients: Ints, sections: Sections, cut: Cut, unchanged: _Bits, parts: _Parts
    ) -> None:
        """Keep what every datagram holds, until it is known what became of it."""
        tick = self._changes.tick
        datagram = np.repeat(np.arange(len(cut.row)), cut.end - cut.first)
        held: dict[int, list[tuple[Transfer, int]]] = {}
        is_part = np.zeros(len(datagram), np.bool_)
        if parts:
            is_part = sections.piece >= min(parts)
            for at in np.flatnonzero(is_part).tolist():
                transfer, part = parts[int(sections.piece[at])]
                transfer.note_sent(part, tick)
                held.setdefault(int(datagram[at]), []).append((transfer, part))
        # What was sent of a section that did not fit in is sent again in any case.
        whole = sections.is_complete & ~is_part
        cells, datagram = sections.take(whole), datagram[whole]
        last = cells.take(cells.is_last)
        self._windows.note_sent(clients[last.row], last.place, last.since, last.parts, tick)
        owner, age = clients[cut.row], np.where(cells.since < 0, 0, tick - cells.since)
        sent = Sent(owner, unchanged[cut.row], datagram, cells.place, age, held)
        self._in_flight.record(tick, sent)

    def _count(self, cut: Cut, sections: Sections, parts: _Parts, deferred: Ints) -> None:
        cells = sections.piece < min(parts, default=1 << 62)
        self._counts["datagrams"] += len(cut.row)
        self._counts["sections"] += len(sections.row)
        self._counts["replaced"] += int(np.count_nonzero(cells & (sections.since < 0)))
        self._counts["deferred"] += int(deferred.sum())

    def _messages(
        self,
        clients: Ints,
        heads: list[bytes],
        private: PrivateSections,
        sections: Sections,
        data: list[bytes],
        cut: Cut,
    ) -> Iterator[Message]:
        tag = self._changes.tick << TAG_BITS
        rows, ranks = cut.row.tolist(), cut.rank.tolist()
        owners = clients[cut.row].tolist()
        pieces = list(map(data.__getitem__, sections.piece.tolist()))
        spans = zip(heads, cut.first.tolist(), cut.end.tolist(), strict=True)
        # One client's datagram per turn: about 1.5 µs.
        for at, (head, first, end) in enumerate(spans):
            alone = b"" if ranks[at] else private.data[rows[at]]
            yield owners[at], b"".join((head, alone, *pieces[first:end])), tag | at
