"""Which packets came, which were sent, and what became of them.

`ReceivedPackets` keeps the newest sequence number and one bit for each of the `ACK_SPAN_MAX` before
it. An ack covers every packet that came since the third-last ack was sent, and at least the last 32
packets. So what one lost ack has said, the next two say again. Messages carry one only when one is
owed, or was owed to those before them.

`SentPackets` keeps a record of every packet with messages until the packet is acked or forgotten.
A packet that was given up as lost keeps its record. If its ack comes late after all, its messages
are not sent again, and its tags are reported. `_awaited` has one bit for every record. With it, an
ack of two thousand packets costs only as much as the packets that it is news of.

Now and then a sequence number is left out, and nobody can tell beforehand which. A peer that acks
such a number acks a packet that it cannot have received. It may want to be sent more than its link
carries, or to have it sent to somebody else; its session is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidereal.protocol import limits
from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.limits import LIMITS, AckLimits
from sidereal.protocol.channel.sent import SentPacket
from sidereal.protocol.errors import RemoteProtocolError

_SPAN_MASK: Final = (1 << limits.ACK_SPAN_MAX) - 1
_HALF: Final = 1 << 15
_NOTHING: Final = 1 << 64
REPEATS: Final = 1
"""How often an ack that was owed goes along again: the first one may be lost."""


def restore(near: int, sequence: int, bits: int) -> int:
    """Find the number that ends in the given bits and is nearest to another one.

    Args:
        near: the known number.
        sequence: the low bits of the wanted one.
        bits: how many.
    """
    half = 1 << (bits - 1)
    return near + ((sequence - near + half) & ((1 << bits) - 1)) - half


class ReceivedPackets:
    """Which of the peer's packets came, and what ack of them is owed."""

    __slots__ = (
        "_again",
        "_bits",
        "_lowest",
        "_newest_at",
        "newest",
        "owed_count",
        "owed_since",
    )

    def __init__(self) -> None:
        self.newest = -1
        self.owed_since: float | None = None
        """Since when the peer waits for an ack; None if it does not."""
        self.owed_count = 0
        """For how many packets it does."""
        self._bits = 0
        self._newest_at = 0.0
        self._again = 0
        self._lowest = [_NOTHING, _NOTHING, _NOTHING]
        # Lowest sequence that came since acks were last sent, between that and the time before,
        # and before that.

    def admit(self, sequence: int, ack_wanted: bool, now: float) -> int | None:
        """Note that a packet came.

        Args:
            sequence: its number, modulo 2**16.
            ack_wanted: whether its sender waits for an ack.
            now: seconds.

        Returns:
            Its whole number; None if it came before, or is too old to tell.
        """
        ahead = ((sequence - self.newest + _HALF) & 0xFFFF) - _HALF
        sequence = self.newest + ahead
        if ahead > 0:
            if ahead < limits.ACK_SPAN_MAX:
                self._bits = (self._bits << ahead | 1) & _SPAN_MASK
            else:
                self._bits = 1
            self.newest = sequence
            self._newest_at = now
        else:
            if sequence < 0 or -ahead >= limits.ACK_SPAN_MAX or self._bits >> -ahead & 1:
                return None
            self._bits |= 1 << -ahead
        if sequence < self._lowest[0]:
            self._lowest[0] = sequence
        if ack_wanted:
            self.owed_count += 1
            if self.owed_since is None:
                self.owed_since = now
        return sequence

    @property
    def ack_words(self) -> int:
        """How many words of bits the next ack takes."""
        span = self.newest - min(self._lowest)
        return min(max(1, (span + 31) // 32), limits.ACK_WORDS_MAX)

    def encode_ack(self, now: float, words: int) -> bytes:
        """Encode an ack of what came so far; empty if nothing did."""
        if self.newest < 0:
            return b""
        return wire.encode_ack(self.newest, now - self._newest_at, self._bits >> 1, words)

    @property
    def goes_along(self) -> bool:
        """Whether messages that are sent now carry an ack."""
        return self.owed_since is not None or self._again > 0

    def due_at(self, limits: AckLimits) -> float | None:
        """When an ack should leave at the latest; None if none is owed."""
        if self.owed_since is None:
            return None
        waits = self.owed_count < limits.at_once_packets
        return self.owed_since + limits.delay_s * waits

    def acks_sent(self) -> None:
        """Note that an ack went out: none is owed now."""
        self._again = REPEATS if self.owed_since is not None else max(0, self._again - 1)
        self.owed_since = None
        self.owed_count = 0
        self._lowest = [_NOTHING, self._lowest[0], self._lowest[1]]


class SentPackets:
    """Packets sent of which the peer has not yet said that they came."""

    __slots__ = (
        "_awaited",
        "_awaited_mask",
        "_entropy",
        "_in_flight",
        "_left_out",
        "_limits",
        "_lost",
        "_next_left_out",
        "_reliable_in_flight",
        "newest_acked",
        "next_sequence",
        "reorder",
    )

    def __init__(
        self, entropy: Callable[[int], bytes] | None = None, limits: AckLimits = LIMITS.acks
    ) -> None:
        """Start with number 0.

        Args:
            entropy: tells which numbers are left out; None: none are.
            limits: for how many packets, and for how long, acks are awaited.
        """
        self.next_sequence = 0
        self.newest_acked = -1
        self.reorder = limits.reorder_packets
        """A packet is given up when this many later ones were acked; adapts to the link."""
        self._in_flight: dict[int, SentPacket] = {}
        self._reliable_in_flight: dict[int, None] = {}
        # Those of them that carry reliable messages.
        self._lost: dict[int, SentPacket] = {}
        self._limits = limits
        self._awaited_mask = (1 << limits.awaited_packets) - 1
        self._awaited = 0
        # bit i: packet `next_sequence - 1 - i` is in one of the two dicts.
        self._entropy = entropy
        self._left_out = self._next_left_out = _NOTHING
        # The newest number that was left out, and the next one that will be.
        if entropy is not None:
            self._next_left_out = 1 + entropy(1)[0]

    def skip(self) -> list[SentPacket]:
        """Use up a sequence number for a packet nobody need hear about again.

        Returns:
            Packets to be given up: they have been awaited for `awaited_packets`.
        """
        return self._advance(0)

    def add(self, sent: SentPacket) -> list[SentPacket]:
        """Note that the packet with the next sequence number went out; returns as `skip`."""
        self._in_flight[sent.sequence] = sent
        if sent.segments:
            self._reliable_in_flight[sent.sequence] = None
        return self._advance(1)

    def _advance(self, is_awaited: int) -> list[SentPacket]:
        forgotten = []
        self.next_sequence += 1
        self._awaited = self._awaited << 1 | is_awaited
        if self._awaited > self._awaited_mask:
            self._awaited &= self._awaited_mask
            oldest = self.next_sequence - 1 - self._limits.awaited_packets
            if self._lost.pop(oldest, None) is None:
                forgotten.append(self._in_flight.pop(oldest))
                self._reliable_in_flight.pop(oldest, None)
        if self.next_sequence == self._next_left_out and self._entropy is not None:
            self._left_out = self.next_sequence
            self._next_left_out += 2 + self._entropy(1)[0]
            forgotten += self._advance(0)
        return forgotten

    def restore_ack(self, ack: int) -> int | None:
        """Restore an ack of 16 bits; None if no such packet was ever sent."""
        sequence = restore(self.next_sequence - 1, ack, 16)
        return sequence if 0 <= sequence < self.next_sequence else None

    def take_acked(self, ack: int, bits: int) -> list[SentPacket]:
        """Remove and return the packets of which an ack is news, newest first.

        Args:
            ack: restored sequence of the newest packet the peer has.
            bits: bit i says whether it has packet `ack - 1 - i`.

        Raises:
            RemoteProtocolError: it says so of a number that was left out.
        """
        said = bits << 1 | 1
        if ack >= self._left_out and said >> ack - self._left_out & 1:
            raise RemoteProtocolError("an ack of a packet that never was")
        behind = self.next_sequence - 1 - ack
        news = said & self._awaited >> behind
        if not news:
            return []
        self._awaited &= ~(news << behind)
        self.newest_acked = max(self.newest_acked, ack)
        acked = []
        while news:
            lowest = news & -news
            news ^= lowest
            acked.append(self._pop(ack - lowest.bit_length() + 1))
        return acked

    def _pop(self, sequence: int) -> SentPacket:
        sent = self._in_flight.pop(sequence, None)
        if sent is None:
            sent = self._lost.pop(sequence)
            if sent.is_overtaken:
                late_by = self.newest_acked - sequence + 1
                most = self._limits.reorder_packets_max
                self.reorder = max(self.reorder, min(late_by, most))
        elif sent.segments:
            self._reliable_in_flight.pop(sequence, None)
        return sent

    def take_lost(self, now: float, age_s_max: float) -> list[SentPacket]:
        """Give up, and return, packets that enough later ones overtook or that reached an age."""
        lost = []
        overtaken = self.newest_acked - self.reorder
        for sequence, sent in self._in_flight.items():
            if sequence > overtaken and sent.sent_at + age_s_max > now:
                break
            sent.is_lost = True
            sent.is_overtaken = sequence <= overtaken
            lost.append(sent)
        if lost:
            for sent in lost:
                self._lost[sent.sequence] = self._in_flight.pop(sent.sequence)
                if sent.segments:
                    self._reliable_in_flight.pop(sent.sequence, None)
            self._forget_lost(now - age_s_max - self._limits.late_s)
        return lost

    def _forget_lost(self, sent_before: float) -> None:
        """Stop waiting for the acks of packets given up long ago."""
        forgotten = []
        for sequence, sent in self._lost.items():
            if sent.sent_at > sent_before:
                break
            forgotten.append(sequence)
        for sequence in forgotten:
            del self._lost[sequence]
            self._awaited &= ~(1 << (self.next_sequence - 1 - sequence))

    @property
    def oldest_sent_at(self) -> float | None:
        """When the oldest packet in flight was sent."""
        for sent in self._in_flight.values():
            return sent.sent_at
        return None

    @property
    def is_spanned(self) -> bool:
        """Whether one ack could speak of all reliable packets in flight and of one more."""
        oldest = next(iter(self._reliable_in_flight), self.next_sequence)
        return self.next_sequence - oldest < self._limits.span_packets
