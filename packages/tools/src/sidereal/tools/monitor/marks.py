"""Numbers as people read them, sparklines, gauges and colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Final

from rich.color import Color
from rich.style import Style
from rich.text import Text

from sidereal.client.front import palette
from sidereal.client.front.palette import Rgb
from sidereal.game.words import fits_line

BLANK: Final = "–"
"""What was not measured."""

INKS_MAX: Final = 4096
"""Styles that are kept; making one costs 5 µs."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_SPARK_LEVEL_MAX: Final = len(_BARS) - 2
"""A full block would touch the curve above."""


@lru_cache(maxsize=INKS_MAX)
def ink(colour: Rgb, *, bold: bool = False, ground: Rgb | None = None) -> Style:
    """Style of a colour."""
    behind = None if ground is None else Color.from_rgb(*ground)
    return Style(color=Color.from_rgb(*colour), bgcolor=behind, bold=bold or None)


DIM: Final = ink(palette.DIM)
EDGE: Final = ink(palette.EDGE)
GOOD: Final = ink(palette.GOOD)
WARN: Final = ink(palette.WARN)
BAD: Final = ink(palette.BAD)
BOLD: Final = Style(bold=True)
PLAIN: Final = Style()
KEY: Final = ink(palette.INTERPOLATED)
CURVE: Final = ink((62, 106, 184))
CHOSEN: Final = Style(bgcolor=Color.from_rgb(38, 52, 84), bold=True)


def say(words: str, style: Style | str = "") -> Text:
    """Words in a style that does not spread to what is appended; `Text(words, style)` does."""
    return Text().append(words, style)


def printable(words: object) -> str:
    """What others have said, without what would play with the terminal or with the line."""
    text = str(words)
    if text.isprintable():
        return text
    return "".join(letter if fits_line(letter) else "·" for letter in text)


def join(marked: Iterable[tuple[str, Style]]) -> Text:
    """Put letters together; neighbours of one style are one span, which is what drawing costs."""
    text = Text()
    for style, run in groupby(marked, key=itemgetter(1)):
        text.append("".join(letter for letter, _ in run), style)
    return text


def judge(value: float | None, warn: float, bad: float) -> Style:
    """Style of a number that should be small."""
    if value is None:
        return DIM
    return GOOD if value < warn else WARN if value < bad else BAD


def owner(shard: int, *, bold: bool = False) -> Style:
    """Style of a shard, the same in every face of Sidereal."""
    return ink(palette.shard_colour(shard), bold=bold)


def shard_label(shard: int) -> str:
    """How a shard is called where there is no room for its name."""
    return f"S{shard}" if shard else "none"


def number(value: float | None, digits: int = 0) -> str:
    """A count, with thin separators."""
    return BLANK if value is None else f"{value:,.{digits}f}"


def milliseconds(value: float | None) -> str:
    """A duration in ms, three figures."""
    if value is None:
        return BLANK
    if value < 0.005:
        return "0"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def rate(value: float | None) -> str:
    """Something per second."""
    if value is None:
        return BLANK
    return f"{value:.1f}/s" if 0 < value < 100 else f"{value:,.0f}/s"


def byte_rate(value: float | None) -> str:
    """Bytes per second."""
    if value is None:
        return BLANK
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return (
                f"{value:.0f} {unit}/s" if unit == "B" or value >= 100 else f"{value:.1f} {unit}/s"
            )
        value /= 1000
    return f"{value:.1f} GB/s"


def seconds(value: float) -> str:
    """A span of time, as short as it can be said."""
    if value < 0.995:
        return f"{max(0.0, 1000 * value):.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    if value < 100:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02} h" if hours < 48 else f"{hours / 24:.1f} d"


def sparkline(
    values: Sequence[float | None],
    width: int,
    *,
    high: float | None = None,
    warn: float = math.inf,
    bad: float = math.inf,
) -> Text:
    """Draw a curve of the newest values, one column each.

    Args:
        values: oldest first, None where nothing is known.
        width: columns.
        high: value of a full column; the largest one by default.
        warn: from here on a column is yellow.
        bad: from here on a column is red.
    """
    shown = list(values)[-width:] if width > 0 else []
    top = high or max((value for value in shown if value is not None), default=0.0)
    drawn = [(" ", PLAIN)] * (max(0, width) - len(shown))
    for value in shown:
        if value is None:
            drawn.append((" ", PLAIN))
            continue
        level = 0 if top <= 0 else round(value / top * _SPARK_LEVEL_MAX)
        style = CURVE if value < warn else WARN if value < bad else BAD
        bar = _BARS[min(max(level, 0), _SPARK_LEVEL_MAX)]
        drawn.append((bar, EDGE if value <= 0 else style))
    return join(drawn)


def gauge(fraction: float | None, width: int) -> Text:
    """Draw how much of a budget is used: green, yellow from 60 %, red from 90 %."""
    if fraction is None:
        return say("□" * width, EDGE)
    full = min(width, max(1 if fraction > 0.005 else 0, round(fraction * width)))
    text = say("■" * full, judge(fraction, 0.6, 0.9))
    text.append("□" * (width - full), EDGE)
    return text


def mix(low: Rgb, high: Rgb, part: float) -> Rgb:
    """Colour between two."""
    red, green, blue = (
        round(a + (b - a) * min(1.0, max(0.0, part))) for a, b in zip(low, high, strict=True)
    )
    return red, green, blue


_HEAT: Final[tuple[Rgb, ...]] = (
    (24, 22, 58),
    (92, 28, 112),
    (180, 48, 96),
    (238, 110, 52),
    (252, 222, 130),
)


def heat(part: float) -> Rgb:
    """Colour of how much of something there is, dark to light."""
    place = min(1.0, max(0.0, part)) * (len(_HEAT) - 1)
    index = min(int(place), len(_HEAT) - 2)
    return mix(_HEAT[index], _HEAT[index + 1], place - index)


def readable_on(ground: Rgb) -> Rgb:
    """Black or white, whichever is easier to read there."""
    light = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2]
    return (12, 14, 20) if light > 128 else palette.TEXT


def fit(text: Text, width: int, *, right: bool = False) -> Text:
    """Cut or pad to exactly that many columns; a new text."""
    fitted = text.copy()
    fitted.truncate(width, overflow="ellipsis")
    missing = width - fitted.cell_len
    if missing > 0:
        (fitted.pad_left if right else fitted.pad_right)(missing)
    return fitted


def chart(
    values: Sequence[float | None], width: int, height: int, *, high: float, bad: float = math.inf
) -> list[Text]:
    """Draw a curve several lines high, one column per value, on a fixed scale.

    Args:
        values: oldest first, None where nothing is known.
        width: columns.
        height: lines.
        high: value at the top.
        bad: from here on a column is red.
    """
    shown = list(values)[-width:]
    steps = len(_BARS)
    lines = []
    for line in range(height, 0, -1):
        drawn = [(" ", PLAIN)] * (width - len(shown))
        for value in shown:
            level = 0 if not value or high <= 0 else max(1, round(value / high * height * steps))
            here = min(max(level - (line - 1) * steps, 0), steps)
            if here:
                drawn.append((_BARS[here - 1], BAD if value and value >= bad else CURVE))
            else:
                drawn.append(("▁" if line == 1 and value is not None else " ", EDGE))
        lines.append(join(drawn))
    return lines
