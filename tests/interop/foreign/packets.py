"""Packets: header, ack, parts. PROTOCOL.md, "Channels" and "Packet"."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from .octets import Malformed, Octets

WANTS_ACK: Final = 128
ACK_WORDS_MAX: Final = 64
ALL_CAME: Final = 65
EVERY_BIT: Final = (1 << 32) - 1
FRAGMENT: Final = 128
LAST: Final = 64
UNRELIABLE_SIZE_MAX: Final = 1150
FRAGMENT_SIZE: Final = 1024
FRAGMENT_COUNT_MAX: Final = 1024
ID_SPAN: Final = 1 << 32


class Guarantee(Enum):
    """How a message arrives."""

    UNRELIABLE = auto()
    SEQUENCED = auto()
    UNORDERED = auto()
    ORDERED = auto()

    @property
    def is_reliable(self) -> bool:
        """Whether every message arrives."""
        return self in (Guarantee.UNORDERED, Guarantee.ORDERED)


@dataclass(frozen=True)
class Channel:
    """What both ends know about a channel."""

    name: str
    guarantee: Guarantee
    memory_size: int


KIB: Final = 1024
CLIENT_LINK: Final = (
    Channel("snapshot", Guarantee.UNRELIABLE, 512 * KIB),
    Channel("controls", Guarantee.SEQUENCED, 16 * KIB),
    Channel("command", Guarantee.ORDERED, 512 * KIB),
    Channel("leases", Guarantee.SEQUENCED, 16 * KIB),
)
SHARD_LINK: Final = (
    Channel("proposal", Guarantee.UNRELIABLE, 4 * KIB * KIB),
    Channel("ghost", Guarantee.UNRELIABLE, 4 * KIB * KIB),
    Channel("beat", Guarantee.SEQUENCED, 64 * KIB),
    Channel("controls", Guarantee.UNRELIABLE, KIB * KIB),
    Channel("lease", Guarantee.ORDERED, 16 * KIB * KIB),
)


@dataclass(frozen=True)
class Ack:
    """What the other end says has come to it. Bit i of `bits`: packet `newest - 1 - i` did."""

    newest: int
    delay: int
    words: int
    bits: int


@dataclass(frozen=True)
class Unreliable:
    """A message of an unreliable channel."""

    channel: int
    message: bytes


@dataclass(frozen=True)
class Run:
    """Whole messages of a reliable channel, with successive ids."""

    channel: int
    first: int
    messages: tuple[bytes, ...]


@dataclass(frozen=True)
class Fragment:
    """A piece of a message of a reliable channel."""

    channel: int
    id: int
    index: int
    count: int
    piece: bytes


Part = Unreliable | Run | Fragment


@dataclass(frozen=True)
class Packet:
    """A payload, decoded."""

    sequence: int
    wants_ack: bool
    ack: Ack | None
    parts: tuple[Part, ...]


def read_packet(payload: bytes, channels: tuple[Channel, ...]) -> Packet:
    """Read the payload of a session."""
    octets = Octets(payload)
    sequence, form = octets.unpack("HB")
    words = form & ~WANTS_ACK
    if words > ALL_CAME:
        raise Malformed(f"{words} ack words")
    ack = None
    if words == ALL_CAME:
        ack = Ack(*octets.unpack("HH"), 1, EVERY_BIT)
    elif words:
        newest, delay = octets.unpack("HH")
        ack = Ack(newest, delay, words, int.from_bytes(octets.take(4 * words), "little"))
    parts: list[Part] = []
    while octets.left:
        parts.append(_read_part(octets, channels))
    return Packet(sequence, bool(form & WANTS_ACK), ack, tuple(parts))


def _read_part(octets: Octets, channels: tuple[Channel, ...]) -> Part:
    first = octets.number("B")
    number = first & ~(FRAGMENT | LAST)
    if number >= len(channels):
        raise Malformed(f"channel {number}")
    is_reliable = channels[number].guarantee.is_reliable
    if first & FRAGMENT:
        if first & LAST or not is_reliable:
            raise Malformed("a fragment on an unreliable channel")
        return _read_fragment(octets, number)
    if is_reliable:
        if first & LAST:
            raise Malformed("a run without sizes")
        return _read_run(octets, number)
    size = octets.left if first & LAST else octets.number("H")
    if size > UNRELIABLE_SIZE_MAX:
        raise Malformed(f"an unreliable message of {size} bytes")
    return Unreliable(number, octets.take(size))


def _read_run(octets: Octets, channel: int) -> Run:
    count, first = octets.unpack("BI")
    if count == 0:
        raise Malformed("a run of none")
    sizes = octets.unpack(f"{count}H")
    if max(sizes) > FRAGMENT_SIZE:
        raise Malformed(f"a whole message of {max(sizes)} bytes")
    return Run(channel, first, tuple(octets.take(size) for size in sizes))


def _read_fragment(octets: Octets, channel: int) -> Fragment:
    size, number, index, count = octets.unpack("HIHH")
    if not 2 <= count <= FRAGMENT_COUNT_MAX or index >= count:
        raise Malformed(f"fragment {index} of {count}")
    is_last = index == count - 1
    if not (1 <= size <= FRAGMENT_SIZE if is_last else size == FRAGMENT_SIZE):
        raise Malformed(f"fragment {index} of {count} with {size} bytes")
    return Fragment(channel, number, index, count, octets.take(size))


def write_packet(packet: Packet) -> bytes:
    """Write a payload."""
    ack = packet.ack
    is_all = ack is not None and ack.words == 1 and ack.bits == EVERY_BIT
    words = ALL_CAME if is_all else ack.words if ack else 0
    form = WANTS_ACK * packet.wants_ack + words
    written = struct.pack("<HB", packet.sequence & 0xFFFF, form)
    if ack is not None:
        written += struct.pack("<HH", ack.newest & 0xFFFF, ack.delay)
    if ack is not None and not is_all:
        written += ack.bits.to_bytes(4 * ack.words, "little")
    *others, last = packet.parts or (None,)
    written += b"".join(write_part(part) for part in others)
    return written if last is None else written + write_part(last, is_last=True)


def write_part(part: Part, *, is_last: bool = False) -> bytes:
    """Write one part of a payload."""
    match part:
        case Unreliable(channel, message) if is_last:
            return bytes([channel | LAST]) + message
        case Unreliable(channel, message):
            return struct.pack("<BH", channel, len(message)) + message
        case Run(channel, first, messages):
            head = struct.pack("<BBI", channel, len(messages), first % ID_SPAN)
            sizes = struct.pack(f"<{len(messages)}H", *map(len, messages))
            return head + sizes + b"".join(messages)
        case Fragment(channel, number, index, count, piece):
            head = struct.pack(
                "<BHIHH", channel | FRAGMENT, len(piece), number % ID_SPAN, index, count
            )
            return head + piece


def nearest(low: int, bits: int, near: int) -> int:
    """Give the number with these low bits that is nearest to another."""
    span = 1 << bits
    return near + (low - near + span // 2) % span - span // 2


def cut(message: bytes) -> Iterable[bytes]:
    """Cut a message into the pieces of its fragments."""
    return (message[at : at + FRAGMENT_SIZE] for at in range(0, len(message), FRAGMENT_SIZE))
