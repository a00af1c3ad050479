"""A world that nobody simulates stands still.

Without a shard nobody knows where things really are. Straight lines are a good guess for a moment,
not for minutes. So the tick counter stops, and clients are told. It goes on with the next tick when
a shard is there. Meanwhile people come and go, as of that next tick.
"""

from __future__ import annotations

from sidereal.protocol.message.player import Notice, Standstill
from sidereal.protocol.rules import Rules
from sidereal.replication.limits import Limits
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Player, PlayerState
from sidereal.replication.notes import Notes

STOPPED = "no shard server is connected: the world stands still until one is back"
GOES_ON = "a shard server is here again: the world goes on"


class WorldClock:
    """Whether the world's clock runs.

    Attributes:
        stands_still: whether it has stopped.
    """

    def __init__(self, clients: PlayerLink, notes: Notes, rules: Rules, limits: Limits) -> None:
        self.stands_still = False
        self._clients = clients
        self._notes = notes
        self._stop_after_ticks = round(limits.standstill_after_s / rules.tick_s)
        self._unserved_ticks = 0

    def watch(self, shards: int, tick: int) -> bool:
        """Find out whether the tick that is under way is one; tell everybody when that changes.

        Args:
            shards: how many are there.
            tick: the one under way.

        Returns:
            whether the world stands still, and this is no tick.
        """
        self._unserved_ticks = 0 if shards else self._unserved_ticks + 1
        stood_still, self.stands_still = (
            self.stands_still,
            self._unserved_ticks > self._stop_after_ticks,
        )
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
