"""What a packet carried, so that it can be sent again or freed once its fate is known."""

from __future__ import annotations

from typing import Protocol


class SegmentSender(Protocol):
    """Where a segment came from: it is told what became of it.

    Attributes:
        twice: whether segments leave twice at once where packets get lost.
    """

    twice: bool

    def segment_acked(self, segment: Segment) -> None:
        """Note that a packet with this segment was acked."""
        ...

    def segment_lost(self, segment: Segment) -> None:
        """Note that no packet in flight carries this segment any more."""
        ...


class Segment:
    """What travels as one and is acked as one on a reliable channel.

    Attributes:
        sender: of its channel.
        first_id: id of its message, or of the first of them.
        chunk: its bytes in a packet.
        memory_size: what is free again once it and all before it are acked.
        is_acked: a packet with it was acked.
        carriers: packets in flight that carry it.
    """

    __slots__ = ("carriers", "chunk", "first_id", "is_acked", "memory_size", "sender")

    def __init__(
        self, sender: SegmentSender, first_id: int, chunk: bytes, memory_size: int
    ) -> None:
        self.sender = sender
        self.first_id = first_id
        self.chunk = chunk
        self.memory_size = memory_size
        self.is_acked = False
        self.carriers = 0


class SentPacket:
    """What a packet carried, in case it is acked or lost.

    Attributes:
        sent_at: when.
        size: bytes of messages in it.
        burst_size: bytes of what left with it, ahead of it, and of it, with all headers.
        reliable_size: bytes of reliable ones among them.
        tags: of its unreliable messages.
        segments: its reliable messages and fragments.
        ack_wanted: the peer was asked to ack it.
        is_lost: it was given up.
        is_overtaken: it was given up because later ones were acked.
    """

    __slots__ = (
        "ack_wanted",
        "burst_size",
        "is_lost",
        "is_overtaken",
        "reliable_size",
        "segments",
        "sent_at",
        "sequence",
        "size",
        "tags",
    )

    def __init__(self, sequence: int, sent_at: float) -> None:
        self.sequence = sequence
        self.sent_at = sent_at
        self.size = 0
        self.burst_size = 0
        self.reliable_size = 0
        self.tags: list[int] = []
        self.segments: list[Segment] = []
        self.ack_wanted = False
        self.is_lost = False
        self.is_overtaken = False

    @property
    def is_missed(self) -> bool:
        """Whether it was given up although the peer had cause to tell that it came."""
        return self.is_lost and (self.ack_wanted or self.is_overtaken)

    def carry(self, segment: Segment, chunks: list[bytes]) -> int:
        """Add a segment; returns its bytes.

        Mutates:
            chunks: its bytes are appended.
        """
        size = len(segment.chunk)
        segment.carriers += 1
        self.segments.append(segment)
        self.reliable_size += size
        chunks.append(segment.chunk)
        return size
