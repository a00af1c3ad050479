"""Active sectors as dense numbers.

Space is unbounded, but what happens in it is not. A sector with anything in it gets a **row**, and
each of its cells a **group**: `row * cells_per_sector + cell`. Both are dense int32, so state per
cell is an array indexed by group. A row is used again only after `release`.

Sectors come and go all the time where somebody explores. Who derives something from them asks for
what has changed since a version of the table, and leaves the rest as it is.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.cells import window_cells
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN, absolute_cell_of

CHANGES_KEPT: Final = 256
"""Changes of the table that can be asked for, by default; who asks for older ones has to look at
everything."""


def pack_sector(sector_x: ArrayLike, sector_y: ArrayLike) -> NDArray[np.int64]:
    """Name sectors by one number each, ordered by x, then y.

    Args:
        sector_x: int32[n]
        sector_y: int32[n]

    Returns:
        int64[n] keys.
    """
    x, y = np.asarray(sector_x, dtype=np.int64), np.asarray(sector_y, dtype=np.int64)
    return np.asarray((x << 32) | (y - SECTOR_MIN), dtype=np.int64)


def unpack_sector(keys: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Give back the sectors that `pack_sector` named.

    Returns:
        int32[n] and int32[n]: sector along x and along y.
    """
    keys = np.asarray(keys, dtype=np.int64)
    x, y = keys >> 32, (keys & 0xFFFF_FFFF) + SECTOR_MIN
    return x.astype(np.int32), y.astype(np.int32)


class SectorTable:
    """Rows of active sectors.

    Attributes:
        rules: for the size of sectors and cells.
        cells_per_sector: groups per row.
        row_count: rows ever given; every row is below it, every group below `group_count`.
        version: counts the times that sectors came or went.
    """

    def __init__(self, rules: Rules, changes_max: int = CHANGES_KEPT) -> None:
        self.rules = rules
        self.cells_per_sector = rules.cells_per_side**2
        self.row_count = 0
        self.version = 0
        self._changed: deque[NDArray[np.int64]] = deque(maxlen=changes_max)
        self._keys: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._rows: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._free: list[int] = []

    @property
    def group_count(self) -> int:
        """Size of an array with one entry per group."""
        return self.row_count * self.cells_per_sector

    @property
    def keys(self) -> NDArray[np.int64]:
        """Keys of the active sectors, ascending."""
        return self._keys

    def changed_since(self, version: int) -> NDArray[np.int64] | None:
        """Find the sectors that came or went after a version.

        Returns:
            int64[n], each once; None when the table does not remember that far back.
        """
        count = self.version - version
        if count > len(self._changed):
            return None
        newest = list(islice(reversed(self._changed), count))
        return np.unique(np.concatenate(newest)) if newest else np.empty(0, np.int64)

    def rows_of(self, keys: ArrayLike, create: bool = False) -> NDArray[np.int32]:
        """Look sectors up by key.

        Args:
            keys: int64, any shape.
            create: whether unknown sectors become active.

        Returns:
            int32 of the same shape, -1 where the sector is not active.
        """
        keys = np.asarray(keys, dtype=np.int64)
        rows = self._find(keys)
        if create and (rows < 0).any():
            self._create(np.unique(keys[rows < 0]))
            rows = self._find(keys)
        return rows

    def release(self, keys: ArrayLike) -> None:
        """Make sectors inactive; their rows may be given to others.

        Raises:
            LocalProtocolError: a sector is not active.
        """
        keys = np.unique(np.asarray(keys, dtype=np.int64))
        rows = self._find(keys)
        if (rows < 0).any():
            raise LocalProtocolError("only active sectors can be released")
        keep = ~np.isin(self._keys, keys)
        self._keys, self._rows = self._keys[keep], self._rows[keep]
        self._free.extend(sorted(rows.tolist(), reverse=True))
        self._note(keys)

    def group_of(self, x: ArrayLike, y: ArrayLike, create: bool = True) -> NDArray[np.int32]:
        """Find the groups of positions.

        Args:
            x: float64[n], world units.
            y: likewise.
            create: whether their sectors become active.

        Returns:
            int32[n], -1 where the sector is not active.
        """
        return self.groups_of_cells(*absolute_cell_of(x, y, self.rules), create)

    def window_groups(
        self, sector_x: ArrayLike, sector_y: ArrayLike, cell: ArrayLike, radius: int
    ) -> NDArray[np.int32]:
        """Find the groups of windows, as `window_cells` orders them.

        Args:
            sector_x: of the centre, one number or int32[n].
            sector_y: likewise.
            cell: of the centre, number inside the sector.
            radius: cells from the centre to the edge.

        Returns:
            int32[window] for one centre, int32[n, window] for n; -1 where the sector is not
            active or beyond the world's edge.
        """
        cells = window_cells(sector_x, sector_y, cell, radius, self.rules)
        return self.groups_of_cells(cells[..., 0], cells[..., 1], create=False)

    def groups_of_cells(
        self, cell_x: NDArray[np.int64], cell_y: NDArray[np.int64], create: bool
    ) -> NDArray[np.int32]:
        """Find the groups of absolute cells.

        Args:
            cell_x: int64, any shape.
            cell_y: likewise.
            create: whether their sectors become active.

        Returns:
            int32 of the same shape, -1 where the sector is not active or beyond the world's edge.
        """
        side = self.rules.cells_per_side
        x, y = cell_x // side, cell_y // side
        inside = (x >= SECTOR_MIN) & (x <= SECTOR_MAX) & (y >= SECTOR_MIN) & (y <= SECTOR_MAX)
        keys = pack_sector(np.where(inside, x, 0), np.where(inside, y, 0))
        rows = self.rows_of(keys, create).astype(np.int64)
        cell = (cell_y - y * side) * side + cell_x - x * side
        groups = np.where(inside & (rows >= 0), rows * self.cells_per_sector + cell, -1)
        return groups.astype(np.int32)

    def _find(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        if len(self._keys) == 0:
            return np.full(keys.shape, -1, dtype=np.int32)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._rows[at], np.int32(-1))

    def _create(self, keys: NDArray[np.int64]) -> None:
        reused = [self._free.pop() for _ in range(min(len(keys), len(self._free)))]
        fresh = range(self.row_count, self.row_count + len(keys) - len(reused))
        self.row_count += len(fresh)
        rows = np.array([*reused, *fresh], dtype=np.int32)
        at = np.searchsorted(self._keys, keys)
        self._keys = np.insert(self._keys, at, keys)
        self._rows = np.insert(self._rows, at, rows)
        self._note(keys)

    def _note(self, keys: NDArray[np.int64]) -> None:
        self.version += 1
        self._changed.append(keys)
