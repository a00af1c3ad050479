"""Where the panels lie: on no other panel, whatever the size; what has no room is left out.

The middle of the window is where the own entity is. None lies on it or on what is near it: in a
small window a panel that would do so is made narrower or lower, or is left out. The list of keys
alone does, for as long as somebody reads it. While the camera is on something else, the own entity
may be under a panel, and shows through.

In a low window the map gives way first: it shrinks, then goes. Next goes the net graph, first its
strips, then its numbers. In a narrow window the list of the bar's fields loses those that are read
least; the age of the data is never left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sidereal.client.front.frame import BAR_PX

MARGIN: Final = 12
"""Pixels between a panel and the window's edge."""
GAP: Final = 10
"""Pixels between one panel and the next."""
LINE: Final = 17
"""Pixels from a line to the next; in small letters `SMALL_LINE`."""
SMALL_LINE: Final = 15
STRIP_PX: Final = 40
COLUMN_PX: Final = 218
"""Width of legend and map."""
GRAPH_PX: Final = 306
GAUGES_PX: Final = 236
GAUGES_PX_MIN: Final = 142
"""Of gauges without their bars."""
INSPECTOR_PX: Final = 236
INSPECTOR_PX_MIN: Final = 190
INSPECTOR_LINES_MIN: Final = 9
"""What it says of every entity; where there is less room it is left out."""
INSPECTOR_LINES_LOW: Final = 4
"""Likewise, where it has to lie above the own entity: who it is, and whose."""
CLEAR_PX: Final = (80.0, 70.0)
"""Half the width and height of what is kept clear around the own entity; no more than
`CLEAR_SHARE` of the window's."""
CLEAR_SHARE: Final = (0.14, 0.16)
FEED_LINES_WANTED: Final = 3
"""A wide feed that has room for so many lines below the own entity is not made narrower."""
MAP_RIM_PX: Final = 8
"""Between the map's frame and its sectors."""
MAP_PX_MIN: Final = 90
"""A lower map shows nothing."""
FEED_PX_MIN: Final = 180
"""A narrower feed is cut too short to be read."""
HELP_PX_MAX: Final = 780
FIELD_GAP_PX: Final = (8.0, 48.0)
"""Least and most between two fields of the bar."""


class Box(NamedTuple):
    """A panel's place, pixels from the lower left corner of the window."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Right edge."""
        return self.left + self.width

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.bottom + self.height


class Wanted(NamedTuple):
    """What is to be shown.

    Attributes:
        shards: lines of the legend.
        map_aspect: height of the map over its width, 0 without one.
        graph_level: 0 none, 1 numbers, 2 numbers and strips.
        graph_lines: how many numbers.
        inspector_lines: 0 without one; as many are shown as have room.
        help_lines: lines of a column of the list of keys, 0 without it.
        gauges: how many; all of them are shown, or none.
    """

    shards: int
    map_aspect: float
    graph_level: int
    graph_lines: int
    inspector_lines: int
    help_lines: int
    gauges: int = 0


class Layout(NamedTuple):
    """Where everything lies; None is what is not shown.

    Attributes:
        graph_level: what of the net graph has room.
        feed: its lowest line is at the bottom.
    """

    legend: Box | None
    minimap: Box | None
    graph: Box | None
    graph_level: int
    inspector: Box | None
    feed: Box
    help: Box | None
    gauges: Box | None = None


def clear_of(width: int, height: int) -> Box:
    """Tell what is kept clear in the middle of a window."""
    half_x = min(CLEAR_PX[0], CLEAR_SHARE[0] * width)
    half_y = min(CLEAR_PX[1], CLEAR_SHARE[1] * height)
    return Box(width / 2 - half_x, height / 2 - half_y, 2 * half_x, 2 * half_y)


def arrange(width: int, height: int, wanted: Wanted) -> Layout:
    """Place the panels in a window.

    Args:
        width: of the window, pixels.
        height: of the window, pixels.
        wanted: what is to be shown; the list of keys is shown alone.
    """
    room = height - BAR_PX - 2 * MARGIN
    whole_feed = Box(MARGIN, MARGIN, width - 2 * MARGIN, max(room, LINE))
    if wanted.help_lines:
        tall, wide = 56 + LINE * wanted.help_lines, min(HELP_PX_MAX, width - 2 * MARGIN)
        bottom = max(MARGIN, min((height - tall) / 2, height - BAR_PX - MARGIN - tall))
        panel = Box((width - wide) / 2, bottom, wide, min(tall, room))
        feed = whole_feed._replace(height=LINE)
        return Layout(None, None, None, 0, None, feed, panel if bottom > MARGIN + LINE else None)
    clear = clear_of(width, height)
    gauges = _gauges(clear, wanted, room)
    inspector = _inspector(height, clear, wanted, room - _above(gauges))
    legend, minimap, graph, level = _right_column(
        width, height, clear, wanted, max(_beside(inspector), _beside(gauges))
    )
    above = [panel for panel in (inspector, legend, minimap) if panel is not None]
    if graph is not None:
        whole_feed = whole_feed._replace(width=graph.left - GAP - MARGIN)
        above = [panel for panel in above if panel.left < graph.left]
    lowest = min((panel.bottom - GAP for panel in above), default=MARGIN + room)
    bottom = MARGIN + _above(gauges)
    feed = whole_feed._replace(bottom=bottom, height=min(MARGIN + room, lowest) - bottom)
    feed = _beside_or_below(feed, clear)
    return Layout(legend, minimap, graph, level, inspector, feed, None, gauges)


