"""Sessions: connect tokens, packets, replays. PROTOCOL.md, "Session"."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import nacl.bindings
import nacl.exceptions
import nacl.pwhash
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .octets import Malformed, Octets

VERSION: Final = b"NETCODE 1.02\0"
CLIENTS: Final = 0x5349444552450103
SHARDS: Final = 0x5349444552455303


class Kind(IntEnum):
    """The types of packets."""

    REQUEST = 0
    DENIED = 1
    CHALLENGE = 2
    RESPONSE = 3
    KEEP_ALIVE = 4
    PAYLOAD = 5
    DISCONNECT = 6


FROM_SERVER: Final = frozenset(
    {Kind.DENIED, Kind.CHALLENGE, Kind.KEEP_ALIVE, Kind.PAYLOAD, Kind.DISCONNECT}
)
FROM_CLIENT: Final = frozenset(
    {Kind.REQUEST, Kind.RESPONSE, Kind.KEEP_ALIVE, Kind.PAYLOAD, Kind.DISCONNECT}
)
NUMBERED: Final = frozenset({Kind.KEEP_ALIVE, Kind.PAYLOAD, Kind.DISCONNECT})
BODY_SIZES: Final = {
    Kind.DENIED: range(1),
    Kind.CHALLENGE: range(308, 309),
    Kind.RESPONSE: range(308, 309),
    Kind.KEEP_ALIVE: range(8, 9),
    Kind.PAYLOAD: range(1, 1201),
    Kind.DISCONNECT: range(1),
}
DATAGRAM_SIZE_MAX: Final = 1300

Address = tuple[bytes, int]
"""The address, 4 or 16 bytes in the order they are written, and the port."""


@dataclass(frozen=True)
class ConnectToken:
    """What a client is given, the private part still sealed."""

    protocol_id: int
    created: int
    expires: int
    nonce: bytes
    private: bytes
    time_out_s: int
    addresses: tuple[Address, ...]
    key_to_server: bytes
    key_to_client: bytes


@dataclass(frozen=True)
class PrivatePart:
    """What the server reads in a token."""

    client_id: int
    time_out_s: int
    addresses: tuple[Address, ...]
    key_to_server: bytes
    key_to_client: bytes
    user_data: bytes


@dataclass(frozen=True)
class Request:
    """A connection request."""

    protocol_id: int
    expires: int
    nonce: bytes
    private: bytes


class Packet(NamedTuple):
    """An encrypted packet, opened."""

    kind: Kind
    sequence: int
    body: bytes


class Replay(Malformed):
    """A packet that came before, or too late to tell."""


class ReplayWindow:
    """The sequence numbers that came."""

    def __init__(self) -> None:
        self._newest = -1
        self._seen: set[int] = set()

    def refuses(self, sequence: int) -> bool:
        """Whether the number came before, or is too far behind."""
        return sequence in self._seen or sequence + 256 <= self._newest

    def note(self, sequence: int) -> None:
        """Take note of a number that came."""
        self._newest = max(self._newest, sequence)
        self._seen = {number for number in self._seen if number + 256 > self._newest}
        self._seen.add(sequence)


def read_addresses(octets: Octets) -> tuple[Address, ...]:
    """Read the count and the addresses."""
    count = octets.number("I")
    if not 1 <= count <= 32:
        raise Malformed(f"{count} addresses")
    return tuple(_address(octets) for _ in range(count))


def _address(octets: Octets) -> Address:
    kind = octets.number("B")
    if kind == 1:
        host = octets.take(4)
    elif kind == 2:
        host = struct.pack(">8H", *octets.unpack("8H"))
    else:
        raise Malformed(f"address type {kind}")
    return host, octets.number("H")


def read_token(token: bytes) -> ConnectToken:
    """Read the public part of a connect token."""
    if len(token) != 2048:
        raise Malformed(f"a token of {len(token)} bytes")
    octets = Octets(token)
    if octets.take(13) != VERSION:
        raise Malformed("another version")
    protocol_id, created, expires = octets.unpack("QQQ")
    if created > expires:
        raise Malformed("created after it expires")
    nonce, private, time_out = octets.take(24), octets.take(1024), octets.number("i")
    addresses = read_addresses(octets)
    keys = octets.take(32), octets.take(32)
    octets.zeros()
    return ConnectToken(protocol_id, created, expires, nonce, private, time_out, addresses, *keys)


def open_private(token: ConnectToken | Request, key: bytes) -> PrivatePart:
    """Open the private part with the key that the issuer shares with the server."""
    associated = VERSION + struct.pack("<QQ", token.protocol_id, token.expires)
    try:
        opened = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            token.private, associated, token.nonce, key
        )
    except nacl.exceptions.CryptoError as error:
        raise Malformed("the private part does not open") from error
    octets = Octets(opened)
    client_id, time_out = octets.unpack("Qi")
    addresses = read_addresses(octets)
    keys = octets.take(32), octets.take(32)
    user_data = octets.take(256)
    octets.zeros()
    return PrivatePart(client_id, time_out, addresses, *keys, user_data)


def read_request(datagram: bytes) -> Request:
    """Read a connection request."""
    if len(datagram) != 1078:
        raise Malformed(f"a request of {len(datagram)} bytes")
    octets = Octets(datagram)
    if octets.number("B") != Kind.REQUEST or octets.take(13) != VERSION:
        raise Malformed("no request, or of another version")
    protocol_id, expires = octets.unpack("QQ")
    return Request(protocol_id, expires, octets.take(24), octets.take(1024))


def write_request(token: ConnectToken) -> bytes:
    """Write the connection request of a token."""
    numbers = struct.pack("<QQ", token.protocol_id, token.expires)
    return bytes([Kind.REQUEST]) + VERSION + numbers + token.nonce + token.private


def _nonce(sequence: int) -> bytes:
    return struct.pack("<4xQ", sequence)


def _associated(protocol_id: int, prefix: int) -> bytes:
    return VERSION + struct.pack("<QB", protocol_id, prefix)


def open_packet(
    datagram: bytes,
    protocol_id: int,
    key: bytes,
    kinds: frozenset[Kind],
    replays: ReplayWindow,
) -> Packet:
    """Open an encrypted packet, with the checks in the order of the document."""
    if not 18 <= len(datagram) <= DATAGRAM_SIZE_MAX:
        raise Malformed(f"a datagram of {len(datagram)} bytes")
    prefix = datagram[0]
    number, size = prefix & 15, prefix >> 4
    if number not in kinds - {Kind.REQUEST}:
        raise Malformed(f"a packet of type {number}")
    kind = Kind(number)
    if not 1 <= size <= 8:
        raise Malformed(f"a sequence number of {size} bytes")
    if len(datagram) < 1 + size + 16:
        raise Malformed("too short")
    sequence = int.from_bytes(datagram[1 : 1 + size], "little")
    if kind in NUMBERED and replays.refuses(sequence):
        raise Replay(f"sequence number {sequence} again")
    try:
        body = ChaCha20Poly1305(key).decrypt(
            _nonce(sequence), datagram[1 + size :], _associated(protocol_id, prefix)
        )
    except InvalidTag as error:
        raise Malformed("does not decrypt") from error
    if kind in NUMBERED:
        replays.note(sequence)
    if len(body) not in BODY_SIZES[kind]:
        raise Malformed(f"type {kind} with {len(body)} bytes")
    return Packet(kind, sequence, body)


def seal_packet(packet: Packet, protocol_id: int, key: bytes) -> bytes:
    """Write an encrypted packet."""
    size = max(1, (packet.sequence.bit_length() + 7) // 8)
    prefix = packet.kind | size << 4
    sealed = ChaCha20Poly1305(key).encrypt(
        _nonce(packet.sequence), packet.body, _associated(protocol_id, prefix)
    )
    return bytes([prefix]) + packet.sequence.to_bytes(size, "little") + sealed


def shard_key(secret: str) -> bytes:
    """Derive the server's key of the shard endpoint from its pre-shared key."""
    if len(secret) < 32 or set(secret) - set("0123456789abcdefABCDEF"):
        salt = b"sidereal-shard" + bytes(2)
        return nacl.pwhash.argon2id.kdf(32, secret.encode(), salt, 3, 64 * 1024 * 1024)
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"sidereal-shard").digest()
