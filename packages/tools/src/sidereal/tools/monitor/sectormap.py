"""The map of sectors: half-block pixels, square ones, coloured by what was asked for.

A text cell holds two pixels, one above the other. A sector is as many pixels wide and high as there
is room for; where a sector is large enough its owner and count stand in it, and where there are
more sectors than pixels, a pixel shows the fullest of its sectors. North (larger y) is up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from rich.style import Style
from rich.text import Text

from sidereal.client.front import palette
from sidereal.client.front.palette import Rgb
from sidereal.tools.monitor import marks
from sidereal.tools.monitor.history import Picture, Sector
from sidereal.tools.monitor.keys import MapMode
from sidereal.tools.monitor.sightmap import describe_sight, draw_sight

LABELLED_PIXELS_MIN: Final = 6
"""Smallest side of a sector that has words in it."""
FRAMED_PIXELS_MIN: Final = 8
"""Smallest side of a sector that has room for words and for a frame around them."""
SIDE_PIXELS_MAX: Final = 16
FRESH_S: Final = 60.0
"""A lease older than that has no glow left."""
DIGITS: Final = "·123456789abcdefghijklmnopqrstuvwxyz"


class _Scale(NamedTuple):
    """How sectors fall on pixels.

    Attributes:
        left: sector column of the left edge; `top` is the sector row of the upper one.
        side: pixels along an edge of a sector; 1 when pooled.
        pool: sectors along an edge of a pixel.
    """

    left: int
    top: int
    side: int
    pool: int
    columns: int
    rows: int


def draw_map(
    picture: Picture, mode: MapMode, chosen: Sector | None, width: int, height: int, *, colour: bool
) -> list[Text]:
    """Draw the map.

    Args:
        picture: what is known.
        mode: what colours say.
        chosen: sector with the cursor.
        width: columns there are.
        height: lines there are.
        colour: whether there are colours; if not, sectors are the owners' digits.

    Returns:
        at most `height` lines, centred in `width`.
    """
    if mode is MapMode.SIGHT:
        return draw_sight(picture.around, width, height)
    rows = dict(picture.sectors)
    if not rows or width < 4 or height < 2:
        return [marks.say("no active sector", marks.DIM)]
    if not colour:
        return _draw_digits(rows, chosen, width, height)
    scale = _scale(list(rows), width, height)
    pixels, fullest = _paint(picture, rows, mode, scale)
    if chosen is not None:
        _frame(pixels, chosen, scale)
    labels = _labels(rows, fullest, pixels, scale)
    margin = " " * ((width - pixels.shape[1]) // 2)
    return [
        Text(margin).append_text(_line(pixels[2 * y], pixels[2 * y + 1], labels.get(y, {})))
        for y in range(len(pixels) // 2)
    ]


def describe_sector(picture: Picture, sector: Sector) -> Text:
    """Say all of a sector in one line."""
    row = dict(picture.sectors).get(sector)
    text = marks.say(f"{sector.x},{sector.y} ", marks.BOLD)
    if row is None:
        return text.append(" nothing there, no shard simulates it", marks.DIM)
    text.append(f" {marks.shard_label(row['shard'])}", marks.owner(row["shard"], bold=True))
    text.append(f"  {marks.number(row['entities'])}").append(" entities", marks.DIM)
    text.append("  epoch ", marks.DIM).append(str(row["epoch"]))
    held = picture.held_s.get(sector, 0.0)
    return text.append("  held ", marks.DIM).append(marks.seconds(held))


def describe_mode(picture: Picture, mode: MapMode, *, colour: bool) -> Text:
    """Say what the colours mean, or the digits where there are none."""
    text = Text()
    if mode is MapMode.SIGHT:
        return describe_sight(picture.around)
    if not colour:
        owners = sorted({row["shard"] for _, row in picture.sectors})
        names = (f"{DIGITS[shard % len(DIGITS)]} {marks.shard_label(shard)}  " for shard in owners)
        return text.append("".join(names)).append("the owner", marks.DIM)
    if mode is MapMode.OWNER:
        owners = sorted({row["shard"] for _, row in picture.sectors})
        for shard in owners:
            text.append("█ ", marks.owner(shard)).append(f"{marks.shard_label(shard)}  ")
        return text.append("brighter is fuller", marks.DIM)
    if mode is MapMode.HEAT:
        most = max((row["entities"] for _, row in picture.sectors), default=0)
        text.append("0 ", marks.DIM)
        for step in range(12):
            text.append("█", marks.ink(marks.heat(step / 11)))
        return text.append(f" {marks.number(most)} entities", marks.DIM)
    if mode is MapMode.LOAD:
        words = "owner's step p99 of the tick: "
        text.append(words, marks.DIM).append("■ <60 % ", marks.GOOD)
        return text.append("■ <90 % ", marks.WARN).append("■ more", marks.BAD)
    return text.append("bright: changed hands lately; gone after ", marks.DIM).append(
        marks.seconds(FRESH_S), marks.DIM
    )


def _scale(sectors: list[Sector], width: int, height: int) -> _Scale:
    left, right = min(s.x for s in sectors), max(s.x for s in sectors)
    bottom, top = min(s.y for s in sectors), max(s.y for s in sectors)
    columns, rows = right - left + 1, top - bottom + 1
    side = min(width // columns, 2 * height // rows, SIDE_PIXELS_MAX)
    if side >= LABELLED_PIXELS_MIN:
        side -= side % 2
    if side >= 1:
        return _Scale(left, top, side, 1, columns, rows)
    pool = max(-(-columns // width), -(-rows // (2 * height)))
    return _Scale(left, top, 1, pool, -(-columns // pool), -(-rows // pool))


def _paint(
    picture: Picture, rows: Mapping[Sector, Mapping[str, Any]], mode: MapMode, scale: _Scale
) -> tuple[np.ndarray, dict[tuple[int, int], Sector]]:
    """Make the pixels, int16[h, w, 3] with −1 for nothing, and what each place shows."""
    height = scale.rows * scale.side
    pixels = np.full((height + height % 2, scale.columns * scale.side, 3), -1, np.int16)
    fullest: dict[tuple[int, int], Sector] = {}
    for sector, row in rows.items():
        place = _place(sector, scale)
        known = fullest.get(place)
        if known is None or rows[known]["entities"] < row["entities"]:
            fullest[place] = sector
    gap = 1 if scale.side >= LABELLED_PIXELS_MIN else 0
    paint = _painter(picture, rows, mode)
    for (column, line), sector in fullest.items():  # 2 µs each, thousands at most
        x, y = column * scale.side, line * scale.side
        edge = scale.side - gap
        pixels[y : y + edge, x : x + edge] = paint(sector)
    return pixels, fullest


def _place(sector: Sector, scale: _Scale) -> tuple[int, int]:
    return (sector.x - scale.left) // scale.pool, (scale.top - sector.y) // scale.pool


def _painter(
    picture: Picture, rows: Mapping[Sector, Mapping[str, Any]], mode: MapMode
) -> Callable[[Sector], Rgb]:
    most = max(1, *(row["entities"] for row in rows.values()))
    load = {
        shard["id"]: (shard["step_ms"]["p99"] or 0.0) / picture.tick_ms_budget
        for shard in picture.shards
    }

    def paint(sector: Sector) -> Rgb:
        row = rows[sector]
        colour, part = palette.shard_colour(row["shard"]), (row["entities"] / most) ** 0.5
        if mode is MapMode.OWNER:
            return marks.mix(palette.BACKGROUND, colour, 0.3 + 0.7 * part)
        if mode is MapMode.HEAT:
            return marks.heat(part)
        if mode is MapMode.LOAD:
            used = load.get(row["shard"], 0.0)
            judged = palette.GOOD if used < 0.6 else palette.WARN if used < 0.9 else palette.BAD
            return marks.mix(palette.BACKGROUND, judged, 0.35 + 0.65 * used)
        glow = 1.0 - min(1.0, picture.held_s.get(sector, FRESH_S) / FRESH_S)
        return marks.mix(marks.mix(palette.BACKGROUND, colour, 0.3), palette.WHITE, 0.8 * glow)

    return paint


def _frame(pixels: np.ndarray, chosen: Sector, scale: _Scale) -> None:
    """Mutates: a white edge around the chosen sector; all of it white where it is small."""
    column, line = _place(chosen, scale)
    x, y, side = column * scale.side, line * scale.side, scale.side
    if not (0 <= x < pixels.shape[1] and 0 <= y < pixels.shape[0]):
        return
    edge = side - 1 if side >= LABELLED_PIXELS_MIN else side
    box = pixels[y : y + edge, x : x + edge]
    inside = box[1:-1, 1:-1].copy()
    box[:] = palette.WHITE
    if side >= FRAMED_PIXELS_MIN:
        box[1:-1, 1:-1] = inside


def _labels(
    rows: Mapping[Sector, Mapping[str, Any]],
    fullest: Mapping[tuple[int, int], Sector],
    pixels: np.ndarray,
    scale: _Scale,
) -> dict[int, dict[int, tuple[str, Style]]]:
    """Letters by line and column, for sectors that have room for them."""
    labels: dict[int, dict[int, tuple[str, Style]]] = {}
    if scale.side < LABELLED_PIXELS_MIN:
        return labels
    room = scale.side - (3 if scale.side >= FRAMED_PIXELS_MIN else 2)
    for (column, line), sector in fullest.items():
        row = rows[sector]
        # A line of text is two pixels; where there is a frame, the first wholly inside it.
        first = (line * scale.side + (2 if scale.side >= FRAMED_PIXELS_MIN else 0)) // 2
        ground = _rgb(pixels[2 * first, column * scale.side + 1])
        style = marks.ink(marks.readable_on(ground), ground=ground)
        words = [marks.shard_label(row["shard"]), _short(row["entities"])]
        for offset, word in enumerate(words):
            for index, letter in enumerate(word[:room]):
                place = column * scale.side + 1 + index
                labels.setdefault(first + offset, {})[place] = (letter, style)
    return labels


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count // 1000}k"


def _rgb(pixel: np.ndarray) -> Rgb:
    return int(pixel[0]), int(pixel[1]), int(pixel[2])


def _line(upper: np.ndarray, lower: np.ndarray, letters: Mapping[int, tuple[str, Style]]) -> Text:
    """Draw two rows of pixels as one line of text."""
    pairs = zip(upper.tolist(), lower.tolist(), strict=True)
    return marks.join(
        letters.get(column) or _glyph(above, below) for column, (above, below) in enumerate(pairs)
    )


def _glyph(above: Sequence[int], below: Sequence[int]) -> tuple[str, Style]:
    """Draw two pixels, each red, green and blue, or −1 for nothing."""
    if above[0] < 0 and below[0] < 0:
        return " ", marks.PLAIN
    if below[0] < 0:
        return "▀", marks.ink((above[0], above[1], above[2]))
    ground = (below[0], below[1], below[2])
    if above[0] < 0:
        return "▄", marks.ink(ground)
    if above == below:
        return " ", marks.ink(ground, ground=ground)
    return "▀", marks.ink((above[0], above[1], above[2]), ground=ground)


def _draw_digits(
    rows: Mapping[Sector, Mapping[str, Any]], chosen: Sector | None, width: int, height: int
) -> list[Text]:
    """Draw the owners' digits; where sectors share a place, that of the fullest."""
    scale = _digit_scale(list(rows), width, height)
    fullest: dict[tuple[int, int], Mapping[str, Any]] = {}
    for sector, row in rows.items():
        place = _place(sector, scale)
        if place not in fullest or fullest[place]["entities"] < row["entities"]:
            fullest[place] = row
    cursor = None if chosen is None else _place(chosen, scale)
    drawn = []
    for line in range(scale.rows):
        text = Text()
        for column in range(scale.columns):
            there = fullest.get((column, line))
            digit = " " if there is None else DIGITS[there["shard"] % len(DIGITS)]
            text.append(f"{digit}<" if (column, line) == cursor else f"{digit} ")
        drawn.append(text)
    return drawn


def _digit_scale(sectors: list[Sector], width: int, height: int) -> _Scale:
    left, top = min(s.x for s in sectors), max(s.y for s in sectors)
    columns = max(s.x for s in sectors) - left + 1
    rows = top - min(s.y for s in sectors) + 1
    pool = max(-(-columns // (width // 2)), -(-rows // height))
    return _Scale(left, top, 1, pool, -(-columns // pool), -(-rows // pool))
