"""Targets of the channel layer: packets, a connection, and an endpoint of either role.

The seeds are what a connection sends over a bad link, so they follow the layout of packets by
themselves.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from ends import CLIENT, PRIVATE_KEY, SERVER, WALL, End, exchange, issue_token
from target import Target, join, split

from sidereal.protocol import limits
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import (
    Acked,
    Closed,
    Opened,
    PeerClosed,
    PeerOpened,
    Received,
)
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.packet import decode_packet_untrusted
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.session.client import SessionClient
from sidereal.protocol.session.server import SessionServer
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import Wire

PROTOCOL_ID: Final = 7
CHANNELS: Final = tuple(ChannelSpec(delivery, 8 << 10) for delivery in Delivery)
RELIABLE: Final = [spec.delivery.is_reliable for spec in CHANNELS]
UNRELIABLE_CHANNELS: Final = [number for number, found in enumerate(RELIABLE) if not found]

PAYLOAD, WAIT = range(2)
"""What the lowest bit of a message's act says."""


def decode_packet(body: bytes) -> None:
    packet = decode_packet_untrusted(body, RELIABLE)
    assert sum(len(message) for part in packet.parts for message in part.bodies) < len(body)


def talk(connection: Connection, rng: random.Random) -> None:
    """Send a little on every channel, some of it in fragments."""
    for number in range(len(CHANNELS)):
        connection.send(number, rng.randbytes(rng.randrange(40)))
    for number in UNRELIABLE_CHANNELS:
        connection.send(number, b"tagged", rng.randrange(1000))
    connection.send(rng.choice([n for n, found in enumerate(RELIABLE) if found]), bytes(2500))


def run_connection(body: bytes) -> None:
    """Feed a connection that has sent on all channels and waits for acks."""
    rng = random.Random(1)
    connection = Connection(CHANNELS, 0.0)
    now = 0.0
    for _ in range(3):
        talk(connection, rng)
        connection.payloads_to_send(now)
    for act, content in split(body):
        if act & 1 == WAIT:
            now += len(content) / 100
            for payload in connection.payloads_to_send(now):
                decode_packet_untrusted(payload, RELIABLE)
            continue
        try:
            messages = connection.receive_payload(content, now)
        except WireError:
            continue
        for number, message in messages:
            assert len(message) <= CHANNELS[number].message_size_max
        assert all(0 <= tag < 1000 for tag in connection.take_acked())
    check_connection(connection, now)


def check_connection(connection: Connection, now: float) -> None:
    """Check that a connection is in order, whatever it was told."""
    assert connection.close_reason in (None, CloseReason.PROTOCOL_VIOLATION)
    numbers = connection.statistics()
    assert 0 <= numbers.queued_size <= sum(spec.memory_max for spec in CHANNELS)
    assert 0 <= numbers.in_flight_size <= numbers.bytes_sent
    assert 0 <= numbers.loss <= 1
    assert all(map(math.isfinite, (numbers.rtt_s, numbers.jitter_s, numbers.rto_s)))
    timer = connection.next_timer()
    assert timer is None or math.isfinite(timer)
    connection.payloads_to_send(now + 1)


# -- endpoints ----------------------------------------------------------------------------------


def run_server_endpoint(body: bytes) -> None:
    """Send a server endpoint any payloads, through a session with nothing on top."""
    now = 0.0
    server = make_server_endpoint()
    client = SessionClient(issue_token(PROTOCOL_ID), entropy=random.Random(2).randbytes, now=now)
    here = End(
        lambda: server.datagrams_to_send(now),
        lambda datagram, address: server.receive_datagram(datagram, address, now, WALL),
    )
    there = End(
        client.datagrams_to_send,
        lambda datagram, address: client.receive_datagram(datagram, address, now),
    )
    exchange(here, {CLIENT: there})
    opened = server.next_event()
    assert isinstance(opened, PeerOpened)
    events = []
    for act, content in split(body):
        for number in UNRELIABLE_CHANNELS:
            server.send(opened.peer, number, b"tagged", number)
        if act & 1 == WAIT:
            now += len(content) / 100
            server.handle_timer(now, WALL)
        elif content and len(content) <= limits.PAYLOAD_SIZE_MAX:
            client.send_payloads([content], now)
        exchange(here, {CLIENT: there})
        while (event := server.next_event()) is not None:
            events.append(event)
    check_events(events, server.statistics().peers == 0)


