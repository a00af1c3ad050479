"""The client's copy of the world in its window, from snapshots in whatever order they come.

Theory of operation. Every snapshot is a part of the world as of its tick. An entity's `stamp` is
the tick of the snapshot that its reference came from. Of two references, the one from the later
snapshot is true, whichever came first; likewise for attributes. Either of them says in which cell,
and when, the entity was last **seen**. A tombstone names an entity that has left a cell:

* *gone* ends the entity.
* *moved* says that the entity is no longer where it was seen before that tick, but not where it is
  now. The entity is **lost** then, and stays on its straight line. It is found when it is seen
  again. It is let go when every cell of the window is known, without a gap, up to a tick that is
  not before its tombstone's: in the window, one of them would have had it. So nothing flickers on
  its way from one cell to the next.

An entity also gets lost when its cell leaves the window, or is sent whole without it. A tombstone
of an entity that is not here, or is gone, is kept until every cell is known up to its tick. So
nothing that comes late brings back what was there before.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.coverage import Coverage, Replaced
from sidereal.client.interpolation import References
from sidereal.client.limits import LIMITS, Limits
from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.changelog import Ints, Rows
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.quantize import decode_wire_untrusted
from sidereal.protocol.state.reckoning import Motion
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.snapshot import Snapshot, read_snapshot_untrusted
from sidereal.protocol.state.stream import MOVED

NEVER = -1


class Applied(NamedTuple):
    """What a snapshot said beside the world.

    Attributes:
        tick: of the snapshot; older ones may come after newer ones.
        own: `OWN_BLOCK`, the receiver's own entity, or None.
    """

    tick: int
    own: np.void | None


class Replica:
    """Columns of all entities that are known, by row.

    Attributes:
        columns: the newest reference and the attributes of each.
        coverage: which cells are known up to when.
        stamp: int64 by row, tick of the snapshot that last had the reference, or -1.
        newest_at: when the newest snapshot came, monotonic seconds; minus infinity before.
        stale: datagrams that were too old to be looked at.
        entities_dropped: records of entities for which there was no room.
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
        self.newest_at = -math.inf
        self.stale = 0
        self.entities_dropped = 0
        self._limits = limits
        self.stamp: Ints = np.full(capacity, NEVER, np.int64)
        self._attribute_stamp: Ints = np.full(capacity, NEVER, np.int64)
        self._seen: Ints = np.full(capacity, NEVER, np.int64)
        self._moved: Ints = np.full(capacity, NEVER, np.int64)
        self._lost_at: Ints = np.full(capacity, NEVER, np.int64)
        self._cell_x: Ints = np.zeros(capacity, np.int64)
        self._cell_y: Ints = np.zeros(capacity, np.int64)
        self._older_tick: Ints = np.zeros(capacity, np.int64)
        self._older = {name: np.zeros(capacity) for name in Motion._fields}
        self._tombstones: dict[int, int] = {}

    @property
    def newest_tick(self) -> int:
        """Tick of the newest snapshot, -1 before the first."""
        return self.coverage.newest_tick

    @property
    def have(self) -> Ints:
        """Tick up to which each cell of the window is known, int64[window], by place."""
        return self.coverage.have

    def rows(self) -> Ints:
        """Rows of all entities of which reference and attributes are known, ascending."""
        return np.flatnonzero((self.stamp >= 0) & (self._attribute_stamp >= 0))

    def newer(self, rows: Ints) -> References:
        """The newest reference of these rows."""
        motion = (self.columns[name][rows] for name in Motion._fields)
        return References(self.columns.tick[rows], *motion)

    def older(self, rows: Ints) -> References:
        """The reference before the newest; where there was none, the newest again."""
        motion = (self._older[name][rows] for name in Motion._fields)
        return References(self._older_tick[rows], *motion)

    def confirmed(self, rows: Ints) -> Ints:
        """Tick of the newest snapshot that said, or implied, that these references hold."""
        known = self.coverage.known_up_to(self._cell_x[rows], self._cell_y[rows])
        here = np.where(self._is_lost()[rows], NEVER, known)
        return np.maximum(self.stamp[rows], here)

    def apply_untrusted(self, message: bytes, now: float) -> Applied:
        """Apply one datagram.

        Args:
            message: as received.
            now: monotonic seconds.

        Raises:
            WireError: not a snapshot of this schema; then nothing has changed.
        """
        snapshot = read_snapshot_untrusted(self.schema, self.rules, message)
        own = None if snapshot.own is None else snapshot.own[0]
        if snapshot.tick < self.newest_tick - self.rules.streams.reorder_ticks:
            self.stale += 1
            return Applied(snapshot.tick, own)
        side = self.rules.cells_per_side
        centre_x = snapshot.sector_x * side + snapshot.cell % side
        centre_y = snapshot.sector_y * side + snapshot.cell // side
        values, ticks = self._decode(snapshot, centre_x, centre_y)
        if snapshot.tick > self.newest_tick:
            self.newest_at = now
        if self.coverage.follow(snapshot.tick, centre_x, centre_y):
            self._lose_outside()
        cell_x, cell_y, inside = self.coverage.around(centre_x, centre_y)
        applies = self.coverage.applies(snapshot, inside)
        cells = cell_x[snapshot.place], cell_y[snapshot.place]
        self._apply_references(snapshot, applies, cells, values, ticks)
        self._apply_attributes(snapshot, applies, cells)
        self._apply_tombstones(snapshot, applies)
        for cell in self.coverage.note(snapshot, inside, applies):
            self._lose_unnamed(cell)
        self._settle()
        return Applied(snapshot.tick, own)

    def expire(self, tick: int) -> None:
        """Give up whom nobody has found for `StreamLimits.reorder_ticks`."""
        given_up = self._is_lost() & (self._lost_at < tick - self.rules.streams.reorder_ticks)
        self._free(np.flatnonzero(given_up))

    # -- stages ---------------------------------------------------------------------------------

    def _decode(
        self, snapshot: Snapshot, centre_x: int, centre_y: int
    ) -> tuple[dict[str, NDArray[Any]], Ints]:
        """Unpack and check every record, before anything changes."""
        cell_x, cell_y, _ = self.coverage.around(centre_x, centre_y)
        place = snapshot.place[snapshot.reference_section]
        size = self.rules.cell_size
        ids = (snapshot.references["id"], snapshot.attributes["id"], snapshot.tombstones["id"])
        if any((array == NET_ID_NONE).any() for array in ids):
            raise WireError("snapshot of an entity without an id")
        if len(snapshot.attributes) and not self.schema.valid_rows(snapshot.attributes).all():
            raise WireError("attributes out of range")
        return decode_wire_untrusted(
            self.schema,
            snapshot.references,
            cell_x[place] * size,
            cell_y[place] * size,
            snapshot.tick,
            self.rules,
        )

    def _apply_references(
        self,
        snapshot: Snapshot,
        applies: NDArray[np.bool_],
        cells: tuple[Ints, Ints],
        values: dict[str, NDArray[Any]],
        ticks: Ints,
    ) -> None:
        section = snapshot.reference_section
        if not len(section):
            return
        at, rows = self._find(snapshot, snapshot.references, section, applies, cells)
        newer = self.stamp[rows] < snapshot.tick
        at, rows = at[newer], rows[newer]
        known = self.stamp[rows] >= 0
        self._keep_older(rows, ticks[at], known)
        columns = self.columns
        columns.tick[rows] = ticks[at]
        for name, array in values.items():
            columns[name][rows] = array[at]
        fresh = rows[~known]
        self._older_tick[fresh] = columns.tick[fresh]
        for name, array in self._older.items():
            array[fresh] = columns[name][fresh]
        self.stamp[rows] = snapshot.tick

    def _keep_older(self, rows: Ints, ticks: Ints, known: NDArray[np.bool_]) -> None:
        """Note the newest reference as the older one where another is about to replace it."""
        replaced = rows[known & (ticks != self.columns.tick[rows])]
        self._older_tick[replaced] = self.columns.tick[replaced]
        for name, array in self._older.items():
            array[replaced] = self.columns[name][replaced]

    def _apply_attributes(
        self, snapshot: Snapshot, applies: NDArray[np.bool_], cells: tuple[Ints, Ints]
    ) -> None:
        section = snapshot.attribute_section
        if not len(section):
            return
        at, rows = self._find(snapshot, snapshot.attributes, section, applies, cells)
        newer = self._attribute_stamp[rows] < snapshot.tick
        at, rows = at[newer], rows[newer]
        self.columns.update(rows, snapshot.attributes[at])
        self._attribute_stamp[rows] = snapshot.tick

    def _find(
        self,
        snapshot: Snapshot,
        records: Rows,
        section: Ints,
        applies: NDArray[np.bool_],
        cells: tuple[Ints, Ints],
    ) -> tuple[Ints, Ints]:
        """Records that count, and their rows; strangers get one, and all are seen there.

        Returns:
            Indices of the records, int64[n], and rows, int64[n].
        """
        at = np.flatnonzero(applies[section])
        ids = records["id"][at].astype(np.int64)
        if self._tombstones:
            tick = snapshot.tick
            holds = [self._tombstones.get(net_id, NEVER) <= tick for net_id in ids.tolist()]
            at, ids = at[holds], ids[holds]
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
            at, rows = at[held], rows[held]
        news = self._seen[rows] < snapshot.tick
        self._seen[rows[news]] = snapshot.tick
        self._cell_x[rows[news]], self._cell_y[rows[news]] = (
            axis[section[at[news]]] for axis in cells
        )
        return at, rows

    def _apply_tombstones(self, snapshot: Snapshot, applies: NDArray[np.bool_]) -> None:
        if not len(snapshot.tombstones):
            return
        at = np.flatnonzero(applies[snapshot.tombstone_section])
        tombstones, ticks = snapshot.tombstones[at], snapshot.tombstone_tick[at]
        rows = self.columns.rows_of(tombstones["id"])
        moved = (tombstones["flags"] & MOVED) != 0
        known = moved & (rows >= 0)
        self._lose(rows[known], ticks[known])
        kept = ~known
        for net_id, tick in zip(tombstones["id"][kept].tolist(), ticks[kept].tolist(), strict=True):
            self._tombstones[net_id] = max(tick, self._tombstones.get(net_id, tick))
        ended = ~moved & (rows >= 0)
        ended[ended] = self._seen[rows[ended]] < ticks[ended]
        self._free(np.unique(rows[ended]))

    def _lose(self, rows: Ints, ticks: Ints) -> None:
        """Note that what was known of these before these ticks is stale."""
        fresh = ~self._is_lost()[rows]
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
        """Let go of whoever is known to be outside, and of tombstones that nothing can open."""
        known_to = self.coverage.known_to
        if known_to >= self.coverage.known_from:
            self._free(np.flatnonzero(self._is_lost() & (self._moved <= known_to)))
        if self._tombstones:
            self._tombstones = {net_id: t for net_id, t in self._tombstones.items() if t > known_to}
            while len(self._tombstones) > self._limits.tombstones:
                del self._tombstones[next(iter(self._tombstones))]

    def _is_lost(self) -> NDArray[np.bool_]:
        """bool by row: an entity moved after what is known of it; never true of free rows."""
        return np.asarray(self._seen < self._moved, dtype=np.bool_)

    def _free(self, rows: Ints) -> None:
        if not len(rows):
            return
        self.columns.free(rows)
        stamps = (self.stamp, self._attribute_stamp, self._seen, self._moved, self._lost_at)
        for array in stamps:
            array[rows] = NEVER

    def _grow(self) -> None:
        capacity = self.columns.capacity
        if len(self.stamp) == capacity:
            return
        self.stamp = _grown(self.stamp, capacity, NEVER)
        self._attribute_stamp = _grown(self._attribute_stamp, capacity, NEVER)
        self._seen = _grown(self._seen, capacity, NEVER)
        self._moved = _grown(self._moved, capacity, NEVER)
        self._lost_at = _grown(self._lost_at, capacity, NEVER)
        self._cell_x = _grown(self._cell_x, capacity, 0)
        self._cell_y = _grown(self._cell_y, capacity, 0)
        self._older_tick = _grown(self._older_tick, capacity, 0)
        self._older = {name: _grown(array, capacity, 0) for name, array in self._older.items()}


def _grown(array: NDArray[Any], capacity: int, fill: int) -> NDArray[Any]:
    grown = np.full(capacity, fill, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
