"""Messages to bytes and back, with one strict decoder per direction and channel.

The records of an `Adopt` are compressed: most of what a game keeps of its entities, most of them
have not. 400 records of 391 bytes become a twelfth, in 0.2 ms, and each packet that is spared
would have taken a tenth of that.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import structs

from sidereal.protocol import limits
from sidereal.protocol.errors import WireError
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    ClientMessage,
    Hello,
    Leases,
    LookAt,
    Notice,
    PlayerChannel,
    Receipt,
    Refused,
    ServerMessage,
    Standstill,
    Told,
    Values,
    Welcome,
)
from sidereal.protocol.message.shard import (
    Adopt,
    Adopted,
    Amend,
    Asked,
    AskIds,
    AuthorityMessage,
    Beat,
    Dismiss,
    Drain,
    Farewell,
    Grant,
    GrantIds,
    Load,
    Release,
    Revoke,
    Shadows,
    ShardChannel,
    ShardHello,
    ShardMessage,
    ShardWelcome,
)

LEASE_ROW: Final = np.dtype(
    [("sector_x", "<i4"), ("sector_y", "<i4"), ("shard", "<u2"), ("epoch", "<u4")]
)
"""One sector's lease on the wire between the servers."""

HOLDER_ROW: Final = np.dtype([("dx", "i1"), ("dy", "i1"), ("shard", "<u2")])
"""Which shard simulates a sector; the sector is relative to the middle of a square."""

assert HOLDER_ROW.itemsize == 4
assert (2 * limits.LEASE_RADIUS_MAX + 1) ** 2 <= (limits.UNRELIABLE_SIZE_MAX - 32) // 4

INPUT_ROW: Final = np.dtype([("id", "<u4"), ("seq", "<u4"), ("record", "<u8")])
"""One record of an entity's pilot on the wire between the servers."""

ASKED_ROW: Final = np.dtype([("id", "<u4"), ("epoch", "<u4")])
"""An entity on whose behalf a system asks for something, and the epoch under which it has it."""

SHADOW_ROW: Final = np.dtype([("id", "<u4"), ("record", "<u8")])
"""A ghost that has a body, and what its pilot held last as far as the server knows."""

COMPRESSION: Final = 1
"""The least that there is: more takes three times as long and spares a tenth."""

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises: msgspec passes on what Python says of text that is not UTF-8, and of
nesting without end."""

FROM_CLIENT: Final[Mapping[int, Any]] = {
    PlayerChannel.COMMAND: Hello | LookAt | Call,
}
"""What a client sends on which channel. On channels that are not listed nothing travels that way
but what is packed; a message on another channel than its own is malformed. Likewise below."""

FROM_SERVER: Final[Mapping[int, Any]] = {
    PlayerChannel.COMMAND: (
        Welcome | Refused | Assigned | Notice | Standstill | Receipt | Told | Values
    ),
    PlayerChannel.LEASES: Leases,
}
"""What the replication server sends a client."""

FROM_SHARD: Final[Mapping[int, Any]] = {
    ShardChannel.BEAT: Load,
    ShardChannel.LEASE: ShardHello | Farewell | Adopted | Asked | AskIds | Drain,
}
"""What a shard sends."""

FROM_AUTHORITY: Final[Mapping[int, Any]] = {
    ShardChannel.BEAT: Beat,
    ShardChannel.LEASE: (
        ShardWelcome
        | Refused
        | Grant
        | Revoke
        | Adopt
        | Release
        | GrantIds
        | Amend
        | Dismiss
        | Shadows
    ),
}
"""What the replication server sends a shard."""


class _Decoders:
    """The decoders of one direction, by channel."""

    def __init__(self, sender: str, messages: Mapping[int, Any]) -> None:
        self._sender = sender
        self._by_channel: dict[int, msgspec.msgpack.Decoder[Any]] = {
            channel: msgspec.msgpack.Decoder(kinds) for channel, kinds in messages.items()
        }

    def decode(self, channel: int, body: bytes) -> Any:
        decoder = self._by_channel.get(channel)
        if decoder is None:
            raise WireError(f"{self._sender} message on channel {channel}")
        try:
            return decoder.decode(body)
        except UNREADABLE as error:
            raise WireError(f"{self._sender} message on channel {channel}: {error}") from None


_encoder = msgspec.msgpack.Encoder()
_from_client = _Decoders("client", FROM_CLIENT)
_from_server = _Decoders("server", FROM_SERVER)
_from_shard = _Decoders("shard", FROM_SHARD)
_from_authority = _Decoders("authority", FROM_AUTHORITY)


def encode_message(
    message: ClientMessage | ServerMessage | ShardMessage | AuthorityMessage,
) -> bytes:
    """Encode any message of either link."""
    if isinstance(message, Adopt):
        message = structs.replace(message, rows=zlib.compress(message.rows, COMPRESSION))
    return _encoder.encode(message)


def decode_client_untrusted(channel: int, body: bytes) -> ClientMessage:
    """Decode what a client sent.

    Raises:
        WireError: not a message a client may send on this channel.
    """
    message: ClientMessage = _from_client.decode(channel, body)
    return message


def decode_server_untrusted(channel: int, body: bytes) -> ServerMessage:
    """Decode what the replication server sent to a client.

    Raises:
        WireError: not a message a client may be sent on this channel.
    """
    message: ServerMessage = _from_server.decode(channel, body)
    return message


def decode_shard_untrusted(channel: int, body: bytes) -> ShardMessage:
    """Decode what a shard sent.

    Raises:
        WireError: not a message a shard may send on this channel.
    """
    message: ShardMessage = _from_shard.decode(channel, body)
    return message


def decode_authority_untrusted(channel: int, body: bytes) -> AuthorityMessage:
    """Decode what the replication server sent to a shard.

    Raises:
        WireError: not a message a shard may be sent on this channel.
    """
    message: AuthorityMessage = _from_authority.decode(channel, body)
    if isinstance(message, Adopt):
        return structs.replace(message, rows=_decompress_untrusted(message.rows))
    return message


def _decompress_untrusted(body: bytes) -> bytes:
    """Read what was compressed, up to the size of a message.

    Raises:
        WireError: it is no such thing, is longer, or something follows it.

    Source: RFC 1950.
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(body, limits.MESSAGE_SIZE_MAX)
    except zlib.error as error:
        raise WireError(f"compressed records: {error}") from None
    if not stream.eof or stream.unused_data:
        raise WireError(f"{len(body)} bytes are not compressed records of a message")
    return plain


def decode_rows_untrusted(body: bytes, dtype: np.dtype, rows_max: int) -> np.ndarray:
    """Read packed rows.

    Args:
        body: whole rows, little-endian.
        dtype: structured dtype of a row.
        rows_max: most rows allowed.

    Returns:
        Read-only array `dtype[n]` over `body`.

    Raises:
        WireError: not whole rows, or too many.
    """
    count, rest = divmod(len(body), dtype.itemsize)
    if rest or count > rows_max:
        raise WireError(f"{len(body)} bytes are not at most {rows_max} rows of {dtype.itemsize}")
    return np.frombuffer(body, dtype=dtype)
