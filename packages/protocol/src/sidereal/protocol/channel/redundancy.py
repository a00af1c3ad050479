"""Redundant copies of small reliable messages, sent along before anybody misses the original.

Theory of operation. The loss of a message is noticed a round trip later at the earliest, and until
then it holds up all ordered messages behind it. Where packets get lost, are few and have room to
spare, it is cheaper to send a copy of each small segment along with the next packet or two,
unasked. Two or three packets in a row must then be lost before anything is held up. The number of
copies follows from the loss; without loss there are none. No packet is sent for a copy alone, and
none gets longer than it may be.

Source: Petlund et al., "Redundant bundling in TCP to reduce perceived latency for time-dependent
thin streams" (IEEE Communications Letters, 2008).
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from sidereal.protocol import limits
from sidereal.protocol.channel.sent import Segment, SentPacket

ALL_LOST_MAX: Final = 1e-3
"""Share of segments that may be lost with all their copies; it decides how many there are."""


def copies_for(loss: float) -> int:
    """Tell how many copies of a segment to send, by the share of packets that are lost."""
    if loss <= ALL_LOST_MAX:
        return 0
    if loss >= 1:
        return limits.COPIES_MAX
    return min(math.ceil(math.log(ALL_LOST_MAX) / math.log(loss)) - 1, limits.COPIES_MAX)


class RedundantCopies:
    """Segments of which copies are still to be sent, oldest first.

    Attributes:
        sent: copies sent.
    """

    __slots__ = ("_waiting", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self._waiting: deque[tuple[Segment, int]] = deque(maxlen=limits.COPIED_SEGMENTS_MAX)

    def fill(self, chunks: list[bytes], sent: SentPacket, room: int, loss: float) -> int:
        """Add to a packet that is otherwise complete what fits of the copies waiting.

        Copies of its own small segments go with later packets.

        Mutates:
            chunks: bytes are appended.
            sent: segments and their size are added.

        Returns:
            The room that is left.
        """
        if loss <= ALL_LOST_MAX and not self._waiting:
            return room
        own = sent.segments.copy()
        room = self._fill(chunks, sent, room)
        self._admit(own, copies_for(loss))
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
        known = {id(segment) for segment, _ in self._waiting}
        for segment in segments:
            if len(segment.chunk) <= limits.COPY_SIZE_MAX and id(segment) not in known:
                self._waiting.append((segment, copies))
