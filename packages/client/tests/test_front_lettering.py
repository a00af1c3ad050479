"""Lines of text as they come to the screen: in any script, and made to break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sidereal.client.events import ToldLine
from sidereal.client.front.layers import LAYERS_SHOWN
from sidereal.client.front.meter import Meter
from sidereal.client.front.viewer import Viewer

HEBREW, CHINESE = "\u05e9\u05dc\u05d5\u05dd", "\u4f60\u597d"
HOSTILE = [
    "x" + "\u0335\u0301" * 300,
    "\u202e\u2067gnorw\u202c",
    "\u200b" * 200,
    "\x1b[2J\x00\x07",
    "\ud800 \ue000 \U0010ffff",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 40,
    "\ufdfd" * 100,
    "\u4f60" * 600,
    "([{" * 200 + "\u05d0",
]
WIDTH, HEIGHT = 800, 600
MakeFeed = Callable[[dict[tuple[int, int], int]], Any]


class Paper:
    """Lettering that knows the fonts of one directory, and the window it is drawn to."""

    def __init__(self, window: Any, others: list[Path]) -> None:
        from arcade.resources import resolve

        from sidereal.client.front.batches import Batches
        from sidereal.client.front.lettering import Lettering

        own = resolve(":system:fonts/ttf/Liberation/Liberation_Mono_Regular.ttf").parent
        self.window = window
        self.lettering = Lettering(window.ctx, Batches(window.ctx).letters, own, others)

    def look_for_fonts(self) -> None:
        while not self.lettering.complete:
            self.lettering.take()

    def write(self, text: str, times: int = 12) -> np.ndarray:
        """Write a line often enough that all of it is there; uint8[height, width] around it."""
        self.window.switch_to()
        for _ in range(times):
            self.window.clear(color=(0, 0, 0, 255))
            self.lettering.add(text, 20, 100, (255, 255, 255))
            self.lettering.draw(self.lettering.take(), (WIDTH, HEIGHT), (0.0, 0.0))
        return np.asarray(self.window.grab())[::-1][80:130, :, 0]


@pytest.fixture
def paper(screen: Any) -> Paper:
    from arcade.resources import resolve

    regular = resolve(":system:fonts/ttf/Liberation/Liberation_Sans_Regular.ttf")
    return Paper(screen.window, [regular.parent])


def columns(pixels: np.ndarray) -> np.ndarray:
    return np.flatnonzero(pixels.max(axis=0) > 60)


def test_another_script_is_a_box_until_its_font_is_known_and_legible_then(paper: Paper) -> None:
    boxes = paper.write(HEBREW, times=1)
    one = paper.write("\ufffd", times=1)
    assert (boxes[:, 20:28] == one[:, 20:28]).all()
    paper.look_for_fonts()
    written = paper.write(HEBREW)
    assert columns(written).size
    assert not (written[:, 20:28] == one[:, 20:28]).all()
    turned = paper.write(HEBREW[::-1])
    assert (turned != written).any()  # it is not one sign for all


def test_what_no_font_has_is_a_box_for_each_letter_and_is_to_be_seen(paper: Paper) -> None:
    paper.look_for_fonts()
    assert (paper.write(CHINESE) == paper.write("\ufffd" * 4)).all()
    assert columns(paper.write(CHINESE)).size >= 4


def test_what_follows_another_script_stands_where_its_width_says(paper: Paper) -> None:
    from sidereal.client.front.lettering import Face

    paper.look_for_fonts()
    for text in (HEBREW, CHINESE, "x" + "\u0335" * 50, "\u1ea1\u1ea3"):
        paper.write(text)
        wide = paper.lettering.width(text, Face.PLAIN)
        assert wide % paper.lettering.advance(Face.PLAIN) == 0
        assert wide <= 8 * paper.lettering.advance(Face.PLAIN)
        assert columns(paper.write(text)).max() <= 20 + wide
        bar = columns(paper.write(f"\u200e{text}|"))
        assert bar.max() > 20 + wide


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_lines_stay_in_their_line(paper: Paper, text: str) -> None:
    paper.look_for_fonts()
    pixels = paper.write(text, times=3)
    assert not (pixels[:14] > 60).any()  # baseline 100 is row 20: four below it
    assert not (pixels[34:] > 60).any()
    cut = paper.lettering.cut(text, 200, face())
    pixels = paper.write(cut, times=3)
    assert not columns(pixels).size or columns(pixels).max() <= 20 + 2 * 200


def face() -> Any:
    from sidereal.client.front.lettering import Face

    return Face.PLAIN


def test_a_world_full_of_such_names_and_lines_is_drawn_with_its_panels(
    make_feed: MakeFeed, screen: Any
) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(10, "craft", 500.0, 500.0, name="Ada")
    for at, text in enumerate((HEBREW, CHINESE, "x" + "\u0335" * 6, "\u202e\u200b")):
        feed.place(20 + at, "craft", 450.0 + 40 * at, 540.0, name=text)
    feed.own_id = 10
    feed.events.extend(ToldLine(text) for text in (*HOSTILE, f"ann: {HEBREW} {CHINESE}"))
    viewer = Viewer(
        feed, Meter(), size=(WIDTH, HEIGHT), observing=False, layers=LAYERS_SHOWN, at=None
    )
    screen.window.overlay.net_graph = 2
    for now in (10.0, 10.1, 10.2):
        pixels = screen.show(viewer, now)
    told = pixels[60:150, 12:400].astype(int)
    assert (np.abs(told - told[0, 0]).max(axis=-1) > 90).any()
