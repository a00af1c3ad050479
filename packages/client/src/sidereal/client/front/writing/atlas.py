"""The one picture that all letters are cut out of.

Above are the letters of the viewer's own face, at all its sizes, for good. Below are two pages for
pieces of other fonts. They are filled one after the other; when both are full, the older one is
wiped. That never happens while a batch of lines is collected, because what lies in it was cut out
by then: what has no room is a box until the next batch. Nor are more than `DRAWN_MAX` pieces drawn
for one batch, so that somebody who says something new all the time costs some time and no more.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front.writing.bidi import Piece
from sidereal.client.front.writing.glyphs import Glyphs, Grey, Line

PAGE_PX: Final = 512
"""Height of a page."""
PAGES: Final = 2
DRAWN_MAX: Final = 8
"""Pieces that are drawn for one batch: 0.3 ms each, and 1 ms for the first one of a font."""


class Cut(NamedTuple):
    """Where a piece lies.

    Attributes:
        cells: that it takes in a line.
        extent: width and height, pixels.
        cut: float32[4], left, top, width and height, 0 to 1.
    """

    cells: int
    extent: tuple[int, int]
    cut: NDArray[np.float32]


class Page:
    """Part of the atlas that is filled from its upper left corner on, in shelves."""

    def __init__(self, top: int, width: int) -> None:
        self.top, self.width = top, width
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._x = self._y = self._shelf = 0

    def place(self, width: int, height: int) -> tuple[int, int] | None:
        """Find room, None if there is none."""
        if self._x + width > self.width:
            self._x, self._y, self._shelf = 0, self._y + self._shelf, 0
        if self._y + height > PAGE_PX or width > self.width:
            return None
        at = self._x, self.top + self._y
        self._x += width
        self._shelf = max(self._shelf, height)
        return at


class Pieces:
    """The pieces of other fonts in the atlas.

    Attributes:
        image: uint8[height, width], the whole atlas.
        changed: left, top, width and height of what is new in it, until somebody takes it.
        epoch: counts up whenever what was cut out before may be something else by now.
        waits: whether something of this batch has to wait for the next one.
    """

    def __init__(self, letters: Grey, glyphs: Glyphs) -> None:
        """Add pages to the atlas.

        Args:
            letters: uint8[height, width], of the viewer's own face.
            glyphs: draws pieces.
        """
        height, width = letters.shape
        self.image = np.zeros((height + PAGES * PAGE_PX, width), np.uint8)
        self.image[:height] = letters
        self.changed: list[tuple[int, int, int, int]] = []
        self.epoch = 0
        self._glyphs = glyphs
        self._pages = [Page(height + at * PAGE_PX, width) for at in range(PAGES)]
        self._cuts: list[dict[tuple[Piece, Line], Cut]] = [{} for _ in range(PAGES)]
        self._now = self._drawn = 0
        self._full = self.waits = False

    def __len__(self) -> int:
        return sum(map(len, self._cuts))

    def find(self, piece: Piece, line: Line) -> Cut | None:
        """Find a piece, or draw it; None if no font has it, or if that has to wait (`waits`)."""
        for cuts in self._cuts:
            if (piece, line) in cuts:
                return cuts[piece, line]
        if self._full or self._drawn >= DRAWN_MAX:
            self.waits = True
            return None
        self._drawn += 1
        grey = self._glyphs.draw(piece, line)
        if grey is None:
            return None
        cut = self._put(grey, line)
        if cut is None:
            self._full = self.waits = True
            return None
        self._cuts[self._now][piece, line] = cut
        return cut

    def next_batch(self) -> None:
        """Another batch of lines is collected: more may be drawn, and a page may be wiped."""
        self._drawn, self.waits = 0, False
        if self._full:
            self._full = False
            self._now = (self._now + 1) % PAGES
            if self._cuts[self._now]:
                self.epoch += 1
            self._cuts[self._now].clear()
            self._pages[self._now].clear()

    def forget(self) -> None:
        """Draw all anew: there are other fonts."""
        for cuts, page in zip(self._cuts, self._pages, strict=True):
            cuts.clear()
            page.clear()
        self._full = False
        self.epoch += 1

    def _put(self, grey: Grey, line: Line) -> Cut | None:
        high, wide = grey.shape
        at = self._pages[self._now].place(wide, high)
        if at is None:
            return None
        x, y = at
        self.image[y : y + high, x : x + wide] = grey
        self.changed.append((x, y, wide, high))
        height, width = self.image.shape
        cut = np.array([x, y, wide, high], np.float32)
        cut /= np.array([width, height, width, height], np.float32)
        return Cut((wide - 2) // line.advance, (wide, high), cut)
