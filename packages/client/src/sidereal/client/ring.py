"""The newest references of every entity, by row, as `interpolation` draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.client.interpolation import RING, References
from sidereal.client.known import grown
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.reckoning import Motion

PAST = RING - 1
"""References kept of each besides the newest, which is in the replica's columns."""


class ReferenceRing:
    """What the references of a replica's columns were before."""

    def __init__(self, columns: Columns) -> None:
        """Keep the references of these columns."""
        self._columns = columns
        self._tick: Ints = np.zeros((PAST, columns.capacity), np.int64)
        self._motion = {name: np.zeros((PAST, columns.capacity)) for name in Motion._fields}
        # The place written last, by row.
        self._at: Ints = np.zeros(columns.capacity, np.int64)

    def take(
        self, rows: Ints, ticks: Ints, motion: Mapping[str, NDArray[Any]], has: NDArray[np.bool_]
    ) -> None:
        """Take new references of these rows into the columns.

        Of references that go back, as no server sends them, the path begins anew.

        Args:
            rows: int64[n]
            ticks: int64[n]
            motion: float64[n] each, by the names of the schema.
            has: bool[n], which of them have a reference.
        """
        known = has & (ticks >= self._columns.tick[rows])
        self._keep(rows[known], ticks[known])
        self._columns.tick[rows] = ticks
        for name, array in motion.items():
            self._columns[name][rows] = array
        if not known.all():
            self._begin(rows[~known])

    def _keep(self, rows: Ints, ticks: Ints) -> None:
        """Keep the newest references of these rows; the same again replaces nothing."""
        replaced = rows[ticks != self._columns.tick[rows]]
        at = self._at[replaced] = (self._at[replaced] + 1) % PAST
        self._tick[at, replaced] = self._columns.tick[replaced]
        for name, array in self._motion.items():
            array[at, replaced] = self._columns[name][replaced]

    def _begin(self, rows: Ints) -> None:
        self._tick[:, rows] = self._columns.tick[rows]
        for name, array in self._motion.items():
            array[:, rows] = self._columns[name][rows]

    def known(self, rows: Ints) -> References:
        """References of these rows [RING, n], the newest first; where there are fewer, the oldest
        again.
        """
        at = (self._at[rows] - np.arange(PAST)[:, None]) % PAST
        columns = self._columns
        motion: list[NDArray[np.float64]] = [
            np.vstack([columns[name][rows], array[at, rows]])
            for name, array in self._motion.items()
        ]
        return References(np.vstack([columns.tick[rows], self._tick[at, rows]]), *motion)

    def grow(self) -> None:
        """Make room for as many rows as the columns have."""
        capacity = self._columns.capacity
        self._at = grown(self._at, capacity, 0)
        self._tick = grown(self._tick, capacity, 0)
        self._motion = {name: grown(array, capacity, 0) for name, array in self._motion.items()}
