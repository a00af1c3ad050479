"""Text as one more instanced batch: a monospaced face, drawn once into an atlas.

A line of 80 letters costs microseconds instead of the third of a millisecond of a pyglet label,
so that words can change and move every frame. Liberation Mono comes with arcade, so the picture
is the same on every machine. What it has not is drawn by a font of the machine (`writing`), and is
a box where there is none.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sidereal.client.front.batches import Batch
from sidereal.client.front.palette import Rgb
from sidereal.client.front.rows import LETTER, Rows
from sidereal.client.front.writing import clusters
from sidereal.client.front.writing.atlas import Pieces
from sidereal.client.front.writing.bidi import pieces
from sidereal.client.front.writing.fonts import Fonts
from sidereal.client.front.writing.glyphs import GUTTER, Glyphs, Grey, Line, draw_box, size_of

LETTERS: Final = (
    "".join(map(chr, range(32, 127)))
    + "".join(map(chr, range(0xA1, 0x180)))
    + "".join(map(chr, (*range(0x386, 0x3CF), *range(0x400, 0x460))))
    + "−–—←↑→↓×·…≤≥●○■□▲►▼◄│─"
    + clusters.BOX
)
"""What is drawn by the own face: Latin, Greek and Cyrillic; the last one is a box."""
FILES_LOOKED_AT: Final = 32
"""Fonts of the machine that are looked at for each batch, 0.03 ms each, until all are known."""
LINES_KEPT: Final = 512
"""Lines in other scripts of which it is known how they are laid out; of more all are forgotten."""

_COLUMNS: Final = 32
_LETTERS_FIRST: Final = 2048
_HALO: Final = 0.8
_OWN: Final = frozenset(LETTERS) - {"\xad"}


class Face(enum.Enum):
    """Sizes in use: pixels of the em and whether bold."""

    SMALL = (11, False)
    PLAIN = (13, False)
    BOLD = (13, True)
    LARGE = (17, True)
    HUGE = (30, True)


class _Cell(NamedTuple):
    line: Line
    extent: tuple[int, int]
    """Of the letter and the empty pixel around it."""
    cuts: NDArray[np.float32]


_INDEX: Final = np.full(0x10000, LETTERS.index(clusters.BOX), dtype=np.int32)
_INDEX[[ord(letter) for letter in LETTERS]] = np.arange(len(LETTERS))


class Lettering:
    """Collects lines of text as rows, and draws rows."""

    def __init__(
        self, ctx: Any, batch: Batch, font_directory: Path, others: Sequence[Path]
    ) -> None:
        """Draw the atlas.

        Args:
            ctx: arcade's OpenGL context.
            batch: of `LETTER` rows.
            font_directory: with the Liberation fonts.
            others: directories in which the fonts of this machine lie.
        """
        self._batch = batch
        self._fonts = Fonts(others)
        self._cells, letters = _draw_letters(font_directory)
        self._pieces = Pieces(letters, Glyphs(self._fonts))
        height, width = self._pieces.image.shape
        for cell in self._cells.values():
            cell.cuts[:] /= np.array([width, height, width, height], np.float32)
        self._texture = ctx.texture(
            (width, height),
            components=1,
            data=self._pieces.image.tobytes(),
            filter=(ctx.NEAREST, ctx.NEAREST),
        )
        self._lines: dict[tuple[str, Face], Rows] = {}
        self._lines_of = self._pieces.epoch
        self._rows: Rows = np.empty(_LETTERS_FIRST, dtype=LETTER)
        self._count = 0

    @property
    def epoch(self) -> int:
        """Counts up when rows that were taken before show something else by now."""
        return self._pieces.epoch

    @property
    def complete(self) -> bool:
        """Whether all fonts of this machine are known."""
        return self._fonts.complete

    def advance(self, face: Face) -> int:
        """Pixels from one letter to the next."""
        return self._cells[face].line.advance

    def width(self, text: str, face: Face) -> int:
        """Pixels that a line takes."""
        if _OWN.issuperset(text):
            return len(text) * self.advance(face)
        rows = self._laid_out(text, face)
        return int(rows["at"][-1, 0] + rows["extent"][-1, 0]) - 1 if len(rows) else 0

    def cut(self, text: str, room: float, face: Face) -> str:
        """As much of a line as has room in so many pixels."""
        return clusters.begin(text, max(int(room / self.advance(face)), 1))

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
            text: one line, in any script, of which `clusters.LINE_MAX` characters are drawn.
            x: pixels, of its left edge (of its middle, right edge: see `align`).
            y: pixels, of the baseline.
            colour: red, green, blue.
            face: size and weight.
            alpha: 0 to 1.
            align: share of the width that lies left of `x`: 0 left, 0.5 centred, 1 right.
            halo: put a dark rim around it, for words on top of the world.
        """
        text = text[: clusters.LINE_MAX]
        if not text:
            return
        cell = self._cells[face]
        other = None if _OWN.issuperset(text) else self._laid_out(text, face)
        count = len(text) if other is None else len(other)
        start, self._count = self._count, self._count + count
        if self._count > len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty(self._count, dtype=LETTER)])
        rows = self._rows[start : self._count]
        if other is None:
            left = round(x - align * count * cell.line.advance)
            _write_own(rows, text, cell, left, round(y))
        else:
            rows[:] = other
            rows["at"] += round(x - align * self.width(text, face)), round(y)
        rows["colour"] = *colour, round(255 * min(max(alpha, 0.0), 1.0))
        rows["halo"] = _HALO if halo else 0.0

    def take(self) -> Rows:
        """The rows added since the last call, first to last; to be drawn by `draw`."""
        rows, self._count = self._rows[: self._count].copy(), 0
        for left, top, width, height in self._pieces.changed:
            part = self._pieces.image[top : top + height, left : left + width]
            self._texture.write(part.tobytes(), viewport=(left, top, width, height))
        self._pieces.changed.clear()
        self._pieces.next_batch()
        if not self._fonts.complete:
            self._fonts.look(FILES_LOOKED_AT)
            if self._fonts.complete:
                self._pieces.forget()
        return rows

    def draw(self, rows: Rows, size: tuple[int, int], origin: tuple[float, float]) -> None:
        """Draw rows that `take` gave."""
        self._texture.use(0)
        self._batch.draw(rows, size, origin)

    def _laid_out(self, text: str, face: Face) -> Rows:
        """Rows of a line at (0, 0) in any script."""
        if self._lines_of != self._pieces.epoch or len(self._lines) >= LINES_KEPT:
            self._lines_of = self._pieces.epoch
            self._lines.clear()
        rows = self._lines.get((text, face))
        if rows is None:
            rows, surely = self._lay_out(text, self._cells[face])
            if surely:
                self._lines[text, face] = rows
        return rows

    def _lay_out(self, text: str, cell: _Cell) -> tuple[Rows, bool]:
        """Lay a line out; tells whether it stays so, or shows boxes for now."""
        parts, used, waited = [], 0, False
        # A loop over the letters of a line in another script: 5 µs each, once.
        for piece in pieces(clusters.clusters(text)):
            cut = None
            if not _OWN.issuperset(piece.text):
                cut = self._pieces.find(piece, cell.line)
                waited |= self._pieces.waits
            if cut is None:
                own = piece.text if _OWN.issuperset(piece.text) else clusters.BOX * piece.cells
                rows, cells = np.empty(len(own), LETTER), len(own)
                _write_own(rows, own, cell, used * cell.line.advance, 0)
            else:
                rows, cells = np.empty(1, LETTER), cut.cells
                left = used * cell.line.advance - GUTTER
                rows["at"] = left, -cell.line.descent - GUTTER
                rows["extent"], rows["cut"] = cut.extent, cut.cut
            used += cells
            parts.append(rows)
        rows = np.concatenate(parts) if parts else np.empty(0, LETTER)
        return rows, self._fonts.complete and not waited


