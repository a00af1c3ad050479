"""The proxy without its sockets: a line for every client, and the datagrams on their way.

Whoever sends to the proxy is a client, and has a line of its own to the target: a link up and a
link down, each with its own generator, made from the seed and the client's number. So what happens
to one client does not depend on what others send. A client is forgotten when it has been silent.
"""

from __future__ import annotations

import dataclasses
import enum
import heapq
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import Address
from sidereal.protocol.limits import DATAGRAM_SIZE_MAX
from sidereal.protocol.testing.link import Link, LinkConfig

CLIENTS_MAX: Final = 512
IDLE_S: Final = 30.0
"""A client to and from whom nothing came for so long is forgotten."""
SWEEP_S: Final = 1.0
"""How often silent clients are looked for."""
IN_FLIGHT_MAX: Final = 1 << 16
"""Datagrams on their way, all clients together; 85 MB at most."""


class Direction(enum.IntEnum):
    """Which way a datagram goes."""

    UP = 0
    """From a client to the target."""
    DOWN = 1
    """From the target to a client."""


class Delivery(NamedTuple):
    """A datagram that arrives; they sort by time."""

    at: float
    serial: int
    direction: Direction
    client: Address
    datagram: bytes


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counts of one direction; datagrams + duplicated = lost + dropped + delivered + in_flight.

    Attributes:
        datagrams: that came.
        bytes: in them.
        lost: datagrams that the links lost.
        queue_full: those of them for which a link's queue had no room.
        duplicated: datagrams that the links doubled.
        dropped: datagrams that were none of the links' business: too long, too many on their way,
            or of a client for whom there was no room.
        delivered: datagrams that arrived, second copies too.
        in_flight: datagrams on their way, second copies too.
    """

    datagrams: int
    bytes: int
    lost: int
    queue_full: int
    duplicated: int
    dropped: int
    delivered: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """Counts since the start.

    Attributes:
        clients: there now.
        clients_seen: who ever had a line; one that was forgotten and came back counts again.
        clients_forgotten: whose lines were taken away.
        up: datagrams from clients.
        down: datagrams from the target.
    """

    clients: int
    clients_seen: int
    clients_forgotten: int
    up: Traffic
    down: Traffic


@dataclass(slots=True)
class _Tally:
    datagrams: int = 0
    bytes: int = 0
    lost: int = 0
    queue_full: int = 0
    duplicated: int = 0
    dropped: int = 0
    delivered: int = 0


@dataclass(slots=True)
class _Line:
    links: tuple[Link, Link]
    heard_at: float
    in_flight: int = 0


class Relay:
    """All clients of a proxy."""

    def __init__(
        self, up: LinkConfig, down: LinkConfig, seed: int, clients_max: int = CLIENTS_MAX
    ) -> None:
        """Begin without clients.

        Args:
            up: what the link of every client to the target does.
            down: what the link back does.
            seed: of all links.
            clients_max: how many there may be at once.
        """
        self._configs = (up, down)
        self._seed = seed
        self._clients_max = clients_max
        self._clients_seen = 0
        self._clients_forgotten = 0
        self._lines: dict[Address, _Line] = {}
        self._heap: list[Delivery] = []
        self._serial = 0
        self._sweep_at = 0.0
        self._tallies = (_Tally(), _Tally())

    def receive_datagram(
        self, datagram: bytes, direction: Direction, client: Address, now: float
    ) -> None:
        """Take a datagram.

        Args:
            datagram: what came.
            direction: whether it came from the client or from the target.
            client: whom it is from or for; a new one gets a line by sending.
            now: seconds.
        """
        tally = self._tallies[direction]
        tally.datagrams += 1
        tally.bytes += len(datagram)
        line = self._lines.get(client)
        if line is None and direction is Direction.UP:
            line = self._make_line(client, now)
        if line is None or len(datagram) > DATAGRAM_SIZE_MAX:
            tally.dropped += 1
            return
        line.heard_at = now
        link = line.links[direction]
        overflowed_before = link.overflowed
        times = link.transmit(len(datagram), now)
        tally.lost += not times
        tally.queue_full += link.overflowed - overflowed_before
        tally.duplicated += len(times) > 1
        for at in times:
            if len(self._heap) >= IN_FLIGHT_MAX:
                tally.dropped += 1
                continue
            self._serial += 1
            line.in_flight += 1
            heapq.heappush(self._heap, Delivery(at, self._serial, direction, client, datagram))

    def next_timer(self) -> float | None:
        """Tell when something is due next, None if nothing is to come."""
        if not self._lines:
            return None
        return min(self._heap[0].at, self._sweep_at) if self._heap else self._sweep_at

    def take_due(self, now: float) -> list[Delivery]:
        """Take the datagrams that have arrived, in their order."""
        due = []
        while self._heap and self._heap[0].at <= now:
            delivery = heapq.heappop(self._heap)
            self._lines[delivery.client].in_flight -= 1
            self._tallies[delivery.direction].delivered += 1
            due.append(delivery)
        return due

    def take_silent(self, now: float) -> list[Address]:
        """Forget the clients to and from whom nothing came for long, and name them."""
        if now < self._sweep_at:
            return []
        self._sweep_at = now + SWEEP_S
        silent = [
            client
            for client, line in self._lines.items()
            if line.heard_at + IDLE_S <= now and not line.in_flight
        ]
        for client in silent:
            del self._lines[client]
        self._clients_forgotten += len(silent)
        return silent

    def statistics(self) -> RelayStatistics:
        """Report counts."""
        return RelayStatistics(
            clients=len(self._lines),
            clients_seen=self._clients_seen,
            clients_forgotten=self._clients_forgotten,
            up=self._describe(Direction.UP),
            down=self._describe(Direction.DOWN),
        )

    def _describe(self, direction: Direction) -> Traffic:
        in_flight = sum(delivery.direction is direction for delivery in self._heap)
        return Traffic(**dataclasses.asdict(self._tallies[direction]), in_flight=in_flight)

    def _make_line(self, client: Address, now: float) -> _Line | None:
        """Give a client its line, if there is room for one more."""
        if len(self._lines) >= self._clients_max:
            return None
        number, self._clients_seen = self._clients_seen, self._clients_seen + 1
        up, down = (
            Link(self._configs[way], np.random.default_rng([self._seed, number, way]))
            for way in Direction
        )
        line = self._lines[client] = _Line((up, down), now)
        return line
