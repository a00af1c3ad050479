"""The bytes of a packet: a header, an ack, and messages packed one after the other.

All numbers are little-endian.

    sequence    u16   of this packet, counting up from 0 (restored to 64 bits by the receiver)
    flags       u8    1 ACK_WANTED: the receiver owes an ack even if it has nothing to say
    ack_words   u8    0 (no packet came yet: the next three fields are absent) to 64
    ack         u16   sequence of the newest packet that came
    ack_delay   u16   how long ago it came, in units of 100 µs, saturating
    ack_bits    u32[ack_words]   bit i of all of them: packet `ack - 1 - i` came, too
    messages, until the payload ends, each with a head of its own:
      unreliable          channel u8, size u16
      reliable            channel u8, size u16, message id u32
      reliable, fragment  channel u8 | 0x80, size u16, message id u32, index u16, count u16
    followed by `size` bytes. Which of the first two applies follows from the channel.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from sidereal.protocol import limits
from sidereal.protocol.errors import WireError

ACK_WANTED: Final = 1
ACK_DELAY_UNIT_S: Final = 1e-4
_FRAGMENT: Final = 0x80

_HEADER: Final = struct.Struct("<HBB")
_ACK: Final = struct.Struct("<HH")
_UNRELIABLE: Final = struct.Struct("<BH")
_RELIABLE: Final = struct.Struct("<BHI")
_FRAGMENTED: Final = struct.Struct("<BHIHH")

UNRELIABLE_HEAD_SIZE: Final = _UNRELIABLE.size
RELIABLE_HEAD_SIZE: Final = _RELIABLE.size
FRAGMENT_HEAD_SIZE: Final = _FRAGMENTED.size
HEADER_SIZE: Final = _HEADER.size

_PACKED_HEADER_SIZE: Final = HEADER_SIZE + _ACK.size + 4 * limits.ACK_WORDS_PACKED_MAX
assert (
    _PACKED_HEADER_SIZE + UNRELIABLE_HEAD_SIZE + limits.UNRELIABLE_SIZE_MAX
    <= limits.PAYLOAD_SIZE_MAX
)
assert _PACKED_HEADER_SIZE + FRAGMENT_HEAD_SIZE + limits.FRAGMENT_SIZE <= limits.PAYLOAD_SIZE_MAX
assert HEADER_SIZE + _ACK.size + 4 * limits.ACK_WORDS_MAX <= limits.PAYLOAD_SIZE_MAX


class Part(NamedTuple):
    """A message, or a fragment of one, as it travels in a packet."""

    channel: int
    message_id: int
    """Modulo 2**32; 0 for an unreliable message."""
    fragment: int
    fragments: int
    """How many the message has; 1 if this is all of it."""
    body: bytes


class Packet(NamedTuple):
    """A decoded packet."""

    sequence: int
    """Modulo 2**16, as `ack`."""
    ack_wanted: bool
    ack: int
    """-1 if the sender had received nothing yet."""
    ack_delay_s: float
    ack_bits: int
    parts: list[Part]


def encode_ack(ack: int, delay_s: float, bits: int, words: int) -> bytes:
    """Encode the part of the header that is the same for all packets sent at once.

    Args:
        ack: sequence of the newest packet that came.
        delay_s: how long ago that was.
        bits: bit i says whether packet `ack - 1 - i` came.
        words: how many 32-bit words of them to encode.
    """
    units = min(0xFFFF, max(0, int(delay_s / ACK_DELAY_UNIT_S)))
    kept = bits & ((1 << 32 * words) - 1)
    return _ACK.pack(ack & 0xFFFF, units) + kept.to_bytes(4 * words, "little")


def encode_header(sequence: int, ack_wanted: bool, ack: bytes) -> bytes:
    """Encode a header around an ack made by `encode_ack` (empty: nothing came yet)."""
    words = (len(ack) - _ACK.size) // 4 if ack else 0
    return _HEADER.pack(sequence & 0xFFFF, ACK_WANTED if ack_wanted else 0, words) + ack


def encode_unreliable_head(channel: int, size: int) -> bytes:
    """Encode what precedes an unreliable message."""
    return _UNRELIABLE.pack(channel, size)


def encode_reliable_head(channel: int, size: int, message_id: int) -> bytes:
    """Encode what precedes a whole reliable message."""
    return _RELIABLE.pack(channel, size, message_id & 0xFFFF_FFFF)


def encode_fragment_head(channel: int, size: int, message_id: int, index: int, count: int) -> bytes:
    """Encode what precedes a fragment of a reliable message."""
    return _FRAGMENTED.pack(channel | _FRAGMENT, size, message_id & 0xFFFF_FFFF, index, count)


def decode_packet_untrusted(payload: bytes, reliable: Sequence[bool]) -> Packet:
    """Decode a packet.

    Args:
        payload: what the session delivered.
        reliable: for each channel, whether it is.

    Raises:
        WireError: not a packet of these channels.
    """
    size = len(payload)
    if not HEADER_SIZE <= size <= limits.PAYLOAD_SIZE_MAX:
        raise WireError(f"packet of {size} bytes")
    sequence, flags, words = _HEADER.unpack_from(payload)
    if flags > ACK_WANTED:
        raise WireError(f"packet flags {flags:#x}")
    at = HEADER_SIZE
    ack, delay, bits = -1, 0, 0
    if words:
        end = at + _ACK.size + 4 * words
        if words > limits.ACK_WORDS_MAX or end > size:
            raise WireError(f"{words} ack words in a packet of {size} bytes")
        ack, delay = _ACK.unpack_from(payload, at)
        bits = int.from_bytes(payload[at + _ACK.size : end], "little")
        at = end
    parts: list[Part] = []
    while at < size:
        at = _decode_part(payload, at, reliable, parts)
    if flags and not parts:
        raise WireError("an ack is wanted of a packet without messages")
    return Packet(sequence, flags != 0, ack, delay * ACK_DELAY_UNIT_S, bits, parts)


def _decode_part(payload: bytes, at: int, reliable: Sequence[bool], parts: list[Part]) -> int:
    """Decode one message into `parts` and return where the next one begins."""
    channel = payload[at]
    size: int
    index, count, message_id = 0, 1, 0
    try:
        if channel & _FRAGMENT:
            channel &= ~_FRAGMENT
            if not reliable[channel]:
                raise WireError(f"a fragment on unreliable channel {channel}")
            _, size, message_id, index, count = _FRAGMENTED.unpack_from(payload, at)
            body_at = at + FRAGMENT_HEAD_SIZE
            _check_fragment(size, index, count)
        elif reliable[channel]:
            _, size, message_id = _RELIABLE.unpack_from(payload, at)
            body_at = at + RELIABLE_HEAD_SIZE
            if size > limits.FRAGMENT_SIZE:
                raise WireError(f"{size} bytes that should have come as fragments")
        else:
            _, size = _UNRELIABLE.unpack_from(payload, at)
            body_at = at + UNRELIABLE_HEAD_SIZE
            if size > limits.UNRELIABLE_SIZE_MAX:
                raise WireError(f"unreliable message of {size} bytes")
    except IndexError:
        raise WireError(f"there is no channel {channel}") from None
    except struct.error:
        raise WireError("the payload ends inside a message head") from None
    end = body_at + size
    if end > len(payload):
        raise WireError("the payload ends inside a message")
    parts.append(Part(channel, message_id, index, count, payload[body_at:end]))
    return end


def _check_fragment(size: int, index: int, count: int) -> None:
    """Check that a fragment's numbers go together.

    Raises:
        WireError: they do not.
    """
    if not 2 <= count <= limits.FRAGMENTS_MAX or index >= count:
        raise WireError(f"fragment {index} of {count}")
    if size != limits.FRAGMENT_SIZE and not (
        index == count - 1 and 0 < size < limits.FRAGMENT_SIZE
    ):
        raise WireError(f"fragment {index} of {count} with {size} bytes")
