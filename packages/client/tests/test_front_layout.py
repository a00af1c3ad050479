"""Where the panels lie."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from sidereal.client.front.config import HEIGHT_MIN, WIDTH_MIN
from sidereal.client.front.frame import BAR_PX
from sidereal.client.front.layout import Box, Layout, Wanted, arrange, choose_fields, clear_of

EVERYTHING = Wanted(
    shards=2, map_aspect=1.0, graph_level=2, graph_lines=5, inspector_lines=9, help_lines=0
)


def boxes(layout: Layout) -> list[Box]:
    return [part for part in layout if isinstance(part, Box)]


SIZES = [
    *product(range(WIDTH_MIN, 1400, 97), range(HEIGHT_MIN, 800, 53)),
    *product((WIDTH_MIN, 800, 2600), range(HEIGHT_MIN, 1500, 7)),
]
SHOWN = [
    Wanted(shards, aspect, level, 5, inspected, keys, gauges)
    for shards, aspect, level, inspected, keys, gauges in product(
        (0, 2, 10), (0.0, 0.1, 1.0), (0, 1, 2), (0, 9, 40), (0, 13), (0, 5)
    )
]


@pytest.mark.parametrize("shown", SHOWN)
def test_no_panel_lies_on_another_or_on_the_bar_or_on_the_own_entity_or_outside(
    shown: Wanted,
) -> None:
    for width, height in SIZES:
        check_panels(width, height, shown)


def are_apart(one: Box, two: Box) -> bool:
    apart_x = one.right <= two.left or two.right <= one.left
    return apart_x or one.top <= two.bottom or two.top <= one.bottom


def check_panels(width: int, height: int, shown: Wanted) -> None:
    layout = arrange(width, height, shown)
    panels = boxes(layout)
    for one, two in combinations(panels, 2):
        assert are_apart(one, two), (one, two)
    clear = clear_of(width, height)
    for box in panels:
        assert are_apart(box, clear) or box is layout.help, (width, height)
    for box in panels:
        assert box.left >= 0
        assert box.bottom >= 0
        assert box.right <= width
        assert box.top <= height - BAR_PX


@pytest.mark.parametrize(("width", "height"), [(800, 600), (640, 480)])
def test_in_a_small_window_panels_shrink_and_are_there_all_the_same(
    width: int, height: int
) -> None:
    layout = arrange(width, height, EVERYTHING._replace(gauges=7))
    assert None not in (layout.legend, layout.graph, layout.inspector, layout.gauges)
    assert layout.graph_level == (2 if width == 800 else 1)
    assert layout.feed.height >= 4 * 17


def test_a_large_window_shows_everything() -> None:
    layout = arrange(1280, 720, EVERYTHING)
    assert None not in (layout.legend, layout.minimap, layout.graph, layout.inspector)
    assert layout.graph_level == 2


@pytest.mark.parametrize(
    ("height", "map_shown", "level"),
    [(720, True, 2), (450, True, 2), (400, False, 2), (260, False, 1), (200, False, 0)],
)
def test_in_a_low_window_the_map_gives_way_first_and_then_the_net_graph(
    height: int, map_shown: bool, level: int
) -> None:
    layout = arrange(800, height, EVERYTHING._replace(inspector_lines=0))
    assert (layout.minimap is not None, layout.graph_level) == (map_shown, level)
    assert layout.legend is not None


def test_gauges_lie_below_the_feed_and_give_way_to_it_in_a_low_window() -> None:
    layout = arrange(1280, 720, EVERYTHING._replace(gauges=5))
    assert layout.gauges is not None
    assert layout.gauges.height == 14 + 17 * 5
    assert layout.feed.bottom >= layout.gauges.top
    assert layout.graph is not None
    low = arrange(1280, HEIGHT_MIN, EVERYTHING._replace(gauges=8))
    assert low.gauges is None
    assert low.feed.bottom == arrange(1280, HEIGHT_MIN, EVERYTHING).feed.bottom


def test_the_map_shrinks_before_it_goes() -> None:
    full = arrange(800, 600, EVERYTHING).minimap
    low = arrange(800, 450, EVERYTHING).minimap
    assert full is not None
    assert low is not None
    assert low.height < full.height


def test_the_inspector_says_as_much_as_has_room_and_no_less_than_of_every_entity() -> None:
    heights = {
        height: box.height if (box := arrange(1280, height, wanted).inspector) else 0.0
        for height in (200, 400, 1200)
        for wanted in [EVERYTHING._replace(inspector_lines=20)]
    }
    assert heights[200] == 0.0
    assert 14 + 17 * 9 < heights[400] < heights[1200] == 14 + 17 * 20


def test_the_list_of_keys_is_shown_alone_and_only_whole() -> None:
    layout = arrange(800, 450, EVERYTHING._replace(help_lines=13))
    assert layout.help is not None
    assert layout.help.height == 56 + 17 * 13
    assert (layout.legend, layout.minimap, layout.graph, layout.inspector) == (None,) * 4


def test_fields_that_are_read_least_are_left_out_first_and_one_never() -> None:
    ranks, widths = [2, 0, 1], [50.0, 60.0, 70.0]
    assert choose_fields(ranks, widths, 196.0) == [0, 1, 2]
    assert choose_fields(ranks, widths, 195.0) == [1, 2]
    assert choose_fields(ranks, widths, 100.0) == [1]
    assert choose_fields(ranks, widths, 1.0) == [1]
