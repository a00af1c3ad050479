"""Messages out of parts. PROTOCOL.md, "Sequence and ack" and "Limits that both ends keep"."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .octets import Malformed
from .packets import (
    ACK_WORDS_MAX,
    Ack,
    Channel,
    Fragment,
    Guarantee,
    Packet,
    Part,
    Run,
    Unreliable,
    nearest,
    read_packet,
)

HISTORY: Final = 2048
ID_WINDOW: Final = 4096
MESSAGE_OVERHEAD: Final = 128
MALFORMED_MAX: Final = 16
ACK_WITHIN_S: Final = 0.02
DELAY_UNIT_S: Final = 100e-6


class Violation(Exception):
    """The other end breaks the rules: the session ends."""


class Message(NamedTuple):
    """A message that arrived."""

    channel: int
    body: bytes


class Arrivals:
    """The sequences of the packets that came, and what is to be said about them."""

    def __init__(self) -> None:
        self.newest = -1
        self.newest_at = 0.0
        self.owed_since: float | None = None
        self._seen: set[int] = set()
        self._came: list[list[int]] = [[], [], []]
        # What came since acks were last sent, between that and the time before, and before that.

    def restore(self, low: int) -> int:
        """Give the whole sequence of a packet, of which it tells the low 16 bits."""
        return nearest(low, 16, self.newest)

    def has(self, sequence: int) -> bool:
        """Whether a packet came, of those that an ack can speak of."""
        return sequence in self._seen

    def take(self, sequence: int, wants_ack: bool, now: float) -> bool:
        """Note a packet, if it is new."""
        if sequence < 0 or sequence in self._seen or sequence <= self.newest - HISTORY:
            return False
        self._seen.add(sequence)
        self._came[0].append(sequence)
        if sequence > self.newest:
            self.newest, self.newest_at = sequence, now
            self._seen = {number for number in self._seen if number > sequence - HISTORY}
        if wants_ack and self.owed_since is None:
            self.owed_since = now
        return True

    def ack(self, now: float) -> Ack | None:
        """Say what came."""
        if self.newest < 0:
            return None
        lowest = min(itertools.chain(*self._came), default=self.newest)
        words = min(ACK_WORDS_MAX, max(1, (self.newest - lowest + 31) // 32))
        bits = sum(1 << i for i in range(32 * words) if self.newest - 1 - i in self._seen)
        self._came = [[], *self._came[:2]]
        self.owed_since = None
        delay = min(65535, round((now - self.newest_at) / DELAY_UNIT_S))
        return Ack(self.newest, delay, words, bits)


@dataclass
class _Unfinished:
    """A message of which some fragments came."""

    count: int
    pieces: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces.values()))


class Reliable:
    """What came on one reliable channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._oldest = 0
        # The oldest message that is not complete.
        self._complete: dict[int, bytes] = {}
        # Complete messages after it; without their bodies where nobody waits for them.
        self._unfinished: dict[int, _Unfinished] = {}

    @property
    def next_id(self) -> int:
        """The oldest id that is not complete yet: everything before it arrived."""
        return self._oldest

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waiting for anything."""
        return not self._complete and not self._unfinished

    def take_run(self, run: Run) -> list[bytes]:
        """Take whole messages, and give those that arrive by it."""
        arrived: list[bytes] = []
        for offset, body in enumerate(run.messages):
            number = self._whole_id(run.first + offset)
            if self._is_new(number):
                if number in self._unfinished:
                    raise Violation("a message whole of which fragments are held")
                arrived += self._finish(number, body)
        return arrived

    def take_fragment(self, fragment: Fragment) -> list[bytes]:
        """Take a fragment, and give the messages that arrive by it."""
        number = self._whole_id(fragment.id)
        if not self._is_new(number):
            return []
        unfinished = self._unfinished.setdefault(number, _Unfinished(fragment.count))
        if unfinished.count != fragment.count:
            raise Violation("fragments disagree on their count")
        unfinished.pieces.setdefault(fragment.index, fragment.piece)
        if len(unfinished.pieces) < unfinished.count:
            self._check_memory()
            return []
        del self._unfinished[number]
        return self._finish(number, b"".join(body for _, body in sorted(unfinished.pieces.items())))

    def _whole_id(self, low: int) -> int:
        number = nearest(low, 32, self._oldest)
        if number >= self._oldest + ID_WINDOW:
            raise Violation(f"message {number}, {self._oldest} is not complete")
        return number

    def _is_new(self, number: int) -> bool:
        return number >= self._oldest and number not in self._complete

    def _finish(self, number: int, body: bytes) -> list[bytes]:
        is_ordered = self._channel.guarantee is Guarantee.ORDERED
        self._complete[number] = body if is_ordered else b""
        arrived = [] if is_ordered else [body]
        while self._oldest in self._complete:
            waiting = self._complete.pop(self._oldest)
            self._oldest += 1
            if is_ordered:
                arrived.append(waiting)
        self._check_memory()
        return arrived

    def _check_memory(self) -> None:
        held = [item.size for item in self._unfinished.values()]
        if self._channel.guarantee is Guarantee.ORDERED:
            held += map(len, self._complete.values())
        if sum(held) + MESSAGE_OVERHEAD * len(held) > self._channel.memory_size:
            raise Violation(f"{self._channel.name} holds too much")


class Inbound:
    """One direction of a link: packets in, messages out."""

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self.arrivals = Arrivals()
        self.malformed = 0
        self.reliable = {
            number: Reliable(channel)
            for number, channel in enumerate(channels)
            if channel.guarantee.is_reliable
        }
        self._channels = channels
        self._last = {
            number: -1
            for number, channel in enumerate(channels)
            if channel.guarantee is Guarantee.SEQUENCED
        }

    def take(self, payload: bytes, now: float) -> tuple[Packet | None, list[Message]]:
        """Take a payload; a packet that came before, or too late, or is malformed is None."""
        try:
            packet = read_packet(payload, self._channels)
        except Malformed as error:
            self.malformed += 1
            if self.malformed > MALFORMED_MAX:
                raise Violation("too many malformed packets") from error
            return None, []
        sequence = self.arrivals.restore(packet.sequence)
        if not self.arrivals.take(sequence, packet.wants_ack, now):
            return None, []
        messages: list[Message] = []
        for part in packet.parts:
            messages += [Message(part.channel, body) for body in self._take_part(part, sequence)]
        return packet, messages

    def _take_part(self, part: Part, sequence: int) -> list[bytes]:
        match part:
            case Run():
                return self.reliable[part.channel].take_run(part)
            case Fragment():
                return self.reliable[part.channel].take_fragment(part)
            case Unreliable(channel, body):
                if channel in self._last:
                    if sequence < self._last[channel]:
                        return []
                    self._last[channel] = sequence
                return [body]
