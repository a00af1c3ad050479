"""The proxy as a process: a socket for all clients, and one towards the target for each."""

from __future__ import annotations

import contextlib
import math
import resource
import socket
from collections.abc import Callable
from typing import Final

import trio

from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import parse_endpoint
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.tools.netsim.config import NetsimConfig
from sidereal.tools.netsim.relay import CLIENTS_MAX, Delivery, Direction, Relay

FILES_SPARED: Final = 64
"""Of the files a process may have open, those that are no client's socket."""


async def run(
    config: NetsimConfig,
    relay: Relay,
    announce: Callable[[Address, Address], None],
) -> None:
    """Stand between clients and a server until the time is over, or this is cancelled.

    Args:
        config: checked already.
        relay: made for it.
        announce: is told where clients are to send, and where that leads, once.

    Raises:
        UnavailableError: the port is taken, or there is no such host.
    """
    target = await _find_address(config.target)
    with await open_udp(*parse_endpoint(config.listen, "--listen"), "--listen") as door:
        announce(door.address, target)
        with trio.move_on_after(math.inf if config.for_s is None else config.for_s):
            await _Service(door, target, relay).run()


def find_clients_max() -> int:
    """Tell how many clients there can be: each takes one of the files we may open."""
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files_max == resource.RLIM_INFINITY:
        return CLIENTS_MAX
    return max(1, min(CLIENTS_MAX, files_max - FILES_SPARED))


class _Service:
    def __init__(self, door: UdpSocket, target: Address, relay: Relay) -> None:
        self._door = door
        self._target = target
        self._relay = relay
        self._sockets: dict[Address, UdpSocket] = {}
        self._arrived = trio.Event()

    async def run(self) -> None:
        """Pass datagrams on, for ever."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear_clients)
                while True:
                    await self._turn(nursery)
        finally:
            for upstream in self._sockets.values():
                upstream.close()

    async def _turn(self, nursery: trio.Nursery) -> None:
        """Do what is due, and wait until something is due again or has arrived."""
        now = trio.current_time()
        due = self._relay.take_due(now)
        self._door.send_nowait((d.datagram, d.client) for d in due if d.direction is Direction.DOWN)
        for delivery in due:
            if delivery.direction is Direction.UP:
                await self._send_up(delivery, nursery)
        for client in self._relay.take_silent(now):
            if client in self._sockets:
                self._sockets.pop(client).close()
        at = self._relay.next_timer()
        with trio.move_on_at(math.inf if at is None else at):
            await self._arrived.wait()
        self._arrived = trio.Event()

    async def _send_up(self, delivery: Delivery, nursery: trio.Nursery) -> None:
        client = delivery.client
        upstream = self._sockets.get(client)
        if upstream is None:
            upstream = await open_udp("::" if ":" in self._target.host else "0.0.0.0", 0)
            self._sockets[client] = upstream
            nursery.start_soon(self._hear_target, upstream, client)
        upstream.send_nowait([(delivery.datagram, self._target)])

    async def _hear_clients(self) -> None:
        while True:
            await self._door.wait_readable()
            arrivals, now = self._door.receive_nowait(), trio.current_time()
            for datagram, client, waited_s in arrivals:
                self._relay.receive_datagram(datagram, Direction.UP, client, now - waited_s)
            self._arrived.set()

    async def _hear_target(self, upstream: UdpSocket, client: Address) -> None:
        """Take in what comes for a client until it is forgotten, and its socket closed."""
        with contextlib.suppress(trio.ClosedResourceError):
            while True:
                await upstream.wait_readable()
                arrivals, now = upstream.receive_nowait(), trio.current_time()
                for datagram, source, waited_s in arrivals:
                    if source == self._target:
                        at = now - waited_s
                        self._relay.receive_datagram(datagram, Direction.DOWN, client, at)
                self._arrived.set()


async def _find_address(endpoint: str) -> Address:
    """Look an endpoint's host up, once."""
    host, port = parse_endpoint(endpoint, "--target")
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"cannot find the target {host!r}: {error}") from None
    return Address(*found[0][4][:2])
