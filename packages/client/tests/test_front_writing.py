"""Lines in any script: what is drawn of them, in which order, and how much at most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sidereal.client.front.writing.atlas import DRAWN_MAX, PAGE_PX, PAGES, Pieces
from sidereal.client.front.writing.bidi import Piece, pieces
from sidereal.client.front.writing.clusters import (
    BOX,
    LINE_MAX,
    MARKS_MAX,
    WORD_MAX,
    begin,
    cells_of,
    clusters,
    end,
    wrap,
)
from sidereal.client.front.writing.fonts import Fonts, directories_of, read_font
from sidereal.client.front.writing.glyphs import CELLS_MAX, Glyphs, Line, draw_box, size_of
from sidereal.client.front.writing.joining import joined

LINE = Line(13, 8, 11, 4)
HEBREW, ARABIC = "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627"


@pytest.fixture(scope="module")
def directory() -> Path:
    """With Liberation Sans, which has Hebrew and no Chinese."""
    pytest.importorskip("arcade", exc_type=ImportError)
    from arcade.resources import resolve

    return Path(resolve(":system:fonts/ttf/Liberation/Liberation_Sans_Regular.ttf")).parent


def all_of(directory: Path) -> Fonts:
    fonts = Fonts([directory])
    fonts.look(1000)
    return fonts


def texts(line: str) -> list[str]:
    return [cluster.text for cluster in clusters(line)]


def seen(line: str) -> str:
    """What stands on the screen from left to right, letter by letter."""
    words = ((piece.text[::-1] if piece.leftward else piece.text) for piece in line_of(line))
    return "".join(words)


def line_of(line: str) -> list[Piece]:
    return pieces(clusters(line))


# -- clusters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "drawn"),
    [
        ("a\u202eb\u2066c\u2069\u200f", ["a", "b", "c"]),  # marks of direction
        ("a\x00\x1b[2J\x7f", ["a", "[", "2", "J"]),  # controls
        ("a\u200b\ufeff\u2060\u00adb", ["a", "b"]),  # of no width
        ("a\u2028b\u3000c\td", list("a b c d")),  # blanks and breaks
        ("\ud800\ue000\U0010ffff", [BOX] * 3),  # no characters
        ("e\u0301", ["\u00e9"]),
        ("\u0301a", [" \u0301", "a"]),  # a mark without a letter
        ("\u2708\ufe0f!", ["\u2708", "!"]),
        ("\U0001f44d\U0001f3fd", ["\U0001f44d"]),  # a tone of skin
        ("\U0001f468\u200d\U0001f469", ["\U0001f468", "\U0001f469"]),
        ("\u0646\u200c\u0645", ["\u0646\u200c", "\u0645"]),  # it parts letters in Persian
        ("", []),
    ],
)
def test_what_plays_with_a_line_is_left_out(line: str, drawn: list[str]) -> None:
    assert texts(line) == drawn


def test_a_line_a_letter_and_a_word_are_bounded() -> None:
    assert len(clusters("x" * 10_000)) == LINE_MAX
    assert [len(text) for text in texts("x" + "\u0335" * 400 + "y")] == [1 + MARKS_MAX, 1]
    assert max(len(piece.text) for piece in line_of(ARABIC * 50)) <= WORD_MAX + MARKS_MAX
    assert sum(len(piece.text) for piece in line_of(ARABIC * 50)) == 250


def test_wide_letters_take_two_cells_and_marks_none() -> None:
    assert cells_of("ab") == 2
    assert cells_of("\u4f60\u597d") == 4
    assert cells_of("x\u0335\u0336") == 1
    assert cells_of("\U0001f680") == 2


def test_lines_are_cut_and_wrapped_by_what_they_take_and_not_by_their_characters() -> None:
    chinese = "\u4f60\u597d\u4e16\u754c"
    assert begin("abcdef", 6) == "abcdef"
    assert begin("abcdefg", 6) == "abcde…"
    assert begin(chinese, 8) == chinese
    assert begin(chinese, 6) == chinese[:2] + "…"
    assert end("abcdefg", 6) == "…cdefg"
    assert end(chinese, 6) == "…" + chinese[2:]
    assert begin("x" + "\u0335" * 3 + "yz", 2) == "x" + "\u0335" * 3 + "…"
    assert wrap("one two three", 7, 4) == ["one two", "three"]
    assert wrap("one two three", 7, 1) == ["one two"]
    assert wrap(chinese * 2, 6, 2) == [chinese[:3], chinese[3] + chinese[:2]]
    assert wrap("  ", 7, 4) == []
    assert all(cells_of(line) <= 10 for line in wrap((chinese + " ") * 30, 10, 9))


# -- the order on the screen ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "screen"),
    [
        ("abc", "abc"),
        ("\u05d0\u05d1\u05d2", "\u05d2\u05d1\u05d0"),
        ("ann: \u05d0\u05d1 (\u05d2) x", "ann: (\u05d2) \u05d1\u05d0 x"),
        ("\u05d0\u05d1 12 abc.", ".abc 12 \u05d1\u05d0"),
        ("ann: \u05d0\u05d1 12:30 \u05d2", "ann: \u05d2 12:30 \u05d1\u05d0"),
        ("\u0627\u0628 1,5 c", "c 1,5 \u0628\u0627"),
        ("a 12 \u05d0", "a 12 \u05d0"),
        ("\u05d0 +5%", "5%+ \u05d0"),
    ],
)
def test_what_runs_leftward_is_turned_around_and_numbers_are_not(line: str, screen: str) -> None:
    assert seen(line) == screen


def test_nobody_writes_over_what_others_say_by_marks_of_direction() -> None:
    assert seen("bob: \u202e\u2067dne\u202c ann: hello") == "bob: dne ann: hello"


def test_letters_that_join_are_one_piece_and_others_are_not() -> None:
    assert [piece.text for piece in line_of(f"a {ARABIC}!")] == ["a", " ", ARABIC, "!"]
    assert [piece.text for piece in line_of("\u4f60\u597d")] == ["\u4f60", "\u597d"]


def test_letters_of_arabic_have_the_forms_of_their_places() -> None:
    forms = "".join(joined(list(ARABIC), lambda _: True))
    assert forms == "\ufee3\ufeae\ufea3\ufe92\ufe8e"  # meem reh | hah beh alef
    assert "".join(joined(list(ARABIC), lambda form: form in ARABIC)) == ARABIC
    assert joined(["\u0628\u064e", "x"], lambda _: True) == ["\ufe8f\u064e", "x"]


# -- fonts ---------------------------------------------------------------------------------------


def test_a_font_is_found_that_has_the_letters_and_the_plainest_first(directory: Path) -> None:
    fonts = all_of(directory)
    assert fonts.complete
    font = fonts.find(HEBREW)
    assert font is not None
    assert font.path.name == "Liberation_Mono_Regular.ttf"
    assert fonts.find("\u4f60") is None
    assert fonts.find(HEBREW + "\u4f60") is font
    fonts.drop(font)
    other = fonts.find(HEBREW)
    assert other is not None
    assert other.path.name == "Liberation_Sans_Regular.ttf"


def test_fonts_are_looked_at_a_few_at_a_time(directory: Path) -> None:
    fonts = Fonts([directory, directory / "not there"])
    fonts.look(1)
    assert not fonts.complete
    fonts.look(100)
    assert fonts.complete


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ttcf",
        b"ttcf" + b"\xff" * 100,
        b"\x00\x01\x00\x00" + b"\xff" * 300,
        b"\x00\x01\x00\x00\x00\x01" + bytes(6) + b"cmap" + bytes(4) + b"\x00\x00\x00\x1c\x00\x00",
    ],
)
def test_what_is_no_font_is_passed_over(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "font.ttf"
    path.write_bytes(content)
    assert read_font(path) is None
    assert read_font(tmp_path) is None


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_every_system_has_places_for_fonts(platform: str) -> None:
    home = {"HOME": "/home/ada", "WINDIR": "C:/Windows"}
    assert len(directories_of(platform, home)) >= 2
    assert directories_of(platform, {})


# -- pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [True, False])
@pytest.mark.parametrize(
    "text",
    [HEBREW, "\u05e9" + "\u05b7" * 4, "\u1ea0\u0301\u0302\u0308\u030a", HEBREW * 6, "\u2211"],
)
def test_a_piece_fits_into_a_line_and_has_ink_and_an_empty_gutter(
    directory: Path, text: str, shapes: bool
) -> None:
    from PIL import features

    if shapes and not features.check("raqm"):
        pytest.skip("Pillow can not join letters here")
    glyphs = Glyphs(all_of(directory), shapes=shapes)
    grey = glyphs.draw(Piece(text, 1, leftward=text[0] == "\u05e9"), LINE)
    assert grey is not None
    height, width = grey.shape
    cells = (width - 2) // LINE.advance
    assert (width, height) == size_of(cells, LINE)
    assert 1 <= cells <= CELLS_MAX
    assert grey.max() > 100
    assert not grey[[0, -1]].any()
    assert not grey[:, [0, -1]].any()


def test_what_is_too_high_for_a_line_is_drawn_smaller(directory: Path) -> None:
    glyphs = Glyphs(all_of(directory))
    flat = glyphs.draw(Piece("\u05e9", 1, leftward=True), Line(30, 14, 12, 4))
    high = glyphs.draw(Piece("\u05e9", 1, leftward=True), Line(30, 14, 27, 9))
    assert flat is not None
    assert high is not None
    assert flat.shape == (12 + 4 + 2, 1 * 14 + 2)
    assert high.shape == (27 + 9 + 2, 2 * 14 + 2)


def test_a_font_that_turns_out_broken_is_not_asked_again(directory: Path, tmp_path: Path) -> None:
    whole = (directory / "Liberation_Sans_Regular.ttf").read_bytes()
    (tmp_path / "a.ttf").write_bytes(whole)
    fonts = all_of(tmp_path)
    assert fonts.find("\u05e9") is not None
    (tmp_path / "a.ttf").write_bytes(b"gone")
    glyphs = Glyphs(fonts)
    assert glyphs.draw(Piece("\u05e9", 1, leftward=True), LINE) is None
    assert fonts.find("\u05e9") is None


# -- the atlas -----------------------------------------------------------------------------------


class OneColour:
    """Draws every piece as wide as it asks for, in a grey of its own."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def draw(self, piece: Piece, line: Line) -> Any:
        self.drawn.append(piece.text)
        width, height = size_of(piece.cells, line)
        return np.full((height, width), 1 + ord(piece.text) % 250, np.uint8)


