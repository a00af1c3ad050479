"""What players have left that stays in the world for a while, flown by nobody.

Theory of operation. A game says how long what a player flies lingers when the player leaves. Until
then it is where it was, under its id: its shard simulates it, its controls are let go, it can be
hurt, and can end. It is its account's all the while, so a server that ends unforeseen finds it in
its berth. Then it leaves the world as it would have at once, for its berth.

A player that comes back meanwhile takes it over where it is. Its shard may still say what came of
the controls of the session before. So it is taken from its shard, and given anew in the same tick,
under another control epoch.

There are never more of these than `most`, so coming and going again fills no world: of more,
those that have lingered longest leave.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

import numpy as np

from sidereal.replication.play.berths import Berths
from sidereal.replication.play.entities import Entities
from sidereal.replication.world import ACCOUNT_NONE, World

LINGER_S_MAX: Final = 600.0
"""For longer nothing stays that nobody flies, seconds."""


class _Left(NamedTuple):
    """What lingers, by its id, and the tick in which it leaves."""

    net_id: int
    until: int


class Lingering:
    """What lingers in one world, one entity of an account at most.

    Attributes:
        most: how many may.
    """

    def __init__(self, world: World, entities: Entities, berths: Berths, most: int) -> None:
        self._world = world
        self._entities = entities
        self._berths = berths
        self.most = most
        self._left: dict[int, _Left] = {}

    def __len__(self) -> int:
        return len(self._left)

    def stay(self, account: int, row: int, until: int) -> None:
        """Let what a player leaves stay until a tick."""
        self._left.pop(account, None)
        self._left[account] = _Left(int(self._world.columns.net_id[row]), until)

    def row_of(self, account: int) -> int:
        """Find what lingers of an account: its row, -1 for nothing."""
        left = self._left.get(account)
        return -1 if left is None else int(self._world.columns.rows_of([left.net_id])[0])

    def take_over(self, account: int, tick: int) -> None:
        """Give what lingers of an account to its player, who is back: with new controls."""
        row = self.row_of(account)
        del self._left[account]
        self._entities.take_back(np.array([row]), tick)

    def leave(self, tick: int, here: Container[int]) -> None:
        """Let leave whose time has come; once per tick.

        Args:
            tick: the current one.
            here: accounts of players that are in the world; what lingers of them they do not fly.
        """
        for account in list(self._left):
            row, surplus = self.row_of(account), len(self._left) > self.most
            if row < 0:
                del self._left[account]
            elif surplus or tick >= self._left[account].until:
                del self._left[account]
                if account > ACCOUNT_NONE:
                    self._berths.leave(row, tick, waits=account in here)
                self._entities.withdraw(np.array([row]), tick)
