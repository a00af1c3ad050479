"""How fast a connection may send: round-trip time, congestion window, send budget."""

from __future__ import annotations

import math

from sidereal.protocol import limits
from sidereal.protocol.channel.spec import Budget

_RELIABLE_SHARE = 0.25
_BETA = 0.7
_BACKOFF_MAX = 6


class RoundTrip:
    """Smoothed round-trip time and the retransmission time-out that follows from it.

    The time-out is computed from whole round trips, the peer's wait before it acked included;
    `rtt_s` is without that wait, as far as the peer told it. Only the newest packet of an ack is a
    sample, so packets that are overtaken now and then are not in the average; when one of them
    was given up too soon, the time-out grows by what it lacked, and forgets that again slowly.

    Source: RFC 6298, sections 2 and 5.
    """

    __slots__ = (
        "_backoff",
        "_deviation_s",
        "_patience_s",
        "_smoothed_s",
        "jitter_s",
        "rtt_s",
        "rtt_s_min",
    )

    def __init__(self) -> None:
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

    def back_off(self) -> None:
        """Double the time-out: nothing came back within it."""
        self._backoff = min(self._backoff + 1, _BACKOFF_MAX)

    @property
    def rto_s(self) -> float:
        """After how long an unacked packet is taken for lost."""
        if self.rtt_s_min == math.inf:
            base_s = limits.RTO_S_INITIAL
        else:
            base_s = self._smoothed_s + 4 * self._deviation_s + self._patience_s
            base_s = max(limits.RTO_S_MIN, base_s)
        return min(limits.RTO_S_MAX, base_s * (1 << self._backoff))


class CongestionWindow:
    """Bytes of reliable messages that may be in flight: slow start, then additive increase.

    It shrinks once per round trip in which something was lost, and grows only while it is what
    holds the sender back.

    Source: RFC 9002, section 7 and appendix B (with CUBIC's factor 0.7, RFC 9438).
    """

    __slots__ = ("_recovery_start", "_threshold", "in_flight_size", "size")

    def __init__(self) -> None:
        self.size = float(limits.WINDOW_SIZE_INITIAL)
        self.in_flight_size = 0
        self._threshold = math.inf
        self._recovery_start = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether more may be sent."""
        return self.in_flight_size < self.size

    def sent(self, size: int) -> None:
        """Count bytes that are in flight from now on."""
        self.in_flight_size += size

    def acked(self, size: int, sent_at: float) -> None:
        """Count bytes as arrived; the window grows if it was in use."""
        was_in_use = 2 * self.in_flight_size >= self.size
        self.in_flight_size -= size
        if not was_in_use or sent_at <= self._recovery_start:
            return
        if self.size < self._threshold:
            self.size += size
        else:
            self.size += limits.PAYLOAD_SIZE_MAX * size / self.size
        self.size = min(self.size, limits.WINDOW_SIZE_MAX)

    def lost(self, size: int, sent_at: float, now: float) -> None:
        """Count bytes as lost; the window shrinks unless it just did for the same reason."""
        self.in_flight_size -= size
        if sent_at <= self._recovery_start:
            return
        self._recovery_start = now
        self.size = max(self.size * _BETA, limits.WINDOW_SIZE_MIN)
        self._threshold = self.size

    def collapse(self) -> None:
        """Start again from the least window: nothing came back for a whole time-out."""
        self.size = float(limits.WINDOW_SIZE_MIN)


class SendBudget:
    """Two token buckets, so that neither unreliable nor reliable traffic starves the other.

    A quarter of the rate is for reliable messages; what one bucket cannot hold flows into the
    other. A bucket may be overdrawn by the packet that empties it.
    """

    __slots__ = ("_at", "_rate", "_reliable_max", "_unreliable_max", "reliable", "unreliable")

    def __init__(self, budget: Budget, now: float) -> None:
        self._rate = budget.rate
        self._at = now
        self._reliable_max = budget.burst * _RELIABLE_SHARE
        self._unreliable_max = budget.burst - self._reliable_max
        self.reliable = self._reliable_max
        self.unreliable = self._unreliable_max

    def refill(self, now: float) -> None:
        """Add what the time since the last call is worth."""
        gained = max(0.0, now - self._at) * self._rate
        self._at = max(now, self._at)
        reliable = self.reliable + gained * _RELIABLE_SHARE
        unreliable = self.unreliable + gained * (1 - _RELIABLE_SHARE)
        spare = max(0.0, reliable - self._reliable_max) + max(
            0.0, unreliable - self._unreliable_max
        )
        self.reliable = min(reliable, self._reliable_max)
        self.unreliable = min(unreliable, self._unreliable_max)
        if spare:
            self.reliable = min(self.reliable + spare, self._reliable_max)
            self.unreliable = min(self.unreliable + spare, self._unreliable_max)

    @property
    def unreliable_ready_at(self) -> float:
        """When unreliable messages may be sent (in the past, if they may)."""
        return self._ready_at(self.unreliable, 1 - _RELIABLE_SHARE)

    @property
    def reliable_ready_at(self) -> float:
        """When reliable messages may be sent (in the past, if they may)."""
        return self._ready_at(self.reliable, _RELIABLE_SHARE)

    def _ready_at(self, tokens: float, share: float) -> float:
        if tokens > 0:
            return -math.inf
        return self._at + max(limits.PACE_S_MIN, -tokens / (self._rate * share))
