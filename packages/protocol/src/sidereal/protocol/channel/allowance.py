"""How much state may leave now: what the link was seen to carry without a queue.

Theory of operation. State is worth little once it has waited. So whoever writes it asks first how
many bytes may leave, and writes no more. They come out of a token bucket. Its rate follows what the
link shows, round trip by round trip:

* A packet **waits** when its round trip takes longer than the fastest of the last seconds. Packets
  that leave together wait for each other. How long that takes follows from what the link carries,
  which `Carried` knows from the fastest of them. What is beyond that is a **queue**, if packets
  wait in several round trips in a row. One that is late alone is no queue, and nor are all of them
  on a link that shakes: the shortest wait counts.
* At first half the rate is allowed, until something that was sent while it was used is acked. Then
  the rate doubles while it is used, or grows by less if there is a queue, up to what the link was
  seen to carry.
* When all of what is sent comes through at less than half the rate, the rate falls there at once.
* When the queue is longer than `queue_s`, the rate falls below what has arrived per second, and the
  queue drains. While not all is used that may leave, a longer queue is waited for, and what arrives
  says little: then the rate falls by a share, at most by half. It also falls when so many are lost
  that the congestion window shrinks, but not below what a new link is tried with.
* From then on the rate grows faster and faster up to what arrived when there was too much, slowly
  from there to what was too much, and faster and faster beyond. It grows slowly while there is a
  queue at all, and where some packets wait.
* One round trip may have been long because a process stood still. So the rate falls far only when
  several waited and no burst came faster, and what was sent too much is made up for within
  `debt_s`: at the least rate a debt of a second ago would otherwise be paid off for ten.
* Where packets wait as long after the rate has fallen, they do not wait for each other: others fill
  the link, or one of the two processes is slow. That wait is accepted for some time.

The bucket bounds nothing by itself: packets with other messages leave as `SendBudget` says, and
take from it what they take from the link.

Source: draft-ietf-rmcat-gcc-02, section 5.5 (a share of what has arrived; slow growth close to it);
RFC 8289, section 3 (the least wait of an interval tells a standing queue from a burst);
draft-ietf-ccwg-bbr-00, section 5.5 (what a link carries is the most that was seen lately).
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from sidereal.protocol.channel.limits import LIMITS, AllowanceLimits
from sidereal.protocol.channel.spec import Budget
from sidereal.protocol.limits import DATAGRAM_OVERHEAD_SIZE

_LEAST_SIZE: Final = DATAGRAM_OVERHEAD_SIZE + 16
"""Bytes of the fastest packets: they have next to nothing in them."""
_LEAST_WAIT_S: Final = 1e-3
"""Nothing is concluded from waits that are shorter."""


class Carried:
    """The most bytes per second with which packets that left together came through lately.

    It is never more than the link carries, and less when all of them were held up by something
    else.
    """

    __slots__ = ("_forget_s", "_next", "_until", "rate")

    def __init__(self, forget_s: float) -> None:
        self.rate = self._next = 0.0
        self._forget_s = forget_s
        self._until = -math.inf

    def note(self, size: int, wait_s: float, trip_s: float, now: float) -> None:
        """Note how long the last of some packets waited, and the bytes of all of them.

        The fastest packet of all waits for nothing. Still it took no longer than its round trip.
        """
        if now >= self._until:
            is_recent = now < self._until + self._forget_s
            self.rate, self._next = self._next if is_recent else 0.0, 0.0
            self._until = now + self._forget_s
        took_s = wait_s if wait_s > 0.0 else trip_s
        seen = max(0, size - _LEAST_SIZE) / max(took_s, _LEAST_WAIT_S)
        self.rate = max(self.rate, seen)
        self._next = max(self._next, seen)


class Allowance:
    """Bytes that may be written now.

    Attributes:
        rate: bytes per second at which it fills.
    """

    __slots__ = (
        "_accepted_s",
        "_accepted_until",
        "_arrived",
        "_arrived_size",
        "_at",
        "_burst_at",
        "_burst_size",
        "_carried",
        "_falls",
        "_fell_at_wait_s",
        "_full_at",
        "_growth",
        "_in_use",
        "_is_tried",
        "_judged_from",
        "_limits",
        "_queues",
        "_rate_max",
        "_rate_min",
        "_tokens",
        "_too_much",
        "_used_at",
        "rate",
    )

    def __init__(self, budget: Budget, now: float, limits: AllowanceLimits = LIMITS.allowance):
        self._limits = limits
        self._rate_min, self._rate_max = budget.rate_min, budget.rate
        self.rate = min(max(limits.rate_initial, budget.rate_min), budget.rate)
        self._tokens = self.rate * limits.burst_s / 2
        self._at = self._judged_from = self._full_at = now
        self._burst_at, self._burst_size = -math.inf, 0
        self._queues: deque[tuple[float, float, float]] = deque(maxlen=limits.trips)
        # Of the latest round trips that count: how long the queue was, when each began, its wait.
        self._carried = Carried(limits.carried_s)
        self._arrived: deque[tuple[float, int]] = deque()
        self._arrived_size = 0
        self._growth = limits.growth
        self._too_much = math.inf
        self._in_use = self._is_tried = False
        self._used_at = math.inf
        self._falls = 0
        self._fell_at_wait_s = self._accepted_s = 0.0
        self._accepted_until = -math.inf

    def available(self, now: float) -> int:
        """Bytes that may leave now."""
        limits = self._limits
        rate = self.rate if self._is_tried else self.rate / 2
        gained = max(0.0, now - self._at) * rate
        self._at = max(now, self._at)
        most = max(rate * limits.burst_s, limits.burst_size)
        if self._tokens + gained >= most:
            self._full_at = self._at
        self._tokens = min(max(self._tokens, -rate * limits.debt_s) + gained, most)
        return max(0, int(self._tokens))

    def bound(self, rate: float) -> None:
        """Stay at or below so many bytes per second from now on, but not below the least rate."""
        self._rate_max = max(self._rate_min, min(self._rate_max, rate))
        self.rate = min(self.rate, self._rate_max)

    def spend(self, size: int, now: float) -> int:
        """Count bytes that leave now; returns how many have left now, with these."""
        if now > self._burst_at:
            self._burst_at, self._burst_size = now, 0
        self._burst_size += size
        self.available(now)
        self._tokens -= size
        if self._tokens < self.rate * self._limits.burst_s / 4 and not self._in_use:
            self._in_use, self._used_at = True, now
        return self._burst_size

    def note_arrived(self, size: int, now: float) -> None:
        """Count bytes of which an ack has come."""
        self._arrived.append((now, size))
        self._arrived_size += size
        while self._arrived[0][0] < now - self._limits.arrived_s:
            self._arrived_size -= self._arrived.popleft()[1]

    def note_wait(
        self, wait_s: float, trip_s: float, burst_size: int, sent_at: float, now: float
    ) -> None:
        """Take a round trip into account; judges what was sent since the rate last changed.

        Args:
            wait_s: how much longer it took than the fastest of the last seconds.
            trip_s: how long it took.
            burst_size: bytes that left with its packet, ahead of it, and its own.
            sent_at: when it began.
            now: seconds.
        """
        self._carried.note(burst_size, wait_s, trip_s, now)
        carried = max(self._carried.rate, self._arrived_per_s)
        self._is_tried |= sent_at >= self._used_at
        if sent_at < self._judged_from:
            return
        if self._queues and sent_at - self._queues[-1][1] > self._limits.carried_s:
            self._queues.clear()
        takes_s = max(0, burst_size - _LEAST_SIZE) / carried if carried else 0.0
        self._queues.append((max(0.0, wait_s - takes_s), sent_at, wait_s))
        if len(self._queues) < self._limits.trips:
            return
        queue_s, is_of_use = min(self._queues)[0], self._queues[0][1] >= self._used_at
        if now >= self._accepted_until:
            self._accepted_s = 0.0
            slow = self._carried.rate > 0.0 and carried < self.rate / 2
            if self._in_use and is_of_use and slow and self._all_wait:
                self._fall_far(now)
                return
        if queue_s > self._queue_s_max + self._accepted_s:
            self._fall(queue_s, now)
            return
        self._falls = 0
        if self._in_use and is_of_use:
            self._grow(queue_s)
            self._in_use = False
            self._queues.clear()
            self._judged_from = now

    def note_trouble(self, now: float) -> None:
        """Note that more was lost than a link loses by itself.

        Some links lose as much whatever is sent. So a rate that a new link is tried with is kept.
        """
        floor = min(self.rate, self._limits.rate_initial)
        arrived = self._arrived_per_s or self.rate / 2
        self.rate = max(floor, min(self.rate, arrived * self._limits.share))
        self._too_much = self.rate * self._limits.beyond

    @property
    def _queue_s_max(self) -> float:
        """How long a queue may be: longer where what is sent does not depend on the rate."""
        return self._limits.queue_s if self._in_use else self._limits.queue_unused_s

    def _grow(self, queue_s: float) -> None:
        limits = self._limits
        if math.isinf(self._too_much):
            factor = max(limits.growth, 2.0 - 2.0 * queue_s / limits.queue_s)
            carried = self._carried.rate
            least = 0.0 if self._all_wait else self.rate
            if least < carried < self.rate * factor:
                factor = max(least, carried * (1.0 + limits.share) / 2) / self.rate
                self._too_much = carried
            elif 0.0 < carried <= least:
                factor = 1.0
        elif queue_s > limits.queue_s / 3:
            factor = self._growth = limits.growth
        else:
            factor = self._step()
        self.rate = max(self._rate_min, min(self.rate * factor, self._rate_max))

    def _step(self) -> float:
        """Factor of the next growth while nothing waits, after one that was found to be too much.

        It is squared from judgement to judgement. What was carried then is not overstepped at
        once. From there to what was too much, the steps are small; so they are while some packets
        wait.
        """
        limits, carried = self._limits, self._too_much / self._limits.beyond
        if self._is_calm and self.rate < 2 * self._rate_min:
            return limits.growth_beyond
        is_near = carried <= self.rate < self._too_much
        most = limits.growth_beyond if self._is_calm and not is_near else limits.growth_near
        factor = min(self._growth, most)
        self._growth = min(self._growth**2, most)
        if self.rate < carried < self.rate * factor:
            factor, self._growth = carried / self.rate, limits.growth
        return factor

    @property
    def _all_wait(self) -> bool:
        """Whether all packets of the latest round trips waited for long, their bursts included."""
        return min(wait_s for _, _, wait_s in self._queues) > self._limits.queue_s

    @property
    def _is_calm(self) -> bool:
        """Whether no packet of the latest round trips waited for long."""
        return max(self._queues)[0] <= self._limits.queue_s / 3

    def _fall(self, queue_s: float, now: float) -> None:
        limits = self._limits
        if not self._falls:
            self._fell_at_wait_s = queue_s
        self._falls += 1
        if self._falls > limits.falls and queue_s > self._fell_at_wait_s / 2:
            self._accepted_s, self._accepted_until = queue_s, now + limits.accepted_s
            self._falls = 0
            return
        arrived = self._arrived_per_s
        if now - self._full_at <= limits.arrived_s or arrived == 0.0:
            # Not all is used that may leave: what arrives says little.
            is_long = queue_s > 2 * limits.queue_unused_s
            seen = 0.0 if is_long else min(self.rate, self._carried.rate)
            arrived = max(arrived, seen, self.rate / 2 / limits.share)
        self._come_down(arrived)
        # What is sent until the queue has drained tells of the rate as it was.
        self._judged_from = now + self._queues[-1][0] / (1 - limits.share)
        self._queues.clear()

    def _fall_far(self, now: float) -> None:
        """Fall to what came through lately: all of it came far more slowly than it leaves."""
        before = self.rate
        self._come_down(max(self._carried.rate, self._arrived_per_s))
        # As much was sent too much; `available` says how much of it is made up for.
        self._tokens = min(0.0, (self.rate - before) * min(1.0, now - self._used_at))
        self._judged_from = now
        self._queues.clear()

    def _come_down(self, arrived: float) -> None:
        """Send less than what arrives per second."""
        limits = self._limits
        self._too_much = arrived * limits.beyond
        self._growth = limits.growth
        self.rate = min(self.rate, max(arrived * limits.share, self._rate_min))
        self._tokens = min(self._tokens, 0.0)

    @property
    def _arrived_per_s(self) -> float:
        """Bytes per second of which acks have come lately; 0 if too few have."""
        if len(self._arrived) < self._limits.trips:
            return 0.0
        return (self._arrived_size - self._arrived[0][1]) / self._limits.arrived_s
