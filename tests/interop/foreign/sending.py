"""What goes over the channels of a link, and again what was not acked."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from .octets import nearest
from .packets import (
    RUN_MAX,
    UNRELIABLE_SIZE_MAX,
    WHOLE_SIZE_MAX,
    Ack,
    Channel,
    Fragment,
    Packet,
    Part,
    Run,
    Unreliable,
    write_packet,
    write_part,
)
from .receiving import AHEAD_MAX, DELAY_UNIT_S, OVERHEAD, Violation
from .sealed import PAYLOAD_SIZE_MAX

ID_MASK: Final = (1 << 32) - 1
FLIGHT_MAX: Final = 32
"""Packets with reliable messages that may be under way at once."""
LATER_ACKS: Final = 3
"""A packet is given up when so many later ones were acked."""
UNWANTED_MAX: Final = 15
GAP_MIN: Final = 2
GAP_MAX: Final = 257
TIME_OUT_MIN_S: Final = 0.1
TIME_OUT_MAX_S: Final = 2.0
TIME_OUT_FIRST_S: Final = 0.5


class Overflow(Exception):
    """A reliable channel's memory is full: the session ends (close reason 6)."""


class RoundTrip:
    """How long an ack takes, after RFC 6298."""

    def __init__(self) -> None:
        self._smoothed: float | None = None
        self._deviation = 0.0

    @property
    def time_out_s(self) -> float:
        """How long to wait for an ack."""
        if self._smoothed is None:
            return TIME_OUT_FIRST_S
        wait_s = self._smoothed + 4 * self._deviation
        return min(max(wait_s, TIME_OUT_MIN_S), TIME_OUT_MAX_S)

    def take(self, sample_s: float) -> None:
        """Take one measurement."""
        if self._smoothed is None:
            self._smoothed, self._deviation = sample_s, sample_s / 2
        else:
            self._deviation += (abs(sample_s - self._smoothed) - self._deviation) / 4
            self._smoothed += (sample_s - self._smoothed) / 8


@dataclass(slots=True)
class Message:
    """A reliable message that is not acked: its pieces, and which of these are."""

    channel: int
    number: int
    pieces: tuple[bytes, ...]
    acked: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        """What it counts against the memory of its channel."""
        return OVERHEAD + sum(map(len, self.pieces))

    @property
    def is_acked(self) -> bool:
        """Whether the other end has all of it."""
        return len(self.acked) == len(self.pieces)


Piece = tuple[Message, int]
"""A message, and the index of one of its pieces."""


@dataclass(slots=True)
class Sent:
    """A packet under way."""

    at: float
    pieces: list[Piece]


