"""Instruments on the picture: gauges, the arrows of compasses, and the line that is typed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front import palette
from sidereal.client.front.camera import Camera
from sidereal.client.front.frame import BAR_PX as TOP_PX
from sidereal.client.front.layout import GAUGES_PX, LINE, Box
from sidereal.client.front.lettering import Face, Lettering
from sidereal.client.front.play.compass import Needle
from sidereal.client.front.play.gauges import Reading
from sidereal.client.front.play.line import Line
from sidereal.client.front.rows import (
    MARK,
    RECT,
    Rows,
    Shape,
    join_rows,
    mark_rows,
    rect_rows,
    with_alpha,
)

BAR_LEFT_PX: Final = 92
BAR_PX: Final = 84
INSET_PX: Final = 10
RING: Final = 0.36
"""Radius of the ring on which arrows lie, share of the window's lesser side."""
ARROW_PX: Final = 9.0
APART_PX: Final = 26.0
"""An arrow that would be this near to another one lies outside of it."""


def draw_readings(readings: Sequence[Reading], box: Box, lettering: Lettering) -> Rows:
    """Draw readings, one below the other.

    Args:
        readings: what is shown.
        box: where, pixels.
        lettering: takes the words.

    Returns:
        rows of rectangles, on top of the panel.
    """
    bars: list[Rows] = []
    y = box.top - 18
    for label, value, share, colour in readings:
        lettering.add(label, box.left + INSET_PX, y, palette.DIM, face=Face.SMALL)
        value_colour = colour if share is None else palette.TEXT
        lettering.add(value, box.right - INSET_PX, y, value_colour, face=Face.BOLD, align=1.0)
        if share is not None and box.width >= GAUGES_PX:
            left = box.left + BAR_LEFT_PX
            bars.append(rect_rows(left, y, BAR_PX, 9, (*colour, 44)))
            bars.append(rect_rows(left, y, BAR_PX * share, 9, (*colour, 255)))
        y -= LINE
    return join_rows(bars, RECT)


def draw_line(line: Line, box: Box, lettering: Lettering, now: float) -> Rows:
    """Draw the line that is typed, in the lowest line of a box.

    Returns:
        rows of rectangles, below the words.
    """
    left, y = box.left, box.bottom + 6
    lettering.add(line.label, left + 8, y, palette.INTERPOLATED, face=Face.BOLD)
    beside = left + 8 + lettering.width(line.label, Face.BOLD) + 10
    cells = int((box.right - beside - 20) / lettering.advance(Face.PLAIN))
    text = line.visible(max(cells, 1))
    lettering.add(text, beside, y, palette.WHITE)
    ground = rect_rows(left, y - 5, box.width, LINE + 2, (*palette.PANEL, 240))
    caret = beside + lettering.width(text, Face.PLAIN) + 1
    shown = 255 if now % 1.0 < 0.6 else 60
    return join_rows([ground, rect_rows(caret, y - 2, 2, 13, (*palette.WHITE, shown))], RECT)


def draw_needles(
    needles: Sequence[Needle], own: tuple[float, float], camera: Camera, lettering: Lettering
) -> Rows:
    """Draw arrows on a ring round the own entity, to what is not in the picture.

    Args:
        needles: of this frame.
        own: where the own entity is, world units.
        camera: where the window looks.
        lettering: takes the words, pixels from the window's middle.
    """
    middle = camera.relative(np.array([own[0]]), np.array([own[1]]))[0]
    ring = RING * min(camera.width, camera.height)
    rows: list[Rows] = []
    taken: list[NDArray[np.float64]] = []
    for needle in needles:
        away = math.dist((needle.x, needle.y), own)
        if away * camera.zoom <= ring or _in_picture(needle, camera):
            continue
        course = math.atan2(needle.y - own[1], needle.x - own[0])
        ray = np.array([math.cos(course), math.sin(course)])
        at = middle + ring * ray
        while any(np.hypot(*(at - other)) < APART_PX for other in taken):
            at = at + ray * APART_PX
        taken.append(at)
        alpha = 235 if needle.surely else 130
        fill = with_alpha(needle.colour, alpha)
        line = (*palette.BACKGROUND, 200)
        rows.append(mark_rows(at[None], course, ARROW_PX, Shape.DART, fill, line, 1.0))
        _label(needle, away, at - ray * 20, ray, alpha, lettering)
    return join_rows(rows, MARK)


def _in_picture(needle: Needle, camera: Camera) -> bool:
    x, y = camera.project(needle.x, needle.y)
    return 0 <= x <= camera.width and 0 <= y <= camera.height - TOP_PX


def _label(
    needle: Needle,
    away: float,
    at: NDArray[np.float64],
    ray: NDArray[np.float64],
    alpha: int,
    lettering: Lettering,
) -> None:
    """Say inside of the ring what is there and how far away, along the ray's own side."""
    text = f"{needle.label} {away:,.0f}".replace(",", " ")
    align = 0.5 + 0.5 * max(-1.0, min(1.0, 1.6 * float(ray[0])))
    x, y = float(at[0]), float(at[1]) - 4
    lettering.add(
        text, x, y, needle.colour, face=Face.SMALL, align=align, alpha=alpha / 255, halo=True
    )
