"""Connect tokens: proof, issued over HTTPS, that a client may connect to a server.

A token has a public part for the client (where to connect, its keys) and a private part that
only the issuer and the servers can read: they share the private key that seals it. The client
carries the private part to the server as it is.

Source: netcode 1.02 STANDARD.md, Connect Token.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError

from sidereal.protocol.errors import LocalProtocolError, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.limits import SERVERS_PER_TOKEN_MAX

Entropy = Callable[[int], bytes]
"""Gives that many unpredictable bytes."""

VERSION: Final = b"NETCODE 1.02\0"
KEY_SIZE: Final = 32
MAC_SIZE: Final = 16
NONCE_SIZE: Final = 24
USER_DATA_SIZE: Final = 256
PRIVATE_TOKEN_SIZE: Final = 1024
CONNECT_TOKEN_SIZE: Final = 2048
NEVER: Final = 0xFFFF_FFFF_FFFF_FFFF
"""Expire timestamp of a token that does not expire."""

_PUBLIC_HEAD: Final = struct.Struct("<13sQQQ24s1024siI")
_PRIVATE_HEAD: Final = struct.Struct("<QiI")
_PRIVATE_TAIL: Final = struct.Struct("<32s32s256s")
_KEYS: Final = struct.Struct("<32s32s")
_ASSOCIATED: Final = struct.Struct("<13sQQ")
_IPV4: Final = 1
_IPV6: Final = 2
_IPV4_SIZE: Final = 7
_IPV6_SIZE: Final = 19


@dataclass(frozen=True, slots=True)
class ConnectToken:
    """What the client reads of its token; times are Unix seconds."""

    protocol_id: int
    create_timestamp: int
    expire_timestamp: int
    nonce: bytes
    private_sealed: bytes = field(repr=False)
    """The private part, sealed; only a server can open it."""
    timeout_s: int
    """Negative: no time-out (for development)."""
    server_addresses: tuple[Address, ...]
    client_to_server_key: bytes = field(repr=False)
    server_to_client_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateToken:
    """What a server reads of a client's token."""

    client_id: int
    timeout_s: int
    server_addresses: tuple[Address, ...]
    client_to_server_key: bytes = field(repr=False)
    server_to_client_key: bytes = field(repr=False)
    user_data: bytes = field(repr=False)


def generate_connect_token(
    *,
    protocol_id: int,
    private_key: bytes,
    client_id: int,
    server_addresses: Sequence[Address],
    private_addresses: Sequence[Address] | None = None,
    user_data: bytes,
    expire_s: int,
    timeout_s: int,
    wall_now: float,
    entropy: Entropy,
) -> bytes:
    """Issue a connect token with fresh keys.

    Args:
        protocol_id: unsigned 64 bits, that of the server's endpoint.
        private_key: 32 bytes shared with the servers.
        client_id: unsigned 64 bits; a server holds one session for each.
        server_addresses: 1 to 32 addresses that the client tries in this order.
        private_addresses: what the servers know themselves as, when that is something else.
        user_data: 256 bytes for the server's application.
        expire_s: seconds from now in which to connect; negative for ever.
        timeout_s: seconds of silence that end the session; negative for none.
        wall_now: Unix seconds.
        entropy: source of the keys and the nonce.

    Returns:
        2048 bytes, to be sent to the client over a secure channel.

    Raises:
        LocalProtocolError: an argument cannot be put into a token.
    """
    create_timestamp = int(wall_now)
    expire_timestamp = create_timestamp + expire_s if expire_s >= 0 else NEVER
    nonce = entropy(NONCE_SIZE)
    private = PrivateToken(
        client_id=client_id,
        timeout_s=timeout_s,
        server_addresses=tuple(private_addresses or server_addresses),
        client_to_server_key=entropy(KEY_SIZE),
        server_to_client_key=entropy(KEY_SIZE),
        user_data=user_data,
    )
    sealed = seal_private_token(private, protocol_id, expire_timestamp, nonce, private_key)
    return encode_connect_token(
        ConnectToken(
            protocol_id=protocol_id,
            create_timestamp=create_timestamp,
            expire_timestamp=expire_timestamp,
            nonce=nonce,
            private_sealed=sealed,
            timeout_s=timeout_s,
            server_addresses=tuple(server_addresses),
            client_to_server_key=private.client_to_server_key,
            server_to_client_key=private.server_to_client_key,
        )
    )


