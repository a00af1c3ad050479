"""What happened in the world, for logs and monitors: the core notes it, the shell takes it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from sidereal.replication.limits import LIMITS


class Note(NamedTuple):
    """One event and its fields; `trace` is for the log alone, empty for most events."""

    tick: int
    event: str
    fields: dict[str, int | str]
    trace: str = ""


class Notes:
    """The notes that wait to be taken."""

    def __init__(self, notes_max: int = LIMITS.notes) -> None:
        self._waiting: deque[Note] = deque(maxlen=notes_max)

    def add(self, tick: int, event: str, trace: str = "", **fields: int | str) -> None:
        """Note an event; with a trace it is an error."""
        self._waiting.append(Note(tick, event, fields, trace))

    def take(self) -> list[Note]:
        """Give up what was noted since the last call."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
