"""What the viewer measures about itself: frame times, and how snapshots come in."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAMES_MAX: Final = 200
"""Frames and snapshots remembered: the width of a strip in pixels."""


class Ring:
    """The newest values of a series."""

    def __init__(self, length: int) -> None:
        self._values: NDArray[np.float64] = np.full(length, np.nan)
        self._next = 0

    def add(self, value: float) -> None:
        """Put a value in place of the oldest."""
        self._values[self._next] = value
        self._next = (self._next + 1) % len(self._values)

    def values(self) -> NDArray[np.float64]:
        """Oldest first, NaN where nothing was added yet."""
        return np.roll(self._values, -self._next)

    def percentiles(self, *shares: float) -> list[float]:
        """Percentiles of what was added, 0 when nothing was."""
        known = self._values[~np.isnan(self._values)]
        if len(known) == 0:
            return [0.0 for _ in shares]
        return [float(value) for value in np.percentile(known, shares)]


class Meter:
    """The series behind the top bar and the net graph.

    Attributes:
        frame_ms: time from one frame to the next.
        draw_ms: time spent in a frame.
        lead_ms: how much newer than the drawn moment the newest data is; below 0 is guesswork.
        snapshot_bytes: bytes received per snapshot, 0 for one that never came.
        lost: snapshots that never came.
    """

    def __init__(self) -> None:
        self.frame_ms = Ring(FRAMES_MAX)
        self.draw_ms = Ring(FRAMES_MAX)
        self.lead_ms = Ring(FRAMES_MAX)
        self.snapshot_bytes = Ring(FRAMES_MAX // 2)
        self.lost = 0
        self._frame_at: float | None = None
        self._newest_tick = -1
        self._snapshots = 0
        self._bytes_in = 0

    def frame_begins(self, now: float) -> float:
        """Note a frame's start; returns the seconds since the last one's."""
        elapsed_s = 0.0 if self._frame_at is None else now - self._frame_at
        if self._frame_at is not None:
            self.frame_ms.add(1000.0 * elapsed_s)
        self._frame_at = now
        return elapsed_s

    def frame_drawn(self, now: float) -> None:
        """Note a frame's end."""
        if self._frame_at is not None:
            self.draw_ms.add(1000.0 * (now - self._frame_at))

    def data_seen(
        self, view_tick: float, newest_tick: int, snapshots: int, bytes_in: int, tick_s: float
    ) -> None:
        """Note how the client stands at this frame.

        Args:
            view_tick: the moment drawn, ticks.
            newest_tick: of the newest snapshot, −1 before the first.
            snapshots: distinct ticks received so far.
            bytes_in: received so far.
            tick_s: length of a tick, seconds.
        """
        if newest_tick < 0:
            return
        self.lead_ms.add(1000.0 * tick_s * (newest_tick - view_tick))
        ticks = newest_tick - self._newest_tick
        if self._newest_tick >= 0 and ticks > 0:
            came = min(snapshots - self._snapshots, ticks)
            missing = ticks - came
            self.lost += missing
            for _ in range(min(missing, FRAMES_MAX)):
                self.snapshot_bytes.add(0.0)
            for _ in range(min(came, FRAMES_MAX)):
                self.snapshot_bytes.add((bytes_in - self._bytes_in) / came)
        if ticks != 0:
            self._newest_tick, self._snapshots, self._bytes_in = newest_tick, snapshots, bytes_in
