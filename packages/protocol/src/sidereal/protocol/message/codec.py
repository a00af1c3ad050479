"""Messages to bytes and back, with one strict decoder per direction."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from sidereal.protocol.errors import WireError
from sidereal.protocol.message.player import ClientMessage, ServerMessage
from sidereal.protocol.message.shard import AuthorityMessage, ShardMessage

LEASE_ROW: Final = np.dtype(
    [("sector_x", "<i4"), ("sector_y", "<i4"), ("shard", "<u2"), ("epoch", "<u4")]
)
"""One sector's lease on the wire."""

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises: msgspec passes on what Python says of text that is not UTF-8, and of
nesting without end."""

_encoder = msgspec.msgpack.Encoder()
_client_decoder: msgspec.msgpack.Decoder[ClientMessage] = msgspec.msgpack.Decoder(ClientMessage)
_server_decoder: msgspec.msgpack.Decoder[ServerMessage] = msgspec.msgpack.Decoder(ServerMessage)
_shard_decoder: msgspec.msgpack.Decoder[ShardMessage] = msgspec.msgpack.Decoder(ShardMessage)
_authority_decoder: msgspec.msgpack.Decoder[AuthorityMessage] = msgspec.msgpack.Decoder(
    AuthorityMessage
)


def encode_message(
    message: ClientMessage | ServerMessage | ShardMessage | AuthorityMessage,
) -> bytes:
    """Encode any message of either link."""
    return _encoder.encode(message)


def decode_client_untrusted(body: bytes) -> ClientMessage:
    """Decode what a client sent.

    Raises:
        WireError: not a message a client may send.
    """
    try:
        return _client_decoder.decode(body)
    except UNREADABLE as error:
        raise WireError(f"client message: {error}") from None


def decode_server_untrusted(body: bytes) -> ServerMessage:
    """Decode what the replication server sent to a client.

    Raises:
        WireError: not a message a client may be sent.
    """
    try:
        return _server_decoder.decode(body)
    except UNREADABLE as error:
        raise WireError(f"server message: {error}") from None


def decode_shard_untrusted(body: bytes) -> ShardMessage:
    """Decode what a shard sent.

    Raises:
        WireError: not a message a shard may send.
    """
    try:
        return _shard_decoder.decode(body)
    except UNREADABLE as error:
        raise WireError(f"shard message: {error}") from None


def decode_authority_untrusted(body: bytes) -> AuthorityMessage:
    """Decode what the replication server sent to a shard.

    Raises:
        WireError: not a message a shard may be sent.
    """
    try:
        return _authority_decoder.decode(body)
    except UNREADABLE as error:
        raise WireError(f"authority message: {error}") from None


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