class Outbound:
    """What goes over a link.

    Attributes:
        unsent_acks: acks of packets that were never sent, which were ignored.
    """

    def __init__(self, channels: Sequence[Channel], seed: int = 0) -> None:
        self.unsent_acks = 0
        self._channels = tuple(channels)
        self._rng = random.Random(seed)
        self._next = 0
        self._gap_at = self._rng.randint(GAP_MIN, GAP_MAX)
        self._left_out: set[int] = set()
        self._under_way: dict[int, Sent] = {}
        self._unreliable: deque[Unreliable] = deque()
        self._pieces: deque[Piece] = deque()
        self._unacked: dict[int, deque[Message]] = {
            at: deque() for at, channel in enumerate(channels) if channel.guarantee.is_reliable
        }
        self._ids = dict.fromkeys(self._unacked, 0)
        self._round_trip = RoundTrip()
        self._unwanted = 0

    @property
    def is_idle(self) -> bool:
        """Whether everything was sent, and what is reliable was acked."""
        return not self._unreliable and not any(self._unacked.values())

    def say(self, channel: int, body: bytes) -> None:
        """Queue a message.

        Raises:
            Overflow: its channel's memory is full.
        """
        memory = self._channels[channel].memory
        assert len(body) + OVERHEAD <= memory
        unacked = self._unacked.get(channel)
        if unacked is None:
            assert len(body) <= UNRELIABLE_SIZE_MAX
            self._unreliable.append(Unreliable(channel, body))
            return
        starts = range(0, max(1, len(body)), WHOLE_SIZE_MAX)
        pieces = tuple(body[at : at + WHOLE_SIZE_MAX] for at in starts)
        message = Message(channel, self._ids[channel], pieces)
        if sum(other.size for other in unacked) + message.size > memory:
            raise Overflow(self._channels[channel].name)
        self._ids[channel] += 1
        unacked.append(message)
        self._pieces.extend((message, index) for index in range(len(pieces)))

    def take_ack(self, ack: Ack, now: float) -> None:
        """Take what the other end says has come.

        Raises:
            Violation: it acks what it cannot have received.
        """
        newest = nearest(ack.newest, 16, self._next - 1)
        if not 0 <= newest < self._next:
            self.unsent_acks += 1
            return
        behind = [newest - 1 - bit for bit in range(32 * ack.words) if ack.bits >> bit & 1]
        numbers = {newest, *(number for number in behind if number >= 0)}
        if numbers & self._left_out:
            raise Violation("an ack of a packet that was left out")
        if newest in self._under_way:
            waited_s = now - self._under_way[newest].at
            self._round_trip.take(max(0.0, waited_s - ack.delay * DELAY_UNIT_S))
        for number in numbers & self._under_way.keys():
            for message, index in self._under_way.pop(number).pieces:
                message.acked.add(index)
        for unacked in self._unacked.values():
            while unacked and unacked[0].is_acked:
                unacked.popleft()
        self._give_up_overtaken(numbers)

    def empty(self, ack: Ack, now: float) -> Iterator[bytes]:
        """Give a payload with an ack and without messages."""
        yield self._write(ack, [], [], now)

    def packets(self, ack: Ack | None, now: float, must_ack: bool) -> Iterator[bytes]:
        """Give the payloads that are to be sent now, each with an ack."""
        self._give_up_old(now)
        while True:
            parts, pieces = self._fill(ack)
            if not parts and not must_ack:
                return
            must_ack = False
            yield self._write(ack, parts, pieces, now)

    def _write(self, ack: Ack | None, parts: list[Part], pieces: list[Piece], now: float) -> bytes:
        if self._next == self._gap_at:
            self._left_out = {n for n in self._left_out if n > self._next - 4096} | {self._next}
            self._next += 1
            self._gap_at += self._rng.randint(GAP_MIN, GAP_MAX)
        number, self._next = self._next, self._next + 1
        wants = bool(pieces) or self._unwanted >= UNWANTED_MAX
        self._unwanted = 0 if wants else self._unwanted + 1
        if wants:
            self._under_way[number] = Sent(now, pieces)
        return write_packet(Packet(number & 0xFFFF, wants, ack, tuple(parts)))

    def _fill(self, ack: Ack | None) -> tuple[list[Part], list[Piece]]:
        """Choose what goes into the next packet."""
        room = PAYLOAD_SIZE_MAX - (3 if ack is None else 7 + 4 * ack.words)
        parts: list[Part] = []
        pieces: list[Piece] = []
        busy = sum(1 for sent in self._under_way.values() if sent.pieces)
        while self._pieces and busy < FLIGHT_MAX:
            message, index = self._pieces[0]
            if index in message.acked:
                self._pieces.popleft()
                continue
            oldest = self._unacked[message.channel][0].number
            part = part_of(message, index)
            if message.number >= oldest + AHEAD_MAX or len(write_part(part)) > room:
                break
            room -= len(write_part(part))
            pieces.append(self._pieces.popleft())
            parts.append(part)
        while self._unreliable and len(write_part(self._unreliable[0])) <= room:
            part = self._unreliable.popleft()
            room -= len(write_part(part))
            parts.append(part)
        return joined(parts), pieces

    def _give_up_overtaken(self, acked: set[int]) -> None:
        for number in sorted(self._under_way):
            if sum(1 for other in acked if other > number) < LATER_ACKS:
                return
            self._again(number)

    def _give_up_old(self, now: float) -> None:
        limit_s = self._round_trip.time_out_s
        for number, sent in list(self._under_way.items()):
            if now - sent.at >= limit_s:
                self._again(number)

    def _again(self, number: int) -> None:
        pieces = self._under_way.pop(number).pieces
        self._pieces.extendleft(piece for piece in reversed(pieces))


def part_of(message: Message, index: int) -> Run | Fragment:
    """Make a part of a piece of a message."""
    number, count = message.number & ID_MASK, len(message.pieces)
    if count == 1:
        return Run(message.channel, number, message.pieces)
    return Fragment(message.channel, number, index, count, message.pieces[index])


def joined(parts: list[Part]) -> list[Part]:
    """Join runs of successive messages."""
    result: list[Part] = []
    for part in parts:
        last = result[-1] if result else None
        if (
            isinstance(part, Run)
            and isinstance(last, Run)
            and last.channel == part.channel
            and part.first == last.first + len(last.messages) & ID_MASK
            and len(last.messages) < RUN_MAX
        ):
            result[-1] = last._replace(messages=last.messages + part.messages)
        else:
            result.append(part)
    return result
