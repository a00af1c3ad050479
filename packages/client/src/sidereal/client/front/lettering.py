"""Text as one more instanced batch: a monospaced face, drawn once into an atlas.

A line of 80 letters costs microseconds instead of the third of a millisecond of a pyglet label,
so that words can change and move every frame. Liberation Mono comes with arcade, so the picture
is the same on every machine.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sidereal.client.front.batches import Batch
from sidereal.client.front.palette import Rgb
from sidereal.client.front.rows import LETTER, Rows

LETTERS: Final = (
    "".join(map(chr, range(32, 127)))
    + "".join(map(chr, range(0xA1, 0x180)))
    + "".join(map(chr, (*range(0x386, 0x3CF), *range(0x400, 0x460))))
    + "−–—←↑→↓×·…≤≥●○■□▲►▼◄│─"
)
"""What the atlas has: Latin, Greek and Cyrillic. Anything else is drawn as a question mark."""

_COLUMNS: Final = 32
_LETTERS_FIRST: Final = 2048
_GUTTER: Final = 1
"""Empty pixels around a letter in the atlas, for its rim."""
_HALO: Final = 0.8


class Face(enum.Enum):
    """Sizes in use: pixels of the em and whether bold."""

    SMALL = (11, False)
    PLAIN = (13, False)
    BOLD = (13, True)
    LARGE = (17, True)
    HUGE = (30, True)


class _Cell(NamedTuple):
    advance: int
    extent: tuple[int, int]
    """Of the letter and the empty pixel around it."""
    descent: int
    cuts: NDArray[np.float32]


_INDEX: Final = np.full(0x10000, LETTERS.index("?"), dtype=np.int32)
_INDEX[[ord(letter) for letter in LETTERS]] = np.arange(len(LETTERS))


class Lettering:
    """Collects lines of text as rows, and draws rows."""

    def __init__(self, ctx: Any, batch: Batch, font_directory: Path) -> None:
        """Draw the atlas.

        Args:
            ctx: arcade's OpenGL context.
            batch: of `LETTER` rows.
            font_directory: with the Liberation fonts.
        """
        self._batch = batch
        self._cells, atlas = _draw_atlas(font_directory)
        self._texture = ctx.texture(
            atlas.size, components=1, data=atlas.tobytes(), filter=(ctx.NEAREST, ctx.NEAREST)
        )
        self._rows: Rows = np.empty(_LETTERS_FIRST, dtype=LETTER)
        self._count = 0

    def advance(self, face: Face) -> int:
        """Pixels from one letter to the next."""
        return self._cells[face].advance

    def width(self, text: str, face: Face) -> int:
        """Pixels that a line takes."""
        return len(text) * self._cells[face].advance

    def add(
        self,
        text: str,
        x: float,
        y: float,
        colour: Rgb,
        *,
        face: Face = Face.PLAIN,
        alpha: float = 1.0,
        align: float = 0.0,
        halo: bool = False,
    ) -> None:
        """Add a line to the rows of the next `take`.

        Args:
            text: one line.
            x: pixels, of its left edge (of its middle, right edge: see `align`).
            y: pixels, of the baseline.
            colour: red, green, blue.
            face: size and weight.
            alpha: 0 to 1.
            align: share of the width that lies left of `x`: 0 left, 0.5 centred, 1 right.
            halo: put a dark rim around it, for words on top of the world.
        """
        if not text:
            return
        cell = self._cells[face]
        codes = np.frombuffer(text.encode("utf-16-le", "replace"), dtype="<u2")
        start, self._count = self._count, self._count + len(codes)
        if self._count > len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty(self._count, dtype=LETTER)])
        rows = self._rows[start : self._count]
        left = round(x - align * len(codes) * cell.advance) - 1
        rows["at"][:, 0] = left + np.arange(len(codes)) * cell.advance
        rows["at"][:, 1] = round(y) - cell.descent - 1
        rows["extent"] = cell.extent
        rows["cut"] = cell.cuts[_INDEX[codes]]
        rows["colour"] = *colour, round(255 * min(max(alpha, 0.0), 1.0))
        rows["halo"] = _HALO if halo else 0.0

    def take(self) -> Rows:
        """The rows added since the last call, first to last; to be drawn by `draw`."""
        rows, self._count = self._rows[: self._count].copy(), 0
        return rows

    def draw(self, rows: Rows, size: tuple[int, int], origin: tuple[float, float]) -> None:
        """Draw rows that `take` gave."""
        self._texture.use(0)
        self._batch.draw(rows, size, origin)


def _draw_atlas(font_directory: Path) -> tuple[dict[Face, _Cell], Image.Image]:
    """Draw all faces below one another, one letter per cell."""
    rows = -(-len(LETTERS) // _COLUMNS)
    sizes: dict[Face, tuple[ImageFont.FreeTypeFont, int, int, int]] = {}
    for face in Face:
        em, bold = face.value
        name = f"Liberation_Mono_{'Bold' if bold else 'Regular'}.ttf"
        font = ImageFont.truetype(font_directory / name, em)
        ascent, descent = font.getmetrics()
        sizes[face] = font, round(font.getlength("M")), ascent, descent

    def cell_size(width: int, ascent: int, descent: int) -> tuple[int, int]:
        return width + 2 * _GUTTER, ascent + descent + 2 * _GUTTER

    cell_sizes = {face: cell_size(*measures[1:]) for face, measures in sizes.items()}
    atlas_width = max(width for width, _ in cell_sizes.values()) * _COLUMNS
    atlas_height = sum(height for _, height in cell_sizes.values()) * rows
    atlas = Image.new("L", (atlas_width, atlas_height))
    pen = ImageDraw.Draw(atlas)
    cells: dict[Face, _Cell] = {}
    top = 0
    for face, (font, advance, _, descent) in sizes.items():
        width, height = cell_sizes[face]
        cuts = np.empty((len(LETTERS), 4), dtype=np.float32)
        for index, letter in enumerate(LETTERS):
            x, y = index % _COLUMNS * width, top + index // _COLUMNS * height
            pen.text((x + _GUTTER, y + _GUTTER), letter, fill=255, font=font)
            cuts[index] = x, y, width, height
        cuts /= np.array([atlas_width, atlas_height, atlas_width, atlas_height], dtype=np.float32)
        cells[face] = _Cell(advance, (width, height), descent, cuts)
        top += height * rows
    return cells, atlas
