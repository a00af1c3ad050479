"""When the next tick may be simulated: by the phase, and never far beyond what is heard.

The phase goes by the server's clock. A server that stands still says nothing, and it will not
believe what is too far ahead of the tick in which it goes on. So a shard waits a few ticks beyond
the newest beat, and a round trip more: for so long a beat and its answer are on their way.
"""

from __future__ import annotations

import math

from sidereal.shard.limits import Limits
from sidereal.shard.phase import TickPhase


class Schedule:
    """The ticks of one session.

    Attributes:
        phase: the schedule of ticks that need not wait.
    """

    def __init__(self, tick_s: float, tick: int, now: float, limits: Limits) -> None:
        """Begin.

        Args:
            tick_s: length of a tick, s.
            tick: that the server has probably just begun.
            now: monotonic seconds.
            limits: what only tuning decides.
        """
        self.phase = TickPhase(tick_s, tick, now, limits)
        self._tick_s = tick_s
        self._limits = limits
        self._heard = tick
        self._tick_max = tick + limits.ahead_ticks

    def hear(self, tick: int, lead_s: float, rtt_s: float, now: float) -> None:
        """Learn from a beat; the arguments are those of `TickPhase.observe`."""
        self.phase.observe(tick, lead_s, rtt_s, now)
        self._heard = max(self._heard, tick)
        self._tick_max = self._heard + math.ceil(rtt_s / self._tick_s) + self._limits.ahead_ticks

    def due_at(self, tick: int) -> float | None:
        """When a tick is to be simulated, monotonic seconds; None if a beat must come first."""
        return None if tick > self._tick_max else self.phase.due_at(tick)

    def skips(self, tick: int, now: float) -> int:
        """How many ticks from this one on are beyond what is caught up with after a stall."""
        late = int((now - self.phase.due_at(tick)) / self._tick_s)
        return max(0, min(late - self._limits.ticks_catch_up, self._tick_max - tick))
