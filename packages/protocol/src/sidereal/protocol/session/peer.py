"""What a server knows of one remote address."""

from __future__ import annotations

import math
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol.ids import Address
from sidereal.protocol.session.packet import Request, encode_identity
from sidereal.protocol.session.replay import ReplayWindow

NO_SLOT: Final = -1


class Peer:
    """An encryption mapping and, once it holds a slot, the session on top of it.

    A peer without a slot is in the middle of its handshake and is forgotten at `expires_at`.
    Times are monotonic seconds.
    """

    __slots__ = (
        "address",
        "challenge_first",
        "challenge_newest",
        "client_id",
        "confirmed",
        "expires_at",
        "identity",
        "receive_aead",
        "received_at",
        "replay",
        "send_aead",
        "sent_at",
        "sequence",
        "slot",
        "timeout_s",
        "timer_at",
        "token_mac",
        "user_data",
    )

    def __init__(self, request: Request, address: Address, challenge_first: int) -> None:
        token = request.token
        self.address = address
        self.client_id = token.client_id
        self.user_data = token.user_data
        self.identity = encode_identity(token.client_id, token.user_data)
        self.token_mac = request.token_mac
        self.timeout_s = token.timeout_s
        self.receive_aead = ChaCha20Poly1305(token.client_to_server_key)
        self.send_aead = ChaCha20Poly1305(token.server_to_client_key)
        self.challenge_first = challenge_first
        self.challenge_newest = challenge_first
        self.expires_at = math.inf
        self.timer_at = math.inf
        self.slot = NO_SLOT
        self.confirmed = False
        self.sequence = 0
        self.replay: ReplayWindow | None = None
        self.sent_at = 0.0
        self.received_at = 0.0

    @property
    def silent_at(self) -> float:
        """When it times out unless something comes; infinity without a time-out."""
        return self.received_at + self.timeout_s if self.timeout_s > 0 else math.inf
