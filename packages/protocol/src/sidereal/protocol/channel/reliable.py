"""Reliable channels: every message arrives exactly once, whatever the link loses.

The sender gives every message the next id and cuts what is queued into *segments*: a run of whole
messages with successive ids, or one fragment of a long message. A segment is what travels as one,
is acked as one and, when no packet in flight carries it any more, is sent again as one: at the
head of the queue, as the same bytes.

A message counts against the channel's memory until all messages *before* it are acked, too. That
is what bounds the receiver: all it can hold (fragments of unfinished messages, messages that wait
for an earlier one) has ids the sender still counts, so an honest peer never makes it hold more
than `memory_max`, and a dishonest one is found out.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from sidereal.protocol import limits
from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.acks import restore
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.packet import Part
from sidereal.protocol.channel.sent import Segment, SentPacket
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


class ReliableSender:
    """Messages that are waiting for room in a packet, or for their acks."""

    __slots__ = (
        "_channel",
        "_cut_count",
        "_lost",
        "_memory_max",
        "_next_id",
        "_queue",
        "_unacked",
        "_window",
        "dropped",
        "is_reliable",
        "memory_size",
        "resends",
        "twice",
    )

    def __init__(
        self, channel: int, spec: ChannelSpec, window: int = LIMITS.reliable_window
    ) -> None:
        self.is_reliable = True
        self.memory_size = 0
        self.dropped = 0
        self.resends = 0
        self.twice = spec.twice
        self._channel = channel
        self._memory_max = spec.memory_max
        self._window = window
        self._queue: deque[bytes] = deque()
        # Messages not yet cut; the first has id `_next_id` and lacks its first `_cut_count`
        # fragments.
        self._next_id = 0
        self._cut_count = 0
        self._unacked: deque[Segment] = deque()
        # From the oldest unacked segment on, also those after it that are acked.
        self._lost: deque[Segment] = deque()

    def push(self, message: bytes) -> bool:
        """Queue a message; returns False, and does not, if there is no memory for it."""
        size = self.memory_size + len(message) + _OVERHEAD
        if size > self._memory_max:
            self.dropped += 1
            return False
        self.memory_size = size
        self._queue.append(message)
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to send now."""
        while self._lost and self._lost[0].is_acked:
            self._lost.popleft()
        return bool(self._lost) or (bool(self._queue) and self._window_room > 0)

    @property
    def _window_room(self) -> int:
        """How many more messages may be under way."""
        oldest = self._unacked[0].first_id if self._unacked else self._next_id
        return oldest + self._window - self._next_id

    def fill(self, chunks: list[bytes], sent: SentPacket, room: int) -> int:
        """Move segments into a packet while they fit, lost ones first.

        Mutates:
            chunks: their bytes are appended.
            sent: segments and their size are added.

        Returns:
            The room that is left.
        """
        lost = self._lost
        while lost:
            segment = lost[0]
            if not segment.is_acked:
                if len(segment.chunk) > room:
                    return room
                room -= sent.carry(segment, chunks)
                self.resends += 1
            lost.popleft()
        while self._queue and (window_room := self._window_room) > 0:
            # Cut so that it fits any later packet, too.
            cut = self._cut(min(room, wire.PARTS_SIZE_MAX), window_room)
            if cut is None:
                break
            self._unacked.append(cut)
            room -= sent.carry(cut, chunks)
        return room

    def _cut(self, room: int, window_room: int) -> Segment | None:
        """Cut a segment off the queue; None if none fits."""
        queue = self._queue
        if len(queue[0]) > limits.FRAGMENT_SIZE:
            return self._cut_fragment(queue[0], room)
        bodies: list[bytes] = []
        room -= wire.RUN_HEAD_SIZE
        memory_size = 0
        count_max = min(window_room, limits.MESSAGES_PER_RUN_MAX)
        # 0.25 µs per message.
        while queue and len(bodies) < count_max:
            size = len(queue[0])
            room -= size + wire.RUN_MESSAGE_SIZE
            if room < 0 or size > limits.FRAGMENT_SIZE:
                break
            memory_size += size
            bodies.append(queue.popleft())
        if not bodies:
            return None
        memory_size += len(bodies) * _OVERHEAD
        first_id = self._next_id
        self._next_id += len(bodies)
        return Segment(
            self, first_id, wire.encode_run(self._channel, first_id, bodies), memory_size
        )

    def _cut_fragment(self, body: bytes, room: int) -> Segment | None:
        index = self._cut_count
        at = index * limits.FRAGMENT_SIZE
        size = min(limits.FRAGMENT_SIZE, len(body) - at)
        if wire.FRAGMENT_HEAD_SIZE + size > room:
            return None
        count = -(-len(body) // limits.FRAGMENT_SIZE)
        message_id = self._next_id
        head = wire.encode_fragment_head(self._channel, size, message_id, index, count)
        memory_size = 0
        self._cut_count += 1
        if self._cut_count == count:
            self._queue.popleft()
            self._next_id += 1
            self._cut_count = 0
            memory_size = len(body) + _OVERHEAD
        return Segment(self, message_id, head + body[at : at + size], memory_size)

    def segment_acked(self, segment: Segment) -> None:
        """Note that a packet with this segment was acked."""
        segment.is_acked = True
        unacked = self._unacked
        while unacked and unacked[0].is_acked:
            self.memory_size -= unacked.popleft().memory_size

    def segment_lost(self, segment: Segment) -> None:
        """Note that no packet in flight carries this segment any more: it is to be sent again."""
        if not segment.is_acked:
            self._lost.append(segment)


class _Reassembly:
    """Fragments of a message that is not complete."""

    __slots__ = ("count", "fragments")

    def __init__(self, count: int) -> None:
        self.count = count
        self.fragments: dict[int, bytes] = {}


class ReliableReceiver:
    """Puts fragments together and delivers every message once, in order if that is promised."""

    __slots__ = (
        "_ahead",
        "_is_ordered",
        "_memory_max",
        "_next_id",
        "_reassemblies",
        "dropped",
        "memory_size",
    )

    def __init__(self, spec: ChannelSpec) -> None:
        self.dropped = 0
        self.memory_size = 0
        self._is_ordered = spec.delivery is Delivery.RELIABLE_ORDERED
        self._memory_max = spec.memory_max
        self._next_id = 0
        # All messages before this one are complete, and those later ones that are in `_ahead`:
        # with their body while it waits for an earlier one (ordered), else delivered.
        self._ahead: dict[int, bytes | None] = {}
        self._reassemblies: dict[int, _Reassembly] = {}

    def receive(self, part: Part, sequence: int) -> list[bytes]:
        """Take a part of a packet; return the messages that are to be delivered for it.

        Raises:
            RemoteProtocolError: it contradicts what came before, or exceeds what the channel's
                memory and window allow.
        """
        first_id = restore(self._next_id, part.message_id, 32)
        bodies = part.bodies
        if part.fragments > 1:
            if not self._is_news(first_id):
                return []
            body = self._complete(first_id, part)
            return [] if body is None else self._deliver(first_id, body)
        if first_id == self._next_id and not self._ahead and not self._reassemblies:
            # Nearly all of them come like this.
            self._next_id += len(bodies)
            return bodies
        messages: list[bytes] = []
        for message_id, body in enumerate(bodies, first_id):
            if self._is_news(message_id):
                if message_id in self._reassemblies:
                    raise RemoteProtocolError("a message both whole and in fragments")
                messages += self._deliver(message_id, body)
        return messages

    def _is_news(self, message_id: int) -> bool:
        """Whether a message is not yet complete; counts it if it is."""
        ahead = message_id - self._next_id
        if ahead < 0 or message_id in self._ahead:
            self.dropped += 1
            return False
        if ahead >= limits.RELIABLE_WINDOW_MAX:
            raise RemoteProtocolError(f"message {ahead} ahead of the oldest unfinished one")
        return True

    def _deliver(self, message_id: int, body: bytes) -> list[bytes]:
        """Deliver a complete message and those that waited for it, or let it wait."""
        if message_id != self._next_id:
            if not self._is_ordered:
                self._ahead[message_id] = None
                return [body]
            self._ahead[message_id] = body
            self._hold(len(body) + _OVERHEAD)
            return []
        self._next_id += 1
        messages = [body]
        while self._next_id in self._ahead:
            waited = self._ahead.pop(self._next_id)
            self._next_id += 1
            if waited is not None:
                self.memory_size -= len(waited) + _OVERHEAD
                messages.append(waited)
        return messages

    def _complete(self, message_id: int, part: Part) -> bytes | None:
        """Add a fragment to its message; returns the message if that was the last."""
        reassembly = self._reassemblies.get(message_id)
        if reassembly is None:
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
        fragments[part.fragment] = part.bodies[0]
        self._hold(len(part.bodies[0]))
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
