"""The order in which the clusters of a line stand on the screen, from left to right.

Source: Unicode Standard Annex 9, without what characters of direction ask for: `clusters` leaves
these out, because with them one line could write over another. Rules are named as there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

from sidereal.client.front.writing.clusters import WORD_MAX, Cluster

_MIRRORED: Final = dict(zip("()[]{}<>«»", ")(][}{><»«", strict=True))
_CLOSES: Final = {")": "(", "]": "[", "}": "{"}
BRACKETS_MAX: Final = 63
"""Of those that are open; of more the outer ones are taken for other signs."""
_RIGHT: Final = ("R", "EN", "AN")
_STRONG: Final = ("L", "R", "EN", "AN")


class Piece(NamedTuple):
    """What is drawn in one piece.

    Attributes:
        text: its characters, in the order in which they are spoken.
        cells: about how many it takes.
        leftward: whether it runs from right to left.
    """

    text: str
    cells: int
    leftward: bool


def pieces(line: Sequence[Cluster]) -> list[Piece]:
    """Put clusters into the order of the screen, and join those that belong to one word."""
    levels = _levels([cluster.text[0] for cluster in line])
    words: list[Piece] = []
    at: list[int] = []
    joined = False
    for cluster, level in zip(line, levels, strict=True):
        text = _MIRRORED.get(cluster.text, cluster.text) if level % 2 else cluster.text
        goes_on = joined and cluster.joined and at[-1] == level
        if goes_on and len(words[-1].text) + len(text) <= WORD_MAX:
            last = words[-1]
            words[-1] = last._replace(text=last.text + text, cells=last.cells + cluster.cells)
        else:
            words.append(Piece(text, cluster.cells, leftward=bool(level % 2)))
            at.append(level)
        joined = cluster.joined
    for level in range(max(at, default=0), 0, -1):  # L2
        words, at = _turned(words, at, level)
    return words


def _turned(words: list[Piece], at: list[int], level: int) -> tuple[list[Piece], list[int]]:
    """Turn all that lies on a level or above around."""
    start = 0
    while start < len(at):
        stop = start
        while stop < len(at) and at[stop] >= level:
            stop += 1
        words[start:stop], at[start:stop] = words[start:stop][::-1], at[start:stop][::-1]
        start = stop + 1
    return words, at


def _levels(letters: Sequence[str]) -> list[int]:
    """Tell on which level each cluster lies, by its letter: on an odd one it runs leftward."""
    kinds = [unicodedata.bidirectional(letter) for letter in letters]
    if not {"R", "AL", "AN"} & set(kinds):
        return [0] * len(kinds)
    first = next(kind for kind in (*kinds, "L") if kind in ("L", "R", "AL"))
    base = int(first != "L")  # P2, P3
    around = "R" if base else "L"
    kinds = _weak(kinds, around)
    _bracketed(letters, kinds, around)
    kinds = _neutral(kinds, around)
    if base:
        return [1 if kind == "R" else 2 for kind in kinds]  # I2
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in kinds]  # I1


def _weak(kinds: list[str], base: str) -> list[str]:
    """Resolve numbers and what stands in them: W2 to W7."""
    kinds, strong = list(kinds), base
    for at, kind in enumerate(kinds):
        strong = kind if kind in ("L", "R", "AL") else strong
        if kind == "EN" and strong == "AL":
            kinds[at] = "AN"
    kinds = ["R" if kind == "AL" else kind for kind in kinds]
    for at in range(1, len(kinds) - 1):
        before, after = kinds[at - 1], kinds[at + 1]
        if kinds[at] == "ES" and before == after == "EN":
            kinds[at] = "EN"
        elif kinds[at] == "CS" and before == after and before in ("EN", "AN"):
            kinds[at] = before
    for order in (range(len(kinds)), range(len(kinds) - 1, -1, -1)):
        beside = ""
        for at in order:
            kinds[at] = "EN" if kinds[at] == "ET" and beside == "EN" else kinds[at]
            beside = kinds[at]
    strong = base
    for at, kind in enumerate(kinds):
        strong = kind if kind in ("L", "R") else strong
        kinds[at] = "L" if kind == "EN" and strong == "L" else kind
    return kinds


def _bracketed(letters: Sequence[str], kinds: list[str], base: str) -> None:
    """Let brackets run as what they enclose, or as what is before them: N0.

    Mutates:
        kinds: of the brackets.
    """
    opened: list[int] = []
    for at, letter in enumerate(letters):
        if letter in "([{":
            opened = [*opened[1 - BRACKETS_MAX :], at]
        elif letter in _CLOSES and any(letters[begin] == _CLOSES[letter] for begin in opened):
            while letters[begin := opened.pop()] != _CLOSES[letter]:
                pass
            inside = {_side(kind) for kind in kinds[begin + 1 : at]} - {""}
            if base in inside:
                kinds[begin] = kinds[at] = base
            elif inside:
                sides = [base, *map(_side, kinds[:begin])]
                kinds[begin] = kinds[at] = next(side for side in reversed(sides) if side)


def _side(kind: str) -> str:
    """To which side something runs, nothing if that is not its own."""
    return "R" if kind in _RIGHT else "L" if kind == "L" else ""


def _neutral(kinds: list[str], base: str) -> list[str]:
    """Resolve what has no direction by what is on both sides of it: N1, N2."""
    kinds, start = list(kinds), 0
    while start < len(kinds):
        stop = start
        while stop < len(kinds) and kinds[stop] not in _STRONG:
            stop += 1
        if stop > start:
            before = kinds[start - 1] if start else base
            after = kinds[stop] if stop < len(kinds) else base
            before, after = _side(before), _side(after)
            kinds[start:stop] = [before if before == after else base] * (stop - start)
        start = stop + 1
    return kinds
