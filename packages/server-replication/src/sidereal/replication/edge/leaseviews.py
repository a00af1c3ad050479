"""Which leases every client is sent, and which of them it has acked.

Theory of operation. A client is sent who simulates the sectors of a square around its window. The
square is larger than the window, so that people see borders before they reach them. Its size does
not depend on the size of the world.

For every client and sector of the square there is a tick of change: when the present holder became
the holder, or when the sector came into the square, whichever is later. For every client there is
the newest tick of a message that it has acked. A message holds all sectors whose tick of change is
above that. So any one message is complete as of its tick, together with what was acked before. A
lost message is made good by the next one, and one that arrives late may be dropped.

A client that has acked everything costs nothing. Any other client is sent a message every
`leases_every_ticks`. This bounds both the cost of changes that never end and the cost of sending
again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import LEASE_RADIUS_MAX
from sidereal.protocol.message.codec import HOLDER_ROW
from sidereal.protocol.message.player import Leases
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.cells import square_by_place
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN
from sidereal.protocol.space.sectors import pack_sector, unpack_sector
from sidereal.protocol.state.arrays import Ints
from sidereal.replication.limits import LIMITS, EdgeLimits
from sidereal.replication.ownership.leases import LeaseTable

LEASE_RADIUS: Final = 4
"""Sectors that a client is shown in each direction, unless its window reaches further."""


class Shown(NamedTuple):
    """A message for a client, and the tag by which it is acked."""

    client: int
    message: Leases
    tag: int


class LeaseViews:
    """What every client knows of the leases around it, client by row.

    Attributes:
        put_off: messages that had to wait for an ack of the one before, or for room on the link.
    """

    def __init__(
        self,
        rules: Rules,
        clients_max: int,
        radius: int = LEASE_RADIUS,
        limits: EdgeLimits = LIMITS.edge,
    ) -> None:
        """Begin without clients.

        Args:
            rules: for the size of a window.
            clients_max: rows for clients.
            radius: sectors in each direction, at most `LEASE_RADIUS_MAX`.
            limits: how much is sent at a time.
        """
        self.put_off = 0
        self._limits = limits
        self._never = -limits.leases_every_ticks
        reach = -(-rules.view_radius_cells // rules.cells_per_side)
        self._radius = min(max(radius, reach), LEASE_RADIUS_MAX)
        self._cells_per_side = rules.cells_per_side
        side = 2 * self._radius + 1
        self._active: NDArray[np.bool_] = np.zeros(clients_max, np.bool_)
        self._middle_x: Ints = np.zeros(clients_max, np.int64)
        self._middle_y: Ints = np.zeros(clients_max, np.int64)
        self._changed: Ints = np.zeros((clients_max, side * side), np.int64)
        self._newest: Ints = np.zeros(clients_max, np.int64)
        self._acked: Ints = np.full(clients_max, self._never, np.int64)
        self._sent: Ints = np.full(clients_max, self._never, np.int64)
        self._epoch = 0
        self._collected = -1

    def leave(self, client: int) -> None:
        """Forget a client; one that comes in its row begins anew with its first `move`."""
        self._active[client] = False

    def move(self, client: int, tick: int, cell_x: int, cell_y: int) -> None:
        """Put the middle of a client's square into the sector of an absolute cell."""
        x, y = cell_x // self._cells_per_side, cell_y // self._cells_per_side
        new = square_by_place(x, y, self._radius)
        if self._active[client]:
            before = int(self._middle_x[client]), int(self._middle_y[client])
            old = square_by_place(*before, self._radius)
            entered = (new[0] != old[0]) | (new[1] != old[1])
        else:
            entered = np.ones(len(new[0]), np.bool_)
            self._active[client] = True
            self._acked[client] = self._sent[client] = self._never
            self._newest[client] = 0
        self._middle_x[client], self._middle_y[client] = x, y
        if entered.any():
            self._changed[client, entered] = self._newest[client] = self._next_tick(tick)

    def follow(self, table: LeaseTable, tick: int) -> None:
        """Note which of the sectors in sight have another holder than before."""
        changed = table.changed_since(self._epoch)
        self._epoch = table.epoch
        at, clients = self._next_tick(tick), np.flatnonzero(self._active)
        if changed is None:
            self._changed[clients] = at
            self._newest[clients] = at
            return
        if not len(clients):
            return
        side = 2 * self._radius + 1
        for first in range(0, len(changed), self._limits.sectors_at_once):
            x, y = (
                axis.astype(np.int64)
                for axis in unpack_sector(changed[first : first + self._limits.sectors_at_once])
            )
            off_x = np.abs(self._middle_x[clients, None] - x)
            off_y = np.abs(self._middle_y[clients, None] - y)
            row, which = np.nonzero(np.maximum(off_x, off_y) <= self._radius)
            place = y[which] % side * side + x[which] % side
            self._changed[clients[row], place] = at
            self._newest[clients[row]] = at

    def acked(self, client: int, tags: list[int]) -> None:
        """Note the tags of messages that a client has received."""
        if self._active[client]:
            self._acked[client] = max(self._acked[client], *map(tick_of, tags))

    def collect(self, tick: int, table: LeaseTable, can_hear: NDArray[np.bool_]) -> list[Shown]:
        """Write what clients are to be shown now; after `follow`, once per tick.

        Args:
            tick: now.
            table: who simulates what.
            can_hear: bool[clients], those whose link has room for it; others are told later.
        """
        self._collected = tick
        behind = self._active & (self._newest > self._acked)
        due = behind & can_hear & (tick - self._sent >= self._limits.leases_every_ticks)
        self.put_off += int((behind & ~due).sum())
        # Only clients around whom something has changed: 15 µs each.
        return [self._write(client, tick, table) for client in np.flatnonzero(due).tolist()]

    def _write(self, client: int, tick: int, table: LeaseTable) -> Shown:
        x, y = int(self._middle_x[client]), int(self._middle_y[client])
        sector_x, sector_y = square_by_place(x, y, self._radius)
        news = self._changed[client] > self._acked[client]
        for axis in (sector_x, sector_y):
            news &= (axis >= SECTOR_MIN) & (axis <= SECTOR_MAX)
        rows = np.zeros(np.count_nonzero(news), HOLDER_ROW)
        rows["dx"], rows["dy"] = sector_x[news] - x, sector_y[news] - y
        rows["shard"] = table.holders_of(pack_sector(sector_x[news], sector_y[news]))
        self._sent[client] = tick
        return Shown(client, Leases(tick, x, y, self._radius, rows.tobytes()), tag_of(tick))

    def _next_tick(self, tick: int) -> int:
        """Tick of the next message, as far as is known."""
        return max(tick, self._collected + 1)


def tag_of(tick: int) -> int:
    """Tag of the messages of a tick: below 0, which no snapshot's is."""
    return -1 - tick


def is_of_leases(tag: int) -> bool:
    """Tell such a tag from a snapshot's."""
    return tag < 0


def tick_of(tag: int) -> int:
    """Tick of the messages with a tag."""
    return -1 - tag


assert LEASE_RADIUS <= LEASE_RADIUS_MAX
