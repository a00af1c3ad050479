"""Looks and effects: how faces draw a game, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sidereal.game.column import Field
from sidereal.game.component import Event
from sidereal.game.kind import Kind

SYMBOLS: Final = ("arrow", "circle", "cross", "diamond", "dot", "ring", "rock", "square", "star")
EFFECTS: Final = ("burst", "flash", "ring", "text")
_COLOUR: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


@dataclass(frozen=True, eq=False)
class Look:
    """How faces draw a kind.

    Attributes:
        kind: whose look.
        symbol: one of `SYMBOLS`.
        colour: `#rgb` or `#rrggbb`.
        size: world units, or the field which holds them; None is the body's radius.
        label: the text field that is written beside it, if any.
    """

    kind: Kind
    symbol: str
    colour: str
    size: float | Field | None
    label: Field | None

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        where = f"look of {self.kind}"
        found = _drawing_problems(where, self.symbol, SYMBOLS, self.colour)
        found += _size_problems(where, self.size)
        if self.label is not None and self.label.storage.dtype != "S":
            found.append(f"{where}: label must be a Text field")
        return found


@dataclass(frozen=True, eq=False)
class Effect:
    """What faces show when an event happens.

    Attributes:
        event: whose effect.
        kind: one of `EFFECTS`.
        colour: `#rgb` or `#rrggbb`.
        size: world units, or the field which holds them.
        seconds: how long it is seen.
    """

    event: type[Event]
    kind: str
    colour: str
    size: float | Field
    seconds: float

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        if not (isinstance(self.event, type) and issubclass(self.event, Event)):
            return [f"effect of {self.event!r}, which is no event"]
        where = f"effect of {self.event.record_name}"
        found = _drawing_problems(where, self.kind, EFFECTS, self.colour)
        found += _size_problems(where, self.size)
        if not 0 < self.seconds <= SECONDS_MAX:
            found.append(f"{where}: seconds must be above 0, at most {SECONDS_MAX:g}")
        return found


SECONDS_MAX: Final = 60.0


def _drawing_problems(where: str, symbol: str, known: tuple[str, ...], colour: str) -> list[str]:
    found = []
    if symbol not in known:
        found.append(f"{where}: {symbol!r} is not among {', '.join(known)}")
    if not _COLOUR.fullmatch(colour):
        found.append(f"{where}: colour {colour!r} is not of the form #8cf or #88ccff")
    return found


def _size_problems(where: str, size: Any) -> list[str]:
    if size is None or isinstance(size, Field):
        return []
    if not isinstance(size, int | float) or not 0 < size <= SIZE_MAX:
        return [f"{where}: size must be a field or a number above 0, at most {SIZE_MAX:g}"]
    return []


SIZE_MAX: Final = 10_000.0
