"""What becomes of calls of systems that are refused: nobody is answered, so they are noted.

The first of an action is an event like others; those after it may come at every tick.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from sidereal.replication.notes import Notes

GONE: Final = "it has gone, or another shard simulates it by now"
TOO_MANY: Final = "its shard has asked for more than it may in a tick"
FIRST: Final = "ask_refused"
AGAIN: Final = "ask_refused_again"


class Refusals:
    """The calls of systems that were refused in one tick."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._noted: set[str] = set()
        self._asking: defaultdict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, action: str, why: str, entity: int) -> None:
        """Take down one, and on behalf of whom it was asked."""
        self._asking[action, why].append(entity)

    def note(self, tick: int) -> None:
        """Note those of the tick, once for each action and each reason."""
        for (action, why), asking in self._asking.items():
            event = AGAIN if action in self._noted else FIRST
            self._noted.add(action)
            count, first = len(asking), asking[0]
            self._notes.add(tick, event, action=action, why=why, count=count, entity=first)
        self._asking.clear()
