"""How kinds are drawn: the looks of the game that is played, as columns by a kind's number.

A kind without a look is a dot of its body's radius. So is one that the game does not know.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front.rows import Shape
from sidereal.client.view import View
from sidereal.game.builtin import Label, Pilot
from sidereal.game.column import Field
from sidereal.game.component import EVERYONE, Component
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind
from sidereal.game.look import PLAIN, RANK, RANK_FLOWN, Look

Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

KIND_NUMBERS: Final = 256
"""Kinds are numbered in a byte."""


class Symbol(NamedTuple):
    """How a symbol is drawn.

    Attributes:
        shape: its outline.
        reach_px: least half size when zoomed in; symbols shrink as the camera backs off.
        scale: half size over what it stands for: the tips of an arrow are outside of its body.
        fill: opacity, 0 to 255; likewise of its line.
        outline: width of the line, pixels.
        bright: whether the line shines, else it is dark.
        hollow: whether it is its line that has the colour of a kind, and not what it encloses.
        scenery: whether it lies below all else and is passed over by name.
    """

    shape: Shape
    reach_px: float
    scale: float = 1.0
    fill: int = 255
    line: int = 150
    outline: float = 1.0
    bright: bool = False
    hollow: bool = False
    scenery: bool = False


_EDGE: Final = (235, 2.0)
"""Opacity and width of the line that shows the shard of a kind with a colour of its own."""

_SYMBOLS: Final = {
    "arrow": Symbol(Shape.DART, 10.0, scale=1.25),
    "circle": Symbol(Shape.CIRCLE, 6.0),
    "cross": Symbol(Shape.CROSS, 6.0),
    "diamond": Symbol(Shape.DIAMOND, 6.0),
    "dot": Symbol(Shape.CIRCLE, 1.8, scenery=True),
    "ring": Symbol(Shape.CIRCLE, 6.0, fill=24, line=235, outline=2.0, hollow=True),
    "rock": Symbol(Shape.CIRCLE, 1.8, fill=105, line=215, bright=True, scenery=True),
    "square": Symbol(Shape.SQUARE, 9.0),
    "star": Symbol(Shape.STAR, 8.0),
}


class Looks:
    """The looks of a game.

    Attributes:
        symbols: names of symbols, [256] by kind.
        shape: float32[256], `Shape` by kind; likewise what else a `Symbol` says.
        speck: bool[256], whether it is a dot: where it flies to is of no interest.
        flown: bool[256], whether somebody may fly it.
        rank: uint8[256], when it is chosen: the least first.
        coloured: bool[256], whether it has a colour of its own, and not its shard's.
        colour: uint8[256, 3], that colour.
    """

    def __init__(self, game: Declarations) -> None:
        self._kinds = game.kinds
        self._components = {each.record_name: each for each in game.components}
        looks = {look.kind.name: look for look in game.looks}
        found = [looks.get(kind.name, _plain(kind)) for kind in game.kinds]
        self.symbols = [PLAIN] * KIND_NUMBERS
        self.symbols[1 : len(found) + 1] = [look.symbol for look in found]
        symbols = [_SYMBOLS[name] for name in self.symbols]
        self.shape = np.array([each.shape for each in symbols], np.float32)
        self.fill = np.array([each.fill for each in symbols], np.float32)
        self.line = np.array([each.line for each in symbols], np.float32)
        self.outline = np.array([each.outline for each in symbols], np.float32)
        self.bright = np.array([each.bright for each in symbols])
        self.hollow = np.array([each.hollow for each in symbols])
        self.scenery = np.array([each.scenery for each in symbols])
        self.speck = np.array([name == PLAIN for name in self.symbols])
        self._reach_px = np.array([each.reach_px for each in symbols], np.float32)
        self._scale = np.array([each.scale for each in symbols], np.float32)
        self.flown = np.zeros(KIND_NUMBERS, np.bool_)
        self.flown[list(game.numbers(Pilot))] = True
        self.rank = np.where(self.flown, RANK_FLOWN, RANK).astype(np.uint8)
        self.coloured = np.zeros(KIND_NUMBERS, np.bool_)
        self.colour = np.zeros((KIND_NUMBERS, 3), np.uint8)
        self._sizes: dict[Field, Bools] = {}
        self._labels: dict[Field, Bools] = {}
        self._size = np.full(KIND_NUMBERS, np.nan, np.float32)
        for number, look in enumerate(found, 1):
            self._take(number, look)

    def _take(self, number: int, look: Look) -> None:
        if look.rank is not None:
            self.rank[number] = look.rank
        if look.rgb is not None:
            self.coloured[number], self.colour[number] = True, look.rgb
            self.line[number], self.outline[number] = _EDGE
        for field, by_field in ((look.size, self._sizes), (look.label, self._labels)):
            if isinstance(field, Field):
                kinds = by_field.setdefault(field, np.zeros(KIND_NUMBERS, np.bool_))
                kinds[number] = True
        if isinstance(look.size, int | float):
            self._size[number] = look.size

    def kind(self, number: int) -> Kind | None:
        """A kind by its number, None for one that the game does not know."""
        return self._kinds[number - 1] if 1 <= number <= len(self._kinds) else None

    def shown(self, number: int) -> list[type[Component]]:
        """Components of a kind that clients are sent."""
        kind = self.kind(number)
        types = [] if kind is None else [type(component) for component in kind.components]
        return [each for each in types if each.audience is EVERYONE]

    def reach_px(self, view: View, zoom: float) -> Floats32:
        """Half size of every entity's symbol: to scale, but never too small to see."""
        size = view.radius
        if len(view) and (self._sizes or not np.isnan(self._size).all()):
            said = self._size[view.kind]
            size = np.where(np.isnan(said), size, said)
            for field, kinds in self._sizes.items():
                size = np.where(kinds[view.kind], self._column(view, field), size)
        shrink = min(max((zoom / 0.5) ** 0.5, 0.4), 1.3)
        least = self._reach_px[view.kind] * np.float32(shrink)
        to_scale = size * self._scale[view.kind] * np.float32(zoom)
        return np.asarray(np.maximum(least, to_scale), dtype=np.float32)

    def labels(self, view: View) -> NDArray[np.bytes_]:
        """What is written beside each entity, in UTF-8; empty for nothing."""
        labels = np.zeros(len(view), "S1")
        for field, kinds in self._labels.items():
            labels = np.where(kinds[view.kind], self._column(view, field), labels)
        return labels

    def _column(self, view: View, field: Field) -> NDArray[np.generic]:
        columns = view[self._components[field.record]]
        return np.asarray(getattr(columns, field.name))


def _plain(kind: Kind) -> Look:
    """The look of a kind without one: a dot, and its name if it has one."""
    label: Field | None = Label.fields["name"] if kind.has(Label) else None
    return Look(kind, PLAIN, None, None, label)
