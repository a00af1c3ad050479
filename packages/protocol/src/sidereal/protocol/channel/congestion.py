"""How much a connection may send: what the link was seen to carry, within what its owner allows.

Theory of operation. The window is the number of bytes that may be in flight. It is judged once per
round trip, by two signals. The first is the share of packets that were lost. The second is the
queueing delay: the round trip of the fastest of the latest packets, less that of the fastest in the
last ten seconds.

While both signals are small, a window that was used grows. It doubles every round until the first
trouble, then gains one packet per round. When a signal is large, the window shrinks: in proportion
to what was lost, or to what the link carries without a queue. A few losses are not trouble. On the
links that games are played over they are noise, and a sender that halves its speed for each of
them stands still at five per cent. A connection that has long had neither trouble nor use for its
window knows no more of the link than a new one, and starts again like a new one.

Reliable messages leave while the window is open. A quarter of it is theirs, whatever else is in
flight. Unreliable messages are worth nothing later, so they do not wait for acks. A token bucket
that fills at the window's speed bounds them, and both kinds together.

Source: RFC 9002, section 7 (window, growth, persistent congestion);
draft-ietf-rmcat-gcc-02, sections 5 and 6 (loss thresholds, delay as a signal);
RFC 6817, section 2 (base delay and target of queueing delay).
"""

from __future__ import annotations

import math
from collections import deque

from sidereal.protocol.channel.limits import LIMITS, CongestionLimits
from sidereal.protocol.channel.spec import Budget
from sidereal.protocol.limits import PAYLOAD_SIZE_MAX


class CongestionWindow:
    """Bytes that may be on their way, and those that are.

    Attributes:
        size: of the window.
        in_flight_size: bytes of messages sent and neither acked nor given up.
        losses_judged: how often so much was lost that the window shrank.
    """

    __slots__ = (
        "_acked_count",
        "_base_s",
        "_base_until",
        "_judged_from",
        "_limits",
        "_lost_count",
        "_next_base_s",
        "_reliable_in_flight_size",
        "_round_started_at",
        "_threshold",
        "_trips",
        "_troubled_at",
        "_was_in_use",
        "in_flight_size",
        "losses_judged",
        "size",
    )

    def __init__(self, limits: CongestionLimits = LIMITS.congestion) -> None:
        self._limits = limits
        self.size = float(limits.size_initial)
        self.in_flight_size = 0
        self.losses_judged = 0
        self._reliable_in_flight_size = 0
        self._threshold = math.inf
        # Fastest round trip of the last seconds, of those since that changed, the latest ones.
        self._base_s = self._next_base_s = math.inf
        self._trips: deque[float] = deque(maxlen=limits.trips)
        self._base_until = -math.inf
        self._round_started_at = self._troubled_at = self._judged_from = -math.inf
        self._acked_count = self._lost_count = 0
        self._was_in_use = False

    @property
    def is_open(self) -> bool:
        """Whether more reliable messages may be sent."""
        return (
            self.in_flight_size < self.size
            or self._reliable_in_flight_size < self.size * self._limits.reliable_share
        )

    @property
    def has_reliable(self) -> bool:
        """Whether reliable messages are in flight."""
        return self._reliable_in_flight_size > 0

    def sent(self, size: int, reliable_size: int) -> None:
        """Count a packet that is in flight from now on, and the reliable part of it."""
        self.in_flight_size += size
        self._reliable_in_flight_size += reliable_size
        if self.in_flight_size >= self.size:
            self._was_in_use = True

    def held_back(self) -> None:
        """Note that something could not be sent although it was due."""
        self._was_in_use = True

    def settled(self, size: int, reliable_size: int) -> None:
        """Count a packet as no longer in flight, whatever became of it."""
        self.in_flight_size -= size
        self._reliable_in_flight_size -= reliable_size

    def add_round_trip(self, trip_s: float, sent_at: float, now: float) -> None:
        """Take a measured round trip into account, the peer's own wait not included."""
        if now >= self._base_until:
            self._base_s, self._next_base_s = self._next_base_s, math.inf
            self._base_until = now + self._limits.base_s
        self._base_s = min(self._base_s, trip_s)
        self._next_base_s = min(self._next_base_s, trip_s)
        if sent_at >= self._judged_from:
            self._trips.append(trip_s)

    def wait_of(self, trip_s: float) -> float:
        """How much longer a round trip took than the fastest of the last seconds."""
        return max(0.0, trip_s - self._base_s)

    def acked(self, count: int, sent_at: float, now: float) -> None:
        """Count packets as arrived; judges the round trip when it is over.

        Args:
            count: packets that the peer has acked at once.
            sent_at: when the newest of them was sent.
            now: seconds.
        """
        if sent_at < self._judged_from:
            return
        self._acked_count += count
        if sent_at >= self._round_started_at:
            self._judge(now)
            self._round_started_at = now
            self._was_in_use = self.in_flight_size >= self.size

    def lost(self, sent_at: float) -> None:
        """Count a packet as lost."""
        if sent_at >= self._judged_from:
            self._lost_count += 1

    def late(self, sent_at: float) -> None:
        """Take back that a packet was lost: it has arrived after all."""
        if sent_at >= self._judged_from and self._lost_count:
            self._lost_count -= 1

    def _judge(self, now: float) -> None:
        count = self._acked_count + self._lost_count
        factor = min(self._loss_factor, self._queue_factor)
        self.losses_judged += self._loss_factor < 1
        if factor < 1:
            self._shrink(factor, now)
        elif self._was_in_use:
            self._grow()
        elif self._troubled_at + self._limits.base_s < now:
            self.size = max(self.size, self._limits.size_initial)
            self._threshold = math.inf
        if factor < 1 or count >= self._limits.evidence_packets:
            self._acked_count = self._lost_count = 0

    @property
    def _loss_factor(self) -> float:
        """What the losses ask the window to shrink by."""
        limits = self._limits
        loss = self._lost_count / (self._lost_count + self._acked_count)
        return 1 - loss / 2 if self._lost_count > limits.losses and loss > limits.loss else 1.0

    @property
    def _queue_factor(self) -> float:
        """What the waiting in queues asks the window to shrink by: to what fits without."""
        limits = self._limits
        if len(self._trips) < limits.trips:
            return 1.0
        trip_s = min(self._trips)
        queue_s_max = max(limits.queue_s, self._base_s * limits.queue_share)
        return self._base_s / trip_s if trip_s - self._base_s > queue_s_max else 1.0

    def _grow(self) -> None:
        if self.size < self._threshold:
            self.size = min(self.size * 2, self._threshold)
        else:
            self.size += PAYLOAD_SIZE_MAX
        self.size = min(self.size, self._limits.size_max)

    def _shrink(self, factor: float, now: float) -> None:
        limits = self._limits
        self.size = max(self.size * max(factor, limits.shrink_share), limits.size_min)
        self._threshold = self.size
        self._troubled_at = now
        # What is on its way now tells of the window as it was, and the queue takes as long to
        # drain.
        self._judged_from = now + (min(self._trips) if self._trips else 0.0)
        self._trips.clear()

    def collapse(self, now: float) -> None:
        """Start again from the least window: nothing came back for two time-outs."""
        self._troubled_at = now
        size_min = self._limits.size_min
        self._threshold = max(min(self._threshold, self.size / 2), size_min)
        self.size = float(size_min)


