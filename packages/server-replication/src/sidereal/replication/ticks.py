"""When ticks are due: a grid of times, so that a late tick does not move those after it.

After a stall the ticks that were missed follow back to back, at most so many of them; older ones
are dropped and counted. The grid begins with the first tick, which is due at once.
"""

from __future__ import annotations

import math
from typing import Final

SLACK_S: Final = 1e-6
"""A tick is due this much before its time: whoever adds up seconds is off by a rounding error."""


class Ticks:
    """The ticks of one world.

    Attributes:
        dropped: ticks that were never run.
    """

    def __init__(self, tick_s: float, catch_up_max: int) -> None:
        self.dropped = 0
        self._tick_s = tick_s
        self._catch_up_max = catch_up_max
        self._begun_at: float | None = None
        self._number = 0

    @property
    def due_at(self) -> float:
        """When the next tick is due, monotonic seconds."""
        if self._begun_at is None:
            return -math.inf
        return self._begun_at + self._number * self._tick_s

    def take(self, now: float) -> float | None:
        """Take a tick that is due.

        Returns:
            when it was due, monotonic seconds; None if none is.
        """
        if self._begun_at is None:
            self._begun_at = now
        behind_s = now - self.due_at + SLACK_S
        if behind_s < 0:
            return None
        missed = max(0, math.floor(behind_s / self._tick_s) - self._catch_up_max)
        self.dropped += missed
        self._number += missed + 1
        return self.due_at - self._tick_s
