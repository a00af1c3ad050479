"""Parts out of messages: what is not acked is sent again. PROTOCOL.md, "Sequence and ack"."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .channels import ID_WINDOW, MESSAGE_OVERHEAD
from .packets import (
    FRAGMENT_SIZE,
    Ack,
    Channel,
    Fragment,
    Part,
    Run,
    Unreliable,
    cut,
    nearest,
    write_part,
)

PARTS_SIZE_MAX: Final = 1160
"""What is left of 1200 bytes for parts, beside a header with 8 ack words."""
UNDER_WAY_MAX: Final = 16
RESEND_AFTER_S: Final = 0.5
RESEND_AFTER_ACKED: Final = 3


@dataclass
class _UnderWay:
    sent_at: float
    parts: tuple[Part, ...]


class Outbound:
    """One direction of a link: messages in, the parts of packets out."""

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self._sequence = 0
        self._channels = channels
        self._next_ids = dict.fromkeys(range(len(channels)), 0)
        self._unacked: dict[tuple[int, int], int] = {}
        # Sizes of reliable messages, by channel and id, until they and all before are acked.
        self._missing: dict[tuple[int, int], set[int]] = {}
        # Of those not acked, which fragments are not.
        self._queue: deque[Part] = deque()
        self._under_way: dict[int, _UnderWay] = {}

    def say(self, channel: int, message: bytes) -> None:
        """Queue a message.

        Raises:
            OverflowError: the channel's memory has no room for it.
        """
        if not self._channels[channel].guarantee.is_reliable:
            self._queue.append(Unreliable(channel, message))
            return
        number = self._next_ids[channel]
        if (
            self._held(channel) + len(message) + MESSAGE_OVERHEAD
            > self._channels[channel].memory_size
            or number >= self._oldest(channel) + ID_WINDOW
        ):
            raise OverflowError(self._channels[channel].name)
        self._next_ids[channel] += 1
        self._unacked[channel, number] = len(message)
        pieces = list(cut(message)) if len(message) > FRAGMENT_SIZE else [message]
        self._missing[channel, number] = set(range(len(pieces)))
        if len(pieces) == 1:
            self._queue.append(Run(channel, number, (message,)))
        for index, piece in enumerate(pieces if len(pieces) > 1 else ()):
            self._queue.append(Fragment(channel, number, index, len(pieces), piece))

    def _oldest(self, channel: int) -> int:
        ids = [number for at, number in self._missing if at == channel]
        return min(ids, default=self._next_ids[channel])

    def _held(self, channel: int) -> int:
        oldest = self._oldest(channel)
        return sum(
            size + MESSAGE_OVERHEAD
            for (at, number), size in self._unacked.items()
            if at == channel and number >= oldest
        )

    @property
    def is_idle(self) -> bool:
        """Whether everything has been sent and acked."""
        return not self._queue and not self._missing

    def due(self, now: float) -> Iterator[tuple[Part, ...]]:
        """Give the parts of every packet that may go now; `sent` must follow for each."""
        for sequence in [n for n, p in self._under_way.items() if now - p.sent_at > RESEND_AFTER_S]:
            self._give_up(sequence)
        while self._queue and len(self._under_way) < UNDER_WAY_MAX:
            parts = self._fill()
            if parts:
                yield tuple(parts)

    def sent(self, parts: tuple[Part, ...], now: float) -> tuple[int, bool]:
        """Number a packet with these parts; also say whether it wants an ack."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        reliable = tuple(part for part in parts if not isinstance(part, Unreliable))
        if reliable:
            self._under_way[sequence] = _UnderWay(now, reliable)
        return sequence, bool(reliable)

    def _fill(self) -> list[Part]:
        parts: list[Part] = []
        size = 0
        while self._queue:
            part = self._queue[0]
            size += len(write_part(part))
            if parts and size > PARTS_SIZE_MAX:
                break
            self._queue.popleft()
            if self._is_missing(part):
                parts.append(part)
        return parts

    def _is_missing(self, part: Part) -> bool:
        match part:
            case Run(channel, first, messages):
                return any(
                    (channel, first + offset) in self._missing for offset in range(len(messages))
                )
            case Fragment(channel, number, index):
                return index in self._missing.get((channel, number), ())
        return True

    def _give_up(self, sequence: int) -> None:
        self._queue.extendleft(reversed(self._under_way.pop(sequence).parts))

    def take_ack(self, ack: Ack) -> None:
        """Take the other end's word for what came; what overtook a packet shows that it is lost."""
        newest = nearest(ack.newest, 16, self._sequence - 1)
        if not 0 <= newest < self._sequence:
            return
        acked = {newest} | {newest - 1 - i for i in range(32 * ack.words) if ack.bits >> i & 1}
        for sequence in acked & self._under_way.keys():
            for part in self._under_way.pop(sequence).parts:
                self._take_acked(part)
        for sequence in sorted(self._under_way, reverse=True):
            if sum(number > sequence for number in acked) >= RESEND_AFTER_ACKED:
                self._give_up(sequence)

    def _take_acked(self, part: Part) -> None:
        match part:
            case Run(channel, first, messages):
                for offset in range(len(messages)):
                    self._complete(channel, first + offset)
            case Fragment(channel, number, index):
                missing = self._missing.get((channel, number), set())
                missing.discard(index)
                if not missing:
                    self._complete(channel, number)

    def _complete(self, channel: int, number: int) -> None:
        self._missing.pop((channel, number), None)
        oldest = self._oldest(channel)
        self._unacked = {
            (at, held): size
            for (at, held), size in self._unacked.items()
            if at != channel or held >= oldest
        }
