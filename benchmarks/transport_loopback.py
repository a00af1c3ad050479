"""A server and its clients in one process, with real sockets between them, and what they carry.

A plain loop takes turns: an end sends what it has, the other takes what came, and back. Nothing
waits and no task is switched, so what is measured is the transport and the system's sockets.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import Opened, PeerOpened, Received
from sidereal.protocol.channel.spec import Budget, ChannelSpec, Delivery
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.session.token import KEY_SIZE, generate_connect_token

LOCALHOST: Final = "127.0.0.1"
PROTOCOL_ID: Final = 0x5349_4445_5245_42FF
UNRELIABLE, RELIABLE = 0, 1
CHANNELS: Final = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=16 << 20),
)
UNLIMITED: Final = Budget(rate=1e12, burst=1e9, rate_min=1e12)
STALLED_S: Final = 10.0
"""A loop that has got nowhere for so long is given up."""

UNRELIABLE_BURST: Final = 128
RELIABLE_BURST: Final = 512
BULK_SIZE: Final = 1 << 20
BULK_QUEUED: Final = 4

Endpoint = TypeVar("Endpoint", ServerEndpoint, ClientEndpoint)


class End(Generic[Endpoint]):
    """An endpoint and its socket."""

    def __init__(self, endpoint: Endpoint, socket: UdpSocket) -> None:
        self.endpoint: Endpoint = endpoint
        self.socket = socket
        self._times: tuple[Callable[[], float], ...] = (time.monotonic,)
        if isinstance(endpoint, ServerEndpoint):
            self._times = time.monotonic, time.time

    def send(self) -> None:
        """Do what is due and send what there is to send."""
        now = time.monotonic()
        due = self.endpoint.next_timer()
        if due is not None and due <= now:
            self.endpoint.handle_timer(*self._read_clocks())
        self.socket.send_nowait(self.endpoint.datagrams_to_send(now))

    def receive(self) -> None:
        """Take all that came."""
        clocks = self._read_clocks()
        take = self.endpoint.receive_datagram
        while datagrams := self.socket.receive_nowait():
            for datagram, address, _ in datagrams:
                take(datagram, address, *clocks)

    def _read_clocks(self) -> list[float]:
        """Read what the endpoint wants to know of the time; only a server asks for Unix seconds."""
        return [read() for read in self._times]

    def messages(self) -> list[bytes]:
        """Take the messages that arrived, and fail if the connection ended."""
        messages = []
        next_event = self.endpoint.next_event
        while (event := next_event()) is not None:
            assert isinstance(event, Received), event
            messages.append(event.message)
        return messages


def make_server(socket: UdpSocket, key: bytes, slots_max: int) -> End[ServerEndpoint]:
    """Put a server on a socket; `key` is what its connect tokens are sealed with."""
    endpoint = ServerEndpoint(
        protocol_id=PROTOCOL_ID,
        private_key=key,
        public_addresses=[socket.address],
        slots_max=slots_max,
        channels=CHANNELS,
        entropy=os.urandom,
        now=time.monotonic(),
        budget=UNLIMITED,
    )
    return End(endpoint, socket)


def issue_token(key: bytes, server: Address, client_id: int) -> bytes:
    return generate_connect_token(
        protocol_id=PROTOCOL_ID,
        private_key=key,
        client_id=client_id,
        server_addresses=[server],
        user_data=bytes(256),
        expire_s=3600,
        timeout_s=10,
        wall_now=time.time(),
        entropy=os.urandom,
    )


def make_client(socket: UdpSocket, token: bytes) -> End[ClientEndpoint]:
    endpoint = ClientEndpoint(token, CHANNELS, os.urandom, time.monotonic(), UNLIMITED)
    return End(endpoint, socket)


class Loopback:
    """A connected pair; the server sends, the client receives."""

    def __init__(self, near: UdpSocket, far: UdpSocket) -> None:
        key = os.urandom(KEY_SIZE)
        self.server = make_server(near, key, slots_max=1)
        self.client = make_client(far, issue_token(key, near.address, client_id=1))
        give_up_at = time.monotonic() + STALLED_S
        while (opened := self.client.endpoint.next_event()) is None:
            self.turn()
            assert time.monotonic() < give_up_at, "no connection over loopback"
        peer = self.server.endpoint.next_event()
        assert isinstance(opened, Opened), opened
        assert isinstance(peer, PeerOpened), peer
        self.peer = peer.peer

    def push(self, channel: int, message: bytes) -> None:
        """Queue a message at the server."""
        self.server.endpoint.send(self.peer, channel, message)

    def turn(self) -> None:
        """Let the server send, the client receive and ack, and the server take the acks."""
        self.server.send()
        self.client.receive()
        self.client.send()
        self.server.receive()

    def deliver(self, channel: int, burst: list[bytes]) -> None:
        """Send messages and take turns until all have arrived, in their order."""
        for message in burst:
            self.push(channel, message)
        arrived: list[bytes] = []
        give_up_at = time.monotonic() + STALLED_S
        while len(arrived) < len(burst):
            self.turn()
            arrived += self.client.messages()
            assert time.monotonic() < give_up_at, "messages were lost on the way"
        assert arrived == burst, "messages arrived that were not sent"


def count_delivered(
    loopback: Loopback, channel: int, size: int, burst_count: int, seconds: float
) -> float:
    """Messages per second, in bursts."""
    draw = random.Random(size)
    burst = [draw.randbytes(size) for _ in range(burst_count)]
    count, spent = 0, 0.0
    began = time.perf_counter()
    while spent < seconds:
        loopback.deliver(channel, burst)
        count += burst_count
        spent = time.perf_counter() - began
    return count / spent


def unreliable(loopback: Loopback, seconds: float) -> float:
    return count_delivered(loopback, UNRELIABLE, 1000, UNRELIABLE_BURST, seconds)


def reliable(loopback: Loopback, seconds: float) -> float:
    return count_delivered(loopback, RELIABLE, 100, RELIABLE_BURST, seconds)


def bulk(loopback: Loopback, seconds: float) -> float:
    """Megabytes per second in messages of 1 MiB, with a few always queued."""
    draw = random.Random(BULK_SIZE)
    large = [draw.randbytes(BULK_SIZE) for _ in range(BULK_QUEUED)]
    pushed = count = 0
    spent = 0.0
    began = time.perf_counter()
    while spent < seconds:
        while pushed < count + BULK_QUEUED:
            loopback.push(RELIABLE, large[pushed % BULK_QUEUED])
            pushed += 1
        loopback.turn()
        for message in loopback.client.messages():
            assert message == large[count % BULK_QUEUED], "something else arrived"
            count += 1
        spent = time.perf_counter() - began
        assert count or spent < STALLED_S, "nothing arrives"
    return count * BULK_SIZE / spent / 1e6


async def measure(case: Callable[[Loopback, float], float], seconds: float) -> float:
    """Run one of the cases above on new sockets."""
    with await open_udp(LOCALHOST, 0) as near, await open_udp(LOCALHOST, 0) as far:
        return case(Loopback(near, far), seconds)
