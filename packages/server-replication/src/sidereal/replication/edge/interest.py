"""Interest: which window of cells each client is sent.

The centre of the window is the cell of what the client flies. For an observer, and for a player who
flies nothing, it is the cell that they look at. The window moves only when that point has left the
centre cell by `CENTRE_MARGIN`, so one that flies along a border does not make the window flicker.

Who flies moves as fast as things move. Who only looks may look anywhere at any time, and every cell
that comes into its window is sent whole. So it is followed as far as its `Gazes` allow: to so many
new windows in a second, and all clients together to so many in a tick. The others wait, and are
followed to where they look when it is their turn.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.protocol.rules import Rules

CENTRE_MARGIN: Final = 30.0
"""World units beyond the centre cell's edge before the window follows."""


class Gazes:
    """How far clients that only look about are followed.

    What a move costs is the share of the window's cells that are new to it.
    """

    def __init__(self, rules: Rules, clients_max: int, per_s: float, per_tick: float) -> None:
        """Begin without clients.

        Args:
            rules: for the size of a window.
            clients_max: clients there may be.
            per_s: new windows of a client in a second; it may save up one.
            per_tick: new windows of all clients in a tick, 1 or more.
        """
        self._side = rules.window_side
        self._per_s, self._per_tick = per_s, per_tick
        self._left = np.ones(clients_max)
        self._at = np.zeros(clients_max)
        self._followed_at = np.zeros(clients_max)

    def join(self, clients: np.ndarray, now: float) -> None:
        """Begin with clients that have seen nothing, by row."""
        self._left[clients] = 1.0
        self._at[clients] = self._followed_at[clients] = now

    def admit(self, clients: np.ndarray, off: np.ndarray, now: float) -> np.ndarray:
        """Choose who is followed now: first those who have not been for longest.

        Args:
            clients: int64[n], rows, each once.
            off: int64[2, n], by how many cells each is to be moved.
            now: monotonic seconds.

        Returns:
            bool[n].

        Mutates:
            what is left to those who are chosen.
        """
        gained = (now - self._at[clients]) * self._per_s
        self._left[clients] = np.minimum(self._left[clients] + gained, 1.0)
        self._at[clients] = now
        kept = np.maximum(self._side - np.abs(off), 0).prod(axis=0) / self._side**2
        cost, left = 1.0 - kept, self._left[clients]
        admitted = np.zeros(len(clients), np.bool_)
        able = np.flatnonzero(left >= cost)
        able = able[np.argsort(self._followed_at[clients[able]], kind="stable")]
        admitted[able[np.cumsum(cost[able]) <= self._per_tick]] = True
        self._left[clients[admitted]] -= cost[admitted]
        self._followed_at[clients[admitted]] = now
        return admitted


def left_centre(
    x: np.ndarray, y: np.ndarray, centre_x: np.ndarray, centre_y: np.ndarray, rules: Rules
) -> np.ndarray:
    """Tell which clients' windows have to follow.

    Args:
        x: float64[n], where each client's centre of interest is now, world units.
        y: float64[n].
        centre_x: int64[n], absolute cell its window is around.
        centre_y: int64[n].
        rules: for the size of a cell.

    Returns:
        bool[n].
    """
    low_x = centre_x * rules.cell_size - CENTRE_MARGIN
    low_y = centre_y * rules.cell_size - CENTRE_MARGIN
    span = rules.cell_size + 2 * CENTRE_MARGIN
    inside_x = (x >= low_x) & (x < low_x + span)
    inside_y = (y >= low_y) & (y < low_y + span)
    return ~(inside_x & inside_y)
