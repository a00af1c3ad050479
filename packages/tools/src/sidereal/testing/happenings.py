"""What a test asks of what has happened: calls refused, and what went wrong in the game's code."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

from sidereal.game import Event
from sidereal.protocol.errors import GameFailedError
from sidereal.replication.actions.refusals import AGAIN, FIRST
from sidereal.replication.notes import Note

E = TypeVar("E", bound=Event)

_FAILURES: Final = {
    "action_failed": ("action {action}", "error"),
    "hook_failed": ("{hook}", "error"),
    "rule_failed": ("rule {rule}", "why"),
}
"""What a note says that failed, and the field that says how."""


class Refused(NamedTuple):
    """Calls of systems that were refused in one tick, for one reason.

    Attributes:
        tick: in which.
        entity: on behalf of whom the first was asked.
        calls: how many.
        why: in the words of the game, or of the engine.
    """

    tick: int
    entity: int
    calls: int
    why: str


def check_game_code(news: list[Note]) -> None:
    """Look whether an action, a hook or a rule has raised.

    Raises:
        GameFailedError: naming the first; its notes have the traceback.
    """
    for note in news:
        if note.event in _FAILURES:
            name, how = _FAILURES[note.event]
            what = name.format(**note.fields)
            words = f"{what} raised at tick {note.tick}: {note.fields[how]}"
            failure = GameFailedError(what, note.tick, words)
            failure.add_note(note.trace)
            raise failure


def refused_calls(news: list[Note], action: str) -> list[Refused]:
    """Find the calls of an action that systems have asked for, and that were refused."""
    asked = (n for n in news if n.event in (FIRST, AGAIN) and n.fields["action"] == action)
    return [
        Refused(n.tick, int(n.fields["entity"]), int(n.fields["count"]), str(n.fields["why"]))
        for n in asked
    ]
