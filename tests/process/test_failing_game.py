"""A game whose code goes wrong in one place: shards come back, and the world goes on without it."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

ANY_PORTS: Final = ("--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0")
GAME: Final = """
from sidereal.game import Body, Game, Motion, Step

game = Game("poisoned")
BALL = game.kind("ball", Motion(), Body())
POISON = game.kind("poison", Motion(), Body())

@game.system
def mend(step: Step) -> None:
    divide(len(step.rows(POISON)))

def divide(count: int) -> float:
    return 1 / (1 - count)

@game.world("line")
def line(make):
    make.spawn(BALL, Motion(x=[500.0, 1500.0, 3500.0, 4500.0], y=500.0, vx=3.0))
    make.spawn(POISON, Motion(x=2500.0, y=500.0, vx=9.0))
"""
FILES: Final = {"mygame.py": GAME, "sidereal.toml": 'game = "mygame:game"\n'}
WHY: Final = "system poisoned.mend raised ZeroDivisionError at tick "


class Story(NamedTuple):
    """The world when its sector was withheld, and a while later."""

    withheld: dict[str, Any]
    later: dict[str, Any]
    command: Command


@pytest.fixture(scope="module")
def story(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Story:
    data_dir: Path = tmp_path_factory.mktemp("world")
    words = ("up", *ANY_PORTS, "--data-dir", data_dir, "--shards", 2, "--json", "-")
    command = toolbox.start(*words, files=FILES)
    world = toolbox.watch(command.wait_output(r"The world is ready at (\S+)"), command)
    withheld = world.wait_status(
        lambda s: s["withheld"] and len(s["shards"]) == 2,
        "it is withheld, and both shards are back",
    )
    later = world.wait_status(lambda s: s["tick"] > withheld["tick"] + 20, "the world goes on")
    command.tell(signal.SIGINT)
    command.wait()
    return Story(withheld, later, command)


def test_the_status_names_the_system_and_the_sector(story: Story) -> None:
    (row,) = [row for row in story.withheld["withheld"] if (row["x"], row["y"]) == (2, 0)]
    assert row["what"] == "system poisoned.mend"
    assert row["why"].startswith(WHY)
    assert row["entities"] == 1


def test_shards_stay_and_the_rest_is_simulated(story: Story) -> None:
    assert [shard["pid"] for shard in story.later["shards"]] == [
        shard["pid"] for shard in story.withheld["shards"]
    ]
    assert (2, 0) not in {(sector["x"], sector["y"]) for sector in story.later["sectors"]}


def test_the_log_has_the_frames_of_the_game(story: Story) -> None:
    assert "game_failed" in story.command.err
    assert ", in divide\n" in story.command.err
    assert "stages.py" not in story.command.err


def test_the_report_says_why_each_ended(story: Story) -> None:
    errors = story.command.report["errors"]
    assert len(errors) == 3
    for error in errors:
        assert error.startswith(("shard-1 ended with status 1", "shard-2 ended with status 1"))
        assert f": sidereal shard: {WHY}" in error
        assert error.endswith("division by zero; it was started again")


def test_a_game_that_goes_wrong_wherever_it_runs_ends_soon_and_why_is_said_once_a_time(
    toolbox: Toolbox, tmp_path: Path
) -> None:
    """The world has never been ready, and one shard has failed once more than withholds sectors."""
    text = GAME.replace("divide(len(step.rows(POISON)))", "divide(1)")
    words = ("up", *ANY_PORTS, "--data-dir", tmp_path, "--shards", 1)
    command = toolbox.start(*words, files=FILES | {"mygame.py": text})
    assert command.wait() == 1
    assert len(re.findall(rf"^sidereal shard: {WHY}", command.err, re.MULTILINE)) == 4
    assert command.err.count('up failed why="shard-1 ended with status 1"\n') == 1
