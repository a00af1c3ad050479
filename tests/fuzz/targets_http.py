"""Targets of the HTTP endpoint: what a connection makes of bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import trio
import trio.testing
from target import Target

from sidereal.protocol.ids import Address
from sidereal.protocol.message.player import Role
from sidereal.replication.http.access import Access, AccessConfig, Sight
from sidereal.replication.http.connection import Connection, Message
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.links.networks import read_address_untrusted

PEER: Final = Address("192.0.2.7", 5000)


async def echo(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer with what was asked."""
    body, more = scope["path"].encode(), True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def talk(data: bytes) -> None:
    """Send bytes on a connection, and read until it has ended."""
    theirs, ours = trio.testing.memory_stream_pair()
    connection = Connection(ours, PEER, echo, HttpLimits(), lambda: 0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.serve)
        await theirs.send_all(data)
        while answer := await theirs.receive_some():
            assert answer.startswith(b"HTTP/1.1 ")


def run_connection(body: bytes) -> None:
    """Talk in virtual time: what waits for ever would never return."""
    trio.run(talk, body or b"\n", clock=trio.testing.MockClock(autojump_threshold=0))


def connection_seeds() -> Iterator[bytes]:
    get = b"GET /v1/status?a=%41 HTTP/1.1\r\nhost: localhost:7070\r\naccept: */*\r\n\r\n"
    yield get
    yield get.replace(b"GET", b"HEAD")
    post = b"POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    yield post + b"content-length: 19\r\n\r\n" + b'{"anonymous": true}' + get
    yield (
        post
        + b"expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        + get
    )


def read_authorization(body: bytes) -> None:
    """Read a header of a world that is not open: what gets through is one of our tokens."""
    sight = make_access().sight_of_untrusted(body.decode("latin-1"), 0.0)
    assert sight > Sight.COUNTS


def make_access() -> Access:
    config = AccessConfig(open_world=False, status_token="a token of the status")
    return Access(config, lambda size: bytes(size))


def authorization_seeds() -> Iterator[bytes]:
    access = make_access()
    yield b"Bearer a token of the status"
    yield f"Bearer {access.make_bearer(Role.OBSERVER, 0.0)}".encode()
    yield f"bearer  {access.make_bearer(Role.OPERATOR, 0.0)}".encode()


def read_address(body: bytes) -> None:
    """Read a hop of X-Forwarded-For: an address that is read has one form."""
    address = read_address_untrusted(body.decode("latin-1"))
    assert address is None or read_address_untrusted(str(address)) == address


def address_seeds() -> Iterator[bytes]:
    yield from (b"192.0.2.7", b" 192.0.2.7:5000", b"::ffff:192.0.2.7", b"fe80::1%eth0")
    yield from (b"[2001:db8::7]", b"[2001:DB8:0:0::7]:443")


TARGETS: Final = (
    Target(
        "replication.http.access.Access.sight_of_untrusted", read_authorization, authorization_seeds
    ),
    Target(
        "replication.http.connection.Connection", run_connection, connection_seeds, (), 4096, 100
    ),
    Target(
        "replication.links.networks.read_address_untrusted", read_address, address_seeds, (), 64
    ),
)
