"""What came and went: totals, and rates over the last full second."""

from __future__ import annotations

from typing import Final

PERIOD_S: Final = 1.0


class Traffic:
    """Counters of one link.

    Attributes:
        snapshots: distinct server ticks received.
        bytes_in: of datagrams received.
        bytes_out: of datagrams sent.
        snapshot_hz: snapshots per second in the last full period; likewise the byte rates.
    """

    def __init__(self, now: float) -> None:
        self.snapshots = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.snapshot_hz = 0.0
        self.bytes_in_per_s = 0.0
        self.bytes_out_per_s = 0.0
        self._began = now
        self._at_begin = (0, 0, 0)

    def advance(self, now: float) -> None:
        """Close the period when it is over."""
        elapsed_s = now - self._began
        if elapsed_s < PERIOD_S:
            return
        snapshots, bytes_in, bytes_out = self._at_begin
        self.snapshot_hz = (self.snapshots - snapshots) / elapsed_s
        self.bytes_in_per_s = (self.bytes_in - bytes_in) / elapsed_s
        self.bytes_out_per_s = (self.bytes_out - bytes_out) / elapsed_s
        self._at_begin = (self.snapshots, self.bytes_in, self.bytes_out)
        self._began = now
