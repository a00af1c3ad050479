"""Looks and effects: how faces draw a game, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sidereal.game.column import Field
from sidereal.game.component import EVERYONE, Component, Event
from sidereal.game.kind import Kind

SYMBOLS: Final = ("arrow", "circle", "cross", "diamond", "dot", "ring", "rock", "square", "star")
"""An arrow points where its entity heads, a ring is hollow. Dots and rocks are scenery: they lie
below all else, and are passed over where things are named one by one."""
PLAIN: Final = "dot"
"""The symbol of a kind without a look."""
EFFECTS: Final = ("burst", "flash", "ring", "text")
SOUNDS: Final = ("shot", "burst", "hum", "chime", "clank")
RANK: Final = 5
"""Of a kind whose look says none; `RANK_FLOWN` is that of one which somebody may fly."""
RANK_FLOWN: Final = 2
RANK_MAX: Final = 9
SIZE_MAX: Final = 10_000.0
SECONDS_MAX: Final = 60.0

_COLOUR: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


@dataclass(frozen=True, eq=False)
class Look:
    """How faces draw a kind.

    Attributes:
        kind: whose look.
        symbol: one of `SYMBOLS`.
        colour: `#rgb` or `#rrggbb`; None is that of the shard which simulates an entity.
        size: from the middle to the edge: world units, or the field which holds them; None is the
            body's radius.
        label: the text field that is written beside it, if any.
        rank: when it comes where things are chosen one by one, 0 for first and `RANK_MAX` for last;
            of one rank the nearest comes first. None is `RANK`, or `RANK_FLOWN` if it has a pilot.
    """

    kind: Kind
    symbol: str
    colour: str | None
    size: float | Field | None
    label: Field | None
    rank: int | None = None

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """Red, green and blue of `colour`, 0 to 255."""
        return None if self.colour is None else rgb_of(self.colour)

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        where = f"look of {self.kind}"
        found = _drawing_problems(where, self.symbol, SYMBOLS, self.colour)
        found += _size_problems(where, self.size)
        if self.label is not None and not (isinstance(self.label, Field) and is_text(self.label)):
            found.append(f"{where}: label must be a Text field")
        if self.rank is not None and self.rank not in range(RANK_MAX + 1):
            found.append(f"{where}: rank must be 0 to {RANK_MAX}")
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
        sound: one of `SOUNDS`, heard where it is seen; None for silence.
    """

    event: type[Event]
    kind: str
    colour: str
    size: float | Field
    seconds: float
    sound: str | None = None

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue of `colour`, 0 to 255."""
        return rgb_of(self.colour)

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        if not (isinstance(self.event, type) and issubclass(self.event, Event)):
            return [f"effect of {self.event!r}, which is no event"]
        where = f"effect of {self.event.record_name}"
        found = _drawing_problems(where, self.kind, EFFECTS, self.colour)
        found += _size_problems(where, self.size)
        if isinstance(self.size, Field) and self.size.record != self.event.record_name:
            found.append(f"{where}: {self.size} is no field of it")
        if not 0 < self.seconds <= SECONDS_MAX:
            found.append(f"{where}: seconds must be above 0, at most {SECONDS_MAX:g}")
        if self.sound is not None and self.sound not in SOUNDS:
            found.append(f"{where}: sound {self.sound!r} is not among {', '.join(SOUNDS)}")
        return found


def look_problems(looks: Sequence[Look], kinds: Sequence[Kind]) -> Iterator[str]:
    """Say what is wrong with looks, each by itself and beside the kinds of its game.

    Args:
        looks: of kinds that the game has.
        kinds: with the components that parts added.
    """
    by_name = {kind.name: kind for kind in kinds}
    for look in looks:
        yield from look.problems()
        kind = by_name[look.kind.name]
        for field in (look.size, look.label):
            if isinstance(field, Field):
                yield from _field_problems(kind, field)


def _field_problems(kind: Kind, field: Field) -> Iterator[str]:
    where = f"look of {kind}"
    component: type[Component] | None = next(
        (type(c) for c in kind.components if type(c).record_name == field.record), None
    )
    if component is None:
        yield f"{where}: it has no {field.record}"
    elif component.audience is not EVERYONE:
        yield f"{where}: {field} goes to {component.audience.name}; a look is seen by everyone"


def _drawing_problems(
    where: str, symbol: str, known: tuple[str, ...], colour: str | None
) -> list[str]:
    found = []
    if symbol not in known:
        found.append(f"{where}: {symbol!r} is not among {', '.join(known)}")
    return [*found, *colour_problems(where, colour)]


def colour_problems(where: str, colour: str | None) -> Iterator[str]:
    """Say what is wrong with a colour; None is none."""
    if colour is not None and not (isinstance(colour, str) and _COLOUR.fullmatch(colour)):
        yield f"{where}: colour {colour!r} is not of the form #8cf or #88ccff"


def _size_problems(where: str, size: Any) -> list[str]:
    if isinstance(size, Field):
        return [f"{where}: size must be a number, and {size} is a text"] if is_text(size) else []
    if size is None or (isinstance(size, int | float) and 0 < size <= SIZE_MAX):
        return []
    return [f"{where}: size must be a field or a number above 0, at most {SIZE_MAX:g}"]


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of `#rgb` or `#rrggbb`, 0 to 255."""
    digits = colour[1:]
    size = len(digits) // 3
    red, green, blue = (int(digits[at : at + size] * (3 - size), 16) for at in (0, size, 2 * size))
    return red, green, blue


def is_text(field: Field) -> bool:
    """Whether a field holds text, and no numbers."""
    return field.storage.dtype == "S"
