"""How much state may leave now: what the link was seen to carry without a queue.

Theory of operation. State is worth little once it has waited. So whoever writes it asks first how
many bytes may leave, and writes no more. They come out of a token bucket. Its rate follows what the
link shows, round trip by round trip:

* Packets **wait** when the fastest of the latest round trips takes longer than the fastest of the
  last seconds. At first the rate doubles while it is used, or grows by less if packets wait.
* When packets wait for longer than `queue_s`, the rate falls below what has arrived per second, and
  the queue drains. It also falls when so many are lost that the congestion window shrinks, but not
  below what a new link is tried with.
* From then on the rate grows slowly up to what was too much the last time, and faster beyond, but
  slowly again once packets wait at all.
* Where packets wait as long after the rate has fallen, they do not wait for each other: others fill
  the link, or one of the two processes is slow. That wait is accepted for some time.

The bucket bounds nothing by itself: packets with other messages leave as `SendBudget` says, and
take from it what they take from the link.

Source: draft-ietf-rmcat-gcc-02, section 5.5 (a share of what has arrived; slow growth close to it).
"""

from __future__ import annotations

import math
from collections import deque

from sidereal.protocol.channel.limits import LIMITS, AllowanceLimits
from sidereal.protocol.channel.spec import Budget


class Allowance:
    """Bytes that may be written now.

    Attributes:
        rate: bytes per second at which it fills.
    """

    __slots__ = (
        "_accepted_s",
        "_accepted_until",
        "_arrived",
        "_at",
        "_falls",
        "_fell_at_wait_s",
        "_in_use",
        "_judged_from",
        "_limits",
        "_rate_max",
        "_rate_min",
        "_tokens",
        "_too_much",
        "_waits",
        "rate",
    )

    def __init__(self, budget: Budget, now: float, limits: AllowanceLimits = LIMITS.allowance):
        self._limits = limits
        self._rate_min, self._rate_max = budget.rate_min, budget.rate
        self.rate = min(max(limits.rate_initial, budget.rate_min), budget.rate)
        self._tokens = self.rate * limits.burst_s / 2
        self._at = self._judged_from = now
        self._waits: deque[float] = deque(maxlen=limits.trips)
        self._arrived: deque[tuple[float, int]] = deque()
        self._too_much = math.inf
        self._in_use = False
        self._falls = 0
        self._fell_at_wait_s = self._accepted_s = 0.0
        self._accepted_until = -math.inf

    def available(self, now: float) -> int:
        """Bytes that may leave now."""
        gained = max(0.0, now - self._at) * self.rate
        self._at = max(now, self._at)
        self._tokens = min(self._tokens + gained, self.rate * self._limits.burst_s)
        return max(0, int(self._tokens))

    def bound(self, rate: float) -> None:
        """Stay at or below so many bytes per second from now on, but not below the least rate."""
        self._rate_max = max(self._rate_min, min(self._rate_max, rate))
        self.rate = min(self.rate, self._rate_max)

    def spend(self, size: int, now: float) -> None:
        """Count bytes that leave now."""
        self.available(now)
        self._tokens -= size
        if self._tokens < self.rate * self._limits.burst_s / 4:
            self._in_use = True

    def note_arrived(self, size: int, now: float) -> None:
        """Count bytes of which an ack has come."""
        self._arrived.append((now, size))
        while self._arrived[0][0] < now - self._limits.arrived_s:
            self._arrived.popleft()

    def note_wait(self, wait_s: float, sent_at: float, now: float) -> None:
        """Take a round trip into account; judges what was sent since the rate last changed.

        Args:
            wait_s: how much longer it took than the fastest of the last seconds.
            sent_at: when it began.
            now: seconds.
        """
        if sent_at < self._judged_from:
            return
        self._waits.append(wait_s)
        if len(self._waits) < self._limits.trips:
            return
        waits_s = min(self._waits)
        if now >= self._accepted_until:
            self._accepted_s = 0.0
        if waits_s > self._limits.queue_s + self._accepted_s:
            self._fall(waits_s, now)
            return
        self._falls = 0
        if self._in_use:
            self._grow(waits_s)
            self._in_use = False
            self._waits.clear()
            self._judged_from = now

    def note_trouble(self, now: float) -> None:
        """Note that more was lost than a link loses by itself.

        Some links lose as much whatever is sent. So a rate that a new link is tried with is kept.
        """
        floor = min(self.rate, self._limits.rate_initial)
        self.rate = max(floor, min(self.rate, self._arrived_per_s(now) * self._limits.share))
        self._too_much = self.rate * self._limits.beyond

    def _grow(self, waits_s: float) -> None:
        limits = self._limits
        if math.isinf(self._too_much):
            factor = max(limits.growth, 2.0 - 2.0 * waits_s / limits.queue_s)
        elif waits_s > limits.queue_s / 2 or self.rate < self._too_much:
            factor = limits.growth
        else:
            factor = limits.growth_beyond
        self.rate = min(self.rate * factor, self._rate_max)

    def _fall(self, waits_s: float, now: float) -> None:
        limits = self._limits
        if not self._falls:
            self._fell_at_wait_s = waits_s
        self._falls += 1
        if self._falls > limits.falls and waits_s > self._fell_at_wait_s / 2:
            self._accepted_s, self._accepted_until = waits_s, now + limits.accepted_s
            self._falls = 0
            return
        arrived = self._arrived_per_s(now)
        self._too_much = min(self.rate, arrived * limits.beyond)
        floor = 0.0 if self._in_use else self.rate / 2
        self.rate = min(self.rate, max(arrived * limits.share, floor, self._rate_min))
        self._tokens = min(self._tokens, 0.0)
        # What is sent until the queue has drained tells of the rate as it was.
        self._judged_from = now + waits_s / (1 - limits.share)
        self._waits.clear()

    def _arrived_per_s(self, now: float) -> float:
        """Bytes per second of which acks have come; half the rate while too few have."""
        if len(self._arrived) < self._limits.trips:
            return self.rate / 2
        began, first = self._arrived[0]
        size = sum(size for _, size in self._arrived) - first
        return size / max(now - began, self._limits.arrived_s / 4)
