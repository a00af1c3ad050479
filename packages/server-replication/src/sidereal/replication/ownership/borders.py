"""What lies near a border between two shards: a table that changes only with the leases.

A sector is divided into **zones** by which of its edges are within a reach. Who holds the sectors
around a zone is the same for all in it. So for every sector and zone it is known who can see into
it. The reach is the caller's: ghosts are seen from another distance than that from which bodies may
touch.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN
from sidereal.protocol.space.sectors import SectorTable, pack_sector, unpack_sector
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import Present

_AROUND: Final = np.array([(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)])
_HERE: Final = 4
_IN_RANGE: Final = np.array(
    [
        [(not dx or zone >> (dx > 0) & 1) and (not dy or zone >> (2 + (dy > 0)) & 1)]
        for zone in range(16)
        for dx, dy in _AROUND.tolist()
    ],
    np.bool_,
).reshape(16, len(_AROUND))
"""Which of the sectors around a zone of a sector can see; bits of a zone: near the lower and the
upper edge along x, then along y."""


class Sightings(NamedTuple):
    """Who is a ghost of whom, ordered by shard, then row; both arrays have one length.

    Attributes:
        shard: int64[n], who sees it.
        rows: int64[n], the entity.
    """

    shard: np.ndarray
    rows: np.ndarray

    def and_(self, others: Sightings) -> Sightings:
        """Add others; who is among both counts once."""
        if not len(others.rows):
            return self
        seen = np.concatenate([self.shard << 32 | self.rows, others.shard << 32 | others.rows])
        seen = np.unique(seen)
        return Sightings(seen >> 32, seen & 0xFFFF_FFFF)


NOBODY_SEEN: Final = Sightings(np.empty(0, np.int64), np.empty(0, np.int64))


class Borders:
    """Who can see into which zone of which sector.

    It is brought up to date where sectors came or went, or where a lease changed in the sector or
    beside it; so an explorer costs what it changes, however large the world is.
    """

    def __init__(self, sectors: SectorTable, leases: LeaseTable) -> None:
        self._sectors = sectors
        self._leases = leases
        self._version = 0
        self._epoch = 0
        # By zone of every sector: who can see it, each once and before `SHARD_NONE`, and how many
        # these are at most; and whether that is anybody but the holder.
        self._seers = np.empty((0, len(_AROUND)), np.uint16)
        self._most = 0
        self._open = np.empty(0, np.bool_)
        # By sector: the holder, and the lower left corner.
        self._holder = np.empty(0, np.uint16)
        self._corner = np.empty((2, 0))
        # By sector around each: infinity unless anybody but the holder holds it.
        self._own = np.empty((len(_AROUND), 0))
        # By sector and cell in it: the same for the cell as a whole.
        self._away = np.empty((0, sectors.cells_per_sector))
        self._between = _cells_between(sectors.rules)

    def find_ghosts(self, present: Present, owner: np.ndarray, reach: float) -> Sightings:
        """Find what each shard sees of the others' entities.

        Args:
            present: everything that is.
            owner: uint16[n], of each entity of it.
            reach: how far a shard sees beyond its sectors along each axis, world units; no farther
                than a sector.
        """
        self._refresh()
        sector = self._sectors_of(present.group)
        zone = sector * len(_IN_RANGE)
        zone += self._edges_near(present.x, self._corner[0].take(sector), reach)
        zone += self._edges_near(present.y, self._corner[1].take(sector), reach) << 2
        seen_at = np.flatnonzero(self._open.take(zone) | (owner != self._holder.take(sector)))
        seers, owns = self._seers[zone[seen_at], : self._most], owner[seen_at]
        owns = np.where(owns == SHARD_NONE, self._holder.take(sector[seen_at]), owns)
        at, which = np.nonzero((seers != owns[:, None]) & (seers != SHARD_NONE))
        shard = seers[at, which]
        order = np.argsort(shard, kind="stable")
        return Sightings(shard[order].astype(np.int64), present.rows[seen_at[at[order]]])

    def find_near(self, present: Present, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Find who is near a sector that another shard holds than the own one.

        Args:
            present: everything that is.
            reach: how near along each axis, world units; no farther than a sector.

        Returns:
            int64[k], where they are among what is present, and float64[k], how near each is.
        """
        self._refresh()
        at = np.flatnonzero(self._away.take(present.group) <= reach)
        away = self.distances(present.group[at], present.x[at], present.y[at])
        near = np.flatnonzero(away <= reach)
        return at[near], away[near]

    def distances(self, group: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Tell how near a sector is that another shard holds than the own one.

        Args:
            group: int32[n], the cell of each.
            x: float64[n], world units; likewise `y`.
            y: float64[n].

        Returns:
            float64[n], along the axis along which it is farther; infinity where all of the sectors
            around belong to the same shard, or to nobody.
        """
        self._refresh()
        sector, size = self._sectors_of(group), self._sectors.rules.sector_size
        low = np.stack([x, y]) - self._corner.take(sector, axis=1)
        along = np.zeros((2, 3, len(sector)))
        along[:, 0], along[:, 2] = low, size - low
        # In the order of `_AROUND`.
        away = np.maximum(along[0][:, None], along[1]).reshape(len(_AROUND), -1)
        away += self._own.take(sector, axis=1)
        return np.asarray(away.min(axis=0))

    def _sectors_of(self, group: np.ndarray) -> np.ndarray:
        rows: np.ndarray = group.astype(np.intp) // self._sectors.cells_per_sector
        return rows

    def _edges_near(self, position: np.ndarray, corner: np.ndarray, reach: float) -> np.ndarray:
        """Tell which edges of the sector along an axis are in range: bit 0 the lower, bit 1."""
        size = self._sectors.rules.sector_size
        reach = min(reach, size)
        inside = position - corner
        lower, upper = (inside <= reach), (inside >= size - reach)
        near: np.ndarray = lower.view(np.uint8) | upper.view(np.uint8) << 1
        return near

    def _refresh(self) -> None:
        table, leases = self._sectors, self._leases
        if (table.version, leases.epoch) == (self._version, self._epoch):
            return
        came, moved = table.changed_since(self._version), leases.changed_since(self._epoch)
        self._version, self._epoch = table.version, leases.epoch
        if came is None or moved is None:
            keys = table.keys
        else:
            keys = np.unique(np.concatenate([came, *_beside(moved)]))
        rows = table.rows_of(keys)
        active = rows >= 0
        if active.any():
            self._grow(table.row_count)
            self._look_around(keys[active], rows[active])

    def _look_around(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Find out who can see into active sectors."""
        around = np.stack(_beside(keys), axis=1)
        holders = self._leases.holders_of(around)[:, None, :]
        seers = np.where(_IN_RANGE, holders, np.uint16(SHARD_NONE))
        others = (seers != holders[:, :, _HERE, None]) & (seers != SHARD_NONE)
        zones = rows[:, None] * len(_IN_RANGE) + np.arange(len(_IN_RANGE))
        self._open[zones] = others.any(axis=2)
        # A corner is often seen through more than one sector of the same shard.
        seers = np.sort(seers, axis=2)[:, :, ::-1]
        seers[:, :, 1:][seers[:, :, 1:] == seers[:, :, :-1]] = SHARD_NONE
        seers = np.sort(seers, axis=2)[:, :, ::-1]
        self._seers[zones] = seers
        self._most = max(self._most, int((seers != SHARD_NONE).sum(axis=2).max()))
        self._holder[rows] = holders[:, 0, _HERE]
        foreign = (holders[:, 0] != holders[:, 0, _HERE, None]) & (holders[:, 0] != SHARD_NONE)
        own = np.where(foreign, 0.0, np.inf)
        self._own[:, rows] = own.T
        self._away[rows] = (own[:, :, None] + self._between).min(axis=1)
        self._corner[:, rows] = np.stack(unpack_sector(keys)) * self._sectors.rules.sector_size

    def _grow(self, row_count: int) -> None:
        """Make room for sectors; a sector's zones say nothing before it was looked around."""
        more = row_count - len(self._holder)
        if more > 0:
            more = max(more, len(self._holder))
            zones = more * len(_IN_RANGE)
            nobody = np.full((zones, len(_AROUND)), SHARD_NONE, np.uint16)
            self._seers = np.concatenate([self._seers, nobody])
            self._open = np.concatenate([self._open, np.zeros(zones, np.bool_)])
            self._holder = np.concatenate([self._holder, np.zeros(more, np.uint16)])
            self._corner = np.concatenate([self._corner, np.zeros((2, more))], axis=1)
            alone = np.full((len(_AROUND), more), np.inf)
            self._own = np.concatenate([self._own, alone], axis=1)
            alone = np.full((more, self._sectors.cells_per_sector), np.inf)
            self._away = np.concatenate([self._away, alone])


def _cells_between(rules: Rules) -> np.ndarray:
    """Tell how far the cells of a sector are from the sectors around it: float64[around, cell].

    World units, along the axis along which it is farther.
    """
    side = rules.cells_per_side
    cell = np.arange(side * side)
    below = np.stack([cell % side, cell // side])
    steps = np.where(_AROUND[:, :, None] < 0, below, side - 1 - below)
    steps[_AROUND == 0] = 0
    return np.asarray(steps.max(axis=1) * rules.cell_size)


def _beside(keys: np.ndarray) -> list[np.ndarray]:
    """Give the sectors around sectors, and they themselves: int64[n] for each of `_AROUND`."""
    x, y = (axis.astype(np.int64) for axis in unpack_sector(keys))
    # Beyond the world's edge there is nothing but the sector at the edge.
    return [
        pack_sector(
            np.clip(x + dx, SECTOR_MIN, SECTOR_MAX), np.clip(y + dy, SECTOR_MIN, SECTOR_MAX)
        )
        for dx, dy in _AROUND.tolist()
    ]
