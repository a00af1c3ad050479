"""The monitor's map of what its observer is sent."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.text import Text

from sidereal.client.front import palette
from sidereal.client.front.looks import Looks
from sidereal.client.view import empty_view
from sidereal.game import Body, Game, Motion
from sidereal.game.declarations import declare
from sidereal.game.look import SYMBOLS
from sidereal.tools.monitor.history import Picture
from sidereal.tools.monitor.keys import MapMode
from sidereal.tools.monitor.sectormap import describe_mode, draw_map
from sidereal.tools.monitor.sightmap import (
    LETTERS,
    Around,
    count_kinds,
    describe_sight,
    draw_sight,
)

BOUNDS = (-500.0, 500.0, 500.0, 1500.0)
"""Ten columns of 100 units and five lines of 200."""

GAME = Game("seen")
KITE = GAME.kind("kite", Motion(), Body())
PEBBLE = GAME.kind("pebble", Motion(), Body())
HOOP = GAME.kind("hoop", Motion(), Body())
GAME.look(KITE, symbol="arrow")
GAME.look(PEBBLE, symbol="rock")
GAME.look(HOOP, symbol="ring", colour="#f08")
LOOKS = Looks(declare(GAME))


def around(*entities: tuple[int, float, float, float]) -> Around:
    """What is seen: kind, x, y and heading of each; all are shard 2's."""
    kind, x, y, heading = np.array(entities, np.float64).reshape(-1, 4).T
    view = dataclasses.replace(
        empty_view(),
        net_id=np.arange(1, len(kind) + 1, dtype=np.uint32),
        kind=kind.astype(np.uint8),
        shard=np.full(len(kind), 2, np.uint16),
        x=x,
        y=y,
        heading=heading,
    )
    return Around(BOUNDS, view, LOOKS)


def plain(lines: Sequence[Text]) -> list[str]:
    return [line.plain for line in lines]


def test_every_symbol_has_a_letter_of_its_own() -> None:
    assert set(LETTERS) == set(SYMBOLS)
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_each_entity_is_a_letter_where_it_is_and_north_is_up() -> None:
    seen = around((1, -499.0, 1499.0, 0.0), (2, 0.0, 1000.0, 0.0), (3, 499.0, 501.0, 0.0))
    assert plain(draw_sight(seen, 12, 5)) == [
        " →         ",
        "           ",
        "      •    ",
        "           ",
        "          ○",
    ]


def test_an_arrow_points_where_it_heads() -> None:
    turns = [(1, -450.0 + 100 * n, 1000.0, math.pi / 4 * n) for n in range(8)]
    assert plain(draw_sight(around(*turns), 10, 5))[2] == "→↗↑↖←↙↓↘  "
    assert plain(draw_sight(around((1, 0.0, 1000.0, -3.1)), 10, 5))[2].strip() == "←"


def test_scenery_hides_nobody_and_nobody_is_shown_outside() -> None:
    seen = around((1, 10.0, 1000.0, 0.0), (2, 20.0, 1000.0, 0.0), (2, 501.0, 1000.0, 0.0))
    assert plain(draw_sight(seen, 10, 5))[2] == "     →    "


def test_a_letter_has_the_colour_of_its_kind_or_of_its_shard() -> None:
    console = Console(record=True, force_terminal=True, color_system="truecolor", width=20)
    lines = draw_sight(around((1, -450.0, 1000.0, 0.0), (3, 450.0, 1000.0, 0.0)), 10, 5)
    colours = [
        tuple(segment.style.color.triplet)
        for segment in lines[2].render(console)
        if segment.text.strip() and segment.style and segment.style.color
        if segment.style.color.triplet
    ]
    assert colours == [palette.shard_colour(2), (255, 0, 136)]


def test_the_legend_names_the_kinds_that_are_seen_and_counts_them() -> None:
    seen = around((1, 0.0, 1000.0, 0.0), (2, 0.0, 0.0, 0.0), (2, 1.0, 1.0, 0.0), (9, 0.0, 0.0, 0.0))
    words = describe_sight(seen).plain.split()
    assert words == ["▲", "kite", "1", "•", "pebble", "2", "·", "kind", "9", "1"]


def test_when_nothing_is_seen_it_is_said() -> None:
    for nothing in (None, around()):
        assert plain(draw_sight(nothing, 10, 5)) == ["nothing is seen"]
    assert describe_sight(None).plain == ""


def test_sight_is_one_of_the_maps() -> None:
    seen = around((1, 0.0, 1000.0, 0.0))
    picture = Picture(status={}, server="", at=0.0, around=seen)
    drawn = draw_map(picture, MapMode.SIGHT, None, 12, 5, colour=True)
    assert plain(drawn) == plain(draw_sight(seen, 12, 5))
    assert describe_mode(picture, MapMode.SIGHT, colour=True).plain.split() == ["▲", "kite", "1"]


def test_kinds_are_counted_by_their_names() -> None:
    seen = around((2, 0.0, 0.0, 0.0), (1, 0.0, 1000.0, 0.0), (2, 1.0, 1.0, 0.0), (9, 0.0, 0.0, 0.0))
    assert count_kinds(seen) == {"kite": 1, "pebble": 2, "kind 9": 1}
    assert count_kinds(around()) == count_kinds(None) == {}
