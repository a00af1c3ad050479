"""Presences as some clients are told them: with the components that these may know of alone.

They count as changed only when that has changed. So a component that is hidden from these clients
comes and goes without a word to them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints, Rows

NEVER: Final = -1


class Presences:
    """The presences of a world's entities, by row.

    Attributes:
        are_all: whether these clients are sent all that any are: then they are as the world's.
    """

    def __init__(self, mask: int, mask_sent: int) -> None:
        """Begin without entities.

        Args:
            mask: of the components that these clients are sent.
            mask_sent: of those that any clients are sent.
        """
        self.are_all = mask == mask_sent
        self._mask = np.uint64(mask)
        self._net_id: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._masks: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._changed: Ints = np.zeros(0, np.int64)

    def publish(self, tick: int, net_id: NDArray[np.uint32], presences: Rows) -> tuple[Rows, Ints]:
        """Note how a world's presences are at a tick.

        Args:
            tick: above any before.
            net_id: uint32[rows], whose they are; there are no fewer rows than before.
            presences: `Schema.rows[0]`[rows], with all components that any clients are sent.

        Returns:
            The rows that these clients are sent, and since when each is so, int64[rows].
        """
        rows = presences.copy()
        rows["mask"] &= self._mask.astype(rows["mask"].dtype)
        masks = rows["mask"].astype(np.uint64)
        more = len(rows) - len(self._masks)
        self._net_id = np.append(self._net_id, np.zeros(more, np.uint32))
        self._masks = np.append(self._masks, np.zeros(more, np.uint64))
        self._changed = np.append(self._changed, np.full(more, NEVER))
        self._changed[(self._masks != masks) | (self._net_id != net_id)] = tick
        self._masks, self._net_id = masks, net_id.copy()
        return rows, self._changed.copy()
