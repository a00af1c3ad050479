"""Two ends of a connection over a seeded link, in virtual time.

`Wire` carries payloads or datagrams of any kind both ways; `ConnectionPair` puts bare connections
on it, `EndpointPair` a server and a client with netcode sessions between them. Nothing waits and
nothing is real: the same seed gives the same trace, byte for byte.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from typing import Final

import numpy as np

from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import ClientEvent, ServerEvent
from sidereal.protocol.channel.limits import LIMITS, TransportLimits
from sidereal.protocol.channel.spec import Budget, ChannelSpec
from sidereal.protocol.ids import Address
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.testing.link import Link, LinkConfig

WALL_START: Final = 1_700_000_000.0
"""Unix seconds at virtual time 0."""
SERVER: Final = Address("192.0.2.1", 40000)
CLIENT: Final = Address("198.51.100.1", 50000)
PROTOCOL_ID: Final = 0x5349_4445_5245_5401
PRIVATE_KEY: Final = bytes(range(32))
CLIENT_ID: Final = 1


class Wire:
    """Both directions of a link, and what is on its way.

    Attributes:
        links: from end 0 to end 1, and back.
    """

    def __init__(self, config: LinkConfig, seed: int) -> None:
        streams = np.random.default_rng(seed).spawn(2)
        self.links = (Link(config, streams[0]), Link(config, streams[1]))
        self._heap: list[tuple[float, int, int, bytes]] = []
        self._serial = 0
        self._trace = hashlib.blake2b(digest_size=16)

    def configure(self, config: LinkConfig) -> None:
        """Change what both directions do from now on."""
        for link in self.links:
            link.config = config

    def send(self, source: int, packet: bytes, now: float) -> None:
        """Send a packet from one end to the other."""
        self._trace.update(f"{now!r} {source} {len(packet)} ".encode() + packet)
        for at in self.links[source].transmit(len(packet), now):
            self._serial += 1
            heapq.heappush(self._heap, (at, self._serial, 1 - source, packet))

    @property
    def next_delivery(self) -> float | None:
        """When the next packet arrives."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> tuple[int, bytes] | None:
        """Take the next packet that has arrived, with the end it arrived at."""
        if self._heap and self._heap[0][0] <= now:
            _, _, destination, packet = heapq.heappop(self._heap)
            return destination, packet
        return None

    @property
    def trace(self) -> str:
        """Digest of every packet sent so far, when, and from which end."""
        return self._trace.hexdigest()


class ConnectionPair:
    """Two connections.

    Attributes:
        ends: the connections.
        delivered: messages that came out at each end, with their channel, in order.
        acked: tags reported at each end, in order; likewise `lost`.
    """

    def __init__(
        self,
        channels: Sequence[ChannelSpec],
        config: LinkConfig,
        seed: int,
        *,
        tick_s: float | None = None,
        budget: Budget | None = None,
        limits: TransportLimits = LIMITS,
    ) -> None:
        """Connect two connections.

        Args:
            channels: of both.
            config: of both directions.
            seed: of the link.
            tick_s: both send only once in so long; None: whenever there is something to send.
            budget: of both.
            limits: of both.
        """
        self.now = 0.0
        self.wire = Wire(config, seed)
        one, two = (Connection(channels, 0.0, budget, limits=limits) for _ in range(2))
        self.ends = (one, two)
        self.delivered: tuple[list[tuple[int, bytes]], ...] = ([], [])
        self.acked: tuple[list[int], ...] = ([], [])
        self.lost: tuple[list[int], ...] = ([], [])
        self._tick_s = tick_s
        self._next_tick = 0.0

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        if self._tick_s is None:
            self._flush()
        while (at := self._next_time()) is not None and at <= until:
            self.now = max(self.now, at)
            self._deliver()
            if self._tick_s is None:
                self._flush()
            elif self._next_tick <= self.now:
                self._next_tick += self._tick_s
                self._flush()
        self.now = until

    def run_until_idle(self, seconds_max: float) -> None:
        """Let time pass until nothing is queued or unacked at either end."""
        until = self.now + seconds_max
        while self.now < until and any(end.statistics().queued_size for end in self.ends):
            self.run(0.05)

    def _next_time(self) -> float | None:
        times = [self.wire.next_delivery]
        if self._tick_s is None:
            times += [end.next_timer() for end in self.ends]
        else:
            times.append(self._next_tick)
        return min((time for time in times if time is not None), default=None)

    def _flush(self) -> None:
        for number, end in enumerate(self.ends):
            for payload in end.payloads_to_send(self.now):
                self.wire.send(number, payload, self.now)

    def _deliver(self) -> None:
        while (arrival := self.wire.take_due(self.now)) is not None:
            number, payload = arrival
            end = self.ends[number]
            for channel, messages in end.receive_payload(payload, self.now):
                self.delivered[number].extend((channel, message) for message in messages)
            self.acked[number].extend(end.take_acked())
            self.lost[number].extend(end.take_lost())


