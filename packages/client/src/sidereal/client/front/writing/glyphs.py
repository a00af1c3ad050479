"""A piece of text as a small picture in grey, by a font of this machine, or as a box.

It is as high as a line of the viewer's own face and as wide as some of its letters. What is higher
is drawn smaller; what still sticks out is cut off, so that nothing is drawn over other lines.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from sidereal.client.front.writing.bidi import Piece
from sidereal.client.front.writing.clusters import clusters
from sidereal.client.front.writing.fonts import Font, Fonts
from sidereal.client.front.writing.joining import joined

CELLS_MAX: Final = 32
"""Of one piece."""
GUTTER: Final = 1
"""Empty pixels around a piece in the atlas, for its rim."""
FONTS_MAX: Final = 64
"""Fonts at a size that are kept open."""
SMALLEST: Final = 0.55
"""Of the usual size, for what is high."""
_BITMAP_PX: Final = (109, 128, 136, 160)
"""Sizes of fonts that have pictures of one size, as those of emoji have."""

Grey = NDArray[np.uint8]


class Line(NamedTuple):
    """Measures of a line of the viewer's own face, pixels.

    Attributes:
        em: size of the face.
        advance: from one letter to the next.
        ascent: above the baseline.
        descent: below it.
    """

    em: int
    advance: int
    ascent: int
    descent: int


class Glyphs:
    """Draws pieces."""

    def __init__(self, fonts: Fonts, *, shapes: bool = bool(features.check("raqm"))) -> None:
        """Begin.

        Args:
            fonts: of this machine.
            shapes: whether Pillow can join letters and place marks as their script wants it.
        """
        self._fonts, self._shapes = fonts, shapes
        self._engine = ImageFont.Layout.RAQM if shapes else ImageFont.Layout.BASIC
        self._open: dict[tuple[str, int], ImageFont.FreeTypeFont] = {}

    def draw(self, piece: Piece, line: Line) -> Grey | None:
        """Draw a piece, uint8[height, width] with its gutter: a multiple of the advance wide.

        None if no font has it.
        """
        font = self._fonts.find(piece.text)
        while font is not None:
            try:
                return self._draw(piece, line, font)
            except OSError:  # it is broken
                self._fonts.drop(font)
                font = self._fonts.find(piece.text)
        return None

    def _draw(self, piece: Piece, line: Line, font: Font) -> Grey:
        way = ("rtl" if piece.leftward else "ltr") if self._shapes else None
        text = piece.text
        if piece.leftward and not self._shapes:
            parts = [part.text for part in clusters(text)]
            text = "".join(reversed(joined(parts, font.has)))
        em = line.em
        face = self._face(font, em)
        if face is None:
            return self._picture(piece, line, font)
        left, top, right, bottom = face.getbbox(text, anchor="ls", direction=way)
        fits = min(line.ascent / max(-top, 1), line.descent / max(bottom, 1), 1.0)
        room = CELLS_MAX * line.advance
        fits = min(fits, room / max(right - min(left, 0), 1))
        if fits < 1.0:
            em = max(int(em * max(fits, SMALLEST)), 6)
            face = self._face(font, em) or face
            left, top, right, bottom = face.getbbox(text, anchor="ls", direction=way)
        wide = math.ceil(max(right, face.getlength(text, direction=way)) - min(left, 0))
        cells = max(piece.cells if len(piece.text) == 1 else 1, -(-(wide - 1) // line.advance))
        cells = min(cells, CELLS_MAX)
        image = Image.new("L", size_of(cells, line))
        x = GUTTER + max((cells * line.advance - wide) // 2, 0) - math.floor(min(left, 0))
        pen = ImageDraw.Draw(image)
        pen.text((x, GUTTER + line.ascent), text, fill=255, font=face, anchor="ls", direction=way)
        return _framed(image)

    def _picture(self, piece: Piece, line: Line, font: Font) -> Grey:
        """Draw by a font of pictures: as bright as they are."""
        for size in _BITMAP_PX:
            face = self._face(font, size)
            if face is not None:
                break
        else:
            raise OSError("no size")
        left, top, right, bottom = face.getbbox(piece.text, anchor="ls")
        wide, high = max(math.ceil(right - left), 1), max(math.ceil(bottom - top), 1)
        whole = Image.new("RGBA", (min(wide, 8 * size), min(high, 8 * size)))
        pen = ImageDraw.Draw(whole)
        pen.text((-left, -top), piece.text, font=face, anchor="ls", embedded_color=True)
        room = line.ascent + line.descent - 2
        across = min(max(round(room * wide / high), 1), CELLS_MAX * line.advance)
        small = whole.resize((across, room), Image.Resampling.BOX)
        pixels = np.asarray(small, np.float32)
        bright = 0.35 + 0.65 * pixels[..., :3] @ np.array([0.3, 0.59, 0.11], np.float32) / 255
        grey = Image.fromarray((bright * pixels[..., 3]).astype(np.uint8), "L")
        cells = max(piece.cells, -(-across // line.advance))
        image = Image.new("L", size_of(cells, line))
        image.paste(grey, (GUTTER + (cells * line.advance - across) // 2, GUTTER + 1))
        return _framed(image)

    def _face(self, font: Font, em: int) -> ImageFont.FreeTypeFont | None:
        """Open a font at a size; None if it has not that size."""
        key = str(font.path), em
        if key not in self._open:
            if len(self._open) >= FONTS_MAX:
                self._open.clear()
            try:
                self._open[key] = ImageFont.truetype(str(font.path), em, layout_engine=self._engine)
            except OSError as error:
                if "size" in str(error):
                    return None
                raise
        return self._open[key]


def size_of(cells: int, line: Line) -> tuple[int, int]:
    """Width and height of a piece, pixels."""
    return cells * line.advance + 2 * GUTTER, line.ascent + line.descent + 2 * GUTTER


def draw_box(line: Line) -> Grey:
    """Draw a box of one cell: here would be a letter."""
    wide, high = size_of(1, line)
    grey = np.zeros((high, wide), np.uint8)
    top, bottom = GUTTER + line.ascent // 4, GUTTER + line.ascent
    left, right = GUTTER + 1, GUTTER + max(line.advance - 2, 2)
    grey[top : bottom + 1, [left, right]] = 200
    grey[[top, bottom], left : right + 1] = 200
    return grey


def _framed(image: Image.Image) -> Grey:
    """Keep the gutter empty: what sticks out is cut off."""
    grey = np.array(image, np.uint8)
    grey[[0, -1], :] = 0
    grey[:, [0, -1]] = 0
    return grey
