"""One peer of an endpoint: its connection, its slot, and how much of what it sent waits.

What a peer sends waits, as events, until the owner of the endpoint takes it. When more waits than
the peer's channels may hold in memory, nothing more is taken from it until all events have been
taken. Its payloads then count as lost on the way, and reliable messages in them come again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Sized
from typing import Protocol

from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.events import Acked, Lost, Received
from sidereal.protocol.channel.limits import LIMITS, TransportLimits
from sidereal.protocol.channel.spec import Budget, ChannelSpec
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.limits import MESSAGE_OVERHEAD_SIZE


class Events(Sized, Protocol):
    """Where events of a peer wait."""

    def append(self, event: Received | Acked | Lost, /) -> None:
        """Add one."""
        ...


class Peer:
    """A connection, and the slot of its session."""

    __slots__ = (
        "_drain",
        "_malformed_max",
        "_waiting_size",
        "_waiting_size_max",
        "connection",
        "number",
        "payloads_malformed",
        "slot",
        "timer_at",
    )

    def __init__(
        self,
        number: int,
        slot: int,
        channels: Sequence[ChannelSpec],
        now: float,
        budget: Budget | None,
        entropy: Callable[[int], bytes],
        limits: TransportLimits = LIMITS,
    ) -> None:
        self.number = number
        self.slot = slot
        self.connection = Connection(channels, now, budget, entropy, limits)
        self.payloads_malformed = 0
        self._malformed_max = limits.malformed_payloads
        self.timer_at = math.inf
        self._drain = 0
        self._waiting_size = 0
        self._waiting_size_max = sum(spec.memory_max for spec in channels)

    def is_full(self, drain: int) -> bool:
        """Tell whether so much waits that nothing more is taken from this peer now.

        Args:
            drain: how often all events have been taken so far.
        """
        if self._drain != drain:
            self._drain = drain
            self._waiting_size = 0
        return self._waiting_size >= self._waiting_size_max

    def receive_untrusted(self, payload: bytes, now: float, events: Events) -> bool:
        """Take a payload; too many that are no packets close the connection.

        Mutates:
            events: what was in the payload is appended.

        Returns:
            Whether it was a packet.
        """
        connection = self.connection
        try:
            deliveries = connection.receive_payload(payload, now)
        except WireError:
            self.payloads_malformed += 1
            if self.payloads_malformed > self._malformed_max:
                connection.close_reason = connection.close_reason or CloseReason.PROTOCOL_VIOLATION
            return False
        count = len(events)
        tags = connection.take_acked()
        if tags:
            events.append(Acked(self.number, tags))
        self.note_lost(events)
        for channel, messages in deliveries:
            for message in messages:
                events.append(Received(self.number, channel, message))
        count = len(events) - count
        self._waiting_size += len(payload) + count * MESSAGE_OVERHEAD_SIZE
        return True

    def note_lost(self, events: Events) -> None:
        """Add what of this peer's is newly taken for lost.

        Mutates:
            events: it is appended.
        """
        tags = self.connection.take_lost()
        if tags:
            events.append(Lost(self.number, tags))
