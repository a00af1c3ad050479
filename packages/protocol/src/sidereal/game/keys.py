"""Names of the keys that controls may be bound to."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

NAMED: Final = (
    *("SPACE", "ENTER", "TAB", "BACKSPACE", "SHIFT", "CTRL", "ALT"),
    *("UP", "DOWN", "LEFT", "RIGHT", "COMMA", "PERIOD", "MINUS", "EQUAL", "SEMICOLON"),
)
KEYS: Final = frozenset(
    {*string.ascii_uppercase, *string.digits, *(f"F{n}" for n in range(1, 13)), *NAMED}
)


def key_problems(bound: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Say what is wrong with keys.

    Args:
        bound: keys by the full name of the column that they move.
    """
    moves: dict[str, str] = {}
    for column, keys in bound.items():
        for key in keys:
            if key not in KEYS:
                known = f"A to Z, 0 to 9, F1 to F12, {', '.join(NAMED)}"
                yield f"{column}: there is no key {key!r}; there are {known}"
            elif key in moves:
                yield f"{column}: {key} moves {moves[key]} already"
            moves[key] = column
