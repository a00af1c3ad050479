"""What has happened in a session: events for the face, in their order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sidereal.client.limits import LIMITS
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.message.player import Call, Outcome, Receipt, Welcome


@dataclass(frozen=True, slots=True)
class Joined:
    """The server let the client in; its rules are in the welcome."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Assigned:
    """The client flies this entity from now on."""

    net_id: int
    control_epoch: int
    tick: int


@dataclass(frozen=True, slots=True)
class LeasesChanged:
    """`Client.leases` was replaced: leases around the client have changed, or it has moved on."""

    tick: int


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line that the game tells: what somebody says, for instance."""

    text: str


@dataclass(frozen=True, slots=True)
class ReceiptCame:
    """The answer to a call.

    Attributes:
        key: of the call.
        action: its name.
        outcome: what has become of it.
        text: why it was not done, in words; else empty.
    """

    key: bytes
    action: str
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A line from the server for the person at the client."""

    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A session is over, or was not to be had; another one will be tried (`ReturningClient`)."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class WorldDescribed:
    """The world is read as the server describes it from the next session on (`ReturningClient`).

    Its game is not here, so nothing is predicted.

    Attributes:
        difference: from the game that is here, for people; empty if there is none.
    """

    difference: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; a new one needs a new connect token and a new `Client`.

    Attributes:
        reason: why.
        text: in a line, for people; may be empty.
        description: of the world, if the server has refused this client because it has another one.
    """

    reason: CloseReason
    text: str
    description: bytes = b""


def receipt_of(call: Call, receipt: Receipt) -> ReceiptCame:
    """Make the event of a receipt."""
    return ReceiptCame(call.key, call.action, receipt.outcome, receipt.text)


ClientEvent = (
    Joined
    | Assigned
    | LeasesChanged
    | ToldLine
    | ReceiptCame
    | NoticeLine
    | Lost
    | WorldDescribed
    | Ended
)


class EventQueue:
    """Events that the face has not taken yet; when it takes none, the oldest are lost.

    Attributes:
        dropped: how many were lost.
    """

    def __init__(self, events_max: int = LIMITS.events) -> None:
        self.dropped = 0
        self._events_max = events_max
        self._events: deque[ClientEvent] = deque()

    def add(self, event: ClientEvent) -> None:
        """Add the newest."""
        if len(self._events) >= self._events_max:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)

    def next(self) -> ClientEvent | None:
        """Take the oldest, None when there is none."""
        return self._events.popleft() if self._events else None
