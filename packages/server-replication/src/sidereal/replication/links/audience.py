"""Who hears what is said, as far as there is not too much to hear.

A line goes to the clients whose window the speaker is in, or to all. Each of them hears a few lines
a second, whoever speaks; what is beyond that is dropped for this client. So what lines cost grows
with those who listen, not with those who listen times those who speak, and a client's link carries
it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.limits import PlayerLinkLimits
from sidereal.replication.links.players import Player, PlayerState


class Listeners(enum.Enum):
    """Whom a line is for, beside who speaks."""

    NEAR = enum.auto()
    """Those who have the speaker in view."""
    ALL = enum.auto()
    NOBODY = enum.auto()


class Heard(NamedTuple):
    """What became of a line.

    Attributes:
        listeners: who is sent it, the speaker among them if it is still there.
        dropped: for how many others it was, who have enough to hear.
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
        self._now = 0.0
        self._present: Iterable[Player] = ()
        self._gathered = True
        self._players: list[Player] = []
        self._row = np.zeros(0, np.int64)
        self._centre = np.zeros((0, 2), np.int64)

    def join(self, client: int, now: float) -> None:
        """Begin with a client that has heard nothing."""
        self._left[client], self._filled_at[client] = self._limits.heard_burst, now

    def begin(self, players: Iterable[Player], now: float) -> None:
        """Begin a tick: these are there to listen; looked at only if something is said."""
        self._present, self._now, self._gathered = players, now, False

    def hear(self, speaker: Player, to: Listeners) -> Heard:
        """Choose who hears a line; the speaker always does: that is how it knows.

        Mutates:
            how much those who are chosen may still hear.
        """
        own = [speaker] if speaker.state is PlayerState.JOINED else []
        if to is Listeners.NOBODY or (to is Listeners.NEAR and speaker.centre is None):
            return Heard(own, 0)
        if not self._gathered:
            self._gather()
        meant = self._row != speaker.row
        if to is Listeners.NEAR and speaker.centre is not None:
            meant &= np.abs(self._centre - np.array(speaker.centre)).max(axis=1) <= self._radius
        rows = np.flatnonzero(meant)
        able = rows[self._left[self._row[rows]] >= 1.0]
        self._left[self._row[able]] -= 1.0
        return Heard([*own, *(self._players[at] for at in able.tolist())], len(rows) - len(able))

    def _gather(self) -> None:
        """Note who listens now, and from where."""
        self._gathered = True
        self._players = [
            player
            for player in self._present
            if player.state is PlayerState.JOINED and player.centre is not None
        ]
        self._row = np.array([player.row for player in self._players], np.int64)
        centres = [player.centre or (0, 0) for player in self._players]
        self._centre = np.array(centres, np.int64).reshape(-1, 2)
        passed = self._now - self._filled_at[self._row]
        gained = self._left[self._row] + passed * self._limits.heard_per_s
        self._left[self._row] = np.minimum(gained, self._limits.heard_burst)
        self._filled_at[self._row] = self._now
