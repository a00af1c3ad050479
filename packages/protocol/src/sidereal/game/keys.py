"""Names of the keys that controls and actions may be bound to."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

NAMED: Final = (
    *("SPACE", "ENTER", "TAB", "BACKSPACE", "SHIFT", "CTRL", "ALT"),
    *("UP", "DOWN", "LEFT", "RIGHT", "COMMA", "PERIOD", "MINUS", "EQUAL", "SEMICOLON"),
)
BUTTONS: Final = ("MOUSE_LEFT", "MOUSE_RIGHT", "MOUSE_MIDDLE")
"""Of a mouse: what is bound to one is held and pressed as with a key."""
WORDS_LETTERS_MAX: Final = 32
"""Of what a key does: more has no room in a list of keys."""
KEYS: Final = frozenset(
    {*string.ascii_uppercase, *string.digits, *(f"F{n}" for n in range(1, 13)), *NAMED, *BUTTONS}
)


def key_problems(bound: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Say what is wrong with keys.

    Args:
        bound: keys by the full name of the column that they move, or of the action that they ask
            for.
    """
    moves: dict[str, str] = {}
    for column, keys in bound.items():
        for key in keys:
            if key not in KEYS:
                known = f"A to Z, 0 to 9, F1 to F12, {', '.join((*NAMED, *BUTTONS))}"
                yield f"{column}: there is no key {key!r}; there are {known}"
            elif key in moves:
                yield f"{column}: {key} is for {moves[key]} already"
            moves[key] = column


def words_problems(said: Mapping[str, Iterable[object]]) -> Iterator[str]:
    """Say what is wrong with the words for what keys do.

    Args:
        said: by the full name of the column or of the action.
    """
    for column, words in said.items():
        for word in words:
            if not (isinstance(word, str) and word.strip() and len(word) <= WORDS_LETTERS_MAX):
                yield f"{column}: does= has 1 to {WORDS_LETTERS_MAX} letters for each key"
