"""The event feed: what the client tells, in lines for people."""

from __future__ import annotations

import collections
from typing import Final, Protocol

from sidereal.client import events
from sidereal.client.front import palette
from sidereal.client.front.frame import FeedLine

LINES_KEPT: Final = 32
NOT_HERE: Final = "this game is not here: shown as the server describes it, not predicted"


class Teller(Protocol):
    """What tells of events."""

    def next_event(self) -> events.ClientEvent | None:
        """Oldest event not yet taken."""


class News:
    """The newest lines.

    Attributes:
        lines: oldest first.
        ended: how the session ended, None while it goes on.
    """

    def __init__(self) -> None:
        self.lines: collections.deque[FeedLine] = collections.deque(maxlen=LINES_KEPT)
        self.ended: events.Ended | None = None
        self._loss = ""

    def note(self, text: str, now: float, colour: palette.Rgb = palette.TEXT) -> None:
        """Add a line."""
        self.lines.append(FeedLine(text, colour, now))

    def take(self, teller: Teller, now: float) -> None:
        """Take all events that wait, and say what people want to know of them."""
        while (event := teller.next_event()) is not None:
            match event:
                case events.Joined():
                    self._loss = ""
                    self.note(f"joined as {event.welcome.name}", now, palette.GOOD)
                case events.Assigned():
                    self.note(f"you fly e{event.net_id}", now, palette.GOOD)
                case events.ToldLine():
                    self.note(event.text, now)
                case events.ReceiptCame() if event.text:
                    action = event.action.rpartition(".")[2].replace("_", " ")
                    self.note(f"{action}: {event.text}", now, palette.WARN)
                case events.NoticeLine():
                    self.note(event.text, now, palette.WARN)
                case events.WorldDescribed():
                    self._note_world(event, now)
                case events.Lost():
                    self._note_loss(event, now)
                case events.Ended():
                    self.ended = event
                    reason = event.reason.name.lower().replace("_", " ")
                    text = f": {event.text}" if event.text else ""
                    self.note(f"session ended, {reason}{text}", now, palette.BAD)

    def _note_world(self, world: events.WorldDescribed, now: float) -> None:
        """Say that the world is of a game that is not here."""
        self.note(NOT_HERE, now, palette.WARN)
        if world.difference:
            self.note(f"other than here: {world.difference}", now)

    def _note_loss(self, lost: events.Lost, now: float) -> None:
        """Say that a session is over; of the attempts that follow only what is new."""
        text = f"{lost.reason}, {lost.text}" if lost.text else lost.reason
        if text != self._loss:
            self._loss = text
            self.note(f"no session ({text}): trying again", now, palette.BAD)
