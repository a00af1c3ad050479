"""What comes over the channels of a link: which packets came, and the messages in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from .octets import nearest
from .packets import Channel, Fragment, Guarantee, Packet, Part, Run, Unreliable

DELAY_UNIT_S: Final = 1e-4
HISTORY: Final = 2048
"""A packet that is this much behind the newest one is too old."""
AHEAD_MAX: Final = 4096
"""A message this much ahead of the oldest unfinished one is a violation."""
OVERHEAD: Final = 128
"""Added to each message against the memory of its channel."""


class Violation(Exception):
    """The peer does what the protocol forbids: the session ends (close reason 7)."""


class Arrivals:
    """The packets that came.

    Attributes:
        newest: number of the newest one, −1 at first.
        newest_at: when it came, in seconds.
    """

    def __init__(self) -> None:
        self.newest = -1
        self.newest_at = 0.0
        self._numbers: set[int] = set()

    def has(self, number: int) -> bool:
        """Say whether a packet came, as far back as one remembers."""
        return number in self._numbers

    def take(self, low: int, now: float) -> int | None:
        """Take the number of a packet, of which the low bits are known; none if to be dropped."""
        number = nearest(low, 16, self.newest)
        if number < 0 or number <= self.newest - HISTORY or number in self._numbers:
            return None
        self._numbers.add(number)
        if number > self.newest:
            self.newest, self.newest_at = number, now
            self._numbers = {n for n in self._numbers if n > number - HISTORY - 1}
        return number


class Stream:
    """The messages of one reliable channel, as they come.

    Attributes:
        next_id: number of the oldest message that is not complete.
    """

    def __init__(self, channel: Channel) -> None:
        self.next_id = 0
        self._is_ordered = channel.guarantee is Guarantee.ORDERED
        self._memory = channel.memory
        self._complete: dict[int, bytes] = {}
        self._pieces: dict[int, tuple[int, dict[int, bytes]]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether it waits for nothing that has begun to come."""
        return not self._complete and not self._pieces

    def take_run(self, run: Run) -> Iterator[bytes]:
        """Take whole messages; give those that have their turn."""
        first = nearest(run.first, 32, self.next_id)
        for number, message in enumerate(run.messages, first):
            if self._is_new(number):
                if number in self._pieces:
                    raise Violation("a message whole of which fragments are held")
                yield from self._finish(number, message)

    def take_fragment(self, fragment: Fragment) -> Iterator[bytes]:
        """Take a fragment; give the messages that have their turn."""
        number = nearest(fragment.number, 32, self.next_id)
        if not self._is_new(number):
            return
        count, pieces = self._pieces.setdefault(number, (fragment.count, {}))
        if count != fragment.count:
            raise Violation("fragments of one message disagree on their count")
        pieces.setdefault(fragment.index, fragment.piece)
        self._judge_memory()
        if len(pieces) < count:
            return
        del self._pieces[number]
        yield from self._finish(number, b"".join(pieces[at] for at in range(count)))

    def _is_new(self, number: int) -> bool:
        if number >= self.next_id + AHEAD_MAX:
            raise Violation("too far ahead of the oldest message")
        return number >= self.next_id and number not in self._complete

    def _finish(self, number: int, message: bytes) -> Iterator[bytes]:
        if not self._is_ordered:
            yield message
            message = b""
        self._complete[number] = message
        while self.next_id in self._complete:
            message = self._complete.pop(self.next_id)
            self.next_id += 1
            if self._is_ordered:
                yield message
        self._judge_memory()

    def _judge_memory(self) -> None:
        pieces = [*(pieces for _, pieces in self._pieces.values())]
        held = sum(len(piece) for held in pieces for piece in held.values())
        held += OVERHEAD * len(pieces)
        if self._is_ordered:
            held += sum(OVERHEAD + len(message) for message in self._complete.values())
        if held > self._memory:
            raise Violation("more to hold than the channel's memory")


class Inbound:
    """What comes over a link.

    Attributes:
        arrivals: of packets.
        reliable: the streams of the channels that are reliable.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = tuple(channels)
        self.arrivals = Arrivals()
        self.reliable = {
            number: Stream(channel)
            for number, channel in enumerate(channels)
            if channel.guarantee.is_reliable
        }
        self._sequenced: dict[int, int] = {}

    def take(self, packet: Packet, now: float) -> tuple[int | None, list[tuple[int, bytes]]]:
        """Take a packet: its number and its messages with their channels, or nothing.

        Raises:
            Violation: the session must end.
        """
        number = self.arrivals.take(packet.sequence, now)
        if number is None:
            return None, []
        return number, [entry for part in packet.parts for entry in self._take_part(part, number)]

    def _take_part(self, part: Part, number: int) -> Iterator[tuple[int, bytes]]:
        match part:
            case Unreliable(channel, message):
                if self._channels[channel].guarantee is Guarantee.SEQUENCED:
                    if number < self._sequenced.get(channel, -1):
                        return
                    self._sequenced[channel] = number
                yield channel, message
            case Run(channel):
                for message in self.reliable[channel].take_run(part):
                    yield channel, message
            case Fragment(channel):
                for message in self.reliable[channel].take_fragment(part):
                    yield channel, message
