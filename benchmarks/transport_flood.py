"""What a datagram without a key costs a server that goes on serving.

Every kind of flood comes over loopback sockets to a server of 4,096 slots with one client, from
strangers and from that client's own address. Of each batch only what the server does is measured:
to receive it, to look at it, and to send what that leads to, which must be nothing. Then the same
comes from thousands of addresses, and the server must hold no more memory than before; and while
it lasts the client must be heard, and a new one get in.
"""

from __future__ import annotations

import gc
import os
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle, islice
from typing import Final, NamedTuple

import numpy as np
from transport_loopback import (
    LOCALHOST,
    RELIABLE,
    End,
    issue_token,
    make_client,
    make_server,
)

from sidereal.protocol import limits
from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.session.token import KEY_SIZE

BATCH: Final = 64
STRANGERS: Final = 64
DATAGRAMS_PER_KIND: Final = 256
SOURCES: Final = 5_000
HELD_SIZE_MAX: Final = 16 << 10
"""Bytes that counters and free lists may take after a flood from `SOURCES` addresses."""
TURNS_MAX: Final = 200
"""In which a client must get in and be heard; a batch of the flood comes in each."""
REQUEST_HEAD_SIZE: Final = 54
"""Bytes of a request before its sealed token."""
SEQUENCE_FAR: Final = 1 << 50


class Victim(NamedTuple):
    """A server and its one client, and what somebody recorded.

    Attributes:
        server: with all its slots.
        client: connected.
        key: of connect tokens.
        request: the client's.
        payload: the client's.
        request_left: of a client that was there before.
    """

    server: End[ServerEndpoint]
    client: End[ClientEndpoint]
    key: bytes
    request: bytes
    payload: bytes
    request_left: bytes


class Flood(NamedTuple):
    """One kind of flood.

    Attributes:
        name: what it is, and where it seems to come from.
        datagrams: samples to send again and again.
        sockets: to send them from.
        is_spoofed: they come from the address of a connected client.
    """

    name: str
    datagrams: list[bytes]
    sockets: list[UdpSocket]
    is_spoofed: bool


def forgers(victim: Victim) -> dict[str, Callable[[random.Random], bytes]]:
    """What an attacker without a key can make, by name."""
    serial = iter(range(SEQUENCE_FAR, SEQUENCE_FAR << 1))

    def forged_payload(draw: random.Random) -> bytes:
        return b"\x85" + next(serial).to_bytes(8, "little") + draw.randbytes(1216)

    def broken_token(draw: random.Random) -> bytes:
        at = draw.randrange(REQUEST_HEAD_SIZE, len(victim.request))
        changed = victim.request[at] ^ draw.randrange(1, 256)
        return victim.request[:at] + bytes((changed,)) + victim.request[at + 1 :]

    return {
        "garbage of any size": lambda draw: draw.randbytes(draw.randrange(1, 1400)),
        "prefix of no packet": lambda draw: (
            draw.choice(b"\x05\x8f\xf5").to_bytes() + draw.randbytes(1224)
        ),
        "forged payload": forged_payload,
        "replayed payload": lambda draw: victim.payload,
        "request, broken token": broken_token,
        "replayed request": lambda draw: victim.request,
        "request of one who left": lambda draw: victim.request_left,
    }


def make_floods(victim: Victim, strangers: list[UdpSocket]) -> Iterator[Flood]:
    """Every kind, from strangers and from the client's own address."""
    draw = random.Random(1)
    for name, forge in forgers(victim).items():
        datagrams = [forge(draw) for _ in range(DATAGRAMS_PER_KIND)]
        yield Flood(f"{name}, strangers", datagrams, strangers, is_spoofed=False)
        yield Flood(f"{name}, spoofed", datagrams, [victim.client.socket], is_spoofed=True)


def send_batch(victim: Victim, flood: Flood, batch: int) -> None:
    datagrams = islice(cycle(flood.datagrams), batch * BATCH % DATAGRAMS_PER_KIND, None)
    for socket, datagram in zip(islice(cycle(flood.sockets), BATCH), datagrams, strict=False):
        socket.send_nowait([(datagram, victim.server.socket.address)])


def measure_flood(victim: Victim, flood: Flood, batches: int) -> float:
    """Microseconds of processor time per datagram, the median over batches."""
    server = victim.server
    before = server.endpoint.statistics().session
    spent = []
    for batch in range(batches):
        send_batch(victim, flood, batch)
        began = time.process_time()
        server.receive()
        server.send()
        spent.append(time.process_time() - began)
    after = server.endpoint.statistics().session
    dropped = sum(after.dropped.values()) - sum(before.dropped.values())
    assert dropped == batches * BATCH, f"{flood.name}: {dropped} of {batches * BATCH} were dropped"
    check_untouched(victim)
    if not flood.is_spoofed:
        assert not any(socket.receive_nowait() for socket in flood.sockets), (
            "a stranger got answers"
        )
    return float(np.median(spent)) / BATCH * 1e6


