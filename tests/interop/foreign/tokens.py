"""What is said before a session: connect tokens, their private part, and the request."""

from __future__ import annotations

import hashlib
import struct
from typing import Final, NamedTuple, TypeAlias

import nacl.bindings
import nacl.exceptions
import nacl.pwhash.argon2id

from .octets import Malformed, Octets, require

VERSION: Final = b"NETCODE 1.02\0"
CLIENTS: Final = 0x5349444552450104
"""Protocol id of the endpoint for clients."""
SHARDS: Final = 0x5349444552455304
"""Protocol id of the endpoint for shards."""
TOKEN_SIZE: Final = 2048
REQUEST_SIZE: Final = 1078
NONCE_SIZE: Final = 24
SEALED_SIZE: Final = 1024
KEY_SIZE: Final = 32
USER_DATA_SIZE: Final = 256
ADDRESSES_MAX: Final = 32
NEVER: Final = (1 << 64) - 1
PERSON: Final = b"sidereal-shard"
SECRET_SIZE_MIN: Final = 12
SECRET_DIGITS_MIN: Final = 32

Address: TypeAlias = tuple[bytes, int]
"""Of an IP address its 4 or 16 bytes, as on the network; and the port."""


class Token(NamedTuple):
    """What a client is told; times in seconds, time-outs below 0 mean none."""

    protocol_id: int
    created: int
    expires: int
    nonce: bytes
    sealed: bytes
    time_out_s: int
    addresses: tuple[Address, ...]
    key_to_server: bytes
    key_to_client: bytes


class Request(NamedTuple):
    """A connection request."""

    protocol_id: int
    expires: int
    nonce: bytes
    sealed: bytes


class PrivatePart(NamedTuple):
    """What the issuer of a token tells the server."""

    client_id: int
    time_out_s: int
    addresses: tuple[Address, ...]
    key_to_server: bytes
    key_to_client: bytes
    user_data: bytes


def read_token(token: bytes) -> Token:
    """Read a connect token.

    Raises:
        Malformed: a client must not go by it.
    """
    require(len(token) == TOKEN_SIZE, "a token of another size")
    octets = Octets(token)
    require(octets.take(len(VERSION)) == VERSION, "a token of another version")
    protocol_id, created, expires = octets.unpack("QQQ")
    require(created <= expires, "created after it expires")
    nonce, sealed = octets.take(NONCE_SIZE), octets.take(SEALED_SIZE)
    time_out_s = octets.number("i")
    addresses = _read_addresses(octets)
    keys = octets.take(KEY_SIZE), octets.take(KEY_SIZE)
    return Token(protocol_id, created, expires, nonce, sealed, time_out_s, addresses, *keys)


def write_request(token: Token) -> bytes:
    """Write the connection request of a token."""
    numbers = struct.pack("<QQ", token.protocol_id, token.expires)
    return b"\0" + VERSION + numbers + token.nonce + token.sealed


def read_request(datagram: bytes) -> Request:
    """Read a connection request."""
    require(len(datagram) == REQUEST_SIZE, "a request of another size")
    octets = Octets(datagram)
    require(octets.take(1 + len(VERSION)) == b"\0" + VERSION, "a request of another version")
    protocol_id, expires = octets.unpack("QQ")
    return Request(protocol_id, expires, octets.take(NONCE_SIZE), octets.take(SEALED_SIZE))


def open_private(source: Token | Request, key: bytes) -> PrivatePart:
    """Open and read the private part of a token or a request."""
    associated = VERSION + struct.pack("<QQ", source.protocol_id, source.expires)
    try:
        plain = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            source.sealed, associated, source.nonce, key
        )
    except nacl.exceptions.CryptoError as error:
        raise Malformed("the private part does not open") from error
    octets = Octets(plain)
    client_id, time_out_s = octets.unpack("Qi")
    addresses = _read_addresses(octets)
    keys = octets.take(KEY_SIZE), octets.take(KEY_SIZE)
    user_data = octets.take(USER_DATA_SIZE)
    require(not any(octets.rest()), "something behind the last field")
    return PrivatePart(client_id, time_out_s, addresses, *keys, user_data)


def shard_key(secret: str) -> bytes:
    """Derive the key of the endpoint for shards from the secret that shards share with it."""
    if len(secret) >= SECRET_DIGITS_MIN and all(c in "0123456789abcdefABCDEF" for c in secret):
        return hashlib.blake2b(secret.encode(), digest_size=KEY_SIZE, person=PERSON).digest()
    require(len(secret) >= SECRET_SIZE_MIN, "the secret is too short")
    return nacl.pwhash.argon2id.kdf(
        KEY_SIZE, secret.encode(), PERSON + bytes(2), opslimit=3, memlimit=64 << 20
    )


def _read_addresses(octets: Octets) -> tuple[Address, ...]:
    count = octets.number("I")
    require(1 <= count <= ADDRESSES_MAX, "not 1 to 32 addresses")
    return tuple(_read_address(octets) for _ in range(count))


def _read_address(octets: Octets) -> Address:
    match octets.number("B"):
        case 1:
            return octets.take(4), octets.number("H")
        case 2:
            return struct.pack(">8H", *octets.unpack("8H")), octets.number("H")
    raise Malformed("an address of another type")
