"""What an endpoint has to tell: peers that come and go, what they sent, what reached them."""

from __future__ import annotations

from typing import Final

import msgspec

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address

SERVER_PEER: Final = 0
"""The peer in a client's events."""


class PeerOpened(msgspec.Struct, frozen=True, gc=False):
    """A client connected to this server."""

    peer: int
    """Unique for the life of the endpoint."""
    client_id: int
    user_data: bytes
    """256 bytes, sealed in the connect token by its issuer."""
    address: Address


class Received(msgspec.Struct, frozen=True, gc=False):
    """A message came; at a client, `peer` is 0."""

    peer: int
    channel: int
    message: bytes


class Acked(msgspec.Struct, frozen=True, gc=False):
    """Unreliable messages with these tags arrived; at a client, `peer` is 0."""

    peer: int
    tags: list[int]


class Lost(msgspec.Struct, frozen=True, gc=False):
    """Unreliable messages with these tags are taken for lost; at a client, `peer` is 0.

    One may arrive after all: its tag is acked then.
    """

    peer: int
    tags: list[int]


class PeerClosed(msgspec.Struct, frozen=True, gc=False):
    """A client is gone; the last event of this peer."""

    peer: int
    reason: CloseReason


class Opened(msgspec.Struct, frozen=True, gc=False):
    """This client is connected."""


class Closed(msgspec.Struct, frozen=True, gc=False):
    """This client's attempt or session ended; its last event."""

    reason: CloseReason


ServerEvent = PeerOpened | Received | Acked | Lost | PeerClosed
"""What a server's endpoint has to tell."""

ClientEvent = Opened | Received | Acked | Lost | Closed
"""What a client's endpoint has to tell."""
