"""A world that nobody simulates stands still.

Without a shard nobody knows where things really are. Straight lines are a good guess for a moment,
not for minutes. So the tick counter stops, and clients are told. It goes on with the next tick when
a shard simulates. Meanwhile people come and go, as of that next tick.

A tick that nobody simulates is a debt, and some that somebody does pay it back. When the debt is
too large the counter stops, but for ticks that somebody simulates. So a shard that only comes and
goes, again and again, does not make a world run on that it hardly simulates.
"""

from __future__ import annotations

from sidereal.protocol.message.player import Notice, Standstill
from sidereal.protocol.rules import Rules
from sidereal.replication.limits import Limits
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Player, PlayerState
from sidereal.replication.notes import Notes

STOPPED = "no shard server simulates the world: it stands still until one does"
GOES_ON = "a shard server simulates the world again: it goes on"


class WorldClock:
    """Whether the world's clock runs.

    Attributes:
        stands_still: whether it has stopped.
    """

    def __init__(self, clients: PlayerLink, notes: Notes, rules: Rules, limits: Limits) -> None:
        self.stands_still = False
        self._clients = clients
        self._notes = notes
        # In ticks that somebody simulates.
        self._debt = 0
        self._cost = limits.unserved_tick_costs
        self._debt_max = self._cost * round(limits.standstill_after_s / rules.tick_s)

    def watch(self, tick: int, *, served: bool) -> bool:
        """Find out whether the tick that is under way is one; tell everybody when that changes.

        Args:
            tick: the one under way.
            served: whether somebody simulates it.

        Returns:
            whether the world stands still, and this is no tick.
        """
        debt = max(0, self._debt - 1) if served else self._debt + self._cost
        self._debt = min(debt, self._debt_max)
        stood_still, self.stands_still = self.stands_still, debt > self._debt_max
        if self.stands_still != stood_still:
            self._notes.add(tick, "stands_still" if self.stands_still else "goes_on")
            for player in self._clients.players:
                if player.state is PlayerState.JOINED:
                    self.tell(player, tick)
        return self.stands_still

    def tell(self, player: Player, tick: int) -> None:
        """Tell a player how it is."""
        if self.stands_still:
            self._clients.send(player, Standstill(tick - 1))
        self._clients.send(player, Notice(STOPPED if self.stands_still else GOES_ON))