class EndpointPair:
    """A server and a client, sessions included; datagrams leave as soon as there are any.

    Attributes:
        server: at `SERVER`.
        client: at `CLIENT`, with a token of `CLIENT_ID`.
        server_events: in order.
        client_events: in order.
    """

    def __init__(
        self,
        channels: Sequence[ChannelSpec],
        config: LinkConfig,
        seed: int,
        *,
        user_data: bytes = bytes(256),
        timeout_s: int = 5,
    ) -> None:
        self.now = 0.0
        self.wire = Wire(config, seed)
        self._entropy = np.random.default_rng([seed, 1]).bytes
        self._channels = tuple(channels)
        self.server = ServerEndpoint(
            protocol_id=PROTOCOL_ID,
            private_key=PRIVATE_KEY,
            public_addresses=[SERVER],
            slots_max=4,
            channels=channels,
            entropy=self._entropy,
            now=0.0,
        )
        self.client = self.make_client(self.make_token(user_data=user_data, timeout_s=timeout_s))
        self.server_events: list[ServerEvent] = []
        self.client_events: list[ClientEvent] = []

    @property
    def wall_now(self) -> float:
        """Unix seconds."""
        return WALL_START + self.now

    def make_token(
        self,
        *,
        client_id: int = CLIENT_ID,
        user_data: bytes = bytes(256),
        timeout_s: int = 5,
        private_key: bytes = PRIVATE_KEY,
    ) -> bytes:
        """Issue a connect token for the server."""
        return generate_connect_token(
            protocol_id=PROTOCOL_ID,
            private_key=private_key,
            client_id=client_id,
            server_addresses=[SERVER],
            user_data=user_data,
            expire_s=30,
            timeout_s=timeout_s,
            wall_now=self.wall_now,
            entropy=self._entropy,
        )

    def make_client(self, token: bytes) -> ClientEndpoint:
        """Make a client endpoint with the server's channels."""
        return ClientEndpoint(token, self._channels, self._entropy, self.now)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        self._exchange()
        while (at := self._next_time()) is not None and at <= until:
            self.now = max(self.now, at)
            self.server.handle_timer(self.now, self.wall_now)
            self.client.handle_timer(self.now)
            self._deliver()
            self._exchange()
        self.now = until

    def _next_time(self) -> float | None:
        times = [self.wire.next_delivery, self.server.next_timer(), self.client.next_timer()]
        return min((time for time in times if time is not None), default=None)

    def _deliver(self) -> None:
        while (arrival := self.wire.take_due(self.now)) is not None:
            end, datagram = arrival
            if end == 0:
                self.server.receive_datagram(datagram, CLIENT, self.now, self.wall_now)
            else:
                self.client.receive_datagram(datagram, SERVER, self.now)

    def _exchange(self) -> None:
        for datagram, _ in self.server.datagrams_to_send(self.now):
            self.wire.send(0, datagram, self.now)
        for datagram, _ in self.client.datagrams_to_send(self.now):
            self.wire.send(1, datagram, self.now)
        while (server_event := self.server.next_event()) is not None:
            self.server_events.append(server_event)
        while (client_event := self.client.next_event()) is not None:
            self.client_events.append(client_event)
