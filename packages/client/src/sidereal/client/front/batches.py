"""Instanced drawing: a batch is a program and one growing buffer of rows (`rows`).

Each frame the rows are written and drawn in one call; 10,000 marks cost 0.6 ms to write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from arcade.gl import BufferDescription

from sidereal.client.front.rows import LETTER, MARK, RECT, STROKE, Rows

SHADERS: Final = Path(__file__).parent / "shaders"
_CAPACITY_FIRST: Final = 256


class Batch:
    """Rows of one dtype, drawn with one program."""

    def __init__(
        self, ctx: Any, shader: str, dtype: np.dtype[np.void], formats: str, names: list[str]
    ) -> None:
        """Compile the program.

        Args:
            ctx: arcade's OpenGL context.
            shader: name of the pair of files in `shaders/`.
            dtype: of a row.
            formats: arcade's description of the same bytes.
            names: of the attributes in the shader, in order.
        """
        self._ctx = ctx
        self._dtype = dtype
        self._formats = formats
        self._names = names
        self.program = ctx.program(
            vertex_shader=(SHADERS / f"{shader}.vert").read_text(encoding="utf-8"),
            fragment_shader=(SHADERS / f"{shader}.frag").read_text(encoding="utf-8"),
        )
        corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], dtype=np.float32)
        self._corners = ctx.buffer(data=corners.tobytes())
        self._reserve(_CAPACITY_FIRST)

    def _reserve(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer = self._ctx.buffer(reserve=capacity * self._dtype.itemsize)
        self._geometry = self._ctx.geometry(
            [
                BufferDescription(self._corners, "2f", ["in_corner"]),
                BufferDescription(self._buffer, self._formats, self._names, instanced=True),
            ],
            mode=self._ctx.TRIANGLE_STRIP,
        )

    def draw(self, rows: Rows, size: tuple[int, int], origin: tuple[float, float]) -> None:
        """Draw all rows, first to last.

        Args:
            rows: contiguous array of this batch's dtype.
            size: of the window, pixels.
            origin: where the rows' zero is, pixels from the window's lower left.
        """
        if len(rows) == 0:
            return
        if len(rows) > self._capacity:
            self._reserve(1 << (len(rows) - 1).bit_length())
        self._buffer.orphan()
        self._buffer.write(rows if rows.flags.writeable else rows.copy())
        # Labels of pyglet and arcade's own drawing leave blending off.
        self._ctx.enable_only(self._ctx.BLEND)
        self._ctx.blend_func = self._ctx.BLEND_DEFAULT
        self.program["size"] = size
        self.program["origin"] = origin
        self._geometry.render(self.program, vertices=4, instances=len(rows))


class Batches:
    """The four kinds of batch the viewer draws with."""

    def __init__(self, ctx: Any) -> None:
        self.rects = Batch(
            ctx, "rects", RECT, "4f 4f1 4f1 1f", ["in_rect", "in_from", "in_to", "in_upward"]
        )
        self.strokes = Batch(
            ctx, "strokes", STROKE, "4f 2f 4f1", ["in_ends", "in_look", "in_colour"]
        )
        self.marks = Batch(
            ctx, "marks", MARK, "2f 4f 4f1 4f1", ["in_at", "in_look", "in_fill", "in_line"]
        )
        self.letters = Batch(
            ctx,
            "letters",
            LETTER,
            "2f 2f 4f 4f1 1f",
            ["in_at", "in_extent", "in_cut", "in_colour", "in_halo"],
        )
