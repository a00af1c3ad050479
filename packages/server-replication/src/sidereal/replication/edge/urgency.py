"""Which cells go first when not all that is new to a client can leave.

Theory of operation. What a client flies is in its private section, ahead of all cells. Of these the
first is the one into which that entity has come, until the client was sent it since: there is what
the entity looks like. All others go by how long the client has waited for them. Who waits gets more
urgent with every tick, so no cell waits for ever. But a cell that is one ring farther from the
middle gets so more slowly: it waits `ring_stretch` times as long. So what is near, and may hit
somebody soon, comes more often than what is far, however little a link carries.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.replication.edge.owncells import OwnCells
from sidereal.replication.edge.sections import Sections
from sidereal.replication.edge.windows import Windows


class Urgency:
    """The order in which cells are sent."""

    def __init__(self, windows: Windows, own_cells: OwnCells, ring_stretch: float) -> None:
        self._windows, self._own_cells = windows, own_cells
        self._ring_stretch = ring_stretch

    def of(self, clients: Ints, places: Ints, tick: int) -> NDArray[np.float64]:
        """Tell how urgent cells are, float64[n]; the greatest goes first.

        Args:
            clients: int64[n], rows.
            places: int64[n]
            tick: about to be sent.
        """
        windows = self._windows
        sent, group = windows.sent[clients, places], windows.group[clients, places]
        waited = tick - np.maximum(sent, windows.entered[clients, places] - 1)
        is_own = self._own_cells.are_in(clients, group)
        ring = np.where(is_own, 0, windows.ring(clients, places))
        urgency: NDArray[np.float64] = waited / self._ring_stretch**ring
        urgency[is_own & (sent < self._own_cells.came[clients])] = np.inf
        return urgency

    def order(
        self, clients: Ints, sections: Sections, rows: Ints, first: Iterable[int], tick: int
    ) -> Ints:
        """Order in which some rows' sections are sent; the others stay where they are.

        Args:
            clients: int64[m], rows of clients.
            sections: of these, by row.
            rows: int64[n], of which the sections are put into order.
            first: pieces that go before all others of their row.
            tick: about to be sent.
        """
        urgency = np.zeros(len(sections.row))
        at = np.flatnonzero(np.isin(sections.row, rows))
        urgency[at] = self.of(clients[sections.row[at]], sections.place[at], tick)
        urgency[np.isin(sections.piece, list(first))] = np.inf
        return np.lexsort((-urgency, sections.row))
