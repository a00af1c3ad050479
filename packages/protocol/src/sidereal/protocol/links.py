"""The two links of Sidereal: which channels they have, and what their connect tokens carry.

The one module that knows both halves of the protocol: the transport's channels and the messages
that travel on them.
"""

from __future__ import annotations

import hashlib
import string
from typing import Annotated, Final

import msgspec
from nacl import pwhash

from sidereal.protocol import limits
from sidereal.protocol.channel.spec import Budget, ChannelSpec, Delivery
from sidereal.protocol.errors import LocalProtocolError, WireError
from sidereal.protocol.message.codec import UNREADABLE
from sidereal.protocol.message.player import U16, Name, PlayerChannel, Role
from sidereal.protocol.message.shard import ShardChannel

PLAYER_CHANNELS: Final = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=512 << 10, priority=2),
    ChannelSpec(Delivery.UNRELIABLE_SEQUENCED, memory_max=16 << 10, priority=3),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=512 << 10, priority=1),
    ChannelSpec(Delivery.UNRELIABLE_SEQUENCED, memory_max=16 << 10, priority=0),
)
"""Channels of the client link, in the order of `PlayerChannel`."""

PLAYER_BUDGET: Final = Budget(rate=4e6, burst=float(512 << 10), rate_min=2e3)
"""What either end of the client link may send."""

SHARD_CHANNELS: Final = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=4 << 20, priority=2),
    ChannelSpec(Delivery.UNRELIABLE, memory_max=4 << 20, priority=1),
    ChannelSpec(Delivery.UNRELIABLE_SEQUENCED, memory_max=64 << 10, priority=5),
    ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20, priority=4),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=16 << 20, priority=3, twice=True),
)
"""Channels of the shard link, in the order of `ShardChannel`."""

SHARD_BUDGET: Final = Budget(rate=64e6, burst=float(4 << 20), rate_min=8e6)
"""What either end of the shard link may send."""

RANDOM_KEY_DIGITS: Final = 32
"""Hexadecimal digits from which on a pre-shared key counts as random: 128 bits."""

SHARD_TEXT_MIN: Final = 12
"""Characters of a pre-shared key that is a text."""

SHARD_KEY_SALT: Final = b"sidereal-shard\0\0"
"""The same for everybody: both ends derive the key before they have spoken."""

USER_DATA_SIZE: Final = 256
"""Bytes of user data in a netcode connect token."""

assert len(PLAYER_CHANNELS) == len(PlayerChannel)
assert len(SHARD_CHANNELS) == len(ShardChannel)


class UserData(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who a session belongs to: sealed in its connect token by the issuer.

    Attributes:
        account: 0 for an anonymous player and for a shard.
        role: a `Role`.
        name: what others see.
        incarnation: new for every login or start of a process.
    """

    account: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    role: U16
    name: Name
    incarnation: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[UserData] = msgspec.msgpack.Decoder(UserData)
_ROLES: Final = frozenset(int(role) for role in Role)


def encode_user_data(user: UserData) -> bytes:
    """Encode as 256 bytes: the size of what follows (u8), MessagePack, zeros.

    Raises:
        LocalProtocolError: the name is longer than `NAME_SIZE_MAX` bytes.
    """
    if len(user.name.encode()) > limits.NAME_SIZE_MAX:
        raise LocalProtocolError(f"a name has at most {limits.NAME_SIZE_MAX} bytes")
    body = _encoder.encode(user)
    return (bytes([len(body)]) + body).ljust(USER_DATA_SIZE, b"\0")


def decode_user_data_untrusted(user_data: bytes) -> UserData:
    """Decode the user data of a connect token.

    Raises:
        WireError: not what `encode_user_data` makes, or an unknown role.
    """
    if len(user_data) != USER_DATA_SIZE:
        raise WireError(f"user data of {len(user_data)} bytes")
    size = user_data[0]
    if any(user_data[1 + size :]):
        raise WireError("user data: not zero after its end")
    try:
        user = _decoder.decode(user_data[1 : 1 + size])
    except UNREADABLE as error:
        raise WireError(f"user data: {error}") from None
    if user.role not in _ROLES or len(user.name.encode()) > limits.NAME_SIZE_MAX:
        raise WireError(f"user data: role {user.role}, name of {len(user.name)} characters")
    return user


def is_random_key(text: str) -> bool:
    """Tell whether a pre-shared key is written as at least 128 bits in hexadecimal digits."""
    return len(text) >= RANDOM_KEY_DIGITS and set(text) <= set(string.hexdigits)


def describe_weak_shard_key(text: str) -> str:
    """Say what is wrong with a pre-shared key, and the remedy; empty if nothing is."""
    if is_random_key(text) or len(text) >= SHARD_TEXT_MIN:
        return ""
    return (
        f"must have at least {SHARD_TEXT_MIN} characters: who sees one datagram of a shard can try "
        "keys without asking anybody; `openssl rand -hex 16` makes a good one"
    )


def derive_shard_key(text: str) -> bytes:
    """Derive the netcode private key (32 bytes) of the shard endpoint from its pre-shared key.

    Hexadecimal digits of 128 bits can't be guessed and are hashed once. Any other text is
    stretched, which takes about 0.1 s and 64 MiB for every guess.

    Source: RFC 9106 (Argon2id), by libsodium.
    """
    if is_random_key(text):
        return hashlib.blake2b(text.encode(), digest_size=32, person=b"sidereal-shard").digest()
    return pwhash.argon2id.kdf(32, text.encode(), SHARD_KEY_SALT, opslimit=3, memlimit=64 << 20)
