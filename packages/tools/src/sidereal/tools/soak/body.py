"""Messages that say who sent them, over which channel and as which one, and nothing by chance.

A body is a label, its checksum, and as much of a fixed random pattern as makes up the size, from a
place the checksum decides. So a flipped bit, a fragment in the wrong place or of another message
and a cut end are all the same: not the body that its label has.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol import limits
from sidereal.protocol.errors import WireError
from sidereal.tools.soak.config import End

_LABEL: Final = struct.Struct("<IIIBB")
_CHECKSUM: Final = struct.Struct("<I")
LABEL_SIZE: Final = _LABEL.size + _CHECKSUM.size
"""Bytes of the shortest body."""
_PLACES: Final = 1 << 16
_PATTERN: Final = np.random.default_rng(1).bytes(limits.MESSAGE_SIZE_MAX + _PLACES)


class Label(NamedTuple):
    """What a message is.

    Attributes:
        session: in which it was sent.
        sender: by which end.
        channel: over which channel.
        number: how many were sent there before.
    """

    session: int
    sender: End
    channel: int
    number: int


def encode_body(label: Label, size: int) -> bytes:
    """Make the body of a message of at least `LABEL_SIZE` bytes."""
    head = _LABEL.pack(label.session, label.number, size, label.sender, label.channel)
    checksum = zlib.crc32(head)
    place = checksum % _PLACES
    return head + _CHECKSUM.pack(checksum) + _PATTERN[place : place + size - LABEL_SIZE]


def decode_body_untrusted(body: bytes) -> Label:
    """Read a body's label.

    Raises:
        WireError: it is not exactly what was sent.
    """
    if len(body) < LABEL_SIZE:
        raise WireError(f"{len(body)} bytes are too few")
    session, number, size, sender, channel = _LABEL.unpack_from(body)
    if size != len(body):
        raise WireError(f"{len(body)} bytes, and it says {size}")
    if sender not in (End.CLIENT, End.SERVER):
        raise WireError(f"sent by end {sender}")
    label = Label(session, End(sender), channel, number)
    if body != encode_body(label, size):
        raise WireError(f"{label} and {size} bytes of something else")
    return label
