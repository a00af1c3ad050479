"""What changed between two frames: entities that got another owner.

Entities of two views are matched by net id; both are ordered by it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FLASH_S: Final = 1.0
"""How long a handover is shown."""
FLASHES_MAX: Final = 64
"""When a whole sector moves its entities all change hands at once; the newest are shown."""


class Flash(NamedTuple):
    """An entity that changed hands."""

    net_id: int
    before: int
    after: int
    at: float
    """When it was seen, monotonic seconds."""


class OwnerWatch:
    """Sees entities change owner."""

    def __init__(self) -> None:
        self._net_id: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self._shard: NDArray[np.uint16] = np.zeros(0, dtype=np.uint16)
        self.flashes: list[Flash] = []
        self.handovers = 0

    def look(
        self, net_id: NDArray[np.uint32], shard: NDArray[np.uint16], now: float
    ) -> list[Flash]:
        """Take the next frame's entities.

        Args:
            net_id: uint32[n], ascending.
            shard: uint16[n], owner.
            now: monotonic seconds.

        Returns:
            The changes since the last call; they stay in `flashes` for `FLASH_S`.
        """
        changes: list[Flash] = []
        if len(self._net_id) and len(net_id):
            rows = np.minimum(np.searchsorted(self._net_id, net_id), len(self._net_id) - 1)
            before = self._shard[rows]
            changed = (self._net_id[rows] == net_id) & (before != shard)
            changed &= (before != 0) & (shard != 0)
            changes = [
                Flash(int(net_id[row]), int(before[row]), int(shard[row]), now)
                for row in np.flatnonzero(changed)  # 1 µs each, a handful a second
            ]
        self._net_id, self._shard = net_id, shard
        self.handovers += len(changes)
        live = [flash for flash in self.flashes if now - flash.at < FLASH_S]
        self.flashes = (live + changes)[-FLASHES_MAX:]
        return changes


def row_of(net_ids: NDArray[np.uint32], net_id: int) -> int:
    """Row of an entity in ascending net ids, −1 where it is not."""
    row = int(np.searchsorted(net_ids, np.uint32(net_id)))
    return row if row < len(net_ids) and int(net_ids[row]) == net_id else -1
