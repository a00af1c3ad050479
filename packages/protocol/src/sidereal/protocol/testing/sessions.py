"""Session servers and clients joined by a perfect network in virtual time.

A `tamper` function sees every datagram on its way and says what arrives in its place, so a test
can lose, repeat, forge or redirect it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from sidereal.protocol.ids import Address
from sidereal.protocol.session.client import (
    ClientClosed,
    ClientOpened,
    SessionClient,
)
from sidereal.protocol.session.limits import LIMITS, SessionLimits
from sidereal.protocol.session.server import (
    SessionClosed,
    SessionOpened,
    SessionPayload,
    SessionServer,
)
from sidereal.protocol.session.token import generate_connect_token

WALL_START: Final = 1_700_000_000
"""Unix seconds at virtual time 0."""
SERVER: Final = Address("192.0.2.1", 40000)
PROTOCOL_ID: Final = 0x1122_3344_5566_7788
PRIVATE_KEY: Final = bytes(range(32))


class ClientPayload(NamedTuple):
    """A client received 1 to 1200 bytes."""

    payload: bytes


class Flight(NamedTuple):
    """A datagram on its way."""

    datagram: bytes
    source: Address
    destination: Address


class SessionNetwork:
    """Everything that speaks, the virtual clock, and what was said."""

    def __init__(
        self,
        *,
        seed: int = 1,
        servers: Sequence[Address] = (SERVER,),
        slots_max: int = 4,
        limits: SessionLimits = LIMITS,
    ) -> None:
        self.now = 0.0
        self.entropy: Callable[[int], bytes] = random.Random(seed).randbytes
        self.slots_max, self.limits = slots_max, limits
        self.servers: dict[Address, SessionServer] = {}
        self.clients: dict[Address, SessionClient] = {}
        self.server_events: list[SessionOpened | SessionPayload | SessionClosed] = []
        self.client_events: dict[Address, list[ClientOpened | ClientPayload | ClientClosed]] = {}
        self.flights: list[Flight] = []
        """All that was sent, before any tampering."""
        self.tamper: Callable[[Flight], Iterable[Flight]] = lambda flight: (flight,)
        for address in servers:
            self.start_server(address)

    @property
    def server(self) -> SessionServer:
        """The first server."""
        return next(iter(self.servers.values()))

    @property
    def wall_now(self) -> float:
        """Unix seconds."""
        return WALL_START + self.now

    def start_server(self, address: Address) -> SessionServer:
        """Put a server, or a new one, at an address."""
        server = SessionServer(
            protocol_id=PROTOCOL_ID,
            private_key=PRIVATE_KEY,
            public_addresses=[address],
            slots_max=self.slots_max,
            entropy=self.entropy,
            now=self.now,
            limits=self.limits,
        )
        self.servers[address] = server
        return server

    def issue_token(
        self,
        client_id: int = 1,
        *,
        servers: Sequence[Address] = (),
        private_key: bytes = PRIVATE_KEY,
        protocol_id: int = PROTOCOL_ID,
        user_data: bytes = bytes(256),
        expire_s: int = 30,
        timeout_s: int = 5,
    ) -> bytes:
        """Issue a connect token, by default a good one for all servers."""
        return generate_connect_token(
            protocol_id=protocol_id,
            private_key=private_key,
            client_id=client_id,
            server_addresses=servers or list(self.servers),
            user_data=user_data,
            expire_s=expire_s,
            timeout_s=timeout_s,
            wall_now=self.wall_now,
            entropy=self.entropy,
        )

    def start_client(self, address: Address, token: bytes) -> SessionClient:
        """Put a client, or a new one, at an address."""
        client = SessionClient(token, entropy=self.entropy, now=self.now, limits=self.limits)
        self.clients[address] = client
        self.client_events.setdefault(address, [])
        return client

    def deliver(self) -> None:
        """Carry datagrams, at no cost of time, until nobody has any."""
        while flights := self._collect():
            self.flights.extend(flights)
            for flight in flights:
                for arrival in self.tamper(flight):
                    self.arrive(arrival)
            self._take_events()
        self._take_events()

    def arrive(self, flight: Flight) -> None:
        """Hand a datagram to whoever is at its destination."""
        datagram, source, destination = flight
        if destination in self.servers:
            server = self.servers[destination]
            received = server.receive_datagram(datagram, source, self.now, self.wall_now)
            self._take_events()
            if received is not None:
                self.server_events.append(received)
        elif destination in self.clients:
            payload = self.clients[destination].receive_datagram(datagram, source, self.now)
            self._take_events()
            if payload is not None:
                self.client_events[destination].append(ClientPayload(payload))

    def run(self, seconds: float) -> None:
        """Let time pass: timers in their order, and all that follows from them."""
        end = self.now + seconds
        self.deliver()
        while (at := self._next_timer()) is not None and at <= end:
            self.now = max(self.now, at)
            for server in self.servers.values():
                server.handle_timer(self.now, self.wall_now)
            for client in self.clients.values():
                client.handle_timer(self.now)
            self._take_events()
            self.deliver()
        self.now = end

    def _next_timer(self) -> float | None:
        timers = [server.next_timer() for server in self.servers.values()]
        timers += [client.next_timer() for client in self.clients.values()]
        return min((at for at in timers if at is not None), default=None)

    def _collect(self) -> list[Flight]:
        flights = [
            Flight(datagram, source, destination)
            for source, server in self.servers.items()
            for datagram, destination in server.datagrams_to_send()
        ]
        flights += [
            Flight(datagram, source, destination)
            for source, client in self.clients.items()
            for datagram, destination in client.datagrams_to_send()
        ]
        return flights

    def _take_events(self) -> None:
        for server in self.servers.values():
            while (server_event := server.next_event()) is not None:
                self.server_events.append(server_event)
        for address, client in self.clients.items():
            while (client_event := client.next_event()) is not None:
                self.client_events[address].append(client_event)
