"""At which tick others are drawn: the server's, less a delay that follows from what was measured.

A snapshot says where others are at its tick, and comes some time later. To draw them between two
snapshots and not beyond the newest, they are drawn as they were a while ago. The shorter that is,
the better; too short, and they run on straight lines and have to be called back. The delay is the
sum of three:

* the **interval**: the next snapshot is one tick later than this one;
* the **lateness** of all snapshots but one in twenty: by how much they came later than the fastest
  of the last seconds would have (`clocksync`);
* what **one loss** costs, where packets get lost: the snapshot after the lost one says the same,
  an interval later.

It is no longer than the ring of references reaches back. It is slewed, so that nothing on screen
stops or leaps when the link gets better or worse: faster when it grows, because what is late is
seen at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import numpy as np

from sidereal.client.clocksync import ClockSync
from sidereal.client.interpolation import RING
from sidereal.client.limits import LIMITS, Limits

LATE_SHARE: Final = 0.05
"""One snapshot in twenty may be later than the delay allows for."""
GROWTH: Final = 0.25
"""Seconds by which the delay grows in a second at most."""
DECAY: Final = 0.02
"""Likewise, by which it shrinks."""
SLEW: Final = 0.3
"""Ticks by which the own time gains on the others' in a tick at most, or falls behind it."""


class Moment(NamedTuple):
    """One moment of the picture, in ticks.

    Attributes:
        server_tick: the estimate of the server's now.
        drawn_tick: at which others are drawn.
        blend_ticks: over how many ticks paths bend into a reference.
    """

    server_tick: float
    drawn_tick: float
    blend_ticks: float


class Timeline:
    """The clock of the server, and the delay of the picture.

    Attributes:
        clock: which tick it is at the server.
    """

    def __init__(self, tick_s: float, limits: Limits = LIMITS) -> None:
        self.clock = ClockSync(tick_s, limits.clock_window_s)
        self._tick_s, self._reach_s = tick_s, (RING - 1) * tick_s
        self._limits = limits
        self._late_s: deque[float] = deque(maxlen=limits.lateness_samples)
        self._lateness_s = 0.0
        self._loss = 0.0
        self._delay_s = self._delay_wanted_s = min(limits.delay_s_first, self._reach_s)
        self._delay_at: float | None = None
        self._heard = 0

    def observe(self, tick: int, now: float, loss: float) -> None:
        """Take the arrival of a snapshot that is newer than all before.

        Args:
            tick: of the snapshot.
            now: when it came, monotonic seconds.
            loss: share of packets that got lost lately.
        """
        self.clock.observe(tick, now)
        self._late_s.append(self.clock.lateness_s(tick, now))
        self._heard += 1
        self._loss = loss
        # Sorting them each time would cost a bot more than reading the snapshot.
        if self._heard % self._limits.lateness_every == 0:
            self._lateness_s = float(np.quantile(self._late_s, 1.0 - LATE_SHARE))
            self._delay_s, self._delay_at = self.delay_s(now), now
            self._delay_wanted_s = min(self._measured_s(), self._reach_s)

    def delay_s(self, now: float) -> float:
        """How long ago the picture was, seconds."""
        if self._delay_at is None:
            return self._delay_s
        elapsed_s = max(0.0, now - self._delay_at)
        wanted_s = self._delay_wanted_s - self._delay_s
        return self._delay_s + max(-DECAY * elapsed_s, min(GROWTH * elapsed_s, wanted_s))

    def moment(self, now: float) -> Moment:
        """Give what to draw at `now`."""
        server_tick, delay_s = self.clock.server_tick(now), self.delay_s(now)
        # A reference that comes in time bends the path from where it was drawn at that moment.
        blend_s = max(self._tick_s, delay_s - self._lateness_s)
        drawn_tick = server_tick - delay_s / self._tick_s
        return Moment(server_tick, drawn_tick, blend_s / self._tick_s)

    def _measured_s(self) -> float:
        intervals = 1 + (self._loss > self._limits.loss_noticed)
        return intervals * self._tick_s + self._lateness_s


class Lead:
    """How far ahead of the others is drawn what the own inputs have spawned: it does not jump.

    The own time is that of the newest input, which the shard may take for another tick than was
    thought. What is drawn by it neither stops nor leaps for that.
    """

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._lead = self._at = 0.0

    def follow(self, wanted: float, now: float, *, idle: bool) -> float:
        """Give the lead at `now`, in ticks.

        Args:
            wanted: what it should be.
            now: monotonic seconds.
            idle: whether there is nothing to draw by it.
        """
        step = SLEW * max(0.0, now - self._at) / self._tick_s
        off = wanted - self._lead
        self._lead += off if idle else max(-step, min(step, off))
        self._at = now
        return self._lead
