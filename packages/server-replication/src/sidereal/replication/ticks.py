"""When ticks are due: a grid of times, so that a late tick does not move those after it.

After a stall the ticks that were missed follow back to back, at most so many of them; older ones
are dropped and counted. The grid begins with the first tick, which is due at once.

A world that takes all the time there is would leave none to saving and to HTTP, which run beside
it: whoever runs the ticks holds the next one back for a moment.
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
        self._held_until = -math.inf

    @property
    def due_at(self) -> float:
        """When the next tick is due, monotonic seconds."""
        if self._begun_at is None:
            return -math.inf
        return max(self._begun_at + self._number * self._tick_s, self._held_until)

    def hold(self, until: float) -> None:
        """Run no tick before a time, monotonic seconds; the grid stays where it is."""
        self._held_until = until

    def take(self, now: float) -> float | None:
        """Take a tick that is due.

        Returns:
            when it was due, monotonic seconds; None if none is.
        """
        if self._begun_at is None:
            self._begun_at = now
        if now < self.due_at - SLACK_S:
            return None
        behind_s = now - self._begun_at - self._number * self._tick_s + SLACK_S
        missed = max(0, math.floor(behind_s / self._tick_s) - self._catch_up_max)
        self.dropped += missed
        self._number += missed + 1
        return self._begun_at + (self._number - 1) * self._tick_s
