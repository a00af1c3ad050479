"""Reliable channels: every message arrives exactly once, whatever the link loses.

The sender gives every message the next id and keeps it until every fragment of it was in a packet
that was acked. When a packet is lost, what it carried goes to the head of the queue. A message
counts against the channel's memory until all messages *before* it are acked, too. That is what
bounds the receiver: all it can hold (fragments of unfinished messages, messages that wait for an
earlier one) has ids the sender still counts, so an honest peer never makes it hold more than
`memory_max`, and a dishonest one is found out.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from sidereal.protocol import limits
from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.acks import SentPacket, restore
from sidereal.protocol.channel.packet import Part
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.errors import RemoteProtocolError

_OVERHEAD: Final = limits.MESSAGE_OVERHEAD_SIZE


class Receiver(Protocol):
    """The receiving end of a channel of any kind."""

    dropped: int
    """Messages that came late, or twice."""

    def receive(self, part: Part, sequence: int) -> list[bytes]:
        """Take a part of the packet with this sequence; return what is to be delivered.

        Raises:
            RemoteProtocolError: no honest peer would have sent it.
        """
        ...


class OutgoingMessage:
    """A message that is not yet acked, and which of its fragments are."""

    __slots__ = ("body", "fragment_count", "is_acked", "message_id", "next_index", "unacked_count")

    def __init__(self, message_id: int, body: bytes) -> None:
        self.message_id = message_id
        self.body = body
        self.fragment_count = max(1, -(-len(body) // limits.FRAGMENT_SIZE))
        self.unacked_count = self.fragment_count
        self.is_acked = bytearray(self.fragment_count)
        self.next_index = 0
        """First fragment that was never sent."""

    def part_size(self, index: int) -> int:
        """Bytes that a fragment takes in a packet, its head included."""
        if self.fragment_count == 1:
            return wire.RELIABLE_HEAD_SIZE + len(self.body)
        rest = len(self.body) - index * limits.FRAGMENT_SIZE
        return wire.FRAGMENT_HEAD_SIZE + min(rest, limits.FRAGMENT_SIZE)

    def encode_part(self, channel: int, index: int, chunks: list[bytes]) -> None:
        """Append the head and body of a fragment (or of the whole message) to `chunks`."""
        if self.fragment_count == 1:
            chunks.append(wire.encode_reliable_head(channel, len(self.body), self.message_id))
            chunks.append(self.body)
            return
        at = index * limits.FRAGMENT_SIZE
        body = self.body[at : at + limits.FRAGMENT_SIZE]
        head = wire.encode_fragment_head(
            channel, len(body), self.message_id, index, self.fragment_count
        )
        chunks.append(head)
        chunks.append(body)


class ReliableSender:
    """Messages that are waiting for room in a packet, or for their acks."""

    __slots__ = (
        "_channel",
        "_fresh",
        "_lost",
        "_memory_max",
        "_next_id",
        "_unacked",
        "dropped",
        "is_reliable",
        "memory_size",
        "resends",
    )

    def __init__(self, channel: int, spec: ChannelSpec) -> None:
        self.is_reliable = True
        self.memory_size = 0
        self.dropped = 0
        self.resends = 0
        self._channel = channel
        self._memory_max = spec.memory_max
        self._next_id = 0
        self._unacked: deque[OutgoingMessage] = deque()
        # From the oldest unacked message on, also those after it that are acked.
        self._fresh: deque[OutgoingMessage] = deque()
        self._lost: deque[tuple[OutgoingMessage, int]] = deque()

    def push(self, message: bytes) -> bool:
        """Queue a message; returns False, and does not, if there is no memory for it."""
        size = len(message) + _OVERHEAD
        if self.memory_size + size > self._memory_max:
            self.dropped += 1
            return False
        self.memory_size += size
        outgoing = OutgoingMessage(self._next_id, message)
        self._next_id += 1
        self._unacked.append(outgoing)
        self._fresh.append(outgoing)
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to send now."""
        while self._lost and self._lost[0][0].is_acked[self._lost[0][1]]:
            self._lost.popleft()
        return bool(self._lost) or (bool(self._fresh) and self._is_in_window(self._fresh[0]))

    def _is_in_window(self, message: OutgoingMessage) -> bool:
        return message.message_id - self._unacked[0].message_id < limits.RELIABLE_WINDOW_MAX

    def fill(self, chunks: list[bytes], sent: SentPacket, room: int) -> int:
        """Move messages and fragments into a packet while they fit, lost ones first.

        Mutates:
            chunks: heads and bodies are appended.
            sent: parts and sizes are added.

        Returns:
            The room that is left.
        """
        lost, fresh = self._lost, self._fresh
        while lost:
            message, index = lost[0]
            if not message.is_acked[index]:
                if message.part_size(index) > room:
                    return room
                room -= self._put(message, index, chunks, sent)
                self.resends += 1
            lost.popleft()
        while fresh:
            message = fresh[0]
            index = message.next_index
            if message.part_size(index) > room or not self._is_in_window(message):
                return room
            room -= self._put(message, index, chunks, sent)
            message.next_index += 1
            if message.next_index == message.fragment_count:
                fresh.popleft()
        return room

    def _put(
        self, message: OutgoingMessage, index: int, chunks: list[bytes], sent: SentPacket
    ) -> int:
        message.encode_part(self._channel, index, chunks)
        size = message.part_size(index)
        sent.parts.append((self, message, index))
        sent.reliable_size += size
        return size

    def part_acked(self, message: OutgoingMessage, index: int) -> None:
        """Note that a packet with this fragment was acked."""
        if message.is_acked[index]:
            return
        message.is_acked[index] = 1
        message.unacked_count -= 1
        unacked = self._unacked
        while unacked and not unacked[0].unacked_count:
            self.memory_size -= len(unacked.popleft().body) + _OVERHEAD

    def part_lost(self, message: OutgoingMessage, index: int) -> None:
        """Note that a packet with this fragment was given up: it is to be sent again."""
        if not message.is_acked[index]:
            self._lost.append((message, index))


