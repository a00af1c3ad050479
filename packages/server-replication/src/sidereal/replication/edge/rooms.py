"""How much of what a client's link carries is for cells, and in which ticks something is sent.

Theory of operation. A datagram takes as much of the link as its bytes and what is around it. The
private section goes first, so that by a thin link every tick would take all that there is, and no
cell would ever come. So when not all that is new of cells can leave, and they would have less than
half of the datagram and what is around it, nothing leaves in this tick, and what was not used goes
into a later one. That holds up the private section for `silence_s` at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import DATAGRAM_OVERHEAD_SIZE, SNAPSHOT_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints
from sidereal.replication.edge.cutting import Cut
from sidereal.replication.edge.sections import Layout
from sidereal.replication.limits import EdgeLimits


class Rooms:
    """What clients had room for lately, and when each was sent something."""

    def __init__(self, layout: Layout, rules: Rules, clients_max: int, limits: EdgeLimits) -> None:
        """Begin without clients."""
        self._layout, self._limits = layout, limits
        self._silence_ticks = max(1, round(limits.silence_s * rules.tick_hz))
        self._spoke: Ints = np.full(clients_max, -1, np.int64)
        self._rooms: Ints = np.zeros((limits.room_ticks, clients_max), np.int64)

    def join(self, client: int) -> None:
        """Begin with a client that was sent nothing."""
        self._rooms[:, client] = 0

    def share(self, clients: Ints, allowance: Ints, private_size: Ints, tick: int) -> Ints:
        """Tell how many bytes of sections can leave for clients now; remembers it.

        Args:
            clients: int64[n], rows.
            allowance: int64[n], bytes that can leave for each.
            private_size: int64[n], bytes of the private section of each.
            tick: about to be sent.
        """
        full = SNAPSHOT_SIZE_MAX + DATAGRAM_OVERHEAD_SIZE
        spare = allowance - private_size
        heads = self._around * (1 + spare // full)
        room: Ints = np.minimum(spare - heads, self._limits.datagrams * self._layout.room)
        self._rooms[tick % len(self._rooms), clients] = room
        return room

    def lately(self, clients: Ints) -> Ints:
        """Bytes of sections for which there was room in one of the last ticks, int64[n]."""
        lately: Ints = self._rooms[:, clients].max(axis=0)
        return lately

    def usual(self, clients: Ints) -> Ints:
        """Bytes of a section that is no transfer yet, int64[n]: not fewer than of two parts."""
        return np.maximum(self.lately(clients), 2 * self._limits.part_size)

    def save_up(self, clients: Ints, room: Ints, private_size: Ints, new: Ints, tick: int) -> Ints:
        """Give the room of clients, 0 for those to whom nothing is to be sent in this tick.

        Args:
            clients: int64[n], rows.
            room: int64[n], as shared.
            private_size: int64[n]
            new: int64[n], bytes of sections that wait.
            tick: about to be sent.
        """
        waits = (new > room) & (room < self._around + private_size)
        return np.where(waits & ~self._are_due(clients, tick), np.minimum(room, 0), room)

    def speak(self, clients: Ints, cut: Cut, private_size: Ints, room: Ints, tick: int) -> Cut:
        """Leave out datagrams with nothing in them; none of them is missed for `silence_s`."""
        row = cut.row
        says = (room[row] > 0) & ((cut.end > cut.first) | (private_size[row] > 0))
        cut = cut.take(says | self._are_due(clients, tick)[row])
        self._spoke[clients[cut.row]] = tick
        return cut

    @property
    def _around(self) -> int:
        """Bytes around the sections of a datagram."""
        return self._layout.head_size + DATAGRAM_OVERHEAD_SIZE

    def _are_due(self, clients: Ints, tick: int) -> NDArray[np.bool_]:
        """Tell which clients were sent nothing for `silence_s`."""
        return np.asarray(tick - self._spoke[clients] >= self._silence_ticks, np.bool_)
