"""Loading a game by its name: what works, and what is said when it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidereal.game.load import DEFAULT_GAME, digest_of_code, load
from sidereal.protocol.errors import ConfigError

GOOD = """
from sidereal.game import Game, Motion
game = Game("mine")
game.kind("rock", Motion())
other = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_game_of_the_working_directory_is_found(here: Path) -> None:
    Path("mygame_a.py").write_text(GOOD)
    assert load("mygame_a:game").name == "mine"
    assert sys.path[-1] == str(here)


def test_a_game_in_a_package_is_found(here: Path) -> None:
    Path("mypack").mkdir()
    Path("mypack/__init__.py").write_text("")
    Path("mypack/rocks.py").write_text(GOOD)
    assert load("mypack.rocks:game").modules == ()


@pytest.mark.parametrize(
    "text", ["", "mygame", ":game", "my-game:game", "mygame:", "a:b:c", "a.:b"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as module:name, as in mygame:game"):
        load(text)


def test_a_missing_module_is_named(here: Path) -> None:
    with pytest.raises(ConfigError, match="there is no module nogame, neither installed nor in"):
        load("nogame:game")


def test_a_missing_name_is_answered_with_the_games_that_are_there(here: Path) -> None:
    Path("mygame_b.py").write_text(GOOD)
    with pytest.raises(ConfigError, match="module mygame_b has no gaem; it has game"):
        load("mygame_b:gaem")
    with pytest.raises(ConfigError, match="other is of type int, not a Game"):
        load("mygame_b:other")


def test_what_a_module_raises_is_said_with_its_place(here: Path) -> None:
    Path("mygame_c.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(ConfigError, match=r"mygame_c\.py:2: ZeroDivisionError: division by zero"):
        load("mygame_c:game")


def test_a_module_that_imports_what_is_missing_is_told_apart(here: Path) -> None:
    Path("mygame_d.py").write_text("import not_installed_here\n")
    with pytest.raises(ConfigError, match="No module named 'not_installed_here'"):
        load("mygame_d:game")


def test_a_broken_file_is_said_with_its_line(here: Path) -> None:
    Path("mygame_e.py").write_text("def x(:\n")
    with pytest.raises(ConfigError, match="SyntaxError"):
        load("mygame_e:game")


def test_all_problems_of_a_game_are_said(here: Path) -> None:
    Path("mygame_f.py").write_text(
        "from sidereal.game import Game\ngame = Game('mine', ghost_range=0)\n"
    )
    with pytest.raises(ConfigError) as caught:
        load("mygame_f:game")
    assert str(caught.value) == (
        "--game mygame_f:game:\n"
        "mine has no kinds: nothing can be in its world\n"
        "ghost_range must be above 0 and at most 1000, a sector"
    )


def code_of(text: str) -> bytes:
    """The digest of a game that is imported anew."""
    for name in [name for name in sys.modules if name.startswith("my")]:
        del sys.modules[name]
    return digest_of_code(text, load(text))


def test_kinds_may_say_what_they_touch(here: Path) -> None:
    Path("mygame_i.py").write_text(
        GOOD + "from sidereal.game import Body\ngame.kind('gate', Motion(), Body(), sensor=True)\n"
        "game.kind('dart', Motion(), Body(), touches=[])\n"
    )
    assert len(load("mygame_i:game").kinds) == 3


def test_the_code_is_another_when_a_module_of_its_package_is(here: Path) -> None:
    Path("mypack_b").mkdir()
    Path("mypack_b/__init__.py").write_text("")
    Path("mypack_b/rocks.py").write_text("import mypack_b.maths\n" + GOOD)
    Path("mypack_b/maths.py").write_text("one = 1\n")
    before = code_of("mypack_b.rocks:game")
    assert code_of("mypack_b.rocks:game") == before
    Path("mypack_b/maths.py").write_text("one = 2\n")
    after = code_of("mypack_b.rocks:game")
    assert before != after
    Path("other.py").write_text("one = 3\n")
    assert code_of("mypack_b.rocks:game") == after


def test_the_code_of_a_lone_module_is_its_own(here: Path) -> None:
    Path("mygame_j.py").write_text(GOOD)
    before = code_of("mygame_j:game")
    Path("mygame_j.py").write_text(GOOD + "\n# more\n")
    assert before != code_of("mygame_j:game") != digest_of_code(DEFAULT_GAME, load(DEFAULT_GAME))


def test_a_module_that_another_hides_is_refused(here: Path) -> None:
    Path("random.py").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"random\.py is hidden by .*; give it another name"):
        load("random:game")


def test_the_working_directory_hides_nothing(here: Path) -> None:
    """It is the last entry of the path: a game does not replace what others import."""
    Path("colorsys.py").write_text("raise SystemExit")
    Path("mygame_g.py").write_text("import colorsys\n" + GOOD)
    sys.modules.pop("colorsys", None)
    assert load("mygame_g:game").name == "mine"
