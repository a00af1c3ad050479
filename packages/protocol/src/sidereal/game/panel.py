"""Gauges and compasses: what faces show of whoever flies, and of what is around, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sidereal.game.builtin import Pilot
from sidereal.game.column import Field
from sidereal.game.component import EVERYONE, PILOT, Component
from sidereal.game.kind import Kind
from sidereal.game.look import colour_problems, is_text, rgb_of

LABEL_LETTERS_MAX: Final = 12
GAUGES_MAX: Final = 12
"""More are not read at a glance."""
COMPASSES_MAX: Final = 8


@dataclass(frozen=True, eq=False)
class Gauge:
    """A number that faces show to whoever flies: a bar if it has a range, else as it is.

    Attributes:
        field: of the own entity, of the account or of the world.
        label: what is written beside it.
        colour: `#rgb` or `#rrggbb`.
    """

    field: Field
    label: str
    colour: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue of `colour`, 0 to 255."""
        return rgb_of(self.colour)

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest value, None without both."""
        low, high = self.field.options.low, self.field.options.high
        return None if low is None or high is None or low == high else (low, high)


@dataclass(frozen=True, eq=False)
class Compass:
    """The way to the nearest of a kind, which faces show while it is not in the picture.

    Attributes:
        kind: of what is looked for.
        label: what is written beside the arrow.
        colour: `#rgb` or `#rrggbb`; None is that of the kind's look.
        course: of a course whose marks are numbered the next one only: the field that numbers them,
            from its `low=` to its `high=`, and a field of what is flown that counts those passed,
            round and round. None for the nearest of all.
    """

    kind: Kind
    label: str
    colour: str | None
    course: tuple[Field, Field] | None = None

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """Red, green and blue of `colour`, 0 to 255."""
        return None if self.colour is None else rgb_of(self.colour)


def gauges_in(gauges: Sequence[Gauge], components: Sequence[type[Component]]) -> Iterator[Gauge]:
    """Gauges of what a game has: a part may say some about what is of another part."""
    names = {component.record_name for component in components}
    for gauge in gauges:
        if not isinstance(gauge.field, Field) or gauge.field.record in names:
            yield gauge


def panel_problems(
    gauges: Sequence[Gauge],
    compasses: Sequence[Compass],
    kinds: Sequence[Kind],
    placeless: Iterable[Component],
) -> Iterator[str]:
    """Say what is wrong with gauges and compasses.

    Args:
        gauges: of what a game has.
        compasses: likewise.
        kinds: with the components that parts added.
        placeless: what accounts have, and the world.
    """
    flown: list[type[Component]] = [
        type(c) for kind in kinds if kind.has(Pilot) for c in kind.components
    ]
    known = {c.record_name: c for c in (*flown, *(type(c) for c in placeless))}
    for gauge in gauges:
        where = f"gauge of {gauge.field}"
        yield from _words_problems(where, gauge.label, gauge.colour)
        if not isinstance(gauge.field, Field):
            yield f"{where}: it shows a field, as in Health.hp"
        elif is_text(gauge.field) or gauge.field.storage.reference:
            yield f"{where}: it shows a number"
        elif gauge.field.record not in known:
            yield f"{where}: nothing that is flown has it, no account and not the world"
        elif known[gauge.field.record].audience not in (EVERYONE, PILOT):
            yield f"{where}: its player is not sent {gauge.field.record}"
    for compass in compasses:
        where = f"compass to {compass.kind}"
        yield from _words_problems(where, compass.label, compass.colour)
        if compass.course is not None:
            yield from _course_problems(where, compass, kinds, {c.record_name: c for c in flown})
    for what, count, most in (
        ("gauges", len(gauges), GAUGES_MAX),
        ("compasses", len(compasses), COMPASSES_MAX),
    ):
        if count > most:
            yield f"{count} {what}; a game has at most {most}"


def _course_problems(
    where: str,
    compass: Compass,
    kinds: Sequence[Kind],
    flown: Mapping[str, type[Component]],
) -> Iterator[str]:
    """Say what is wrong with a compass's course.

    Args:
        where: whose.
        compass: that has one.
        kinds: with the components that parts added.
        flown: components of what players fly, by name.
    """
    number, passed = compass.course or (None, None)
    if not isinstance(number, Field) or not isinstance(passed, Field):
        yield f"{where}: a course is two fields, as in (Gate.number, Lap.next)"
        return
    marks = [kind for kind in kinds if kind.name == compass.kind.name]
    has = {type(c).record_name: type(c) for kind in marks for c in kind.components}
    if number.record not in has or has[number.record].audience is not EVERYONE:
        yield f"{where}: everyone sees the number of a mark, but not {number}"
    if number.storage.dtype[0] not in "iu" or None in (number.options.low, number.options.high):
        yield f"{where}: {number} counts from its low= to its high="
    if passed.record not in flown or flown[passed.record].audience not in (EVERYONE, PILOT):
        yield f"{where}: its player is not sent {passed.record}"


def _words_problems(where: str, label: str, colour: str | None) -> Iterator[str]:
    if not (isinstance(label, str) and 0 < len(label) <= LABEL_LETTERS_MAX):
        yield f"{where}: label {label!r} has 1 to {LABEL_LETTERS_MAX} letters"
    yield from colour_problems(where, colour)
