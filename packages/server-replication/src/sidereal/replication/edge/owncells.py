"""The cells of what clients fly: how that moves there is no news to them.

A client is told exactly how its own entity moves, in its private section. So a cell in which
nothing else has changed is unchanged for this client, and is sent with the next thing that happens
in it, or not at all. A client that does not fly the entity any more is told of it by the cell
alone. Something may have been left out there, so it is sent that cell anew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.replication.edge.changelog import ChangeLog, State
from sidereal.replication.edge.newest import NOBODY
from sidereal.replication.edge.windows import Windows


class OwnCells:
    """What each client flies, and in which cell, as of the last tick.

    Attributes:
        net_id: uint32[clients], of what each flies, 0 for nothing.
        came: int64[clients], the tick at which that came into its cell.
        group: int64[clients], the cell in which that is, `NOBODY` for none.
        fresh: int64[n], the clients that fly something else since this tick.
    """

    def __init__(self, windows: Windows, clients_max: int) -> None:
        """Begin with clients that fly nothing."""
        self._windows = windows
        self._row: Ints = np.full(clients_max, NOBODY, np.int64)
        self.net_id: NDArray[np.uint32] = np.zeros(clients_max, np.uint32)
        self.came: Ints = np.zeros(clients_max, np.int64)
        self.fresh: Ints = np.zeros(0, np.int64)
        self.group: Ints = np.full(clients_max, NOBODY, np.int64)
        self._left_out: NDArray[np.bool_] = np.zeros(clients_max, np.bool_)

    def forget(self, client: int) -> None:
        """Begin with a client that flies nothing."""
        self._row[client] = self.group[client] = NOBODY
        self._left_out[client] = False

    def follow(self, row: Ints, state: State, tick: int) -> None:
        """Take over what clients fly; who flies something else begins anew with the cell before.

        Args:
            row: int64[clients], of the world; `NOBODY` for nothing.
            state: the world.
            tick: about to be sent.
        """
        flies = np.flatnonzero(row >= 0)
        net_id, group = np.zeros_like(self.net_id), np.full_like(self.group, NOBODY)
        net_id[flies], group[flies] = state.net_id[row[flies]], state.group[row[flies]]
        same = (row == self._row) & (net_id == self.net_id)
        given_up = np.flatnonzero(self._left_out & ~same)
        if len(given_up):
            was, cell = self._row[given_up], self.group[given_up]
            is_there = (state.net_id[was] == self.net_id[given_up]) & (state.group[was] == cell)
            given_up, cell = given_up[is_there], cell[is_there]
            at, place = np.nonzero(self._windows.group[given_up] == cell[:, None])
            self._windows.begin(given_up[at], place, tick)
        self._left_out &= same & (group == self.group)
        self.fresh = flies[~same[flies]]
        self.came[flies] = state.entered[row[flies]]
        self._row, self.net_id, self.group = row.copy(), net_id, group

    def are_in(self, clients: Ints, group: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell in which of some cells is what clients fly, bool[n].

        Args:
            clients: int64[n], rows.
            group: int32[n], the cell of each.
        """
        own = self.group[clients]
        return np.asarray((own == group) & (own != NOBODY), np.bool_)

    def newest_of(self, log: ChangeLog, clients: Ints, group: NDArray[np.int32]) -> Ints:
        """Give the tick of the newest change of cells, as far as it is news to clients.

        Args:
            log: of these clients.
            clients: int64[n], rows.
            group: int32[n, window], their cells.
        """
        newest = log.newest.of(group)
        flying = np.flatnonzero(self.group[clients] >= 0)
        at, place = np.nonzero(group[flying] == self.group[clients[flying]][:, None])
        at = flying[at]
        client = clients[at]
        others = log.newest.but_for(self.group[client], self._row[client])
        self._left_out[client] |= others < newest[at, place]
        newest[at, place] = others
        return newest
