"""What a connect costs: token, request, challenge, response and keep-alive, both ends' work."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Final, NamedTuple

from transport_loopback import (
    LOCALHOST,
    STALLED_S,
    End,
    issue_token,
    make_client,
    make_server,
)

from sidereal.protocol import limits
from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import PeerOpened
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.session.token import KEY_SIZE

CROWD: Final = 128
"""Clients that connect at the same time: their requests fit a socket buffer of any system."""


class HandshakeCost(NamedTuple):
    """Processor time of one connect, seconds."""

    all_s: float
    server_s: float


def connect_crowd(
    server: End[ServerEndpoint], key: bytes, sockets: list[UdpSocket]
) -> HandshakeCost:
    """Connect a client on every socket, from its token on, and then let all of them leave."""
    give_up_at = time.monotonic() + STALLED_S
    server_s = 0.0
    began = time.process_time()
    clients = [
        make_client(socket, issue_token(key, server.socket.address, client_id))
        for client_id, socket in enumerate(sockets, 1)
    ]
    while not all(client.endpoint.state is ClientState.CONNECTED for client in clients):
        for client in clients:
            client.send()
        server_began = time.process_time()
        server.receive()
        server.send()
        server_s += time.process_time() - server_began
        for client in clients:
            client.receive()
        assert time.monotonic() < give_up_at, "a client does not get in"
    all_s = time.process_time() - began
    check_and_leave(server, clients)
    return HandshakeCost(all_s / len(clients), server_s / len(clients))


def check_and_leave(server: End[ServerEndpoint], clients: list[End[ClientEndpoint]]) -> None:
    """Everybody must be in, under their own name, and is out again after this."""
    events = [server.endpoint.next_event() for _ in clients]
    names = sorted(event.client_id for event in events if isinstance(event, PeerOpened))
    assert names == list(range(1, len(clients) + 1)), "not everybody was let in"
    for client in clients:
        client.endpoint.close(time.monotonic())
        client.send()
        server.receive()
    while server.endpoint.next_event() is not None:
        pass
    assert server.endpoint.statistics().peers == 0, "a client did not leave"


async def measure_handshakes(crowds: int) -> list[HandshakeCost]:
    """Let so many crowds connect one after the other to a server with all its slots."""
    key = os.urandom(KEY_SIZE)
    with ExitStack() as stack:
        near = stack.enter_context(await open_udp(LOCALHOST, 0))
        sockets = [stack.enter_context(await open_udp(LOCALHOST, 0)) for _ in range(CROWD)]
        server = make_server(near, key, limits.CLIENT_SLOTS_MAX)
        return [connect_crowd(server, key, sockets) for _ in range(crowds)]
