"""What `up --reload` finds out about a game, and how it notices that one is saved."""

from __future__ import annotations

import os
import py_compile
from importlib.util import cache_from_source
from pathlib import Path

import pytest
import trio

from sidereal.tools.up.versions import Unloadable, Version, examine
from sidereal.tools.up.watching import watch_folders

GAME = """
from sidereal.game import F4, Component, Game, Motion, Step, field

class Fuel(Component):
    left: F4 = field(5, low=0, high=10)

game = Game("mine")
ROCK = game.kind("rock", Motion(), Fuel())

@game.system
def burn(step: Step) -> None:
    step[Fuel].left[step.rows(Fuel)] -= 1
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module of a game, in the working directory."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mygame.py"
    file.write_text(GAME)
    return file


def save(file: Path, text: str) -> None:
    """Save as editors do: in one step."""
    file.with_suffix(".new").write_text(text)
    os.replace(file.with_suffix(".new"), file)


def exists(path: str) -> bool:
    return os.path.exists(path)


async def look() -> Version:
    found = await examine("mygame:game")
    assert isinstance(found, Version)
    return found


async def test_other_code_of_the_same_world_declares_the_same(file: Path) -> None:
    before = await look()
    save(file, GAME.replace("-= 1", "-= 2"))
    after = await look()
    assert after.code != before.code
    assert after.differs_from(before) == ""
    assert after.folders == before.folders == (file.parent,)


async def test_another_world_is_told_from_the_one_before_in_words(file: Path) -> None:
    before = await look()
    save(file, GAME.replace("high=10", "high=20"))
    assert "left is 0 to 20 here, 0 to 10 there" in (await look()).differs_from(before)


async def test_what_the_server_runs_is_named_when_it_is_another_one(file: Path) -> None:
    hooks = """
@game.on_join
def welcome(world, player):
    pass

@game.action(rate_hz=2)
def sell(tx, count: int):
    pass

@game.world("quarry")
def quarry(make):
    make.spawn(ROCK, count=3)
"""
    save(file, GAME + hooks)
    before = await look()
    changed = hooks.replace("count: int", "many: int").replace("count=3", "count=4")
    save(file, GAME.replace("-= 1", "-= 2") + "# more" + changed)
    after = await look()
    assert after.served_otherwise(before) == ["mygame.sell", "mygame.quarry"]
    assert before.served_otherwise(before) == []


@pytest.mark.parametrize(
    ("text", "why", "shown"),
    [
        (GAME + "1 / 0", "ZeroDivisionError: division by zero", "    1 / 0"),
        (GAME + "x = = 1", "SyntaxError: invalid syntax", "    x = = 1"),
        (GAME + "game = None", "game is of type NoneType, not a Game", "not a Game"),
        (GAME.replace("low=0", "quantum=1"), "left: quantum needs low and high", "quantum needs"),
        ("raise SystemExit(3)", "the process that loaded it ended with status 3", ""),
        ("import os; os.abort()", "the process that loaded it was killed by SIGABRT", ""),
    ],
)
async def test_what_cannot_be_loaded_is_said_and_shown(
    file: Path, text: str, why: str, shown: str
) -> None:
    save(file, text)
    found = await examine("mygame:game")
    assert isinstance(found, Unloadable)
    assert why in found.why
    assert shown in found.shown
    assert "importlib" not in found.shown
    assert "load.py" not in found.shown


async def test_what_a_game_prints_while_it_is_loaded_does_no_harm(file: Path) -> None:
    save(file, "print('hello')\nprint('{}')\n" + GAME)
    assert (await look()).folders == (file.parent,)


async def test_a_save_is_noticed_and_what_was_compiled_of_the_file_is_gone(file: Path) -> None:
    compiled = cache_from_source(str(file))
    py_compile.compile(str(file))
    saves = trio.Event()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_folders, [file.parent], saves.set)
            while not saves.is_set():  # it takes a moment until they are watched
                save(file, GAME)
                with trio.move_on_after(0.3):
                    await saves.wait()
            nursery.cancel_scope.cancel()
    assert not exists(compiled)
