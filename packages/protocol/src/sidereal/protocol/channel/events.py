"""What an endpoint has to tell: peers that come and go, what they sent, what reached them."""

from __future__ import annotations

import dataclasses
from typing import Final

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address

SERVER_PEER: Final = 0
"""The peer in a client's events."""


@dataclasses.dataclass(frozen=True, slots=True)
class PeerOpened:
    """A client connected to this server."""

    peer: int
    """Unique for the life of the endpoint."""
    client_id: int
    user_data: bytes
    """256 bytes, sealed in the connect token by who issued it."""
    address: Address


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """A message came; at a client, `peer` is 0."""

    peer: int
    channel: int
    message: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Acked:
    """Unreliable messages with these tags arrived; at a client, `peer` is 0."""

    peer: int
    tags: list[int]


@dataclasses.dataclass(frozen=True, slots=True)
class PeerClosed:
    """A client is gone; the last event of this peer."""

    peer: int
    reason: CloseReason


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """This client is connected."""


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """This client's attempt or session ended; its last event."""

    reason: CloseReason
