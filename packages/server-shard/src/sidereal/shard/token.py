"""The connect token of a shard: it mints its own, which proves that it knows the pre-shared key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidereal.protocol.ids import SHARD_PROTOCOL_ID, Address
from sidereal.protocol.session.token import generate_connect_token

TOKEN_EXPIRE_S: Final = -1
"""Never: our clock need not be the server's. The token opens one session, and only for us."""
SESSION_TIMEOUT_S: Final = 3
"""Silence after which the session is over for both ends; leases are lost sooner."""


def mint_token(
    key: bytes, server: Address, entropy: Callable[[int], bytes], wall_now: float
) -> bytes:
    """Mint a token for one session.

    Args:
        key: 32 bytes, `derive_shard_key` of the pre-shared key.
        server: the replication server's shard endpoint.
        entropy: source of keys.
        wall_now: Unix seconds.
    """
    return generate_connect_token(
        protocol_id=SHARD_PROTOCOL_ID,
        private_key=key,
        client_id=int.from_bytes(entropy(8), "little"),
        server_addresses=[server],
        user_data=bytes(256),
        expire_s=TOKEN_EXPIRE_S,
        timeout_s=SESSION_TIMEOUT_S,
        wall_now=wall_now,
        entropy=entropy,
    )
