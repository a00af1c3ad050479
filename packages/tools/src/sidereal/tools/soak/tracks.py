"""What a channel promises, as a record of what was sent over it and what came.

A track holds no more than the numbers of messages that did not come (yet), and only where their
order says nothing.
"""

from __future__ import annotations

from sidereal.protocol.channel.spec import Delivery


class Track:
    """One channel of a session, one way.

    Attributes:
        sent: messages so far; they are numbered from 0.
        delivered: of these.
    """

    __slots__ = ("_delivery", "_is_in_order", "_missing", "_newest", "delivered", "sent")

    def __init__(self, delivery: Delivery) -> None:
        self.sent = 0
        self.delivered = 0
        self._delivery = delivery
        self._newest = -1
        self._missing: set[int] = set()
        self._is_in_order = delivery in (Delivery.RELIABLE_ORDERED, Delivery.UNRELIABLE_SEQUENCED)

    def send(self) -> int:
        """Note that a message is sent; returns its number."""
        number = self.sent
        self.sent += 1
        if not self._is_in_order:
            self._missing.add(number)
        return number

    def receive(self, number: int) -> str | None:
        """Note that a message came; returns what is wrong with that."""
        if number >= self.sent:
            return f"number {number} was never sent"
        if self._delivery is Delivery.RELIABLE_ORDERED and number != self._newest + 1:
            return f"number {number} came when {self._newest + 1} was due"
        if self._delivery is Delivery.UNRELIABLE_SEQUENCED and number <= self._newest:
            return f"number {number} came after {self._newest}"
        if not self._is_in_order:
            if number not in self._missing:
                return f"number {number} came twice"
            self._missing.remove(number)
        self._newest = max(self._newest, number)
        self.delivered += 1
        return None

    def has_come(self, number: int) -> bool:
        """Whether a message came, or a newer one where that makes it void."""
        if self._is_in_order:
            return number <= self._newest
        return number < self.sent and number not in self._missing

    @property
    def owed(self) -> int:
        """How many messages must still come."""
        return self.sent - self.delivered if self._delivery.is_reliable else 0