def _beside_or_below(feed: Box, clear: Box) -> Box:
    """Keep the feed off what is kept clear."""
    below, beside = clear.bottom - feed.bottom, clear.left - GAP - feed.left
    if feed.right <= clear.left or feed.height <= below:
        return feed
    if below < LINE or (below < FEED_LINES_WANTED * LINE and beside >= FEED_PX_MIN):
        return feed._replace(width=beside)
    return feed._replace(height=below)


def _gauges(clear: Box, wanted: Wanted, room: float) -> Box | None:
    tall, beside = 14 + LINE * wanted.gauges, clear.left - GAP - MARGIN
    below = MARGIN + tall <= clear.bottom
    if not wanted.gauges or tall + GAP + LINE > room or (beside < GAUGES_PX_MIN and not below):
        return None
    wide = GAUGES_PX if below or beside >= GAUGES_PX else GAUGES_PX_MIN
    return Box(MARGIN, MARGIN, wide, tall) if MARGIN + wide < clear.right else None


def _above(panel: Box | None) -> float:
    """What a panel at the bottom takes of the room above it."""
    return 0.0 if panel is None else panel.height + GAP


def _beside(panel: Box | None) -> float:
    """Where what lies to the right of a panel may begin."""
    return float(MARGIN) if panel is None else panel.right + GAP


def _inspector(height: int, clear: Box, wanted: Wanted, room: float) -> Box | None:
    """Beside what is kept clear, or else above it."""
    top, wide = height - BAR_PX - MARGIN, min(INSPECTOR_PX, clear.left - GAP - MARGIN)
    room, least = room - GAP - LINE, INSPECTOR_LINES_MIN
    if wide < INSPECTOR_PX_MIN:
        wide, least = INSPECTOR_PX, INSPECTOR_LINES_LOW
        room = min(room, top - clear.top)
    lines = min(wanted.inspector_lines, int((room - 14) / LINE))
    if lines < min(max(wanted.inspector_lines, 1), least):
        return None
    tall = 14 + LINE * lines
    return Box(MARGIN, top - tall, wide, tall)


def _right_column(
    width: int, height: int, clear: Box, wanted: Wanted, taken_left: float
) -> tuple[Box | None, Box | None, Box | None, int]:
    left, top = width - MARGIN - COLUMN_PX, height - BAR_PX - MARGIN
    floor = MARGIN if left >= clear.right else clear.top
    lines = min(max(wanted.shards, 1), int((top - max(floor, MARGIN + GAP + LINE) - 30) / LINE))
    if left < taken_left or lines < (1 if floor > MARGIN else max(wanted.shards, 1)):
        return None, None, None, 0
    tall = 30 + LINE * lines
    legend = Box(left, top - tall, COLUMN_PX, tall)
    graph, level = _graph(width, clear, wanted, legend.bottom - GAP - MARGIN, taken_left)
    taken = GAP + (LINE if graph is None else graph.height)
    room = legend.bottom - GAP - max(MARGIN + taken, floor)
    high = min(wanted.map_aspect * COLUMN_PX, room)
    if not wanted.map_aspect or high < min(MAP_PX_MIN, wanted.map_aspect * COLUMN_PX):
        return legend, None, graph, level
    return legend, Box(left, legend.bottom - GAP - high, COLUMN_PX, high), graph, level


def _graph(
    width: int, clear: Box, wanted: Wanted, room: float, taken_left: float
) -> tuple[Box | None, int]:
    """The net graph in the lower right corner, as much of it as has room; and its level."""
    left, level = width - GRAPH_PX - MARGIN, wanted.graph_level
    if left < clear.right:
        room = min(room, clear.bottom - MARGIN)
    if left - GAP < max(FEED_PX_MIN, taken_left):
        level = 0
    while level and graph_height(level, wanted.graph_lines) > room:
        level -= 1
    if not level:
        return None, 0
    return Box(left, MARGIN, GRAPH_PX, graph_height(level, wanted.graph_lines)), level


def map_aspect(bounds: tuple[int, int, int, int]) -> float:
    """Height of the map's panel over its width; the map of a tall world is square.

    Args:
        bounds: left, lower, right and upper edge of what is leased, sectors.
    """
    left, bottom, right, top = bounds
    inside = COLUMN_PX - 2 * MAP_RIM_PX
    high = inside * (top - bottom) / max(right - left, top - bottom)
    return (high + 2 * MAP_RIM_PX) / COLUMN_PX


def graph_height(level: int, lines: int) -> float:
    """Height of the net graph, pixels."""
    return SMALL_LINE * lines + 12 + (2 * (STRIP_PX + 8) if level > 1 else 0)


def choose_fields(ranks: Sequence[int], widths: Sequence[float], room: float) -> list[int]:
    """Choose the fields of the bar that have room.

    Args:
        ranks: of the fields; those with the highest are left out first, one is always kept.
        widths: of the fields, pixels.
        room: pixels for all of them.

    Returns:
        indices of those shown, in their order.
    """
    shown = list(range(len(ranks)))
    while len(shown) > 1:
        taken = sum(widths[index] for index in shown) + FIELD_GAP_PX[0] * (len(shown) - 1)
        if taken <= room:
            break
        shown.remove(max(shown, key=lambda index: ranks[index]))
    return shown
