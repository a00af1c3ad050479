"""Who is gone, and who has left which cell: remembered as long as something late may deny it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints

NEVER = -1
Cell = tuple[int, int]


class Departures:
    """Ticks of snapshots that said so, by entity and cell.

    Attributes:
        newest_tick: the newest of them, -1 when there is none.
    """

    def __init__(self, most: int) -> None:
        """Begin with nothing to remember.

        Args:
            most: departures; of more the oldest are forgotten.
        """
        self.newest_tick = NEVER
        self._most = most
        self._ticks: dict[tuple[int, Cell | None], int] = {}

    def __len__(self) -> int:
        return len(self._ticks)

    def note(self, net_id: int, cell: Cell | None, tick: int) -> None:
        """Note that an entity was not in a cell any more as of a tick; None for any cell."""
        self._ticks[net_id, cell] = max(tick, self._ticks.get((net_id, cell), tick))
        self.newest_tick = max(self.newest_tick, tick)

    def left_at(
        self, net_id: Ints, cell_x: Ints, cell_y: Ints, tick: int
    ) -> tuple[NDArray[np.bool_], Ints]:
        """Tell what is known of entities since a snapshot that has them in some cells.

        Args:
            net_id: int64[n], the entities.
            cell_x: int64[n], absolute cells they were in; likewise `cell_y`.
            cell_y: likewise.
            tick: of the snapshot.

        Returns:
            Whether each is gone since, and the tick as of which it has left the cell since, or -1.
        """
        gone = np.zeros(len(net_id), np.bool_)
        left = np.full(len(net_id), NEVER, np.int64)
        if tick >= self.newest_tick:
            return gone, left
        # Only when snapshots overtake each other, and then only who has left: 1 µs each.
        for at in np.flatnonzero(self.among(net_id)).tolist():
            entity, cell = int(net_id[at]), (int(cell_x[at]), int(cell_y[at]))
            gone[at] = self._ticks.get((entity, None), NEVER) > tick
            since = self._ticks.get((entity, cell), NEVER)
            left[at] = since if since > tick else NEVER
        return gone, left

    def among(self, net_id: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell of which entities something is remembered, bool[n]."""
        known = np.fromiter((entity for entity, _ in self._ticks), np.int64, len(self._ticks))
        return np.isin(net_id, known)

    def forget(self, known_to: int) -> None:
        """Forget what is known anyway: all cells are known up to a tick."""
        if self.newest_tick <= known_to:
            self._ticks.clear()
            self.newest_tick = NEVER
            return
        self._ticks = {key: tick for key, tick in self._ticks.items() if tick > known_to}
        while len(self._ticks) > self._most:
            del self._ticks[next(iter(self._ticks))]
