"""The ends of sessions in one place, one of each ours to say anything with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from sidereal.protocol.ids import Address
from sidereal.protocol.session.token import generate_connect_token

SERVER: Final = Address("192.0.2.1", 40000)
CLIENT: Final = Address("198.51.100.1", 50000)
PRIVATE_KEY: Final = bytes(range(32))
WALL: Final = 1_700_000_000.0
ROUNDS_MAX: Final = 20
"""Ends that still have something to say after that many answers are in a loop."""


class End(NamedTuple):
    """One end, whatever it is made of: what it has to say to whom, and what it hears from whom."""

    say: Callable[[], list[tuple[bytes, Address]]]
    hear: Callable[[bytes, Address], None]


def exchange(server: End, clients: Mapping[Address, End]) -> None:
    """Carry datagrams between a server and its clients, at no cost of time, until all are out."""
    for _ in range(ROUNDS_MAX):
        heard = [
            (datagram, address)
            for address, client in clients.items()
            for datagram, _ in client.say()
        ]
        for datagram, address in heard:
            server.hear(datagram, address)
        said = server.say()
        for datagram, address in said:
            clients[address].hear(datagram, SERVER)
        if not heard and not said:
            return
    raise AssertionError("the ends answer each other without end")


def issue_token(protocol_id: int, user_data: bytes = bytes(256), client_id: int = 1) -> bytes:
    """Issue a connect token for `SERVER`, always the same."""
    return generate_connect_token(
        protocol_id=protocol_id,
        private_key=PRIVATE_KEY,
        client_id=client_id,
        server_addresses=[SERVER],
        user_data=user_data,
        expire_s=30,
        timeout_s=5,
        wall_now=WALL,
        entropy=random.Random(client_id).randbytes,
    )
