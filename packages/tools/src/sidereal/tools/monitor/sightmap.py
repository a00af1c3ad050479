"""The map of what the observer is sent: one letter for each entity, by the look of its kind.

Where several are in one place, the last is shown that is no scenery. North (larger y) is up; a
letter is twice as high as wide, so a line of text stands for as much as two columns.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from rich.style import Style
from rich.text import Text

from sidereal.client.front import palette
from sidereal.client.front.looks import Looks
from sidereal.client.view import View
from sidereal.tools.monitor import marks

LETTERS: Final = {
    "arrow": "▲",
    "circle": "●",
    "cross": "+",
    "diamond": "◆",
    "dot": "·",
    "ring": "○",
    "rock": "•",
    "square": "■",
    "star": "★",
}
"""By the symbol of the look; an arrow points where its entity heads."""
_ARROWS: Final = "→↗↑↖←↙↓↘"


class Around(NamedTuple):
    """What the observer is sent of the world.

    Attributes:
        bounds: left, lower, right and upper edge of it, world units.
        view: the entities.
        looks: how kinds are drawn.
    """

    bounds: tuple[float, float, float, float]
    view: View
    looks: Looks


def draw_sight(around: Around | None, width: int, height: int) -> list[Text]:
    """Draw the map.

    Args:
        around: what is seen, None for nothing.
        width: columns there are.
        height: lines there are.

    Returns:
        at most `height` lines, centred in `width`.
    """
    side = min(width // 2, height)
    if around is None or len(around.view) == 0 or side < 1:
        return [marks.say("nothing is seen", marks.DIM)]
    (left, bottom, right, top), view, looks = around
    columns = np.floor((view.x - left) / (right - left) * 2 * side)
    lines = np.floor((top - view.y) / (top - bottom) * side)
    inside = (columns >= 0) & (columns < 2 * side) & (lines >= 0) & (lines < side)
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(~looks.scenery[view.kind[rows]], kind="stable")]
    places = (lines[rows] * 2 * side + columns[rows]).astype(np.int64)
    shown = dict(zip(places.tolist(), rows.tolist(), strict=True))
    drawn = {place: _letter(around, row) for place, row in shown.items()}  # 2 µs each, hundreds
    nothing = " ", marks.PLAIN
    margin = " " * ((width - 2 * side) // 2)
    return [
        Text(margin).append_text(
            marks.join(drawn.get(2 * side * line + column, nothing) for column in range(2 * side))
        )
        for line in range(side)
    ]


def count_kinds(around: Around | None) -> dict[str, int]:
    """Count what is seen, by the name of its kind."""
    if around is None:
        return {}
    numbers, counts = np.unique(around.view.kind, return_counts=True)
    names = [_name(around.looks, number) for number in numbers.tolist()]
    return dict(zip(names, counts.tolist(), strict=True))


def describe_sight(around: Around | None) -> Text:
    """Say what the letters mean, and of how many there are."""
    text = Text()
    if around is None:
        return text
    symbols = {_name(around.looks, n): symbol for n, symbol in enumerate(around.looks.symbols)}
    for name, count in count_kinds(around).items():
        text.append(f"{LETTERS[symbols[name]]} ", marks.BOLD).append(name)
        text.append(f" {marks.number(count)}   ", marks.DIM)
    return text


def _name(looks: Looks, number: int) -> str:
    kind = looks.kind(number)
    return f"kind {number}" if kind is None else kind.name


def _letter(around: Around, row: int) -> tuple[str, Style]:
    view, looks = around.view, around.looks
    kind = int(view.kind[row])
    symbol = looks.symbols[kind]
    letter = LETTERS[symbol]
    if symbol == "arrow":
        letter = _ARROWS[round(float(view.heading[row]) / (math.pi / 4)) % len(_ARROWS)]
    red, green, blue = looks.colour[kind].tolist()
    own = bool(looks.coloured[kind])
    rgb = (red, green, blue) if own else palette.shard_colour(int(view.shard[row]))
    return letter, marks.ink(rgb, bold=not looks.scenery[kind])
