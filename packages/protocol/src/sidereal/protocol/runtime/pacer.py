"""Ticks at a fixed rate, without drift."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from sidereal.protocol import limits


class Pacer:
    """Says when the next tick is due.

    Tick times form a grid, so a late tick does not move those after it. After a stall the ticks
    that were missed follow back to back, at most `TICKS_CATCH_UP_MAX` of them; older ones are
    dropped and counted.

    Attributes:
        due_at: when the last tick returned by `wait_tick` was due, seconds of the clock.
        dropped: ticks that were never run.
    """

    def __init__(self, tick_s: float, clock: Callable[[], float] = trio.current_time) -> None:
        """Begin a grid: the first tick is due one `tick_s` from now.

        Args:
            tick_s: length of a tick in seconds.
            clock: monotonic seconds, running at the pace of Trio's own clock.
        """
        self._tick_s = tick_s
        self._clock = clock
        self.due_at = clock()
        self.dropped = 0

    async def wait_tick(self) -> float:
        """Wait until the next tick is due; always a checkpoint.

        Returns:
            When it was due.
        """
        now = self._clock()
        due_at = self.due_at + self._tick_s
        if now < due_at:
            await trio.sleep(due_at - now)
        else:
            missed = math.floor((now - due_at) / self._tick_s)
            if missed > limits.TICKS_CATCH_UP_MAX:
                dropped = missed - limits.TICKS_CATCH_UP_MAX
                self.dropped += dropped
                due_at += dropped * self._tick_s
            await trio.lowlevel.checkpoint()
        self.due_at = due_at
        return due_at

    def shift(self, seconds: float) -> None:
        """Move all coming ticks, later if `seconds` is positive."""
        self.due_at += seconds

    def __aiter__(self) -> Pacer:
        """Iterate over ticks: each item is when it was due."""
        return self

    async def __anext__(self) -> float:
        return await self.wait_tick()
