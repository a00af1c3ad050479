"""The client's copy of the world in its window, from snapshots in whatever order they come.

Theory of operation. Every snapshot is a part of the world as of its tick, and so are its rows,
whatever was lost before. Of two rows of one entity and component, the one from the later snapshot
is true, whichever came first. A **presence** says which components there are; the entity shows from
when all of them are known, and those that it does not name are dropped. Any row says in which cell,
and when, the entity was last **seen**. Two sorts of rows say that an entity has left a cell:

* *gone* ends the entity for ever.
* *moved* says that the entity is not in this cell any more, but not where it is now. If it was
  seen here last, it is **lost**, and stays on its straight line. It is found when it is seen again.
  It is let go when every cell of the window is known, without a gap, up to the tick at which that
  was said: in the window, one of them would have had it. So nothing flickers on its way from one
  cell to the next.

An entity also gets lost when its cell leaves the window, or is sent whole without it. That an
entity is gone, or has left a cell, is kept until every cell is known up to that tick. So nothing
that comes late brings back what was there before.

What the client flies is told of in private sections, whatever is known of the cell that it is in.
So it may be lost, but it is not let go of before it is gone or the client flies it no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.client.coverage import Coverage, Replaced, Told
from sidereal.client.departures import Departures
from sidereal.client.happenings import Happenings, Sections, no_sections
from sidereal.client.interpolation import References
from sidereal.client.known import NEVER, Known, grown
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.private import Applied, PrivateState
from sidereal.client.reading import Lined, Read, line_up, named, read_untrusted
from sidereal.client.ring import ReferenceRing
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.quantize import decode_rows, restore_tick
from sidereal.protocol.state.reckoning import Motion
from sidereal.protocol.state.schema import MOTION, Schema
from sidereal.protocol.state.snapshot import unchanged_places
from sidereal.protocol.state.stream import GONE, MOVED, PRESENCE

_WHEN_AND_WHERE = attrgetter("tick", "centre_x", "centre_y")


class Replica:
    """Columns of all entities that are known, by row.

    Attributes:
        columns: the newest reference and all other components of each.
        coverage: which cells are known up to when.
        private: what this client alone is told.
        happenings: what has happened, and is to be shown.
        newest_at: when the newest snapshot came, monotonic seconds; minus infinity before.
        stale: datagrams that were too old to be looked at.
        entities_dropped: rows of entities for which there was no room.
    """

    def __init__(
        self,
        schema: Schema,
        rules: Rules,
        capacity: int = 256,
        *,
        limits: Limits = LIMITS,
    ) -> None:
        self.schema = schema
        self.rules = rules
        self.columns = Columns(schema, capacity)
        self.coverage = Coverage(rules)
        self.private = PrivateState(schema, rules)
        self.newest_at = -math.inf
        self.stale = 0
        self.entities_dropped = 0
        self._limits = limits
        self._motion = schema.numbers[MOTION.name]
        shown = ((number, schema.component(number)) for number in schema.shown)
        self._number_of = {f.name: number for number, component in shown for f in component.fields}
        self._known = Known(schema, capacity)
        self._seen: Ints = np.full(capacity, NEVER, np.int64)
        self._moved: Ints = np.full(capacity, NEVER, np.int64)
        self._lost_at: Ints = np.full(capacity, NEVER, np.int64)
        self._cell_x: Ints = np.zeros(capacity, np.int64)
        self._cell_y: Ints = np.zeros(capacity, np.int64)
        self._ring = ReferenceRing(self.columns)
        self._departures = Departures(limits.tombstones)
        self.happenings = Happenings(schema, rules, limits)

    @property
    def newest_tick(self) -> int:
        """Tick of the newest snapshot, -1 before the first."""
        return self.coverage.newest_tick

    @property
    def have(self) -> Ints:
        """Tick up to which each cell of the window is known, int64[window], by place."""
        return self.coverage.have

    @property
    def stamp(self) -> Ints:
        """Tick of the snapshot that last had the reference, or -1; int64 by row."""
        stamp: Ints = self._known.stamp[self._motion]
        return stamp

    def rows(self) -> Ints:
        """Rows of all entities of which every component was known once, ascending."""
        return np.flatnonzero(self._known.shows)

    def components(self, rows: Ints) -> NDArray[np.uint64]:
        """Masks of the components that entities have, as far as these are known."""
        return self._known.components(rows)

    def newer(self, rows: Ints) -> References:
        """The newest reference of these rows."""
        motion = (self.columns[name][rows] for name in Motion._fields)
        return References(self.columns.tick[rows], *motion)

    def known(self, rows: Ints) -> References:
        """The references of these rows [RING, n], the newest first; the oldest again for none."""
        return self._ring.known(rows)

    def own_value(self, name: str) -> Any:
        """Give a column of what this client flies, by its name in the schema; None if unknown."""
        if name in self.private.values:
            return self.private.values[name]
        row = self.columns.rows_of([self.private.flown.net_id])
        number = self._number_of.get(name, 0)
        if row[0] < 0 or not number or not int(self.components(row)[0]) >> number & 1:
            return None
        return self.columns[name][row[0]]

    def confirmed(self, rows: Ints) -> Ints:
        """Tick of the newest snapshot that said, or implied, that these references hold."""
        heard = self.coverage.heard_up_to(self._cell_x[rows], self._cell_y[rows])
        here = np.where(self._are_lost(rows), NEVER, heard)
        here[self._are_flown(rows)] = self.newest_tick
        return np.maximum(self.stamp[rows], here)

    def apply_untrusted(self, messages: Sequence[bytes], now: float) -> list[Applied]:
        """Apply all datagrams that are there, in one pass.

        Args:
            messages: as received, in the order in which they came.
            now: monotonic seconds.

        Returns:
            One for each that is a snapshot of this schema; the others change nothing.
        """
        read = read_untrusted(self.schema, self.rules, messages)
        if not read.snapshots:
            return []
        before = self.coverage.moved_tick
        cells, replaced = self._cover(read, now)
        self._note_departures(read, cells)
        lined = line_up(read.all)
        for tick in sorted({snapshot.tick for snapshot in read.snapshots}):
            self._apply_rows(read, lined, cells, tick)
        self._lose_moved(read, cells)
        for cell in replaced:
            self._lose_unnamed(cell)
        if self.coverage.moved_tick != before:
            self._lose_outside()
        applied = [
            Applied(one.tick, None if one.private is None else self.private.apply(one.private))
            for one in read.snapshots
        ]
        self._settle()
        self.happenings.take(read, cells)
        self._take_own_motion()
        return applied

    def expire(self, tick: int) -> None:
        """Give up whom nobody has found for `StreamLimits.reorder_ticks`."""
        given_up = self._are_lost() & (self._lost_at < tick - self.rules.streams.reorder_ticks)
        self._let_go(np.flatnonzero(given_up))

    # -- stages ---------------------------------------------------------------------------------

    def _cover(self, read: Read, now: float) -> tuple[Sections, list[Replaced]]:
        """Follow the window, and find out which sections count, snapshot by snapshot."""
        cells = no_sections(len(read.all.of), len(read.snapshots))
        replaced: list[Replaced] = []
        end = passed = 0
        for (tick, centre_x, centre_y), group in groupby(read.snapshots, _WHEN_AND_WHERE):
            together = list(group)
            first, end = end, end + sum(len(snapshot.sections) for snapshot in together)
            passed += len(together)
            if tick < self.newest_tick - self.rules.streams.reorder_ticks:
                self.stale += len(together)
                cells.stale[passed - len(together) : passed] = True
                continue
            if tick > self.newest_tick:
                self.newest_at = now
            self.coverage.follow(tick, centre_x, centre_y)
            cell_x, cell_y, inside = self.coverage.around(centre_x, centre_y)
            at, every = slice(first, end), read.all
            told = Told(
                tick,
                not any(snapshot.deferred for snapshot in together),
                every.place[at],
                every.replace[at],
                every.continued[at],
                every.from_tick[at],
                every.to_tick[at],
                every.part[at],
                every.parts[at],
            )
            cells.x[at], cells.y[at] = cell_x[told.place], cell_y[told.place]
            cells.counts[at] = counts = self.coverage.counts(told, inside)
            unchanged = unchanged_places(self.rules, [s.unchanged for s in together])
            noted = self.coverage.note(told, unchanged, inside, counts)
            cells.complete[at] = noted.complete
            replaced += noted.replaced
        return cells, replaced

    def _note_departures(self, read: Read, cells: Sections) -> None:
        for what in (GONE, MOVED):
            net_id, section = named(read.all, what, cells.counts)
            ticks = read.all.tick[section].tolist()
            where = zip(cells.x[section].tolist(), cells.y[section].tolist(), strict=True)
            # A few a tick: 0.5 µs each.
            for one, tick, cell in zip(net_id.tolist(), ticks, where, strict=True):
                self._departures.note(one, None if what == GONE else cell, tick)

    def _apply_rows(self, read: Read, lined: Lined, cells: Sections, tick: int) -> None:
        """Apply all rows of one tick: of the presence first, then of the components.

        Of two rows of one entity and sort, as no server sends them, the first counts: it is put
        down last.
        """
        here = cells.counts & (read.all.tick == tick)
        at = np.flatnonzero(here[lined.section])
        at, found = self._find(lined, at, cells, tick)
        presences = int(np.searchsorted(lined.number[at], PRESENCE, "right"))
        if presences:
            said = np.flatnonzero(self._known.stamp[PRESENCE, found[:presences]] < tick)[::-1]
            presence = read.all.rows[PRESENCE].take(at[said])
            self._apply_presence(found[said], presence, tick)
            at, found = at[presences:], found[presences:]
        newer = self._known.stamp[lined.number[at], found] < tick
        at, found = at[newer], found[newer]
        ends = np.searchsorted(at, lined.first).tolist()
        for what, first, begin, end in zip(lined.sorts, lined.first, ends, ends[1:], strict=False):
            if begin < end:
                some, rows = at[begin:end][::-1], found[begin:end][::-1]
                wire = read.all.rows[what].take(some - first)
                self._apply_component(what, rows, wire, lined.section[some], cells, tick)
        self._known.take_components(lined.number[at], found, tick)

    def _apply_presence(self, rows: Ints, presence: Rows, tick: int) -> None:
        """Take over what entities are; drop the components that they do not have any more."""
        self.columns["kind"][rows] = presence["kind"]
        self._known.take_presence(rows, presence["mask"], tick)
        for number, had in self._known.drop(rows, tick):
            for field in self.schema.component(number).fields:
                self.columns[field.name][had] = np.zeros(1, field.memory_dtype)

    def _apply_component(
        self, number: int, rows: Ints, wire: Rows, section: Ints, cells: Sections, tick: int
    ) -> None:
        size = self.rules.cell_size
        origin_x, origin_y = cells.x[section] * size, cells.y[section] * size
        values = decode_rows(
            self.schema, number, wire, self.rules, origin_x=origin_x, origin_y=origin_y
        )
        if number == self._motion:
            ticks = restore_tick(wire["tick"], tick)
            self._ring.take(rows, ticks, values, self.stamp[rows] >= 0)
        else:
            for name, array in values.items():
                self.columns[name][rows] = array

    def _take_own_motion(self) -> None:
        """Take the motion of what this client flies, unless a cell says something newer of it."""
        told = self.private.reference()
        row = self.columns.rows_of([self.private.flown.net_id])
        if told is None or row[0] < 0 or self.stamp[row[0]] > told[0]:
            return
        tick, state = told
        motion = {name: np.array([value]) for name, value in state._asdict().items()}
        self._ring.take(row, np.array([tick]), motion, self.stamp[row] >= 0)
        self._known.take_components(np.array([self._motion]), row, tick)

    def _find(self, lined: Lined, at: Ints, cells: Sections, tick: int) -> tuple[Ints, Ints]:
        """Rows that count, and whose they are; strangers get a row, and all are seen there.

        Returns:
            Indices of the rows that came, int64[n], and rows of the replica, int64[n].
        """
        ids, where = lined.net_id[at], lined.section[at]
        gone, left = self._departures.left_at(ids, cells.x[where], cells.y[where], tick)
        if gone.any():
            at, ids, left = at[~gone], ids[~gone], left[~gone]
        rows = self.columns.rows_of(ids)
        strange = np.flatnonzero(rows < 0)
        if len(strange):
            _, first = np.unique(ids[strange], return_index=True)
            room = self._limits.entities - len(self.columns)
            self.columns.allocate(ids[strange[first[:room]]])
            self._grow()
            rows = self.columns.rows_of(ids)
            held = rows >= 0
            self.entities_dropped += int(np.count_nonzero(~held))
            at, rows, left = at[held], rows[held], left[held]
        news = self._seen[rows] < tick
        if news.any():
            found, where, left = rows[news], lined.section[at[news]], left[news]
            lost = (left >= 0) & ~self._are_lost(found)
            self._lost_at[found[lost]] = self.newest_tick
            self._seen[found], self._moved[found] = tick, left
            self._cell_x[found], self._cell_y[found] = cells.x[where], cells.y[where]
        return at, rows

    def _lose_moved(self, read: Read, cells: Sections) -> None:
        """Lose who was last seen in a cell that it has left; end who is gone."""
        net_id, section = named(read.all, MOVED, cells.counts)
        if len(net_id):
            rows, ticks = self.columns.rows_of(net_id), read.all.tick[section]
            lost = (rows >= 0) & (self._seen[rows] < ticks)
            lost &= self._cell_x[rows] == cells.x[section]
            lost &= self._cell_y[rows] == cells.y[section]
            self._lose(rows[lost], ticks[lost])
        net_id, section = named(read.all, GONE, cells.counts)
        if len(net_id):
            rows = self.columns.rows_of(net_id)
            ended = (rows >= 0) & (self._seen[rows] <= read.all.tick[section])
            self._free(np.unique(rows[ended]))

    def _lose(self, rows: Ints, ticks: Ints) -> None:
        """Note that what was known of these before these ticks is stale."""
        fresh = ~self._are_lost(rows)
        np.maximum.at(self._moved, rows, ticks)
        self._lost_at[rows[fresh]] = self.newest_tick

    def _lose_outside(self) -> None:
        """Lose whose cell has left the window: where they went from there nobody will say."""
        radius = self.rules.view_radius_cells
        off_x = np.abs(self._cell_x - self.coverage.centre_x)
        off_y = np.abs(self._cell_y - self.coverage.centre_y)
        outside = np.flatnonzero(self.columns.alive & (np.maximum(off_x, off_y) > radius))
        self._lose(outside, self._seen[outside] + 1)

    def _lose_unnamed(self, cell: Replaced) -> None:
        here = (self._cell_x == cell.cell_x) & (self._cell_y == cell.cell_y)
        unnamed = np.flatnonzero(self.columns.alive & here & (self._seen < cell.tick))
        self._lose(unnamed, self._seen[unnamed] + 1)

    def _settle(self) -> None:
        """Let go of whoever is known to be outside, and of departures that nothing can undo."""
        known_to = self.coverage.known_to
        self._departures.forget(known_to)
        if known_to >= self.coverage.known_from:
            outside = np.flatnonzero(self._are_lost() & (self._moved <= known_to))
            if len(outside):
                # Who has left some cell after that may have been there at that tick.
                elsewhere = self._departures.among(self.columns.net_id[outside])
                self._let_go(outside[~elsewhere])

    def _are_lost(self, rows: Ints | slice = slice(None)) -> NDArray[np.bool_]:
        """Tell which entities moved after what is known of them; free rows never do."""
        return np.asarray(self._seen[rows] < self._moved[rows], dtype=np.bool_)

    def _are_flown(self, rows: Ints) -> NDArray[np.bool_]:
        """Tell which of these is what this client flies."""
        return np.asarray(self.columns.net_id[rows] == self.private.flown.net_id, np.bool_)

    def _let_go(self, rows: Ints) -> None:
        """Free those of the lost of which nobody else tells this client."""
        self._free(rows[~self._are_flown(rows)])

    def _free(self, rows: Ints) -> None:
        if not len(rows):
            return
        self.happenings.let_go(self.columns, rows)
        self.columns.free(rows)
        for array in (self._seen, self._moved, self._lost_at):
            array[rows] = NEVER
        self._known.free(rows)

    def _grow(self) -> None:
        capacity = self.columns.capacity
        if len(self._seen) == capacity:
            return
        self._known.grow(capacity)
        self._seen = grown(self._seen, capacity, NEVER)
        self._moved = grown(self._moved, capacity, NEVER)
        self._lost_at = grown(self._lost_at, capacity, NEVER)
        self._cell_x = grown(self._cell_x, capacity, 0)
        self._cell_y = grown(self._cell_y, capacity, 0)
        self._ring.grow()
