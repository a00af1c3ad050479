"""Snapshots that have come, and wait for the next turn or for the rules that they need."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter


class Inbox:
    """Datagrams in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: bytes, now: float) -> None:
        """Keep a datagram that came at `now`, monotonic seconds."""
        self._waiting.append((now, message))

    def take(self) -> Iterator[tuple[float, list[bytes]]]:
        """Take all of them: when they came, and which came then."""
        waiting, self._waiting = self._waiting, []
        for arrived_at, group in groupby(waiting, itemgetter(0)):
            yield arrived_at, [message for _, message in group]
