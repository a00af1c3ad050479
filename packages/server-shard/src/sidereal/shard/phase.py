"""When to simulate which tick, so that proposals come just ahead of the server's own tick.

Every beat says two things: which tick the server has begun, and how long before that our newest
proposal had come. The first, with the beat's arrival, tells when ticks begin as seen from here.
That is later than in truth by the way here, and least so for the quickest of the recent beats.
The way back takes as long again, so a round trip and the wanted lead are taken off.
The second closes the loop: whatever is wrong with that estimate, the phase moves until proposals
have the lead they should.

The phase moves gently, because what clients have learned of it (`earliness`) is older than it is:
while it moves, inputs come too late. It jumps to where it belongs with the first beat, when nothing
is flown here yet, and when it is off by several ticks. What beats tell of proposals within the
round trip after that is of the phase before, and says nothing.

Ticks are numbered by the caller, who counts up and never down. So a phase that jumps only changes
when the next tick is due.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from sidereal.shard.limits import LIMITS, Limits

LEAD_S: Final = 0.008
"""How long before the server's tick the proposal for it should be there."""
SHIFT_S_MAX: Final = 0.002
"""Most that the phase moves per beat when it is nearly right."""
SHIFT_SHARE: Final = 0.1
"""Part of a larger error that it moves per beat: half is gone after 7 beats."""
LEAD_GAIN: Final = 0.1
"""Part of the lead's error that is corrected per beat: jitter averages out."""


class TickPhase:
    """The schedule of a shard's ticks, on its own monotonic clock.

    Attributes:
        jumps: how often the phase jumped instead of moving, since the first beat.
    """

    def __init__(self, tick_s: float, tick: int, now: float, limits: Limits = LIMITS) -> None:
        """Start a schedule.

        Args:
            tick_s: length of a tick, s.
            tick: that the server has probably just begun.
            now: monotonic seconds.
            limits: what only tuning decides.
        """
        self._tick_s = tick_s
        self._limits = limits
        self._origin = now - tick * tick_s
        self._begins: deque[float] = deque([self._origin], maxlen=limits.beats)
        # From when on beats tell of proposals made since the last jump.
        self._told_from = math.inf
        self._trim = 0.0
        self.jumps = 0

    def due_at(self, tick: int) -> float:
        """When a tick is to be simulated, monotonic seconds."""
        return self._origin + tick * self._tick_s

    def observe(self, tick: int, lead_s: float, rtt_s: float, now: float) -> None:
        """Learn from a beat, and move.

        Args:
            tick: the server has begun.
            lead_s: how long before its tick our newest proposal had come; negative: after.
            rtt_s: of the link, 0 if unknown: the way of a beat and of the proposal.
            now: monotonic seconds.
        """
        self._begins.append(now - tick * self._tick_s)
        begin = min(self._begins)
        latest = list(self._begins)[-self._limits.beats_late :]
        if min(latest) > begin + 1.5 * self._tick_s:
            self._begins.clear()
            self._begins.extend(latest)
            begin = min(latest)

        # Within a tick: a beat leaves when the server is done with the tick that it tells of, so
        # the estimate is that much too late. A stall must not add up.
        if now >= self._told_from:
            trim = self._trim + _clip(LEAD_GAIN * (lead_s - LEAD_S), SHIFT_S_MAX)
            self._trim = _clip(trim, self._tick_s)

        error = begin - rtt_s - LEAD_S + self._trim - self._origin
        is_first = math.isinf(self._told_from)
        if is_first or abs(error) > self._limits.jump_ticks * self._tick_s:
            self._origin += error
            self.jumps += not is_first
            # A proposal waits for our next tick, and its beat for the server's.
            self._told_from = now + rtt_s + 2 * self._tick_s
        else:
            self._origin += _clip(error, max(SHIFT_S_MAX, SHIFT_SHARE * abs(error)))


def _clip(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)
