"""State by cell: what has changed since a receiver's last ack, and the datagram that says it.

Theory of operation. Once per tick all records are sorted by group, and within a group by their last
change, newest first. What has changed in a group since any tick is then a prefix of the group's
records. It is the same prefix for every receiver that has acked the same tick, and datagrams are
cut from such prefixes. There are three such logs: references, attributes, and tombstones of
entities that have left.

A **section** says all that has changed in one cell over `(from_tick, to_tick]`: references and
attributes as they are at the header's tick, and tombstones. It applies to a receiver that has the
cell up to `from_tick`. With REPLACE it applies to any receiver, which then forgets everything in
the cell that the section does not name. An entity that changes its cell gets a tombstone with
MOVED in the old cell; in the new cell its reference and its attributes count as changed. A section
that is too long for one datagram comes in parts, and counts when all of them have arrived. The
parts of a CONTINUED section are sent over several ticks, so its `to_tick` is before the header's.

A cell of the window that has no section in any datagram of a tick, and no news, is **unchanged**:
the receiver has it complete up to the header's tick. Every datagram says which cells are.

The **place** of a cell is its position in the window: with `side` cells along an edge, it is
`(cell_y mod side) * side + (cell_x mod side)` of the absolute cell. Wherever a window is, it has
one cell in every place, and a cell keeps its place while the window moves.

    header | unchanged, one bit per place | own block, with OWN | sections | extents, one for each
    section with PARTIAL | references | attributes | tombstones, all in the order of the sections

`snapshot` reads it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.cells import square_by_place
from sidereal.protocol.state.changelog import TICK_MAX, Ints, Rows, arranged, empty
from sidereal.protocol.state.schema import Schema

SNAPSHOT_VERSION: Final = 1

HEADER: Final = np.dtype(
    [
        ("version", "u1"),
        ("flags", "u1"),
        ("sections", "<u2"),
        ("tick", "<u4"),
        ("sector_x", "<i4"),
        ("sector_y", "<i4"),
        ("cell", "u1"),
        ("deferred", "u1"),
    ]
)
"""`deferred` counts cells that have news for which there was no room this tick."""

OWN: Final = 1
"""Flag of a header: an own block follows."""

OWN_BLOCK: Final = np.dtype(
    [
        ("net_id", "<u4"),
        ("control_epoch", "<u4"),
        ("input_seq", "<u4"),
        ("tick", "<u4"),
        ("x", "<f8"),
        ("y", "<f8"),
        ("vx", "<f8"),
        ("vy", "<f8"),
        ("heading", "<f8"),
        ("spin", "<f8"),
    ]
)
"""The receiver's own entity, exact, with the newest input that it has in it."""

SECTION: Final = np.dtype(
    [
        ("place", "u1"),
        ("flags", "u1"),
        ("age", "u1"),
        ("references", "u1"),
        ("attributes", "u1"),
        ("gone", "u1"),
    ]
)
"""`age` is `to_tick - from_tick`; without an extent `to_tick` is the header's tick."""

REPLACE: Final = 1
"""Flag of a section: forget everything in this cell that the section does not name."""
PARTIAL: Final = 2
"""Flag of a section: it is one part of several; its extent says which."""
CONTINUED: Final = 4
"""Flag of a partial section: its parts come over several ticks."""

EXTENT: Final = np.dtype([("part", "<u2"), ("parts", "<u2"), ("to_age", "<u2")])
"""`to_age` is how far `to_tick` lies behind the header's tick."""

TOMBSTONE: Final = np.dtype([("id", "<u4"), ("tick", "<u2"), ("flags", "u1")])
MOVED: Final = 1
"""Flag of a tombstone: it left for another cell; without it, it left the world."""

PRUNE_EVERY_TICKS: Final = 16
"""Ticks between two clearings of tombstones too old to be asked for, by default."""


def unchanged_size(rules: Rules) -> int:
    """Bytes of the unchanged bits of a window."""
    return (rules.window_side**2 + 7) // 8


def places_around(centre_x: int, centre_y: int, rules: Rules) -> tuple[Ints, Ints]:
    """Give the absolute cells of a window by place.

    Args:
        centre_x: absolute cell of the centre.
        centre_y: likewise.
        rules: for the radius.

    Returns:
        int64[window] and int64[window].
    """
    return square_by_place(centre_x, centre_y, rules.view_radius_cells)


class Changes(NamedTuple):
    """Prefixes of the logs, one per asked pair: first row and count, int64[n] each."""

    reference: Ints
    references: Ints
    attribute: Ints
    attributes: Ints
    tombstone: Ints
    tombstones: Ints


class Members(NamedTuple):
    """Who is in one group, ordered by id; rows are those of the stream's logs."""

    net_id: NDArray[np.uint32]
    reference: Ints
    attribute: Ints


