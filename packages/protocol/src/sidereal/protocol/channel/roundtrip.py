"""How long a packet and its ack take, and when to stop waiting for one."""

from __future__ import annotations

import math

from sidereal.protocol.channel.limits import LIMITS, TimeoutLimits


class RoundTrip:
    """Smoothed round-trip time and the retransmission time-out that follows from it.

    The time-out is computed from whole round trips, with the peer's wait before its ack. `rtt_s` is
    without that wait, as far as the peer has said how long it was. Only the newest packet of an ack
    is a sample, so packets that are overtaken now and then are not in the average. When one of them
    was given up too soon, the time-out grows by what it lacked, and slowly forgets that again.

    Source: RFC 6298, sections 2 and 5.
    """

    __slots__ = (
        "_backoff",
        "_deviation_s",
        "_limits",
        "_patience_s",
        "_smoothed_s",
        "jitter_s",
        "rtt_s",
        "rtt_s_min",
    )

    def __init__(self, limits: TimeoutLimits = LIMITS.timeouts) -> None:
        self._limits = limits
        self.rtt_s = 0.0
        self.rtt_s_min = math.inf
        self.jitter_s = 0.0
        self._smoothed_s = 0.0
        self._deviation_s = 0.0
        self._patience_s = 0.0
        self._backoff = 0

    def add_sample(self, round_trip_s: float, ack_delay_s: float) -> None:
        """Take a measured round trip into account; ends a backoff."""
        net_s = max(0.0, round_trip_s - ack_delay_s)
        self._backoff = 0
        if self.rtt_s_min == math.inf:
            self.rtt_s = self.rtt_s_min = net_s
            self.jitter_s = net_s / 2
            self._smoothed_s = round_trip_s
            self._deviation_s = round_trip_s / 2
            return
        self._patience_s -= self._patience_s / 64
        self.rtt_s_min = min(self.rtt_s_min, net_s)
        self.jitter_s += (abs(self.rtt_s - net_s) - self.jitter_s) / 4
        self.rtt_s += (net_s - self.rtt_s) / 8
        self._deviation_s += (abs(self._smoothed_s - round_trip_s) - self._deviation_s) / 4
        self._smoothed_s += (round_trip_s - self._smoothed_s) / 8

    def add_late(self, age_s: float) -> None:
        """Learn from a packet that was given up, but acked at this age after all."""
        lacked_s = age_s - self._smoothed_s - 4 * self._deviation_s
        self._patience_s = min(max(self._patience_s, lacked_s), self._smoothed_s)

    def back_off(self) -> int:
        """Double the time-out: nothing came back within it; returns how often in a row."""
        self._backoff = min(self._backoff + 1, self._limits.doublings)
        return self._backoff

    @property
    def rto_s(self) -> float:
        """After how long an unacked packet is taken for lost."""
        limits = self._limits
        if self.rtt_s_min == math.inf:
            base_s = limits.initial_s
        else:
            base_s = self._smoothed_s + 4 * self._deviation_s + self._patience_s
            base_s = max(limits.min_s, base_s)
        return min(limits.max_s, base_s * (1 << self._backoff))
