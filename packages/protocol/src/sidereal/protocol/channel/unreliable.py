"""Unreliable channels: what may be lost is dropped rather than waited for."""

from __future__ import annotations

from collections import deque

from sidereal.protocol import limits
from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.acks import SentPacket
from sidereal.protocol.channel.packet import Part
from sidereal.protocol.channel.spec import ChannelSpec


class UnreliableSender:
    """Messages waiting for room in a packet; when there are too many, the oldest is dropped."""

    __slots__ = ("_channel", "_memory_max", "_queue", "dropped", "is_reliable", "memory_size")

    def __init__(self, channel: int, spec: ChannelSpec) -> None:
        self.is_reliable = False
        self.memory_size = 0
        self.dropped = 0
        self._channel = channel
        self._memory_max = spec.memory_max
        self._queue: deque[tuple[bytes, int | None]] = deque()

    def push(self, message: bytes, tag: int | None) -> None:
        """Queue a message."""
        self._queue.append((message, tag))
        self.memory_size += len(message) + limits.MESSAGE_OVERHEAD_SIZE
        while self.memory_size > self._memory_max:
            oldest, _ = self._queue.popleft()
            self.memory_size -= len(oldest) + limits.MESSAGE_OVERHEAD_SIZE
            self.dropped += 1

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._queue)

    def fill(self, chunks: list[bytes], sent: SentPacket, room: int) -> int:
        """Move messages into a packet while they fit.

        Mutates:
            chunks: heads and bodies are appended.
            sent: tags and sizes are added.

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
            sent.unreliable_size += size
            room -= size
        return room


class UnreliableReceiver:
    """Delivers every message as it comes."""

    __slots__ = ("dropped",)

    def __init__(self) -> None:
        self.dropped = 0

    def receive(self, part: Part, sequence: int) -> list[bytes]:
        """Take a message from the packet with this sequence; return what is to be delivered."""
        return [part.body]


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
        return [part.body]
