"""The packets that channels are made of: read and written."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from .octets import Malformed, Octets, require

UNRELIABLE_SIZE_MAX: Final = 1150
WHOLE_SIZE_MAX: Final = 1024
"""Of a reliable message that is not in fragments, and of a fragment."""
FRAGMENTS_MAX: Final = 1024
RUN_MAX: Final = 255
WORDS_MAX: Final = 64
ALL_CAME: Final = 65
"""In place of the number of words: one, of which all bits are set."""
WANTS_ACK: Final = 128
FRAGMENT: Final = 128
LAST: Final = 64
WORD: Final = (1 << 32) - 1


class Guarantee(Enum):
    """What a channel promises."""

    UNRELIABLE = 0
    SEQUENCED = 1
    UNORDERED = 2
    ORDERED = 3

    @property
    def is_reliable(self) -> bool:
        """Whether each message comes exactly once."""
        return self in (Guarantee.UNORDERED, Guarantee.ORDERED)


class Channel(NamedTuple):
    """A channel of a link; its memory in bytes."""

    name: str
    guarantee: Guarantee
    memory: int


CLIENT_CHANNELS: Final = (
    Channel("snapshot", Guarantee.UNRELIABLE, 512 << 10),
    Channel("inputs", Guarantee.SEQUENCED, 16 << 10),
    Channel("command", Guarantee.ORDERED, 512 << 10),
    Channel("leases", Guarantee.SEQUENCED, 16 << 10),
)
SHARD_CHANNELS: Final = (
    Channel("proposal", Guarantee.UNRELIABLE, 4 << 20),
    Channel("ghost", Guarantee.UNRELIABLE, 4 << 20),
    Channel("beat", Guarantee.SEQUENCED, 64 << 10),
    Channel("inputs", Guarantee.UNRELIABLE, 1 << 20),
    Channel("lease", Guarantee.ORDERED, 16 << 20),
)


class Ack(NamedTuple):
    """What came: the newest packet, and bit i for the packet `newest - 1 - i`.

    The delay is in units of 100 µs; bits are those of so many words of 32.
    """

    newest: int
    delay: int
    words: int
    bits: int


class Unreliable(NamedTuple):
    """An unreliable message."""

    channel: int
    message: bytes


class Run(NamedTuple):
    """Whole reliable messages with successive ids; the first id is the low 32 bits."""

    channel: int
    first: int
    messages: tuple[bytes, ...]


class Fragment(NamedTuple):
    """A piece of a reliable message."""

    channel: int
    number: int
    index: int
    count: int
    piece: bytes


Part: TypeAlias = Unreliable | Run | Fragment


class Packet(NamedTuple):
    """A packet; of its number the low 16 bits."""

    sequence: int
    wants_ack: bool
    ack: Ack | None
    parts: tuple[Part, ...]


def read_packet(payload: bytes, channels: Sequence[Channel]) -> Packet:
    """Read a packet.

    Raises:
        Malformed: it must not have any effect.
    """
    octets = Octets(payload)
    sequence, form = octets.unpack("HB")
    ack = _read_ack(octets, form & ~WANTS_ACK)
    parts: list[Part] = []
    while octets.left:
        parts.append(_read_part(octets, channels))
    return Packet(sequence, bool(form & WANTS_ACK), ack, tuple(parts))


def write_packet(packet: Packet) -> bytes:
    """Write a packet; its last part goes without a size, if it is unreliable."""
    wanted = WANTS_ACK if packet.wants_ack else 0
    head = _write_ack(packet.ack, wanted)
    last = len(packet.parts) - 1
    bodies = [write_part(part, at == last) for at, part in enumerate(packet.parts)]
    return struct.pack("<H", packet.sequence) + head + b"".join(bodies)


def write_part(part: Part, is_last: bool = False) -> bytes:
    """Write a part of a packet."""
    match part:
        case Unreliable(channel, message) if is_last:
            return bytes([channel | LAST]) + message
        case Unreliable(channel, message):
            return struct.pack("<BH", channel, len(message)) + message
        case Run(channel, first, messages):
            count = len(messages)
            head = struct.pack("<BBI", channel, count, first)
            return head + struct.pack(f"<{count}H", *map(len, messages)) + b"".join(messages)
        case Fragment(channel, number, index, count, piece):
            fields = channel | FRAGMENT, len(piece), number, index, count
            return struct.pack("<BHIHH", *fields) + piece


def _read_ack(octets: Octets, form: int) -> Ack | None:
    require(form <= ALL_CAME, "an ack of too many words")
    if form == 0:
        return None
    newest, delay = octets.unpack("HH")
    if form == ALL_CAME:
        return Ack(newest, delay, 1, WORD)
    return Ack(newest, delay, form, int.from_bytes(octets.take(4 * form), "little"))


def _write_ack(ack: Ack | None, wanted: int) -> bytes:
    if ack is None:
        return bytes([wanted])
    if (ack.words, ack.bits) == (1, WORD):
        return struct.pack("<BHH", ALL_CAME | wanted, ack.newest, ack.delay)
    words = ack.bits.to_bytes(4 * ack.words, "little")
    return struct.pack("<BHH", ack.words | wanted, ack.newest, ack.delay) + words


def _read_part(octets: Octets, channels: Sequence[Channel]) -> Part:
    first = octets.number("B")
    channel, is_fragment, is_last = first & 63, bool(first & FRAGMENT), bool(first & LAST)
    require(channel < len(channels), "a channel that does not exist")
    if not channels[channel].guarantee.is_reliable:
        require(not is_fragment, "a fragment on an unreliable channel")
        return _read_unreliable(octets, channel, is_last)
    require(not is_last, "a reliable part that is marked as the last")
    return _read_fragment(octets, channel) if is_fragment else _read_run(octets, channel)


def _read_unreliable(octets: Octets, channel: int, is_last: bool) -> Unreliable:
    message = octets.rest() if is_last else octets.take(octets.number("H"))
    require(len(message) <= UNRELIABLE_SIZE_MAX, "an unreliable message that is too long")
    return Unreliable(channel, message)


def _read_run(octets: Octets, channel: int) -> Run:
    count, first = octets.unpack("BI")
    require(count > 0, "a run of none")
    sizes = octets.unpack(f"{count}H")
    require(max(sizes) <= WHOLE_SIZE_MAX, "a whole message that is too long")
    return Run(channel, first, tuple(octets.take(size) for size in sizes))


def _read_fragment(octets: Octets, channel: int) -> Fragment:
    size, number, index, count = octets.unpack("HIHH")
    require(2 <= count <= FRAGMENTS_MAX and index < count, "a fragment of no message")
    fits = 1 <= size <= WHOLE_SIZE_MAX if index == count - 1 else size == WHOLE_SIZE_MAX
    if not fits:
        raise Malformed("a fragment of the wrong size")
    return Fragment(channel, number, index, count, octets.take(size))