def encode_connect_token(token: ConnectToken) -> bytes:
    """Write a connect token as its 2048 bytes.

    Raises:
        LocalProtocolError: a value does not fit its field.
    """
    _check_sizes(
        (token.nonce, NONCE_SIZE),
        (token.private_sealed, PRIVATE_TOKEN_SIZE),
        (token.client_to_server_key, KEY_SIZE),
        (token.server_to_client_key, KEY_SIZE),
    )
    try:
        head = _PUBLIC_HEAD.pack(
            VERSION,
            token.protocol_id,
            token.create_timestamp,
            token.expire_timestamp,
            token.nonce,
            token.private_sealed,
            token.timeout_s,
            len(token.server_addresses),
        )
    except struct.error as error:
        raise LocalProtocolError(f"connect token: {error}") from None
    keys = _KEYS.pack(token.client_to_server_key, token.server_to_client_key)
    return (head + _encode_addresses(token.server_addresses) + keys).ljust(
        CONNECT_TOKEN_SIZE, b"\0"
    )


def read_connect_token_untrusted(token: bytes) -> ConnectToken:
    """Read the public part of a connect token.

    Raises:
        WireError: not a connect token of this version, or one that contradicts itself.
    """
    if len(token) != CONNECT_TOKEN_SIZE:
        raise WireError(f"a connect token has {CONNECT_TOKEN_SIZE} bytes, not {len(token)}")
    (
        version,
        protocol_id,
        create_timestamp,
        expire_timestamp,
        nonce,
        private_sealed,
        timeout_s,
        address_count,
    ) = _PUBLIC_HEAD.unpack_from(token)
    if version != VERSION:
        raise WireError(f"connect token of version {version!r}")
    if create_timestamp > expire_timestamp:
        raise WireError("the connect token expires before it was created")
    addresses, offset = _read_addresses_untrusted(token, _PUBLIC_HEAD.size, address_count)
    client_to_server_key, server_to_client_key = _KEYS.unpack_from(token, offset)
    return ConnectToken(
        protocol_id=protocol_id,
        create_timestamp=create_timestamp,
        expire_timestamp=expire_timestamp,
        nonce=nonce,
        private_sealed=private_sealed,
        timeout_s=timeout_s,
        server_addresses=addresses,
        client_to_server_key=client_to_server_key,
        server_to_client_key=server_to_client_key,
    )


def seal_private_token(
    token: PrivateToken, protocol_id: int, expire_timestamp: int, nonce: bytes, key: bytes
) -> bytes:
    """Write the private part of a token and seal it: 1024 bytes.

    Raises:
        LocalProtocolError: a value does not fit its field.
    """
    _check_sizes(
        (token.client_to_server_key, KEY_SIZE),
        (token.server_to_client_key, KEY_SIZE),
        (token.user_data, USER_DATA_SIZE),
        (nonce, NONCE_SIZE),
        (key, KEY_SIZE),
    )
    try:
        head = _PRIVATE_HEAD.pack(token.client_id, token.timeout_s, len(token.server_addresses))
        associated = _ASSOCIATED.pack(VERSION, protocol_id, expire_timestamp)
    except struct.error as error:
        raise LocalProtocolError(f"private connect token: {error}") from None
    tail = _PRIVATE_TAIL.pack(
        token.client_to_server_key, token.server_to_client_key, token.user_data
    )
    plain = head + _encode_addresses(token.server_addresses) + tail
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain.ljust(PRIVATE_TOKEN_SIZE - MAC_SIZE, b"\0"), associated, nonce, key
    )