def _write_own(rows: Rows, text: str, cell: _Cell, x: int, y: int) -> None:
    """Write a line that has no other letters than the own face has, from a place on.

    Mutates:
        rows: a row for each letter.
    """
    codes = np.frombuffer(text.encode("utf-16-le"), dtype="<u2")
    rows["at"][:, 0] = x - GUTTER + np.arange(len(codes)) * cell.line.advance
    rows["at"][:, 1] = y - cell.line.descent - GUTTER
    rows["extent"] = cell.extent
    rows["cut"] = cell.cuts[_INDEX[codes]]


def _draw_letters(font_directory: Path) -> tuple[dict[Face, _Cell], Grey]:
    """Draw all sizes of the own face below one another, one letter per cell; cuts in pixels."""
    count = -(-len(LETTERS) // _COLUMNS)
    fonts: dict[Face, tuple[ImageFont.FreeTypeFont, Line]] = {}
    for face in Face:
        em, bold = face.value
        name = f"Liberation_Mono_{'Bold' if bold else 'Regular'}.ttf"
        font = ImageFont.truetype(font_directory / name, em)
        ascent, descent = font.getmetrics()
        fonts[face] = font, Line(em, round(font.getlength("M")), ascent, descent)
    sizes = {face: size_of(1, line) for face, (_, line) in fonts.items()}
    atlas = Image.new(
        "L",
        (
            max(width for width, _ in sizes.values()) * _COLUMNS,
            sum(height for _, height in sizes.values()) * count,
        ),
    )
    pen = ImageDraw.Draw(atlas)
    cells: dict[Face, _Cell] = {}
    top = 0
    for face, (font, line) in fonts.items():
        width, height = sizes[face]
        cuts = np.empty((len(LETTERS), 4), dtype=np.float32)
        for index, letter in enumerate(LETTERS):
            x, y = index % _COLUMNS * width, top + index // _COLUMNS * height
            cuts[index] = x, y, width, height
            if letter == clusters.BOX:
                atlas.paste(Image.fromarray(draw_box(line)), (x, y))
            else:
                pen.text((x + GUTTER, y + GUTTER), letter, fill=255, font=font)
        cells[face] = _Cell(line, (width, height), cuts)
        top += height * count
    return cells, np.array(atlas, np.uint8)
