"""Who simulates the sectors around the client, as far as the client knows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.codec import HOLDER_ROW, decode_rows_untrusted
from sidereal.protocol.message.player import Leases
from sidereal.protocol.space.cells import square_by_place
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN
from sidereal.protocol.state.arrays import Ints

LEASE: Final = np.dtype([("sector_x", "<i4"), ("sector_y", "<i4"), ("shard", "<u2")])
"""A sector and the shard that simulates it."""


class LeaseMap:
    """The leases of the square of sectors that the newest message is about.

    A message holds what has changed since the one that the client is known to have; a sector that
    has left the square is forgotten, since nobody says any more what becomes of it. Messages that
    were overtaken must not come here: the channel drops them.

    Attributes:
        rows: `LEASE`[n], the sectors that somebody simulates; replaced by every message.
    """

    def __init__(self) -> None:
        self.rows = np.zeros(0, LEASE)
        self._radius = -1
        self._sector_x: Ints = np.zeros(0, np.int64)
        self._sector_y: Ints = np.zeros(0, np.int64)
        self._shard: NDArray[np.uint16] = np.zeros(0, np.uint16)

    def apply_untrusted(self, message: Leases) -> NDArray[np.void]:
        """Take over a message.

        Returns:
            the new rows.

        Raises:
            WireError: its rows are none, or of sectors outside the square or the world; then
                nothing has changed.
        """
        side, radius = 2 * message.radius + 1, message.radius
        rows = decode_rows_untrusted(message.rows, HOLDER_ROW, side * side)
        off_x, off_y = rows["dx"].astype(np.int64), rows["dy"].astype(np.int64)
        x, y = message.sector_x + off_x, message.sector_y + off_y
        if (np.maximum(np.abs(off_x), np.abs(off_y)) > radius).any():
            raise WireError("a lease outside its square")
        numbers = np.concatenate([x, y])
        if (numbers < SECTOR_MIN).any() or (numbers > SECTOR_MAX).any():
            raise WireError("a lease of a sector outside the world")
        self._move(message)
        self._shard[y % side * side + x % side] = rows["shard"]
        held = self._shard != SHARD_NONE
        self.rows = np.zeros(np.count_nonzero(held), LEASE)
        self.rows["sector_x"], self.rows["sector_y"] = self._sector_x[held], self._sector_y[held]
        self.rows["shard"] = self._shard[held]
        return self.rows

    def _move(self, message: Leases) -> None:
        sector_x, sector_y = square_by_place(message.sector_x, message.sector_y, message.radius)
        if message.radius != self._radius:
            self._radius = message.radius
            self._shard = np.full(len(sector_x), SHARD_NONE, np.uint16)
        else:
            self._shard[(sector_x != self._sector_x) | (sector_y != self._sector_y)] = SHARD_NONE
        self._sector_x, self._sector_y = sector_x, sector_y
