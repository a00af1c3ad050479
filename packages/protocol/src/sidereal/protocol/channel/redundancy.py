"""Small reliable messages that go along with later packets before anybody misses them.

Theory of operation. A lost message is missed a round trip later at the earliest, and holds up all
ordered ones behind it. Where packets are lost, have room to spare, and are few, it is cheaper to
let each of its small segments ride along with the next packet or two, unasked: it then takes two
or three losses in a row to hold up anything. How many depends on the loss, and without loss there
are none. Nothing is sent for this alone, and no packet gets longer than it may be.

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
"""A segment rides along until it would be lost with every packet no more often than this."""


def repeats_for(loss: float) -> int:
    """Tell how often a segment is to ride along, by the share of packets that are lost."""
    if loss <= ALL_LOST_MAX:
        return 0
    if loss >= 1:
        return limits.REPEATS_MAX
    return min(math.ceil(math.log(ALL_LOST_MAX) / math.log(loss)) - 1, limits.REPEATS_MAX)


class Riders:
    """Segments that are to ride along with later packets, oldest first.

    Attributes:
        repeats: segments sent along.
    """

    __slots__ = ("_waiting", "repeats")

    def __init__(self) -> None:
        self.repeats = 0
        self._waiting: deque[tuple[Segment, int]] = deque(maxlen=limits.RIDERS_MAX)

    def travel(self, chunks: list[bytes], sent: SentPacket, room: int, loss: float) -> int:
        """Add to a packet that is otherwise complete what fits of the segments waiting.

        Its own small segments ride along with later ones.

        Mutates:
            chunks: bytes are appended.
            sent: segments and their size are added.

        Returns:
            The room that is left.
        """
        if loss <= ALL_LOST_MAX and not self._waiting:
            return room
        own = sent.segments.copy()
        room = self._board(chunks, sent, room)
        self._admit(own, repeats_for(loss))
        return room

    def _board(self, chunks: list[bytes], sent: SentPacket, room: int) -> int:
        for _ in range(len(self._waiting)):
            segment, repeats = self._waiting.popleft()
            if segment.is_acked:
                continue
            # One without a carrier is lost, and will be sent again without this.
            if segment.carriers and segment not in sent.segments and len(segment.chunk) <= room:
                room -= sent.carry(segment, chunks)
                self.repeats += 1
                repeats -= 1
            if repeats:
                self._waiting.append((segment, repeats))
        return room

    def _admit(self, segments: list[Segment], repeats: int) -> None:
        if not repeats:
            return
        known = {id(segment) for segment, _ in self._waiting}
        for segment in segments:
            if len(segment.chunk) <= limits.RIDER_SIZE_MAX and id(segment) not in known:
                self._waiting.append((segment, repeats))
