"""Bytes written by the reference C implementation of netcode 1.02: read, and written again."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet
from sidereal.protocol.session.replay import ReplayWindow
from sidereal.protocol.session.token import (
    encode_connect_token,
    open_private_token_untrusted,
    read_connect_token_untrusted,
    read_private_token_untrusted,
    seal_private_token,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "netcode-1.02.json").read_text()
)
PRIVATE_KEY = bytes.fromhex(VECTORS["private_key"])
PROTOCOL_ID = int(VECTORS["protocol_id"], 16)
CLIENT_ID = int(VECTORS["client_id"], 16)
USER_DATA = bytes.fromhex(VECTORS["user_data"])
CONNECT_TOKEN = bytes.fromhex(VECTORS["connect_token"])
CHALLENGE = VECTORS["challenge_token"]
CHALLENGE_AEAD = ChaCha20Poly1305(bytes.fromhex(CHALLENGE["key"]))
ASSOCIATED = packet.associated_data(PROTOCOL_ID)
EVERY_TYPE = (1 << 7) - 1

PACKETS = [
    pytest.param(vector, id=f"{vector['type']}-{vector['sequence']}-{len(vector['bytes']) // 2}")
    for vector in VECTORS["packets"]
]


def addresses(texts: list[str]) -> tuple[Address, ...]:
    parts = (text.rsplit(":", 1) for text in texts)
    return tuple(Address(host.strip("[]"), int(port)) for host, port in parts)


def body_of(vector: dict[str, Any]) -> bytes:
    """What the packet carries, written without the code under test."""
    match vector["type"]:
        case packet.CHALLENGE | packet.RESPONSE:
            sealed = bytes.fromhex(CHALLENGE["encrypted"])
            return struct.pack("<Q", CHALLENGE["sequence"]) + sealed
        case packet.KEEP_ALIVE:
            return struct.pack("<II", vector["client_index"], vector["max_clients"])
        case packet.PAYLOAD:
            return bytes.fromhex(vector["payload"])
    return b""


def test_connect_token_is_read() -> None:
    token = read_connect_token_untrusted(CONNECT_TOKEN)
    assert token.protocol_id == PROTOCOL_ID
    assert token.expire_timestamp - token.create_timestamp == VECTORS["expire_seconds"]
    assert token.timeout_s == VECTORS["timeout_seconds"]
    assert token.server_addresses == addresses(VECTORS["public_addresses"])


def test_connect_token_is_written_byte_for_byte() -> None:
    assert encode_connect_token(read_connect_token_untrusted(CONNECT_TOKEN)) == CONNECT_TOKEN


def test_private_token_is_read_and_sealed_byte_for_byte() -> None:
    token = read_connect_token_untrusted(CONNECT_TOKEN)
    plain = open_private_token_untrusted(
        token.private_sealed, PROTOCOL_ID, token.expire_timestamp, token.nonce, PRIVATE_KEY
    )
    private = read_private_token_untrusted(plain)
    assert private.client_id == CLIENT_ID
    assert private.timeout_s == VECTORS["timeout_seconds"]
    assert private.user_data == USER_DATA
    assert private.server_addresses == addresses(VECTORS["private_addresses"])
    assert private.client_to_server_key == token.client_to_server_key
    assert private.server_to_client_key == token.server_to_client_key
    sealed = seal_private_token(
        private, PROTOCOL_ID, token.expire_timestamp, token.nonce, PRIVATE_KEY
    )
    assert sealed == token.private_sealed


def test_request_of_the_token_is_accepted_until_it_expires() -> None:
    token = read_connect_token_untrusted(CONNECT_TOKEN)
    datagram = packet.encode_request(token)
    request = packet.decode_request_untrusted(
        datagram, PROTOCOL_ID, PRIVATE_KEY, token.expire_timestamp - 1
    )
    assert request.token.client_id == CLIENT_ID
    assert request.token_mac == token.private_sealed[-16:]
    with pytest.raises(packet.PacketError, match="TOKEN_EXPIRED"):
        packet.decode_request_untrusted(datagram, PROTOCOL_ID, PRIVATE_KEY, token.expire_timestamp)


def test_challenge_token_is_sealed_byte_for_byte() -> None:
    identity = packet.encode_identity(CLIENT_ID, USER_DATA)
    assert identity.ljust(300, b"\0") == bytes.fromhex(CHALLENGE["plaintext"])
    body = packet.encode_challenge(CHALLENGE["sequence"], identity, CHALLENGE_AEAD)
    assert body[:8] == struct.pack("<Q", CHALLENGE["sequence"])
    assert body[8:] == bytes.fromhex(CHALLENGE["encrypted"])


def test_challenge_token_is_opened() -> None:
    body = struct.pack("<Q", CHALLENGE["sequence"]) + bytes.fromhex(CHALLENGE["encrypted"])
    assert packet.decode_response_untrusted(body, CHALLENGE_AEAD) == (
        CHALLENGE["sequence"],
        bytes.fromhex(CHALLENGE["plaintext"])[:264],
    )


@pytest.mark.parametrize("vector", PACKETS)
def test_packet_is_read(vector: dict[str, Any]) -> None:
    packet_type, body = packet.decode_packet_untrusted(
        bytes.fromhex(vector["bytes"]),
        EVERY_TYPE,
        ChaCha20Poly1305(bytes.fromhex(vector["key"])),
        ASSOCIATED,
        ReplayWindow(),
    )
    assert (packet_type, body) == (vector["type"], body_of(vector))
    if packet_type == packet.KEEP_ALIVE:
        assert packet.decode_keep_alive_untrusted(body) == (
            vector["client_index"],
            vector["max_clients"],
        )


@pytest.mark.parametrize("vector", PACKETS)
def test_packet_is_written_byte_for_byte(vector: dict[str, Any]) -> None:
    datagram = packet.encode_packet(
        vector["type"],
        int(vector["sequence"], 16),
        body_of(vector),
        ChaCha20Poly1305(bytes.fromhex(vector["key"])),
        ASSOCIATED,
    )
    assert datagram == bytes.fromhex(vector["bytes"])


def test_vectors_cover_every_encrypted_type() -> None:
    assert {vector["type"] for vector in VECTORS["packets"]} == set(range(1, 7))
