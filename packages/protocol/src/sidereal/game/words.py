"""What may stand in a line that people read: any script, and nothing that plays with the line.

`str.isprintable` is nearly that, but it refuses what some scripts are written with: joiners, and
blanks other than ASCII's. What it refuses rightly stays refused: controls and line breaks, marks
that change the direction of writing, halves of characters, and what has no meaning yet.
"""

from __future__ import annotations

import unicodedata
from typing import Final

JOINERS: Final = "\u200c\u200d"
"""They part or join letters in Persian, in Indic scripts and in emoji: drawn as nothing."""
MARKS_MAX: Final = 8
"""Marks on one letter, or joiners after it; more of them would be drawn over other lines."""

_MARKS: Final = ("Mn", "Me")


def fits_line(letter: str) -> bool:
    """Tell whether a character may stand in a line."""
    return letter.isprintable() or letter in JOINERS or unicodedata.category(letter) == "Zs"


def is_line(text: str) -> bool:
    """Tell whether a text may be shown to people as a line: one that shows something."""
    marks, shows = 0, False
    for letter in text:
        if not fits_line(letter):
            return False
        sits = letter in JOINERS or unicodedata.category(letter) in _MARKS
        marks = marks + 1 if sits else 0
        if marks > MARKS_MAX:
            return False
        shows |= not sits and not letter.isspace()
    return shows


def as_line(text: str) -> str:
    """Make a text fit to be shown as a line.

    Marks that are too many on their letter are left out, and what else may not stand in a line
    becomes a question mark.

    Returns:
        a text for which `is_line` holds; empty, if there is nothing to be shown.
    """
    kept, marks = [], 0
    for letter in text:
        sits = letter in JOINERS or unicodedata.category(letter) in _MARKS
        marks = marks + 1 if sits else 0
        if marks <= MARKS_MAX:
            kept.append(letter if fits_line(letter) else "?")
    line = "".join(kept)
    return line if is_line(line) else ""
