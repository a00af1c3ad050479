"""The bytes of a packet: a header, an ack, and messages packed one after the other.

All numbers are little-endian.

    sequence    u16   of this packet, counting up from 0 (restored to 64 bits by the receiver)
    form        u8    128 ACK_WANTED: the receiver owes an ack even if it has nothing to say
                      the rest: how many words of bits the ack has, 1 to 64; 0: there is none,
                      and the next three fields are absent; 65 ALL_CAME: the ack has one word, all
                      bits of it are set, and it is absent
    ack         u16   sequence of the newest packet that came
    ack_delay   u16   how long ago it came, in units of 100 µs, saturating
    ack_bits    u32[words]   bit i of all of them: packet `ack - 1 - i` came, too
    parts, until the payload ends, each with a head of its own:
      an unreliable message      channel u8, size u16
      the same as the last part  channel u8 | 0x40: it goes on until the payload ends
      a run of reliable ones     channel u8, count u8, id u32 of the first, size u16[count]
      a fragment of a reliable   channel u8 | 0x80, size u16, id u32, index u16, count u16
    followed by the bytes of the message, of all messages of the run, or of the fragment. Whether it
    is a message or a run follows from the channel.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from sidereal.protocol import limits
from sidereal.protocol.errors import WireError

ACK_WANTED: Final = 0x80
ALL_CAME: Final = limits.ACK_WORDS_MAX + 1
ACK_DELAY_UNIT_S: Final = 1e-4
_FRAGMENT: Final = 0x80
_LAST: Final = 0x40
_EVERY_BIT: Final = (1 << 32) - 1

_HEADER: Final = struct.Struct("<HB")
_ACK: Final = struct.Struct("<HH")
_SHORT_HEADER: Final = struct.Struct("<HBHH")
"""A header and an ack without bits."""
_UNRELIABLE: Final = struct.Struct("<BH")
_FRAGMENTED: Final = struct.Struct("<BHIHH")
_RUN: Final = struct.Struct("<BBI")
_RUNS: Final = tuple(
    struct.Struct(f"<BBI{count}H") for count in range(limits.MESSAGES_PER_RUN_MAX + 1)
)
"""Heads of runs, by the number of messages."""
_SIZES: Final = tuple(struct.Struct(f"<{count}H") for count in range(len(_RUNS)))

HEADER_SIZE: Final = _HEADER.size
UNRELIABLE_HEAD_SIZE: Final = _UNRELIABLE.size
LAST_HEAD_SIZE: Final = 1
"""Instead, of an unreliable message that is the last part."""
FRAGMENT_HEAD_SIZE: Final = _FRAGMENTED.size
RUN_HEAD_SIZE: Final = _RUN.size
"""To which comes `RUN_MESSAGE_SIZE` for each message."""
RUN_MESSAGE_SIZE: Final = 2

PARTS_SIZE_MAX: Final = (
    limits.PAYLOAD_SIZE_MAX - HEADER_SIZE - _ACK.size - 4 * limits.ACK_WORDS_PACKED_MAX
)
"""Bytes of parts that fit any packet, however wide its ack."""

assert UNRELIABLE_HEAD_SIZE + limits.UNRELIABLE_SIZE_MAX <= PARTS_SIZE_MAX
assert FRAGMENT_HEAD_SIZE + limits.FRAGMENT_SIZE <= PARTS_SIZE_MAX
assert RUN_HEAD_SIZE + RUN_MESSAGE_SIZE + limits.FRAGMENT_SIZE <= PARTS_SIZE_MAX
assert HEADER_SIZE + _ACK.size + 4 * limits.ACK_WORDS_MAX <= limits.PAYLOAD_SIZE_MAX
assert ALL_CAME < ACK_WANTED
assert limits.CHANNELS_MAX <= _LAST


class Part(msgspec.Struct, frozen=True, gc=False):
    """Messages that travel as one: an unreliable one, a run of reliable ones, or a fragment."""

    channel: int
    message_id: int
    """Modulo 2**32, of the first; 0 for an unreliable message."""
    fragment: int
    fragments: int
    """How many the message has; 1 if this is no fragment."""
    bodies: list[bytes]
    """Of each message; of the fragment."""


class Packet(msgspec.Struct, frozen=True, gc=False):
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
    head = _ACK.pack(ack & 0xFFFF, units)
    return head if words == 1 and kept == _EVERY_BIT else head + kept.to_bytes(4 * words, "little")


def encode_header(sequence: int, ack_wanted: bool, ack: bytes) -> bytes:
    """Encode a header around an ack made by `encode_ack` (empty: nothing came yet)."""
    words = (len(ack) - _ACK.size) // 4 or ALL_CAME if ack else 0
    return _HEADER.pack(sequence & 0xFFFF, words | ACK_WANTED if ack_wanted else words) + ack


def encode_unreliable_head(channel: int, size: int) -> bytes:
    """Encode what precedes an unreliable message."""
    return _UNRELIABLE.pack(channel, size)


def leave_out_size(chunks: list[bytes]) -> int:
    """Leave out the size of an unreliable message with which a payload ends.

    Mutates:
        chunks: of the payload, the last two are the head and the message.

    Returns:
        How many bytes that spares.
    """
    chunks[-2] = bytes((chunks[-2][0] | _LAST,))
    return UNRELIABLE_HEAD_SIZE - LAST_HEAD_SIZE


def encode_run(channel: int, message_id: int, bodies: Sequence[bytes]) -> bytes:
    """Encode whole reliable messages with successive ids.

    Args:
        channel: their channel.
        message_id: of the first.
        bodies: 1 to `MESSAGES_PER_RUN_MAX`, each of at most `FRAGMENT_SIZE` bytes.
    """
    count = len(bodies)
    head = _RUNS[count].pack(channel, count, message_id & 0xFFFF_FFFF, *map(len, bodies))
    return head + b"".join(bodies)


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
    ack, delay, bits = -1, 0, 0
    words = payload[2] & ~ACK_WANTED
    if words == ALL_CAME and size >= _SHORT_HEADER.size:
        # Nearly all of them.
        sequence, form, ack, delay = _SHORT_HEADER.unpack_from(payload)
        at, bits = _SHORT_HEADER.size, _EVERY_BIT
    else:
        sequence, form = _HEADER.unpack_from(payload)
        at = HEADER_SIZE
        if words:
            at += _ACK.size + 4 * words
            if words > limits.ACK_WORDS_MAX or at > size:
                raise WireError(f"{words} ack words in a packet of {size} bytes")
            ack, delay = _ACK.unpack_from(payload, HEADER_SIZE)
            bits = int.from_bytes(payload[HEADER_SIZE + _ACK.size : at], "little")
    parts: list[Part] = []
    try:
        while at < size:
            channel = payload[at]
            if channel & _FRAGMENT:
                at = _decode_fragment(payload, at, reliable, parts)
            elif channel & _LAST:
                at = _decode_last(payload, at, reliable, parts)
            elif reliable[channel]:
                at = _decode_run(payload, at, parts)
            else:
                _, body_size = _UNRELIABLE.unpack_from(payload, at)
                if body_size > limits.UNRELIABLE_SIZE_MAX:
                    raise WireError(f"unreliable message of {body_size} bytes")
                end = at + UNRELIABLE_HEAD_SIZE + body_size
                parts.append(Part(channel, 0, 0, 1, [payload[at + UNRELIABLE_HEAD_SIZE : end]]))
                at = end
    except IndexError:
        raise WireError("there is no such channel") from None
    except struct.error:
        raise WireError("the payload ends inside the head of a part") from None
    if at > size:
        raise WireError("the payload ends inside a message")
    return Packet(sequence, form >= ACK_WANTED, ack, delay * ACK_DELAY_UNIT_S, bits, parts)


def _decode_last(payload: bytes, at: int, reliable: Sequence[bool], parts: list[Part]) -> int:
    channel, size = payload[at] & ~_LAST, len(payload) - at - LAST_HEAD_SIZE
    if reliable[channel]:
        raise WireError(f"a message without a size on reliable channel {channel}")
    if size > limits.UNRELIABLE_SIZE_MAX:
        raise WireError(f"unreliable message of {size} bytes")
    parts.append(Part(channel, 0, 0, 1, [payload[at + LAST_HEAD_SIZE :]]))
    return len(payload)


def _decode_run(payload: bytes, at: int, parts: list[Part]) -> int:
    channel, count, message_id = _RUN.unpack_from(payload, at)
    if not 1 <= count <= limits.MESSAGES_PER_RUN_MAX:
        raise WireError(f"a run of {count} messages")
    at += RUN_HEAD_SIZE
    sizes = _SIZES[count].unpack_from(payload, at)
    if max(sizes) > limits.FRAGMENT_SIZE:
        raise WireError(f"{max(sizes)} bytes that should have come as fragments")
    at += RUN_MESSAGE_SIZE * count
    bodies = []
    # 0.1 µs per message.
    for size in sizes:
        bodies.append(payload[at : at + size])
        at += size
    parts.append(Part(channel, message_id, 0, 1, bodies))
    return at


def _decode_fragment(payload: bytes, at: int, reliable: Sequence[bool], parts: list[Part]) -> int:
    head, size, message_id, index, count = _FRAGMENTED.unpack_from(payload, at)
    channel = head & ~_FRAGMENT
    if not reliable[channel]:
        raise WireError(f"a fragment on unreliable channel {channel}")
    if not 2 <= count <= limits.FRAGMENTS_MAX or index >= count:
        raise WireError(f"fragment {index} of {count}")
    if size != limits.FRAGMENT_SIZE and not (
        index == count - 1 and 0 < size < limits.FRAGMENT_SIZE
    ):
        raise WireError(f"fragment {index} of {count} with {size} bytes")
    at += FRAGMENT_HEAD_SIZE
    end: int = at + size
    parts.append(Part(channel, message_id, index, count, [payload[at:end]]))
    return end
