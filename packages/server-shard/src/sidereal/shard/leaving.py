"""When a shard that is to leave does so.

It has asked the server to give what it simulates to others, and goes on until it is dismissed. But
it does not wait for ever, nor for a server that says nothing any more.
"""

from __future__ import annotations

import math

from sidereal.shard.limits import Limits


class Leaving:
    """One shard's way out.

    Attributes:
        begun: whether it is to leave.
    """

    def __init__(self, limits: Limits) -> None:
        self.begun = False
        self._limits = limits
        self._heard_at = -math.inf
        self._at_latest = math.inf

    def begin(self, now: float) -> None:
        """Begin to leave, monotonic seconds."""
        self.begun = True
        self._heard_at = now
        self._at_latest = now + self._limits.drain_within_s

    def note_beat(self, now: float) -> None:
        """Note that the server is there."""
        self._heard_at = now

    def dismiss(self) -> None:
        """Let it go: it may leave at once, if it is to leave."""
        if self.begun:
            self._at_latest = -math.inf

    def end(self) -> None:
        """Note that the session has ended: nothing is waited for any more."""
        self.begun = False

    @property
    def at(self) -> float | None:
        """When it leaves, monotonic seconds; None while it is not to."""
        if not self.begun:
            return None
        return min(self._at_latest, self._heard_at + self._limits.drain_silence_s)
