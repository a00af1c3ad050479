"""Which tick it is at the server, judged by when its snapshots arrive.

A snapshot of tick T that takes d seconds to get here arrives at T·tick_s + d, on some clock whose
zero nobody knows. The smallest (arrival − T·tick_s) of the last seconds belongs to the fastest
delivery, and queues only ever add to it. So that minimum is the offset of the server's clock as
seen through the fastest path. A mean would wander with the load of either machine.

The window has two generations of `clock_window_s` each. So an old minimum (the server stood still,
the path got longer) is forgotten after one to two windows, in constant memory. The offset in use
moves towards the minimum at a bounded pace, so time never runs backwards on screen. A difference
above `STEP_S` is stepped over instead, and the two directions differ:

* A snapshot that comes *earlier* than was thought possible proves that the server is ahead. The
  step forward is taken at once.
* One that comes *late* proves nothing: the network or this process stood still, and the next one
  may be in time again. The step back is taken when all snapshots of a whole window were as late.
"""

from __future__ import annotations

from typing import Final

from sidereal.client.limits import LIMITS

SLEW: Final = 0.1
"""Seconds of offset corrected per second."""
STEP_S: Final = 0.5
"""A difference above this is a new clock: step there, do not slew."""


class ClockSync:
    """Estimate of the server's current tick."""

    def __init__(self, tick_s: float, window_s: float = LIMITS.clock_window_s) -> None:
        self._window_s = window_s
        self._tick_s = tick_s
        self._newest_tick = -1
        self._stands_at: int | None = None
        self._offset_s: float | None = None
        self._offset_at = 0.0
        self._target_s = 0.0
        self._window_began = 0.0
        self._least_s = 0.0
        self._least_s_before: float | None = None

    @property
    def newest_tick(self) -> int:
        """Newest tick observed, −1 before the first."""
        return self._newest_tick

    def observe(self, tick: int, now: float) -> None:
        """Take the arrival of a snapshot; only the first datagram of a new tick counts."""
        if tick <= self._newest_tick:
            return
        self._newest_tick = tick
        if self._stands_at is not None and tick > self._stands_at:
            # It goes on, as late as it stood still.
            self._stands_at = self._offset_s = None
        sample_s = now - tick * self._tick_s
        if self._offset_s is None or sample_s < self._offset(now) - STEP_S:
            self._offset_s = self._target_s = self._least_s = sample_s
            self._least_s_before = None
            self._offset_at = self._window_began = now
            return
        self._offset_s, self._offset_at = self._offset(now), now
        if now - self._window_began >= self._window_s:
            self._least_s_before = self._least_s
            self._least_s = sample_s
            self._window_began = now
        self._least_s = min(self._least_s, sample_s)
        before = self._least_s if self._least_s_before is None else self._least_s_before
        self._target_s = min(self._least_s, before)
        if self._target_s > self._offset_s + STEP_S:
            self._offset_s = self._target_s

    def lateness_s(self, tick: int, now: float) -> float:
        """By how much a snapshot that came now is later than the fastest would have been, s."""
        return max(0.0, now - tick * self._tick_s - self._target_s)

    def stand_still(self, tick: int) -> None:
        """Stop at a tick until a snapshot of a later one comes; the server said that it has."""
        if tick >= self._newest_tick:
            self._stands_at = tick

    @property
    def stands_still(self) -> bool:
        """Whether the server's clock has stopped."""
        return self._stands_at is not None

    def server_tick(self, now: float) -> float:
        """Tick the server is at, as seen through the fastest path; 0 before any snapshot.

        Never decreases as `now` grows, except where the server's clock was stepped back to.
        """
        if self._offset_s is None:
            return 0.0
        tick = (now - self._offset(now)) / self._tick_s
        return tick if self._stands_at is None else min(tick, float(self._stands_at))

    def _offset(self, now: float) -> float:
        assert self._offset_s is not None
        allowed_s = SLEW * max(0.0, now - self._offset_at)
        wanted_s = self._target_s - self._offset_s
        return self._offset_s + max(-allowed_s, min(allowed_s, wanted_s))
