"""A line of text as clusters: a letter with its marks, or a word of letters that join.

What comes from others is bounded here: a line has at most `LINE_MAX` characters, a letter at most
`MARKS_MAX` marks. Controls, marks of direction and what has no width are left out; what is no
character is drawn as a box.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

LINE_MAX: Final = 512
"""Characters of a line; the rest is not drawn."""
MARKS_MAX: Final = 4
"""Of one letter."""
WORD_MAX: Final = 24
"""Characters of a word of joined letters that are drawn in one piece."""
BOX: Final = "\ufffd"
"""Stands for what is no character."""

JOINERS: Final = "\u200c\u200d"
_JOINED_FIRST: Final = 0x0530
"""Letters before it stand by themselves, as in the viewer's own face; so do those of `_APART`."""
_APART: Final = ((0x1E00, 0x1FFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0x1D400, 0x1D7FF))
_TONES: Final = (0x1F3FB, 0x1F3FF)
"""Of skin, after an emoji."""
_MARKS: Final = ("Mn", "Mc", "Me")
_NOTHING: Final = ("Cc", "Cf")
_NO_LETTER: Final = ("Cs", "Co", "Cn")


class Cluster(NamedTuple):
    """What is drawn in one piece.

    Attributes:
        text: its characters, in the order in which they are spoken.
        cells: about how many it takes; a font may need more.
        joined: whether its letters may join with those beside it.
    """

    text: str
    cells: int
    joined: bool


@functools.lru_cache(maxsize=1024)
def clusters(text: str) -> tuple[Cluster, ...]:
    """Cut a line into clusters, in the order in which they are spoken."""
    found: list[Cluster] = []
    for letter in _kept(unicodedata.normalize("NFC", text[:LINE_MAX])):
        last = found[-1] if found else None
        if _is_mark(letter):
            if last is None or len(last.text) <= MARKS_MAX:
                base = last or Cluster(" ", 1, joined=False)
                found[-1:] = [base._replace(text=base.text + letter)]
        else:
            found.append(Cluster(letter, 1 + _is_wide(letter), _is_joined(letter)))
    return tuple(found)


def cells_of(text: str) -> int:
    """Tell about how many cells a line takes."""
    return sum(cluster.cells for cluster in clusters(text))


def begin(text: str, cells: int) -> str:
    """Cut a line at its end, so that it takes no more cells, and say so by an ellipsis."""
    return _cut(clusters(text), cells, "{}…") if _is_longer(text, cells) else text


def end(text: str, cells: int) -> str:
    """Cut a line at its beginning, likewise."""
    if not _is_longer(text, cells):
        return text
    return "".join(reversed(_fit(reversed(clusters(text)), cells - 1))).join(("…", ""))


def wrap(text: str, cells: int, lines: int) -> list[str]:
    """Cut a line into lines, between words where there is a blank; what is left is left out."""
    made: list[str] = []
    line: list[str] = []
    used = 0
    for word in text.split():
        parts = clusters(word)
        taken = sum(part.cells for part in parts)
        if line and used + 1 + taken > cells:
            made.append(" ".join(line))
            line, used = [], 0
        while taken > cells:
            head = _fit(parts, cells)
            made.append("".join(head))
            parts = parts[max(len(head), 1) :]
            taken = sum(part.cells for part in parts)
            if len(made) >= lines:
                return made[:lines]
        line.append("".join(part.text for part in parts))
        used += taken + (len(line) > 1)
        if len(made) >= lines:
            return made[:lines]
    return [*made, " ".join(line)][:lines] if line else made[:lines]


def _is_longer(text: str, cells: int) -> bool:
    return len(text) > LINE_MAX or cells_of(text) > cells


def _cut(parts: Iterable[Cluster], cells: int, how: str) -> str:
    return how.format("".join(_fit(parts, cells - 1)))


def _fit(parts: Iterable[Cluster], cells: int) -> list[str]:
    """Take as many as have room."""
    taken, room = [], cells
    for part in parts:
        room -= part.cells
        if room < 0:
            break
        taken.append(part.text)
    return taken


def _kept(text: str) -> Iterator[str]:
    """Leave out what is not drawn."""
    padded = [" ", *text, " "]
    for before, (letter, after) in zip(padded, pairwise(padded[1:]), strict=False):
        category = unicodedata.category(letter)
        if letter in JOINERS:
            if _is_joined(before) and _is_joined(after):
                yield letter
        elif _TONES[0] <= ord(letter) <= _TONES[1] and unicodedata.category(before) == "So":
            continue
        elif category in _NO_LETTER:
            yield BOX
        elif category in ("Zs", "Zl", "Zp") or letter == "\t":
            yield " "
        elif category not in _NOTHING and not _is_selector(letter):
            yield letter


def _is_selector(letter: str) -> bool:
    code = ord(letter)
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF


def _is_mark(letter: str) -> bool:
    return letter in JOINERS or unicodedata.category(letter) in _MARKS


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _is_joined(letter: str) -> bool:
    """Tell whether a letter is drawn together with those beside it: its script wants it so, or at
    least its letters are of different widths.
    """
    code = ord(letter)
    if code < _JOINED_FIRST or _is_wide(letter) or unicodedata.category(letter)[0] != "L":
        return False
    return not any(low <= code <= high for low, high in _APART)