def run_client_endpoint(body: bytes) -> None:
    """Send a client endpoint any payloads, through a session with nothing on top."""
    now = 0.0
    server = SessionServer(
        protocol_id=PROTOCOL_ID,
        private_key=PRIVATE_KEY,
        public_addresses=[SERVER],
        slots_max=1,
        entropy=random.Random(1).randbytes,
        now=now,
    )
    client = ClientEndpoint(issue_token(PROTOCOL_ID), CHANNELS, random.Random(2).randbytes, now)
    there = End(
        server.datagrams_to_send,
        lambda datagram, address: server.receive_datagram(datagram, address, now, WALL),
    )
    here = End(
        lambda: client.datagrams_to_send(now),
        lambda datagram, address: client.receive_datagram(datagram, address, now),
    )
    exchange(there, {CLIENT: here})
    assert isinstance(client.next_event(), Opened)
    events = []
    for act, content in split(body):
        for number in UNRELIABLE_CHANNELS:
            client.send(number, b"tagged", number)
        if act & 1 == WAIT:
            now += len(content) / 100
            client.handle_timer(now)
        elif content and len(content) <= limits.PAYLOAD_SIZE_MAX:
            server.send_payloads(0, [content], now)
        exchange(there, {CLIENT: here})
        while (event := client.next_event()) is not None:
            events.append(event)
    check_events(events, client.close_reason is not None)


def make_server_endpoint() -> ServerEndpoint:
    return ServerEndpoint(
        protocol_id=PROTOCOL_ID,
        private_key=PRIVATE_KEY,
        public_addresses=[SERVER],
        slots_max=1,
        channels=CHANNELS,
        entropy=random.Random(1).randbytes,
        now=0.0,
    )


def check_events(events: Sequence[object], is_closed: bool) -> None:
    """Check that an end shows once, as the last event, and only if there was one."""
    ends = [event for event in events if isinstance(event, Closed | PeerClosed)]
    assert len(ends) == is_closed
    assert not ends or events[-1] is ends[0]
    for event in events:
        if isinstance(event, Received):
            assert len(event.message) <= CHANNELS[event.channel].message_size_max
        elif isinstance(event, Acked):
            assert set(event.tags) <= set(UNRELIABLE_CHANNELS)


# -- seeds --------------------------------------------------------------------------------------


@lru_cache(1)
def make_payloads() -> list[bytes]:
    """Record what an end says to another that also talks, over a link that loses a fifth."""
    link = LinkConfig(delay_s=0.05, jitter_s=0.02, loss=0.2, duplication=0.1, reordering=0.1)
    wire, rng = Wire(link, seed=1), random.Random(1)
    ends = Connection(CHANNELS, 0.0), Connection(CHANNELS, 0.0)
    said: list[bytes] = []
    for tick in range(12):
        now = tick * 0.05
        for number, end in enumerate(ends):
            if tick % 4 == 0:
                talk(end, rng)
            for payload in end.payloads_to_send(now):
                wire.send(number, payload, now)
                said += [payload] if number == 1 else []
        while (arrival := wire.take_due(now)) is not None:
            ends[arrival[0]].receive_payload(arrival[1], now)
    return said


def packet_seeds() -> Iterator[bytes]:
    """Give the shortest, the longest, and some between."""
    payloads = sorted(make_payloads(), key=len)
    return iter(payloads[:: max(1, len(payloads) // 6)])


def payload_seeds() -> Iterator[bytes]:
    payloads = make_payloads()
    yield join(*((PAYLOAD, payload) for payload in payloads[:5]), (WAIT, bytes(60)))
    yield join(*((PAYLOAD, payload) for payload in reversed(payloads[:8])))
    yield join((WAIT, bytes(1)), (PAYLOAD, payloads[-1]), (WAIT, bytes(200)))
    yield join(*((PAYLOAD, bytes(1 + n)) for n in range(LIMITS.malformed_payloads + 2)))


CHANNEL: Final = "protocol.channel."
TARGETS: Final = (
    Target(CHANNEL + "packet.decode_packet_untrusted", decode_packet, packet_seeds),
    Target(CHANNEL + "connection.Connection", run_connection, payload_seeds, (), 8192, 60),
    Target(CHANNEL + "endpoint.ServerEndpoint", run_server_endpoint, payload_seeds, (), 8192, 60),
    Target(CHANNEL + "endpoint.ClientEndpoint", run_client_endpoint, payload_seeds, (), 8192, 60),
)
