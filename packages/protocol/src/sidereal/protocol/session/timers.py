"""Deadlines of many owners, each with at most one that counts.

Deadlines that move with every packet are not moved here with every packet: an owner is woken at
the deadline it had when it was armed, finds that nothing is due, and is armed anew. Waking 1,000
owners that way takes about a millisecond and happens ten times a second, whatever the traffic.
"""

from __future__ import annotations

import heapq
import math
from typing import Final, Generic, Protocol, TypeVar

_SLACK: Final = 64


class Timed(Protocol):
    """An owner of a deadline."""

    timer_at: float
    """When it is to be woken, monotonic seconds; infinity while it is not armed."""


T = TypeVar("T", bound=Timed)


class TimerHeap(Generic[T]):
    """A heap in which a re-armed owner leaves a stale entry, bounded by rebuilding."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._serial = 0
        self._armed_count = 0

    def __len__(self) -> int:
        """Count the entries held, stale ones included."""
        return len(self._heap)

    def arm(self, owner: T, at: float) -> None:
        """Wake `owner` at `at` and no longer at the time it was armed for; infinity disarms."""
        if at == owner.timer_at:
            return
        self._armed_count += (owner.timer_at == math.inf) - (at == math.inf)
        owner.timer_at = at
        if at != math.inf:
            self._serial += 1
            heapq.heappush(self._heap, (at, self._serial, owner))
        if len(self._heap) > 2 * self._armed_count + _SLACK:
            live = {id(entry[2]): entry for entry in self._heap if entry[0] == entry[2].timer_at}
            self._heap = list(live.values())
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """Tell the earliest deadline."""
        heap = self._heap
        while heap:
            at, _, owner = heap[0]
            if at == owner.timer_at:
                return at
            heapq.heappop(heap)
        return None

    def pop_due(self, now: float) -> T | None:
        """Take and disarm one owner whose deadline has come."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, owner = heapq.heappop(heap)
            if at == owner.timer_at:
                owner.timer_at = math.inf
                self._armed_count -= 1
                return owner
        return None
