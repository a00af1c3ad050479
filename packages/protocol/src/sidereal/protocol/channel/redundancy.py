"""Redundant copies of small reliable messages, sent along before anybody misses the original.

Theory of operation. The loss of a message is noticed a round trip later at the earliest, and until
then it holds up all ordered messages behind it. Where packets get lost, are few and have room to
spare, it is cheaper to send a copy of each small segment along with the next packet or two,
unasked. Two or three packets in a row must then be lost before anything is held up. The number of
copies follows from the loss; without loss there are none. No packet gets longer than it may be, and
none is sent for a copy alone.

There is one exception. What must not come a packet later goes twice at once, whatever its size: its
copies leave in the same flush, in packets of their own if no other has room. They are few: of more
than are kept the first ones leave twice.

Source: Petlund et al., "Redundant bundling in TCP to reduce perceived latency for time-dependent
thin streams" (IEEE Communications Letters, 2008).
"""

from __future__ import annotations

import math
from collections import deque

from sidereal.protocol.channel.limits import LIMITS, CopyLimits
from sidereal.protocol.channel.sent import Segment, SentPacket


def copies_for(loss: float, limits: CopyLimits = LIMITS.copies) -> int:
    """Tell how many copies of a segment to send, by the share of packets that are lost."""
    if loss <= limits.all_lost:
        return 0
    if loss >= 1:
        return limits.copies
    return min(math.ceil(math.log(limits.all_lost) / math.log(loss)) - 1, limits.copies)


class RedundantCopies:
    """Segments of which copies are still to be sent, oldest first.

    Attributes:
        sent: copies sent.
        at_once: segments whose copy leaves as soon as possible.
    """

    __slots__ = ("_limits", "_waiting", "at_once", "sent")

    def __init__(self, limits: CopyLimits = LIMITS.copies) -> None:
        self._limits = limits
        self.sent = 0
        self.at_once: deque[Segment] = deque()
        self._waiting: deque[tuple[Segment, int]] = deque(maxlen=limits.segments)

    def fill(self, chunks: list[bytes], sent: SentPacket, room: int, loss: float) -> int:
        """Add to a packet that is otherwise complete what fits of the copies waiting.

        Copies of its own small segments go with later packets.

        Mutates:
            chunks: bytes are appended.
            sent: segments and their size are added.

        Returns:
            The room that is left.
        """
        if loss <= self._limits.all_lost and not self._waiting and not self.at_once:
            return room
        own = sent.segments.copy()
        room = self._fill_at_once(chunks, sent, room)
        room = self._fill(chunks, sent, room)
        self._admit(own, copies_for(loss, self._limits))
        return room

    def _fill_at_once(self, chunks: list[bytes], sent: SentPacket, room: int) -> int:
        while self.at_once and len(self.at_once[0].chunk) <= room:
            segment = self.at_once.popleft()
            if segment.carriers and not segment.is_acked:
                room -= sent.carry(segment, chunks)
                self.sent += 1
        return room

    def _fill(self, chunks: list[bytes], sent: SentPacket, room: int) -> int:
        for _ in range(len(self._waiting)):
            segment, copies = self._waiting.popleft()
            if segment.is_acked:
                continue
            # One without a carrier is lost, and will be sent again without this.
            if segment.carriers and segment not in sent.segments and len(segment.chunk) <= room:
                room -= sent.carry(segment, chunks)
                self.sent += 1
                copies -= 1
            if copies:
                self._waiting.append((segment, copies))
        return room

    def _admit(self, segments: list[Segment], copies: int) -> None:
        if not copies:
            return
        size_max = self._limits.segment_size
        known = {id(segment) for segment, _ in self._waiting}
        for segment in segments:
            later = copies
            if segment.sender.twice and len(self.at_once) < self._limits.segments:
                self.at_once.append(segment)
                later -= 1
            if later and len(segment.chunk) <= size_max and id(segment) not in known:
                self._waiting.append((segment, later))
