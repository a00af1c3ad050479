"""What happened in the world, for logs and monitors: the core notes it, the shell takes it."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

NOTES_MAX: Final = 1000
"""Notes that wait to be taken; the oldest are dropped."""


class Note(NamedTuple):
    """One event and its fields."""

    tick: int
    event: str
    fields: dict[str, int | str]


class Notes:
    """The notes that wait to be taken."""

    def __init__(self) -> None:
        self._waiting: deque[Note] = deque(maxlen=NOTES_MAX)

    def add(self, tick: int, event: str, **fields: int | str) -> None:
        """Note an event."""
        self._waiting.append(Note(tick, event, fields))

    def take(self) -> list[Note]:
        """Give up what was noted since the last call."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