class CellStream:
    """What changed in every cell of a world, for any number of receivers.

    Each tick: `note_left` who left a cell, then `publish` who is where, then ask.

    Attributes:
        schema: of the records.
        tick: the newest published one, -1 before.
    """

    def __init__(
        self, schema: Schema, rules: Rules, prune_every_ticks: int = PRUNE_EVERY_TICKS
    ) -> None:
        self.schema = schema
        self.rules = rules
        self.tick = -1
        self._prune_every_ticks = prune_every_ticks
        self._group_count = 0
        self._references = empty(schema.wire_record)
        self._attributes = empty(schema.attribute_record)
        self._tombstones = empty(TOMBSTONE)
        self._newest: Ints = self._tombstones.newest
        self._left: list[tuple[Ints, Ints, Rows]] = []
        self._members: dict[int, Members] = {}

    @property
    def references(self) -> Rows:
        """`Schema.wire_record`[n] as `Changes` counts them."""
        return self._references.rows

    @property
    def attributes(self) -> Rows:
        """`Schema.attribute_record`[n] as `Changes` counts them."""
        return self._attributes.rows

    @property
    def tombstones(self) -> Rows:
        """`TOMBSTONE`[n] as `Changes` counts them."""
        return self._tombstones.rows

    def reserve(self, group_count: int) -> None:
        """Answer for groups below this number even if nobody was ever in them."""
        if group_count <= self._group_count:
            return
        self._group_count = group_count
        self._references = self._references.widened(group_count)
        self._attributes = self._attributes.widened(group_count)
        self._tombstones = self._tombstones.widened(group_count)
        self._sum_up()

    def note_left(
        self,
        tick: int,
        net_id: NDArray[np.uint32],
        group: NDArray[np.int32],
        moved: NDArray[np.bool_],
    ) -> None:
        """Note who is no longer in a cell from a tick on.

        Args:
            tick: the one about to be published; one that has been counts as the next.
            net_id: uint32[n]
            group: int32[n], the cell they left.
            moved: bool[n], whether to another cell (else they left the world).
        """
        if not len(net_id):
            return
        tick = max(tick, self.tick + 1)
        rows = np.empty(len(net_id), dtype=TOMBSTONE)
        rows["id"], rows["tick"], rows["flags"] = net_id, tick % (1 << 16), moved
        groups = np.asarray(group, dtype=np.int64)
        self.reserve(int(groups.max()) + 1)
        self._left.append((groups, np.full(len(rows), tick, dtype=np.int64), rows))

    def publish(
        self,
        tick: int,
        net_id: NDArray[np.uint32],
        group: NDArray[np.int32],
        changed: Ints,
        attributes_changed: Ints,
        wire: Rows,
        attributes: Rows,
    ) -> None:
        """Take over everybody in the world, as of a tick.

        Args:
            tick: above any published before.
            net_id: uint32[n], all different.
            group: int32[n], the cell each is in.
            changed: int64[n], tick at which the reference last changed or the cell was entered.
            attributes_changed: likewise for the attributes.
            wire: `Schema.wire_record`[n]
            attributes: `Schema.attribute_record`[n]

        Raises:
            LocalProtocolError: the tick does not advance, or a change is negative or ahead of it.
        """
        if not self.tick < tick <= TICK_MAX:
            raise LocalProtocolError(f"tick {tick} published after {self.tick}")
        ticks = np.concatenate([changed, attributes_changed, [0]])
        if ticks.min() < 0 or ticks.max() > tick:
            raise LocalProtocolError("a change is negative or ahead of the published tick")
        groups = np.asarray(group, dtype=np.int64)
        if len(groups):
            self.reserve(int(groups.max()) + 1)
        self.tick = tick
        self._members.clear()
        self._references = arranged(groups, changed, wire, self._group_count)
        self._attributes = arranged(groups, attributes_changed, attributes, self._group_count)
        if self._left:
            group_of, at, rows = zip(*self._left, strict=True)
            self._left.clear()
            self._tombstones = self._tombstones.joined(
                np.concatenate(group_of), np.concatenate(at), np.concatenate(rows)
            )
        if tick % self._prune_every_ticks == 0:
            self._tombstones = self._tombstones.kept(
                self._tombstones.ticks() > tick - self.rules.streams.tombstone_ticks
            )
        self._sum_up()

    def forget(self, groups: NDArray[np.int32]) -> None:
        """Drop the tombstones of groups that will serve another sector; before `publish`."""
        newest = self._tombstones.newest.copy()
        newest[groups] = -1
        tombstones = self._tombstones.kept(~np.isin(self._tombstones.groups(), groups))
        self._tombstones = tombstones._replace(newest=newest)

    def newest_of(self, group: NDArray[Any]) -> Ints:
        """Tick of the newest change of groups, -1 for none and for group -1; any shape."""
        return np.asarray(self._newest[group], dtype=np.int64)

    def changes_since(self, group: NDArray[Any], since: Ints) -> Changes:
        """Find what changed in groups after ticks.

        Args:
            group: int[n], -1 for a cell that has no group.
            since: int64[n], at most `StreamLimits.section_age_max` before the published tick, or
                -1: then everybody who is there counts, and nobody who left.
        """
        groups = np.asarray(group, dtype=np.int64)
        return Changes(
            *self._references.prefix(groups, since),
            *self._attributes.prefix(groups, since),
            *self._tombstones.prefix(groups, np.where(since < 0, TICK_MAX, since)),
        )

    def members(self, group: int) -> Members:
        """Who is in a group, by id."""
        known = self._members.get(group)
        if known is None:
            at = self._references.rows_of(group)
            net_id = self._references.rows["id"][at]
            order = np.argsort(net_id)
            other = self._attributes.rows_of(group)
            other_order = np.argsort(self._attributes.rows["id"][other])
            known = Members(net_id[order], at.start + order, other.start + other_order)
            self._members[group] = known
        return known

    def tombstones_of(self, group: int, net_id: NDArray[np.uint32]) -> Rows:
        """The newest tombstones in a group of those ids that have one, `TOMBSTONE`[n]."""
        rows = self._tombstones.rows[self._tombstones.rows_of(group)]
        rows = rows[np.isin(rows["id"], net_id)]
        return rows[np.unique(rows["id"], return_index=True)[1]]

    def _sum_up(self) -> None:
        newest = np.maximum(self._references.newest, self._attributes.newest)
        self._newest = np.maximum(newest, self._tombstones.newest)
