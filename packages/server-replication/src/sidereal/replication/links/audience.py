"""Who hears what is said: whoever has the speaker in view, as far as there is not too much to hear.

A line goes to the clients whose window the speaker is in. Each of them hears a few lines a second,
whoever speaks; what is beyond that is dropped for this client. So what chat costs grows with those
who listen, not with those who listen times those who speak, and a client's link carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.limits import PlayerLinkLimits
from sidereal.replication.links.players import Player, PlayerState


class Heard(NamedTuple):
    """What became of a line.

    Attributes:
        listeners: who is sent it, the speaker among them.
        dropped: how many had the speaker in view, but enough to hear.
    """

    listeners: list[Player]
    dropped: int


class Audience:
    """The clients that listen, and how many lines each may still be sent, by row."""

    def __init__(
        self, rules: Rules, clients_max: int, limits: PlayerLinkLimits = LIMITS.players
    ) -> None:
        self._radius = rules.view_radius_cells
        self._limits = limits
        self._left = np.zeros(clients_max)
        self._filled_at = np.zeros(clients_max)
        self._players: list[Player] = []
        self._row = np.zeros(0, np.int64)
        self._centre = np.zeros((0, 2), np.int64)

    def join(self, client: int, now: float) -> None:
        """Begin with a client that has heard nothing."""
        self._left[client], self._filled_at[client] = self._limits.heard_burst, now

    def gather(self, players: Iterable[Player], now: float) -> None:
        """Note who listens now, and from where; once per tick, before `hear`."""
        self._players = [
            player
            for player in players
            if player.state is PlayerState.JOINED and player.centre is not None
        ]
        self._row = np.array([player.row for player in self._players], np.int64)
        centres = [player.centre or (0, 0) for player in self._players]
        self._centre = np.array(centres, np.int64).reshape(-1, 2)
        passed = now - self._filled_at[self._row]
        gained = self._left[self._row] + passed * self._limits.heard_per_s
        self._left[self._row] = np.minimum(gained, self._limits.heard_burst)
        self._filled_at[self._row] = now

    def hear(self, speaker: Player) -> Heard:
        """Choose who hears a line; the speaker always does: that is how it knows.

        Mutates:
            how much those who are chosen may still hear.
        """
        if speaker.centre is None:
            return Heard([speaker], 0)
        off = np.abs(self._centre - speaker.centre).max(axis=1)
        near = np.flatnonzero((off <= self._radius) & (self._row != speaker.row))
        able = near[self._left[self._row[near]] >= 1.0]
        self._left[self._row[able]] -= 1.0
        listeners = [self._players[at] for at in able.tolist()]
        return Heard([speaker, *listeners], len(near) - len(able))
