"""Identifiers and the numbers that travel with them."""

from __future__ import annotations

from typing import Final, NamedTuple, NewType

NetId = NewType("NetId", int)
"""Compact name of an entity on the wire, at most `NET_ID_MAX`; 0 is never assigned."""

ShardId = NewType("ShardId", int)
"""Unsigned 16-bit name of a shard; 0 means nobody."""

Epoch = NewType("Epoch", int)
"""Unsigned 32-bit fence: anything tagged with an older one is refused."""

Tick = NewType("Tick", int)
"""World clock: the replication server's step counter (unsigned 32 bits on the wire)."""

NET_ID_NONE: Final = NetId(0)
NET_ID_MAX: Final = NetId((1 << 31) - 1)
"""Ids have 31 bits: those above are for what a client alone knows of."""
SHARD_NONE: Final = ShardId(0)


class Address(NamedTuple):
    """A UDP address, as the standard library gives it (IPv6 without flow and scope)."""

    host: str
    port: int


CLIENT_PROTOCOL_ID: Final = 0x5349_4445_5245_0104
"""netcode protocol id of the client endpoint; the last byte is the version."""

SHARD_PROTOCOL_ID: Final = 0x5349_4445_5245_5304
"""netcode protocol id of the shard endpoint; the last byte is the version."""
