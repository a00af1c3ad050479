"""The encrypted packets of a session."""

from __future__ import annotations

import struct
from collections.abc import Container
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .octets import Malformed, require
from .tokens import VERSION

DATAGRAM_SIZE_MIN: Final = 18
DATAGRAM_SIZE_MAX: Final = 1300
MAC_SIZE: Final = 16
SEQUENCE_SIZE_MAX: Final = 8
WINDOW: Final = 256
"""A number that is this much behind the newest one is too old."""
PAYLOAD_SIZE_MAX: Final = 1200
CHALLENGE_SIZE: Final = 308


class Kind(IntEnum):
    """What a datagram is; all but the first are encrypted."""

    REQUEST = 0
    DENIED = 1
    CHALLENGE = 2
    RESPONSE = 3
    KEEP_ALIVE = 4
    PAYLOAD = 5
    DISCONNECT = 6


TO_SERVER: Final = frozenset({Kind.RESPONSE, Kind.KEEP_ALIVE, Kind.PAYLOAD, Kind.DISCONNECT})
TO_CLIENT: Final = frozenset(
    {Kind.DENIED, Kind.CHALLENGE, Kind.KEEP_ALIVE, Kind.PAYLOAD, Kind.DISCONNECT}
)
SIZES: Final = {
    Kind.DENIED: (0, 0),
    Kind.CHALLENGE: (CHALLENGE_SIZE, CHALLENGE_SIZE),
    Kind.RESPONSE: (CHALLENGE_SIZE, CHALLENGE_SIZE),
    Kind.KEEP_ALIVE: (8, 8),
    Kind.PAYLOAD: (1, PAYLOAD_SIZE_MAX),
    Kind.DISCONNECT: (0, 0),
}
"""The least and the greatest size of a body."""


class Repeated(Malformed):
    """A packet that came before, or is too old to tell."""


class Window:
    """The sequence numbers that came in a session."""

    def __init__(self) -> None:
        self._newest = -1
        self._seen: set[int] = set()

    def is_open(self, sequence: int) -> bool:
        """Say whether a number is new, and not too old."""
        return sequence not in self._seen and sequence > self._newest - WINDOW

    def note(self, sequence: int) -> None:
        """Take a number for received."""
        self._newest = max(self._newest, sequence)
        self._seen = {n for n in self._seen if n > self._newest - WINDOW} | {sequence}


class Sealer:
    """Writes the packets of one direction, with numbers that count up."""

    def __init__(self, protocol_id: int, key: bytes, sequence: int) -> None:
        self._associated = VERSION + struct.pack("<Q", protocol_id)
        self._cipher = ChaCha20Poly1305(key)
        self._sequence = sequence

    def seal(self, kind: Kind, body: bytes) -> bytes:
        """Write a packet, under the next number."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        size = max(1, (sequence.bit_length() + 7) // 8)
        prefix = bytes([kind | size << 4])
        sealed = self._cipher.encrypt(nonce_of(sequence), body, self._associated + prefix)
        return prefix + sequence.to_bytes(size, "little") + sealed


class Opener:
    """Reads the packets of one direction."""

    def __init__(self, protocol_id: int, key: bytes, kinds: Container[Kind]) -> None:
        self._associated = VERSION + struct.pack("<Q", protocol_id)
        self._cipher = ChaCha20Poly1305(key)
        self._kinds = kinds
        self._window = Window()

    def open(self, datagram: bytes) -> tuple[Kind, bytes]:
        """Read a packet: what it is, and its body.

        Raises:
            Repeated: it came before.
            Malformed: it is to be dropped for another reason.
        """
        require(DATAGRAM_SIZE_MIN <= len(datagram) <= DATAGRAM_SIZE_MAX, "a size of no packet")
        number, size = datagram[0] & 15, datagram[0] >> 4
        require(number <= max(Kind) and number in self._kinds, "a type that is not read here")
        require(1 <= size <= SEQUENCE_SIZE_MAX, "a sequence number of no size")
        require(len(datagram) >= 1 + size + MAC_SIZE, "a packet that is too short")
        kind, sequence = Kind(number), int.from_bytes(datagram[1 : 1 + size], "little")
        is_guarded = kind >= Kind.KEEP_ALIVE
        if is_guarded and not self._window.is_open(sequence):
            raise Repeated("a sequence number that came before")
        try:
            body = self._cipher.decrypt(
                nonce_of(sequence), datagram[1 + size :], self._associated + datagram[:1]
            )
        except InvalidTag as error:
            raise Malformed("does not decrypt") from error
        if is_guarded:
            self._window.note(sequence)
        least, greatest = SIZES[kind]
        require(least <= len(body) <= greatest, "a body of the wrong size")
        return kind, body


def nonce_of(sequence: int) -> bytes:
    """Give the nonce of a sequence number."""
    return bytes(4) + sequence.to_bytes(8, "little")
