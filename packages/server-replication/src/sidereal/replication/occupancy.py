"""Which sectors are occupied: where something is, or happens, or did so lately.

A sector in which nothing is any more is forgotten after a while, with all that is kept of its
cells: tombstones, events and its lease. What happens in a sector counts like what is there. For its
subject may end in the same tick, and clients are sent the event for some ticks more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sidereal.protocol.space.sectors import SectorTable
from sidereal.replication.limits import WorldLimits


class Empty(NamedTuple):
    """Sectors that are forgotten."""

    sector: np.ndarray
    """int64[n], packed."""
    group: np.ndarray
    """int32[m], their cells."""


class Occupancy:
    """When something was last in each active sector."""

    def __init__(self, sectors: SectorTable, limits: WorldLimits) -> None:
        """Begin with a table.

        Args:
            sectors: of which all that become active are noted here in the same tick.
            limits: how long sectors are kept.
        """
        self._sectors = sectors
        self._limits = limits
        self._occupied_at = np.zeros(0, np.int64)

    def note(self, group: np.ndarray, tick: int) -> None:
        """Note that something is, or happens, in cells: int32[n], those of -1 are of no sector."""
        more = self._sectors.row_count - len(self._occupied_at)
        if more > 0:
            fresh = np.zeros(max(more, len(self._occupied_at)), np.int64)
            self._occupied_at = np.concatenate([self._occupied_at, fresh])
        self._occupied_at[group[group >= 0] // self._sectors.cells_per_sector] = tick

    def forget_empty(self, tick: int) -> Empty:
        """Make sectors inactive that have been empty for long; called every tick.

        Mutates:
            the table of sectors.
        """
        sectors, limits = self._sectors, self._limits
        if tick % limits.sectors_checked_every_ticks:
            return Empty(np.empty(0, np.int64), np.empty(0, np.int32))
        rows = sectors.rows_of(sectors.keys)
        empty = tick - self._occupied_at[rows] > limits.sector_empty_ticks
        keys, cells = sectors.keys[empty], sectors.cells_per_sector
        if len(keys):
            sectors.release(keys)
        return Empty(keys, (rows[empty, None] * cells + np.arange(cells, dtype=np.int32)).ravel())