def check_untouched(victim: Victim) -> None:
    """The server holds its one client, no handshake, and has nothing to tell."""
    session = victim.server.endpoint.statistics().session
    assert session.open_count == 1, "a flood opened or closed a session"
    assert session.handshake_count == 0, "a flood opened a handshake"
    assert victim.server.endpoint.next_event() is None, "a flood was heard"


def check_memory(victim: Victim, flood: Flood) -> None:
    """Feed the flood from many addresses, past the sockets, and see what is kept of it."""
    addresses = [
        victim.client.socket.address
        if flood.is_spoofed
        else Address(f"198.51.{source >> 8 & 255}.{source & 255}", 1024 + source)
        for source in range(SOURCES)
    ]
    endpoint = victim.server.endpoint
    now, wall_now = time.monotonic(), time.time()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for datagram, address in zip(cycle(flood.datagrams), addresses, strict=False):
        endpoint.receive_datagram(datagram, address, now, wall_now)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held < HELD_SIZE_MAX, f"{flood.name}: {held} bytes kept of {SOURCES} addresses"
    check_untouched(victim)


def check_clients(victim: Victim, flood: Flood, socket: UdpSocket, client_id: int) -> None:
    """While the flood lasts, the client is heard, and a new one gets in, is heard, and leaves."""
    token = issue_token(victim.key, victim.server.socket.address, client_id)
    newcomer = make_client(socket, token)
    for client in (victim.client, newcomer):
        client.endpoint.send(RELIABLE, flood.name.encode())
    heard: list[bytes] = []
    for turn in range(TURNS_MAX):
        if len(heard) == 2:
            break
        send_batch(victim, flood, turn)
        heard += exchange(victim.server, victim.client, newcomer)
    assert heard == [flood.name.encode()] * 2, f"{flood.name}: a client is not heard"
    newcomer.endpoint.close(time.monotonic())
    exchange(victim.server, newcomer)
    check_untouched(victim)


def exchange(server: End[ServerEndpoint], *clients: End[ClientEndpoint]) -> list[bytes]:
    """Let clients send and the server answer; returns the messages that it heard."""
    for client in clients:
        client.send()
    server.receive()
    heard = []
    while (event := server.endpoint.next_event()) is not None:
        if isinstance(event, Received):
            heard.append(event.message)
    server.send()
    for client in clients:
        client.receive()
    return heard


def make_victim(near: UdpSocket, far: UdpSocket) -> Victim:
    """Connect a client and let it leave, connect another, and record what they send."""
    key = os.urandom(KEY_SIZE)
    server = make_server(near, key, limits.CLIENT_SLOTS_MAX)
    first = make_client(far, issue_token(key, near.address, client_id=1))
    request_left = record_arrival(server, first)[0]
    first.endpoint.close(time.monotonic())
    exchange(server, first)
    client = make_client(far, issue_token(key, near.address, client_id=2))
    recorded = record_arrival(server, client)
    return Victim(server, client, key, recorded[0], recorded[-1], request_left)


def record_arrival(server: End[ServerEndpoint], client: End[ClientEndpoint]) -> list[bytes]:
    """Let a client connect and say something; returns all that it sent."""
    recorded: list[bytes] = []
    heard: list[bytes] = []
    client.endpoint.send(RELIABLE, b"here")
    for _ in range(TURNS_MAX):
        if heard:
            break
        sent = client.endpoint.datagrams_to_send(time.monotonic())
        recorded += [datagram for datagram, _ in sent]
        client.socket.send_nowait(sent)
        heard += exchange(server, client)
    assert heard == [b"here"], "a client is not heard"
    return recorded


async def measure_floods(batches: int) -> dict[str, float]:
    """Microseconds per datagram, by the name of the flood."""
    with ExitStack() as stack:
        near, far, new, *strangers = [
            stack.enter_context(await open_udp(LOCALHOST, 0)) for _ in range(STRANGERS + 3)
        ]
        victim = make_victim(near, far)
        costs: dict[str, float] = {}
        for client_id, flood in enumerate(make_floods(victim, strangers), 3):
            costs[flood.name] = measure_flood(victim, flood, batches)
            check_memory(victim, flood)
            check_clients(victim, flood, new, client_id)
        return costs
