"""Unreliable channels: what may be lost is dropped rather than waited for."""

from __future__ import annotations

from collections import deque

from sidereal.protocol import limits
from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.packet import Part
from sidereal.protocol.channel.sent import SentPacket
from sidereal.protocol.channel.spec import ChannelSpec


class UnreliableSender:
    """Messages waiting for room in a packet.

    When there are too many, or one has waited too long, the oldest is dropped.

    Attributes:
        dropped: messages that were.
        dropped_tags: their tags, until somebody takes them.
    """

    __slots__ = (
        "_channel",
        "_marks",
        "_memory_max",
        "_pushed",
        "_queue",
        "_wait_s",
        "dropped",
        "dropped_tags",
        "is_reliable",
        "memory_size",
    )

    def __init__(
        self, channel: int, spec: ChannelSpec, wait_s: float = LIMITS.unreliable_wait_s
    ) -> None:
        self.is_reliable = False
        self.memory_size = 0
        self.dropped = 0
        self.dropped_tags: list[int] = []
        self._channel = channel
        self._memory_max = spec.memory_max
        self._queue: deque[tuple[bytes, int | None]] = deque()
        self._wait_s = wait_s
        self._pushed = 0
        self._marks: deque[tuple[float, int]] = deque()
        # When messages were first left over, and how many had been pushed by then.

    def push(self, message: bytes, tag: int | None) -> None:
        """Queue a message."""
        self._queue.append((message, tag))
        self._pushed += 1
        self.memory_size += len(message) + limits.MESSAGE_OVERHEAD_SIZE
        while self.memory_size > self._memory_max:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest, tag = self._queue.popleft()
        self.memory_size -= len(oldest) + limits.MESSAGE_OVERHEAD_SIZE
        self.dropped += 1
        if tag is not None:
            self.dropped_tags.append(tag)

    def left_over(self, now: float) -> None:
        """Note that all that may be sent now was, and drop what was left over too long."""
        marks = self._marks
        if not self._queue:
            marks.clear()
            return
        while marks and marks[0][0] + self._wait_s <= now:
            _, pushed = marks.popleft()
            while self._queue and self._pushed - len(self._queue) < pushed:
                self._drop_oldest()
        if not marks or marks[-1][1] < self._pushed:
            marks.append((now, self._pushed))

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._queue)

    def fill(self, chunks: list[bytes], sent: SentPacket, room: int) -> int:
        """Move messages into a packet while they fit.

        Mutates:
            chunks: heads and bodies are appended.
            sent: tags are added.

        Returns:
            The room that is left.
        """
        queue = self._queue
        while queue:
            message, tag = queue[0]
            size = wire.UNRELIABLE_HEAD_SIZE + len(message)
            if size > room:
                break
            queue.popleft()
            self.memory_size -= len(message) + limits.MESSAGE_OVERHEAD_SIZE
            chunks.append(wire.encode_unreliable_head(self._channel, len(message)))
            chunks.append(message)
            if tag is not None:
                sent.tags.append(tag)
            room -= size
        return room


class UnreliableReceiver:
    """Delivers every message as it comes."""

    __slots__ = ("dropped",)

    def __init__(self) -> None:
        self.dropped = 0

    def receive(self, part: Part, sequence: int) -> list[bytes]:
        """Take a message from the packet with this sequence; return what is to be delivered."""
        return part.bodies


class SequencedReceiver:
    """Delivers a message only if none from a later packet came before it."""

    __slots__ = ("_newest", "dropped")

    def __init__(self) -> None:
        self.dropped = 0
        self._newest = -1

    def receive(self, part: Part, sequence: int) -> list[bytes]:
        """Take a message from the packet with this sequence; return what is to be delivered."""
        if sequence < self._newest:
            self.dropped += 1
            return []
        self._newest = sequence
        return part.bodies