class SendBudget:
    """Two token buckets, so that neither unreliable nor reliable traffic starves the other.

    A quarter of the rate is for reliable messages; what one bucket cannot hold flows into the
    other. A bucket may be overdrawn by the packet that empties it.
    """

    __slots__ = ("_at", "_budget", "_depth", "_limits", "_rate", "reliable", "unreliable")

    def __init__(
        self, budget: Budget, now: float, limits: CongestionLimits = LIMITS.congestion
    ) -> None:
        self._budget = budget
        self._limits = limits
        self._at = now
        self._rate = budget.rate
        self._depth = 0.0
        self.reliable = self.unreliable = math.inf
        self.adapt(limits.size_initial, 0.0)

    @property
    def rate(self) -> float:
        """Bytes per second it fills at."""
        return self._rate

    def adapt(self, window_size: float, rtt_s: float) -> None:
        """Follow the window: its size per round trip, and as much at once.

        Args:
            window_size: bytes.
            rtt_s: smoothed round trip; 0 if unknown.
        """
        budget, limits = self._budget, self._limits
        rate = limits.pace * window_size / max(rtt_s or limits.rtt_assumed_s, limits.rtt_min_s)
        self._rate = min(max(rate, budget.rate_min), budget.rate)
        depth = min(budget.burst, max(window_size, budget.rate_min * limits.rtt_assumed_s))
        self._depth = depth
        self.reliable = min(self.reliable, depth * limits.reliable_share)
        self.unreliable = min(self.unreliable, depth * (1 - limits.reliable_share))

    def starve(self) -> None:
        """Allow next to nothing, until the next `adapt`: who acks nothing may not be there."""
        self._rate = self._limits.silent_rate
        self._depth = depth = float(PAYLOAD_SIZE_MAX)
        self.reliable = min(self.reliable, depth * self._limits.reliable_share)
        self.unreliable = min(self.unreliable, depth * (1 - self._limits.reliable_share))

    def refill(self, now: float) -> None:
        """Add what the time since the last call is worth."""
        share = self._limits.reliable_share
        gained = max(0.0, now - self._at) * self._rate
        self._at = max(now, self._at)
        reliable_max = self._depth * share
        unreliable_max = self._depth - reliable_max
        reliable = self.reliable + gained * share
        unreliable = self.unreliable + gained * (1 - share)
        spare = max(0.0, reliable - reliable_max) + max(0.0, unreliable - unreliable_max)
        self.reliable = min(reliable + spare, reliable_max)
        self.unreliable = min(unreliable + spare, unreliable_max)

    @property
    def unreliable_ready_at(self) -> float:
        """When unreliable messages may be sent (in the past, if they may)."""
        return self._ready_at(self.unreliable, 1 - self._limits.reliable_share)

    @property
    def reliable_ready_at(self) -> float:
        """When reliable messages may be sent (in the past, if they may)."""
        return self._ready_at(self.reliable, self._limits.reliable_share)

    def _ready_at(self, tokens: float, share: float) -> float:
        if tokens > 0:
            return -math.inf
        return self._at + max(self._limits.pace_s, -tokens / (self._rate * share))
