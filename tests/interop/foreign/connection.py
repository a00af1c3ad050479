"""Both directions of a link together: payloads in and out. PROTOCOL.md, "Channels"."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from .channels import ACK_WITHIN_S, Inbound, Message
from .packets import Channel, Packet, write_packet
from .sending import Outbound

ACK_WORDS_BESIDE_PARTS: Final = 8


class Connection:
    """One end of a link."""

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self._inbound = Inbound(channels)
        self._outbound = Outbound(channels)

    @property
    def is_idle(self) -> bool:
        """Whether everything that was said has arrived."""
        return self._outbound.is_idle

    def say(self, channel: int, message: bytes) -> None:
        """Queue a message.

        Raises:
            OverflowError: the channel's memory has no room for it.
        """
        self._outbound.say(channel, message)

    def take(self, payload: bytes, now: float) -> list[Message]:
        """Take a payload, and give the messages that arrive by it.

        Raises:
            Violation: the session is to end.
        """
        packet, messages = self._inbound.take(payload, now)
        if packet is not None and packet.ack is not None:
            self._outbound.take_ack(packet.ack)
        return messages

    def payloads(self, now: float) -> Iterator[bytes]:
        """Give the payloads that are to be sent now."""
        arrivals = self._inbound.arrivals
        due = list(self._outbound.due(now))
        is_owed = arrivals.owed_since is not None and now >= arrivals.owed_since + ACK_WITHIN_S
        if not due and not is_owed:
            return
        ack = arrivals.ack(now)
        is_wide = ack is not None and ack.words > ACK_WORDS_BESIDE_PARTS
        if is_wide or not due:
            due.insert(0, ())
        for parts in due:
            sequence, wants_ack = self._outbound.sent(parts, now)
            if is_wide and parts and ack is not None:
                ack = dataclasses.replace(ack, words=1, bits=ack.bits & 0xFFFFFFFF)
            yield write_packet(Packet(sequence, wants_ack, ack, parts))
