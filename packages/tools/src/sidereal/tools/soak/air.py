"""Datagrams on their way: every client has a way up and one down, all share one heap."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from sidereal.protocol.ids import Address
from sidereal.protocol.testing.link import Link, LinkConfig


class Departure(NamedTuple):
    """A datagram that its link lets go."""

    at: float
    serial: int
    source: Address
    destination: Address
    datagram: bytes


class Way:
    """One direction between a client and the server.

    Attributes:
        link: what it does to datagrams.
        lost_in_a_row: datagrams lost since one was not.
    """

    def __init__(self, config: LinkConfig, rng: np.random.Generator) -> None:
        self.link = Link(config, rng)
        self.lost_in_a_row = 0

    def transmit(self, size: int, now: float) -> list[float]:
        """Send a datagram, see `Link.transmit`."""
        times = self.link.transmit(size, now)
        self.lost_in_a_row = 0 if times else self.lost_in_a_row + 1
        return times


class Air:
    """What was sent and has not left its link."""

    def __init__(self) -> None:
        self._heap: list[Departure] = []
        self._serial = 0

    def send(
        self, source: Address, way: Way | None, datagram: bytes, destination: Address, now: float
    ) -> None:
        """Put a datagram on a way; without one it leaves at once."""
        for at in [now] if way is None else way.transmit(len(datagram), now):
            self._serial += 1
            departure = Departure(at, self._serial, source, destination, datagram)
            heapq.heappush(self._heap, departure)

    def take_due(self, now: float) -> list[Departure]:
        """Take what has left its link by now, in order."""
        heap, due = self._heap, []
        while heap and heap[0].at <= now:
            due.append(heapq.heappop(heap))
        return due