def test_an_atlas_is_bounded_and_what_is_shown_is_never_wiped_within_a_batch() -> None:
    glyphs: Any = OneColour()
    atlas = Pieces(np.zeros((10, 200), np.uint8), glyphs)
    size = atlas.image.shape
    epochs = set()
    for batch in range(400):
        shown = []
        for nth in range(DRAWN_MAX + 3):
            piece = Piece(chr(0x4E00 + batch * 40 + nth), 2, leftward=False)
            cut = atlas.find(piece, LINE)
            assert cut is not None or atlas.waits
            shown += [(piece, cut)] if cut is not None else []
        height, width = size
        for piece, cut in shown:
            left, top, wide, high = (cut.cut * (width, height, width, height)).round().astype(int)
            part = atlas.image[top : top + high, left : left + wide]
            assert (part == 1 + ord(piece.text) % 250).all()
        epochs.add(atlas.epoch)
        assert len(shown) <= DRAWN_MAX
        atlas.next_batch()
    assert atlas.image.shape == size == (10 + PAGES * PAGE_PX, 200)
    assert len(atlas) <= PAGES * PAGE_PX * 200 // (18 * 17)
    assert len(epochs) > 2


def test_a_piece_is_drawn_once_and_what_nobody_has_is_asked_for_again() -> None:
    glyphs: Any = OneColour()
    atlas = Pieces(np.zeros((10, 200), np.uint8), glyphs)
    piece = Piece("\u4f60", 2, leftward=False)
    first = atlas.find(piece, LINE)
    atlas.next_batch()
    assert atlas.find(piece, LINE) is first
    assert glyphs.drawn == ["\u4f60"]
    atlas.forget()
    assert atlas.find(piece, LINE) is not None
    assert glyphs.drawn == ["\u4f60"] * 2


def test_the_box_is_to_be_seen() -> None:
    assert draw_box(LINE).max() > 100
