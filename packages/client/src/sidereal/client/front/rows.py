"""Rows for instanced drawing: one NumPy structured dtype per kind of thing, and their makers.

The dtype is the vertex format, byte for byte. Coordinates are pixels, from the window's middle for
the world (`Camera.relative`) and from its lower left for the panels; colours are RGBA bytes.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RECT: Final = np.dtype(
    [("rect", "<f4", 4), ("start", "u1", 4), ("end", "u1", 4), ("upward", "<f4")]
)
"""Left, bottom, width, height; the colours it runs between; 1 for upward, 0 for rightward."""

STROKE: Final = np.dtype(
    [("ends", "<f4", 4), ("width", "<f4"), ("dash", "<f4"), ("colour", "u1", 4)]
)
"""From and to; width and length of a dash in pixels, 0 for an unbroken line."""

MARK: Final = np.dtype(
    [
        ("at", "<f4", 2),
        ("heading", "<f4"),
        ("reach", "<f4"),
        ("shape", "<f4"),
        ("outline", "<f4"),
        ("fill", "u1", 4),
        ("line", "u1", 4),
    ]
)
"""Position, heading in radians, half size in pixels, `Shape`, width of the outline."""

LETTER: Final = np.dtype(
    [
        ("at", "<f4", 2),
        ("extent", "<f4", 2),
        ("cut", "<f4", 4),
        ("colour", "u1", 4),
        ("halo", "<f4"),
    ]
)
"""Lower left and size in pixels, place in the atlas from 0 to 1, opacity of the dark rim."""

Rows = NDArray[np.void]


class Shape(enum.IntEnum):
    """Symbols that `marks.frag` knows, in its order."""

    CIRCLE = 0
    DART = 1
    DIAMOND = 2
    SQUARE = 3
    CROSS = 4
    STAR = 5


def join_rows(parts: Sequence[Rows], dtype: np.dtype[np.void]) -> Rows:
    """All parts one after another; no rows when there are no parts."""
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def rect_rows(
    left: Any, bottom: Any, width: Any, height: Any, colour: Any, end: Any = None, upward: Any = 0
) -> Rows:
    """Rows of rectangles; every argument is one value or an array, colours are RGBA bytes.

    Args:
        left: pixels.
        bottom: pixels.
        width: pixels.
        height: pixels.
        colour: uint8[4] or uint8[n, 4], red, green, blue, alpha.
        end: colour at the far edge, the same everywhere when `None`.
        upward: 1 where the colour runs upwards, 0 where it runs to the right.
    """
    rows = np.empty(np.broadcast(left, bottom, width, height).size, dtype=RECT)
    for column, value in enumerate((left, bottom, width, height)):
        rows["rect"][:, column] = value
    rows["start"] = colour
    rows["end"] = colour if end is None else end
    rows["upward"] = upward
    return rows


def stroke_rows(start: Any, end: Any, width: float, colour: Any, dash: float = 0.0) -> Rows:
    """Rows of straight lines between float32[n, 2] and float32[n, 2], pixels."""
    rows = np.empty(len(start), dtype=STROKE)
    rows["ends"][:, :2] = start
    rows["ends"][:, 2:] = end
    rows["width"] = width
    rows["dash"] = dash
    rows["colour"] = colour
    return rows


def mark_rows(
    at: Any,
    heading: Any,
    reach: Any,
    shape: Any,
    fill: Any,
    line: Any = (0, 0, 0, 0),
    outline: Any = 0.0,
) -> Rows:
    """Rows of symbols at float32[n, 2] pixels; the rest is one value or one per row."""
    rows = np.empty(len(at), dtype=MARK)
    rows["at"] = at
    rows["heading"] = heading
    rows["reach"] = reach
    rows["shape"] = shape
    rows["fill"] = fill
    rows["line"] = line
    rows["outline"] = outline
    return rows


def with_alpha(colours: Any, alpha: Any) -> NDArray[np.uint8]:
    """Add an alpha column: uint8[3] or uint8[n, 3] and 0 to 255 become uint8[..., 4]."""
    colours = np.asarray(colours, dtype=np.uint8)
    out = np.empty((*np.broadcast_shapes(colours.shape[:-1], np.shape(alpha)), 4), dtype=np.uint8)
    out[..., :3] = colours
    out[..., 3] = alpha
    return out