class _Reassembly:
    """Fragments of a message that is not complete."""

    __slots__ = ("count", "fragments")

    def __init__(self, count: int) -> None:
        self.count = count
        self.fragments: dict[int, bytes] = {}


class ReliableReceiver:
    """Puts fragments together and delivers every message once, in order if that is promised."""

    __slots__ = (
        "_done",
        "_is_ordered",
        "_memory_max",
        "_next_id",
        "_reassemblies",
        "_waiting",
        "dropped",
        "memory_size",
    )

    def __init__(self, spec: ChannelSpec) -> None:
        self.dropped = 0
        self.memory_size = 0
        self._is_ordered = spec.delivery is Delivery.RELIABLE_ORDERED
        self._memory_max = spec.memory_max
        self._next_id = 0
        # All messages before this one are complete; of later ones `_done` are delivered
        # (unordered) and `_waiting` wait for an earlier one (ordered).
        self._done: set[int] = set()
        self._waiting: dict[int, bytes] = {}
        self._reassemblies: dict[int, _Reassembly] = {}

    def receive(self, part: Part, sequence: int) -> list[bytes]:
        """Take a part of a packet; return the messages that are to be delivered for it.

        Raises:
            RemoteProtocolError: it contradicts what came before, or exceeds what the channel's
                memory and window allow.
        """
        message_id = restore(self._next_id, part.message_id, 32)
        ahead = message_id - self._next_id
        if ahead < 0 or message_id in self._done or message_id in self._waiting:
            self.dropped += 1
            return []
        if ahead >= limits.RELIABLE_WINDOW_MAX:
            raise RemoteProtocolError(f"message {ahead} ahead of the oldest unfinished one")
        body = self._complete(message_id, part)
        if body is None:
            return []
        if self._is_ordered:
            return self._deliver_ordered(message_id, body)
        self._done.add(message_id)
        while self._next_id in self._done:
            self._done.remove(self._next_id)
            self._next_id += 1
        return [body]

    def _deliver_ordered(self, message_id: int, body: bytes) -> list[bytes]:
        """Deliver a complete message and those that waited for it, or let it wait."""
        if message_id != self._next_id:
            self._waiting[message_id] = body
            self._hold(len(body) + _OVERHEAD)
            return []
        self._next_id += 1
        messages = [body]
        while self._waiting and self._next_id in self._waiting:
            waited = self._waiting.pop(self._next_id)
            self.memory_size -= len(waited) + _OVERHEAD
            self._next_id += 1
            messages.append(waited)
        return messages

    def _complete(self, message_id: int, part: Part) -> bytes | None:
        """Add a part to its message; returns the message if that was the last."""
        reassembly = self._reassemblies.get(message_id)
        if reassembly is None:
            if part.fragments == 1:
                return part.body
            reassembly = self._reassemblies[message_id] = _Reassembly(part.fragments)
            self._hold(_OVERHEAD)
        if reassembly.count != part.fragments:
            raise RemoteProtocolError(
                f"a message of {reassembly.count} and {part.fragments} fragments"
            )
        fragments = reassembly.fragments
        if part.fragment in fragments:
            self.dropped += 1
            return None
        fragments[part.fragment] = part.body
        self._hold(len(part.body))
        if len(fragments) < part.fragments:
            return None
        del self._reassemblies[message_id]
        body = b"".join([fragments[index] for index in range(part.fragments)])
        self.memory_size -= len(body) + _OVERHEAD
        return body

    def _hold(self, size: int) -> None:
        self.memory_size += size
        if self.memory_size > self._memory_max:
            raise RemoteProtocolError("more unfinished messages than the channel's memory holds")