def open_private_token_untrusted(
    sealed: bytes, protocol_id: int, expire_timestamp: int, nonce: bytes, key: bytes
) -> bytes:
    """Open the seal of a private token.

    Returns:
        Its 1008 bytes, authentic, for `read_private_token_untrusted`.

    Raises:
        WireError: it has another size, or was not sealed with this key for this protocol and
            time.
    """
    if len(sealed) != PRIVATE_TOKEN_SIZE:
        raise WireError(f"a sealed private connect token has no {len(sealed)} bytes")
    associated = _ASSOCIATED.pack(VERSION, protocol_id, expire_timestamp)
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, associated, nonce, key)
    except CryptoError:
        raise WireError("the private connect token is not authentic") from None


def read_private_token_untrusted(plain: bytes) -> PrivateToken:
    """Read an opened private token.

    Raises:
        WireError: its content contradicts the standard.
    """
    if len(plain) != PRIVATE_TOKEN_SIZE - MAC_SIZE:
        raise WireError(f"a private connect token has no {len(plain)} bytes")
    client_id, timeout_s, address_count = _PRIVATE_HEAD.unpack_from(plain)
    addresses, offset = _read_addresses_untrusted(plain, _PRIVATE_HEAD.size, address_count)
    client_to_server_key, server_to_client_key, user_data = _PRIVATE_TAIL.unpack_from(plain, offset)
    return PrivateToken(
        client_id=client_id,
        timeout_s=timeout_s,
        server_addresses=addresses,
        client_to_server_key=client_to_server_key,
        server_to_client_key=server_to_client_key,
        user_data=user_data,
    )


def canonical_address(address: Address) -> Address:
    """Spell an address as it comes out of a token, and as a socket reports it.

    Raises:
        LocalProtocolError: it is not an IP address and a port.
    """
    return _read_addresses_untrusted(_encode_addresses((address,)), 0, 1)[0][0]


def _encode_addresses(addresses: Sequence[Address]) -> bytes:
    if not 1 <= len(addresses) <= SERVERS_PER_TOKEN_MAX:
        raise LocalProtocolError(
            f"a connect token names 1 to {SERVERS_PER_TOKEN_MAX} servers, not {len(addresses)}"
        )
    encoded = []
    for address in addresses:
        try:
            ip = ipaddress.ip_address(address.host)
            port = struct.pack("<H", address.port)
        except (ValueError, struct.error):
            raise LocalProtocolError(f"not an IP address and a port: {address}") from None
        if ip.version == 4:
            encoded.append(bytes((_IPV4,)) + ip.packed + port)
        else:
            # Eight words, each little-endian like every number here.
            words = struct.unpack(">8H", ip.packed)
            encoded.append(struct.pack("<B8H", _IPV6, *words) + port)
    return b"".join(encoded)


def _read_addresses_untrusted(
    body: bytes, offset: int, count: int
) -> tuple[tuple[Address, ...], int]:
    if not 1 <= count <= SERVERS_PER_TOKEN_MAX:
        raise WireError(f"{count} server addresses")
    addresses = []
    for _ in range(count):
        kind = body[offset]
        if kind == _IPV4:
            a, b, c, d, port = struct.unpack_from("<4BH", body, offset + 1)
            addresses.append(Address(f"{a}.{b}.{c}.{d}", port))
            offset += _IPV4_SIZE
        elif kind == _IPV6:
            *words, port = struct.unpack_from("<8HH", body, offset + 1)
            addresses.append(Address(_ipv6_text(words), port))
            offset += _IPV6_SIZE
        else:
            raise WireError(f"server address of type {kind}")
    return tuple(addresses), offset


def _ipv6_text(words: Sequence[int]) -> str:
    ip = ipaddress.IPv6Address(struct.pack(">8H", *words))
    # Python spells mapped addresses differently from version to version; sockets do not.
    return f"::ffff:{ip.ipv4_mapped}" if ip.ipv4_mapped else ip.compressed


def _check_sizes(*fields: tuple[bytes, int]) -> None:
    for value, size in fields:
        if len(value) != size:
            raise LocalProtocolError(f"a field of {size} bytes cannot hold {len(value)}")
