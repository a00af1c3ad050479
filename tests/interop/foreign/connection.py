"""One end of a link: what it says and hears over channels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from .octets import Malformed
from .packets import WORDS_MAX, Ack, Channel, read_packet
from .receiving import DELAY_UNIT_S, Inbound, Violation
from .sending import Outbound

MALFORMED_MAX: Final = 16
ACK_WITHIN_S: Final = 0.01
"""An ack that is wanted goes at the first chance after this; 20 ms are allowed."""
ACKS_COVERED: Final = 3
WORDS_BESIDE_MESSAGES: Final = 8
DELAY_MAX: Final = 65535


class Connection:
    """One end of a link.

    Attributes:
        inbound: what comes.
        outbound: what goes.
    """

    def __init__(self, channels: Sequence[Channel], seed: int = 0) -> None:
        self.inbound = Inbound(channels)
        self.outbound = Outbound(channels, seed)
        self._channels = tuple(channels)
        self._malformed = 0
        self._ack_wanted_at: float | None = None
        self._came: list[int] = []
        self._told: deque[list[int]] = deque(maxlen=ACKS_COVERED)

    @property
    def is_idle(self) -> bool:
        """Whether everything that was said has gone, and what is reliable has come."""
        return self.outbound.is_idle

    def say(self, channel: int, message: bytes) -> None:
        """Queue a message."""
        self.outbound.say(channel, message)

    def take(self, payload: bytes, now: float) -> list[tuple[int, bytes]]:
        """Take a payload: the messages that it brings, with their channels.

        Raises:
            Violation: the session must end.
        """
        try:
            packet = read_packet(payload, self._channels)
        except Malformed as error:
            self._malformed += 1
            if self._malformed > MALFORMED_MAX:
                raise Violation("too many malformed packets") from error
            return []
        number, messages = self.inbound.take(packet, now)
        if number is None:
            return []
        self._came.append(number)
        if packet.ack is not None:
            self.outbound.take_ack(packet.ack, now)
        if packet.wants_ack and self._ack_wanted_at is None:
            self._ack_wanted_at = now
        return messages

    def payloads(self, now: float) -> Iterator[bytes]:
        """Give the payloads that are to be sent now."""
        wanted_at = self._ack_wanted_at
        is_due = wanted_at is not None and now - wanted_at >= ACK_WITHIN_S
        wide = self._ack(now, WORDS_MAX)
        if self._came and wide is not None and wide.words > WORDS_BESIDE_MESSAGES:
            yield from self.outbound.empty(wide, now)
            self._acked()
            is_due = False
        narrow = self._ack(now, WORDS_BESIDE_MESSAGES)
        for payload in self.outbound.packets(narrow, now, is_due):
            self._acked()
            yield payload

    def _acked(self) -> None:
        if self._came or self._ack_wanted_at is not None:
            self._told.append(self._came)
            self._came, self._ack_wanted_at = [], None

    def _ack(self, now: float, words_max: int) -> Ack | None:
        arrivals = self.inbound.arrivals
        newest = arrivals.newest
        if newest < 0:
            return None
        recent = [*self._came, *(number for told in self._told for number in told)]
        words = max(1, -(-(newest - min(recent, default=newest)) // 32))
        words = min(words, words_max)
        has = (arrivals.has(newest - 1 - bit) << bit for bit in range(32 * words))
        waited = round((now - arrivals.newest_at) / DELAY_UNIT_S)
        return Ack(newest & 0xFFFF, min(waited, DELAY_MAX), words, sum(has))
