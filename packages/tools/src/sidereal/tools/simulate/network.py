"""The network of a simulated cluster: a link for every pair of hosts, and a heap of deliveries."""

from __future__ import annotations

import enum
import hashlib
import heapq
import math
from collections import Counter, OrderedDict
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import Address
from sidereal.protocol.testing.link import Link, LinkConfig
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.ledger import Mark
from sidereal.tools.simulate.seeds import random_of

LOST: Final = "datagram lost"
TWICE: Final = "datagram delivered twice"
OVERTAKEN: Final = "datagram overtaken"
CUT: Final = "datagram to or from a host that is cut off"

DATAGRAMS_KEPT: Final = 1 << 16
"""With so many of the newest each one is compared, for its nonce."""

HAPPENS: Final = (LOST, TWICE, OVERTAKEN, CUT)
"""What links do."""


class Way(enum.Enum):
    """A direction, as seen from a host."""

    FROM = enum.auto()
    TO = enum.auto()


class Delivery(NamedTuple):
    """A datagram that arrives."""

    at: float
    serial: int
    sent_at: float
    source: Address
    destination: Address
    datagram: bytes
    mark: Mark | None


class Network:
    """Carries datagrams between hosts in virtual time.

    Attributes:
        sent: datagrams given to it.
        delivered: datagrams that arrived.
        happened: how often what links do has happened.
        losses: what was in the datagrams that did not arrive.
        nonces_repeated: what was sealed with a nonce that its sender had used in that session.
    """

    def __init__(self, config: LinkConfig, seed: int, losses: Losses) -> None:
        self.sent = 0
        self.delivered = 0
        self.happened: Counter[str] = Counter()
        self.losses = losses
        self.nonces_repeated: list[str] = []
        self._config = config
        self._seed = seed
        self._links: dict[tuple[str, str], Link] = {}
        self._newest: dict[tuple[str, str], float] = {}
        self._heap: list[Delivery] = []
        self._cut: dict[tuple[str, Way], float] = {}
        self._sealed: OrderedDict[tuple[Address, Address, bytes], bytes] = OrderedDict()
        self._trace = hashlib.blake2b(digest_size=16)

    @property
    def trace(self) -> str:
        """Digest of every datagram that arrived so far: when, where, and its bytes."""
        return self._trace.hexdigest()

    @property
    def next_at(self) -> float:
        """When the next datagram arrives, infinity when none is on its way."""
        return self._heap[0].at if self._heap else np.inf

    @property
    def config(self) -> LinkConfig:
        """What all links are like now."""
        return self._config

    def configure(self, config: LinkConfig) -> None:
        """Change what all links are like from now on; nobody is cut off any more."""
        self._config = config
        self._cut.clear()
        for link in self._links.values():
            link.config = config

    def cut(self, host: str, until: float, *ways: Way) -> None:
        """Let nothing pass to or from a host for a while; without ways both ways."""
        for way in ways or Way:
            self._cut[host, way] = max(until, self._cut.get((host, way), until))

    def send(
        self,
        source: Address,
        datagrams: list[tuple[bytes, Address]],
        now: float,
        mark: Mark | None = None,
        *,
        together: bool = False,
    ) -> None:
        """Send datagrams, each to its destination.

        Args:
            source: who sends them.
            datagrams: with their destinations.
            now: virtual seconds.
            mark: that they carry.
            together: whether those to one destination carry it together: it arrives with the
                last of them, and not at all if one is lost. What it stands for is in one of
                them, and nobody looks inside.
        """
        sent: list[Delivery] = []
        last: dict[Address, tuple[float, int]] = {}
        for datagram, destination in datagrams:
            self.sent += 1
            self._note_nonce(source, destination, datagram)
            self.losses.see(source, destination, datagram)
            hosts = source.host, destination.host
            carried = self._link(*hosts).transmit(len(datagram), now)
            arriving = [
                at
                for at in carried
                if not self._is_cut(source.host, Way.FROM, now)
                and not self._is_cut(destination.host, Way.TO, at)
            ]
            first = min(arriving, default=math.inf), self.sent
            last[destination] = max(first, last.get(destination, first))
            for at in arriving:
                sent.append(Delivery(at, self.sent, now, source, destination, datagram, mark))
                self.happened[OVERTAKEN] += at < self._newest.get(hosts, -math.inf)
                self._newest[hosts] = max(at, self._newest.get(hosts, at))
            self.happened[LOST] += not carried
            self.happened[TWICE] += len(arriving) > 1
            if not arriving:
                self.happened[CUT] += bool(carried)
                self.losses.lose(source, destination, datagram)
        for delivery in sent:
            come = not together or delivery[:2] >= last[delivery.destination]
            heapq.heappush(self._heap, delivery if come else delivery._replace(mark=None))

    def take(self) -> Delivery:
        """Take the next datagram that arrives."""
        delivery = heapq.heappop(self._heap)
        at, _, _, source, destination, datagram, _ = delivery
        self.delivered += 1
        self._trace.update(f"{at!r} {source} {destination} {len(datagram)} ".encode() + datagram)
        return delivery

    def _is_cut(self, host: str, way: Way, at: float) -> bool:
        return at < self._cut.get((host, way), 0.0)

    def _link(self, source: str, destination: str) -> Link:
        link = self._links.get((source, destination))
        if link is None:
            link = Link(self._config, random_of(self._seed, f"{source} {destination}"))
            self._links[source, destination] = link
        return link

    def _note_nonce(self, source: Address, destination: Address, datagram: bytes) -> None:
        """Watch the sequence numbers: every session has its own addresses, and keys each way."""
        size = datagram[0] >> 4
        if not size:
            return
        key = source, destination, datagram[1 : 1 + size]
        before = self._sealed.setdefault(key, datagram)
        if before is not datagram and before != datagram:
            self.nonces_repeated.append(f"{source} to {destination}: {key[2].hex()}")
        if len(self._sealed) > DATAGRAMS_KEPT:
            self._sealed.popitem(last=False)
