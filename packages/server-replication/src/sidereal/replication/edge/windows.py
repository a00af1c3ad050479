"""The window of every client and how far it was sent: matrices, client by place.

What a client was sent is taken to reach it. When the channel takes something for lost, the cell is
sent again since the tick from which on the lost section said what had changed. That covers all
sections of the cell that were sent in the meantime and begin no earlier: when one of them turns out
to be lost, too, nothing more is to be done. A client has a cell when it was sent all of it and none
of that is in flight.

A cell keeps its place as long as it is in a client's window (see `protocol.state.stream`), so a
window that moves changes only the places of the cells that enter it. A place begins anew with a new
client, a new cell or a new group of the cell. Its entry tick says when; what
becomes of what was sent before that does not count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.rules import Rules
from sidereal.protocol.space.cells import window_offsets
from sidereal.protocol.space.sectors import SectorTable, unpack_sector
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.heads import encode_centre
from sidereal.protocol.state.stream import places_around
from sidereal.replication.limits import LIMITS

UNKNOWN = -1
"""In `sent`: the client may have nothing of the cell."""


class Windows:
    """Every client's window.

    Attributes:
        active: bool[clients], whether there is such a client and its window is set.
        centre_x: int64[clients], absolute cell of the centre; likewise `centre_y`.
        centre: the same as bytes of a snapshot, by client.
        cell_x: int64[clients, window], absolute cell of each place; likewise `cell_y`.
        group: int32[clients, window], -1 where the sector is not active.
        entered: int64[clients, window], the first tick whose snapshot covers the cell.
        sent: int64[clients, window], tick up to which the client was sent the cell, less what it
            has lost.
        in_flight: int64[clients, window], sections, parts of sections and transfers of the cell of
            which it is not known what became of them.
    """

    def __init__(
        self, rules: Rules, clients_max: int, sectors_at_once: int = LIMITS.edge.sectors_at_once
    ) -> None:
        self._sectors_at_once = sectors_at_once
        self.rules = rules
        shape = (clients_max, rules.window_side**2)
        self.active: NDArray[np.bool_] = np.zeros(clients_max, np.bool_)
        self.centre_x: Ints = np.zeros(clients_max, np.int64)
        self.centre_y: Ints = np.zeros(clients_max, np.int64)
        self.centre = [b""] * clients_max
        self.cell_x: Ints = np.zeros(shape, np.int64)
        self.cell_y: Ints = np.zeros(shape, np.int64)
        self.group: NDArray[np.int32] = np.full(shape, -1, np.int32)
        self.entered: Ints = np.zeros(shape, np.int64)
        self.sent: Ints = np.full(shape, UNKNOWN, np.int64)
        self.in_flight: Ints = np.zeros(shape, np.int64)
        # The newest section of each cell; and the newest one that repeats what others had said:
        # when it was sent, and since when it says what has changed.
        self._newest: Ints = np.full(shape, UNKNOWN, np.int64)
        self._repeated_at: Ints = np.full(shape, UNKNOWN, np.int64)
        self._repeated_from: Ints = np.full(shape, UNKNOWN, np.int64)
        self._unresolved: set[int] = set()
        self._version = 0

    def rows(self) -> Ints:
        """Clients with a window, ascending."""
        return np.flatnonzero(self.active)

    def remove(self, client: int) -> None:
        """Forget a client."""
        self.active[client] = False
        self._unresolved.discard(client)

    def move(self, client: int, tick: int, centre_x: int, centre_y: int) -> None:
        """Put a client's window around a cell; `resolve` must follow.

        Args:
            client: row.
            tick: of the first snapshot of the cells that the window enters.
            centre_x: absolute cell.
            centre_y: likewise.
        """
        cell_x, cell_y = places_around(centre_x, centre_y, self.rules)
        entered = (self.cell_x[client] != cell_x) | (self.cell_y[client] != cell_y)
        if not self.active[client]:
            entered[:] = True
            self.active[client] = True
        self.centre_x[client], self.centre_y[client] = centre_x, centre_y
        self.centre[client] = encode_centre(centre_x, centre_y)
        self.cell_x[client], self.cell_y[client] = cell_x, cell_y
        places = np.flatnonzero(entered)
        self.group[client, places] = -1
        self.begin(np.full(len(places), client), places, tick)
        self._unresolved.add(client)

    def resolve(self, table: SectorTable, tick: int) -> None:
        """Find the groups of windows that moved, or that see a sector that came or went.

        Args:
            table: the active sectors.
            tick: of the first snapshot of cells whose group has changed.
        """
        affected = np.zeros(len(self.active), np.bool_)
        affected[list(self._unresolved)] = True
        affected |= self._see(table.changed_since(self._version))
        self._version = table.version
        clients = np.flatnonzero(affected & self.active)
        self._unresolved.clear()
        if not len(clients):
            return
        group = self._groups_of(clients, table)
        changed, places = np.nonzero(group != self.group[clients])
        self.group[clients] = group
        self.begin(clients[changed], places, tick)

    def ring(self, clients: Ints, places: Ints) -> Ints:
        """Distance of cells from the centres of their windows, in cells.

        Args:
            clients: int64[n], rows.
            places: int64[n]
        """
        off_x = np.abs(self.cell_x[clients, places] - self.centre_x[clients])
        off_y = np.abs(self.cell_y[clients, places] - self.centre_y[clients])
        return np.asarray(np.maximum(off_x, off_y), dtype=np.int64)

    def has(self, clients: Ints, newest: Ints) -> NDArray[np.bool_]:
        """Tell which cells clients have up to now, bool[n, window].

        Args:
            clients: int64[n], rows.
            newest: int64[n, window], tick of the newest change of each cell.
        """
        sent = self.sent[clients]
        known: NDArray[np.bool_] = (sent >= newest) & (sent >= 0) & (self.in_flight[clients] == 0)
        return known

    def note_sent(self, clients: Ints, places: Ints, since: Ints, parts: Ints, tick: int) -> None:
        """Note sections that are sent, each once.

        Args:
            clients: int64[n], rows.
            places: int64[n]
            since: int64[n], tick since which it says what has changed, -1 for a whole cell.
            parts: int64[n], in how many parts.
            tick: up to which it does.
        """
        at = np.flatnonzero(since < self._newest[clients, places])
        self._repeated_at[clients[at], places[at]] = tick
        self._repeated_from[clients[at], places[at]] = since[at]
        self._newest[clients, places] = self.sent[clients, places] = tick
        self.in_flight[clients, places] += parts

    def note_arrived(self, clients: Ints, places: Ints, tick: int) -> None:
        """Note sections, or parts of them, that have arrived; pairs may repeat."""
        self._settle(clients, places, tick)

    def note_unchanged(self, clients: Ints, places: Ints, tick: int) -> None:
        """Note that clients have these cells, unchanged, up to a tick; pairs may repeat."""
        same = self.entered[clients, places] <= tick
        clients, places = clients[same], places[same]
        self.sent[clients, places] = np.maximum(self.sent[clients, places], tick)

    def note_lost(self, clients: Ints, places: Ints, since: Ints, tick: int) -> None:
        """Note sections, or parts of them, that are taken for lost; pairs may repeat.

        Args:
            clients: int64[n], rows.
            places: int64[n]
            since: int64[n], as it was sent.
            tick: when it was.
        """
        same = self._settle(clients, places, tick)
        clients, places, since = clients[same], places[same], since[same]
        is_covered = self._repeated_at[clients, places] > tick
        is_covered &= self._repeated_from[clients, places] <= since
        clients, places, since = clients[~is_covered], places[~is_covered], since[~is_covered]
        np.minimum.at(self.sent.reshape(-1), self._flat(clients, places), since)

    def _settle(self, clients: Ints, places: Ints, tick: int) -> NDArray[np.bool_]:
        """Count what was sent at a tick as in flight no more; tells which of it counts."""
        same: NDArray[np.bool_] = self.entered[clients, places] <= tick
        one = self._flat(clients[same], places[same])
        np.subtract.at(self.in_flight.reshape(-1), one, 1)
        return same

    def _flat(self, clients: Ints, places: Ints) -> Ints:
        """Indices into a matrix as one row: NumPy repeats an operation ten times faster there."""
        return clients * self.rules.window_side**2 + places

    def _see(self, sectors: Ints | None) -> NDArray[np.bool_]:
        """Tell which clients' windows have cells of any of these sectors, None for all there are.

        Returns:
            bool[clients]
        """
        if sectors is None:
            return self.active
        seeing = np.zeros(len(self.active), np.bool_)
        clients = self.rows()
        if not len(clients):
            return seeing
        side, radius = self.rules.cells_per_side, self.rules.view_radius_cells
        low_x, high_x, low_y, high_y = (
            (centre[clients, None] + reach) // side
            for centre in (self.centre_x, self.centre_y)
            for reach in (-radius, radius)
        )
        for first in range(0, len(sectors), self._sectors_at_once):
            x, y = unpack_sector(sectors[first : first + self._sectors_at_once])
            inside = (x >= low_x) & (x <= high_x) & (y >= low_y) & (y <= high_y)
            seeing[clients] |= inside.any(axis=1)
        return seeing

    def begin(self, clients: Ints, places: Ints, tick: int) -> None:
        """Begin anew with cells of clients; what was sent of them before a tick does not count."""
        self.entered[clients, places] = tick
        self.in_flight[clients, places] = 0
        for ticks in (self.sent, self._newest, self._repeated_at, self._repeated_from):
            ticks[clients, places] = UNKNOWN

    def _groups_of(self, clients: Ints, table: SectorTable) -> NDArray[np.int32]:
        rules, radius, side = self.rules, self.rules.view_radius_cells, self.rules.window_side
        x, y = self.centre_x[clients], self.centre_y[clients]
        cells = rules.cells_per_side
        number = y % cells * cells + x % cells
        groups = table.window_groups(x // cells, y // cells, number, radius)
        offset_x, offset_y = window_offsets(radius).T
        place = (y[:, None] + offset_y) % side * side + (x[:, None] + offset_x) % side
        by_place = np.empty_like(groups)
        np.put_along_axis(by_place, place, groups, axis=1)
        return by_place
