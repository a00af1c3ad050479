"""`up --reload`: what an author saves runs a moment later, and nobody is disconnected."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox, World

ANY_PORTS: Final = ("--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0")
SHARDS, BOTS = 2, 2
GAME: Final = """
from sidereal.game import F4, Body, Component, Event, Game, Motion, Step, field
from sidereal.games import frontier

class Sung(Event):
    pass

class Danced(Event):
    pass

class Fuel(Component):
    left: F4 = field(5, low=0, high=10)

game = Game("balls", parts=[frontier.flight])
BALL = game.kind("ball", Motion(), Body(), Fuel())
game.declare(Sung, Danced)

@game.system
def perform(step: Step) -> None:
    step.emit(Sung(), at=step.rows(BALL))

@game.on_leave
def goodbye(world, player):
    return None

@game.bot("still")
def still(view):
    return frontier.Stick()

@game.world("row", bots="still")
def row(make):
    make.spawn(BALL, Motion(x=[-2500.0, -500.0, 500.0, 2500.0], y=500.0))
"""
DANCING: Final = GAME.replace("emit(Sung()", "emit(Danced()").replace("return None", "pass")
UNREADABLE: Final = GAME + "\nwhat = = this"
FAILING: Final = GAME.replace("step.emit(", "1 / (len(step.rows(BALL)) == 0)\n    step.emit(")
WITHOUT_BALLS: Final = GAME.replace('"ball"', '"sphere"')
OTHER_WORLD: Final = GAME.replace("high=10", "high=20")


class Story(NamedTuple):
    """The world at moments of a day of its author.

    Attributes:
        first: before anything was saved.
        danced: when other code of the same world had replaced it.
        later: a while after that.
        unreadable: after what can't be loaded was saved.
        failed: after what fails as soon as it runs was saved, and the old code was back.
        refused: after what the saved world can't go on with was saved.
        other: when another world was saved, and had begun.
        left: how many clients had been disconnected before that.
    """

    first: dict[str, Any]
    danced: dict[str, Any]
    later: dict[str, Any]
    unreadable: dict[str, Any]
    failed: dict[str, Any]
    refused: dict[str, Any]
    other: dict[str, Any]
    left: int
    command: Command


class Author:
    """Who edits the game of a world that runs."""

    def __init__(self, toolbox: Toolbox, tmp_path: Path) -> None:
        self._toolbox = toolbox
        self.file = tmp_path / "mygame.py"
        self.save(GAME)
        words = ("up", *ANY_PORTS, "--data-dir", tmp_path / "world", "--game", "mygame:game")
        words = (*words, "--shards", SHARDS, "--bots", BOTS, "--reload", "--json", "-")
        self.command: Command = toolbox.start(*words, PYTHONPATH=str(tmp_path))
        url = self.command.wait_output(r"The world is ready at (\S+)")
        self.world: World = toolbox.watch(url, self.command)
        self.world.wait_flying(BOTS)

    def save(self, text: str) -> None:
        """Save as editors do: in one step."""
        self.file.with_suffix(".new").write_text(text)
        os.replace(self.file.with_suffix(".new"), self.file)

    def wait_settled(self) -> dict[str, Any]:
        """Wait until as many shards are there as there should be, and all run the same code."""
        return self.world.wait_status(
            lambda s: len(s["shards"]) == SHARDS and len({x["code"] for x in s["shards"]}) == 1,
            "all shards run the same code, and no others are there",
        )

    def wait_other_world(self, schema_hash: str) -> None:
        """Wait until the server has begun anew, and bots fly."""

        def look() -> bool:
            try:
                status = self.world.status()
            except httpx.TransportError:
                return False
            flying = len(self._toolbox.ships(status)) == BOTS
            return flying and status["schema_hash"] != schema_hash

        self._toolbox.wait_until(look, "another world has begun")

    def wait_ticks(self, count: int = 20) -> dict[str, Any]:
        """Let the world go on for some ticks."""
        tick = self.world.status()["tick"]
        return self.world.wait_status(lambda s: s["tick"] >= tick + count, "the world goes on")


@pytest.fixture(scope="module")
def story(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Story:
    author = Author(toolbox, tmp_path_factory.mktemp("author"))
    command = author.command
    first = author.wait_settled()
    author.save(DANCING)
    assert command.wait_output(r" reloaded shards=(\d)") == str(SHARDS)
    danced = author.wait_settled()
    later = author.wait_ticks()
    author.save(UNREADABLE)
    command.wait_output(r"not_reloaded why=.*\n(Traceback|  File)")
    unreadable = author.wait_ticks()
    author.save(FAILING)
    command.wait_output(r"not_reloaded why=(.*ZeroDivisionError)")
    author.wait_settled()
    failed = author.wait_ticks()
    author.save(WITHOUT_BALLS)
    command.wait_output(r"not_reloaded why=(.*declare any more)")
    refused = author.wait_ticks()
    left = command.err.count(" client_left ")
    author.save(OTHER_WORLD)
    command.wait_output(r"(starting_anew) why=")
    author.wait_other_world(first["schema_hash"])
    other = author.wait_settled()
    command.tell(signal.SIGINT)
    command.wait()
    return Story(first, danced, later, unreadable, failed, refused, other, left, command)


def happened(status: dict[str, Any], name: str) -> int:
    counts: dict[str, int] = status["replication"]["happened_by_name"]
    return next(count for event, count in counts.items() if event.endswith(name))


def code_of(status: dict[str, Any]) -> str:
    """The one code that all shards run."""
    (code,) = {shard["code"] for shard in status["shards"]}
    return str(code)


def test_what_is_saved_runs_on_all_shards(story: Story) -> None:
    assert happened(story.first, "sung")
    assert not happened(story.first, "danced")
    assert happened(story.later, "sung") == happened(story.danced, "sung")
    assert happened(story.later, "danced") > happened(story.danced, "danced")


def test_shards_are_others_and_there_are_as_many(story: Story) -> None:
    before, after = ({s["pid"] for s in x["shards"]} for x in (story.first, story.danced))
    assert not before & after
    assert [shard["state"] for shard in story.later["shards"]] == ["serving"] * SHARDS
    assert code_of(story.first) != code_of(story.danced)


def test_what_the_server_runs_stays_and_that_is_said(story: Story) -> None:
    (line,) = [line for line in story.command.err.splitlines() if "not_replaced" in line]
    assert "what=mygame.goodbye why=" in line


def test_nobody_is_disconnected(story: Story, toolbox: Toolbox) -> None:
    assert story.left == 0
    flying = toolbox.ships(story.first)
    assert len(flying) == BOTS
    for status in (story.danced, story.later, story.unreadable, story.failed, story.refused):
        assert toolbox.ships(status) == flying
        assert status["replication"]["entities"] == story.first["replication"]["entities"]
        assert status["replication"]["rejected"] == {}


def test_what_cannot_be_loaded_is_shown_and_changes_nothing(story: Story) -> None:
    assert "\n    what = = this\n" in story.command.err
    assert "\nSyntaxError: invalid syntax\n" in story.command.err
    assert {s["pid"] for s in story.unreadable["shards"]} == {
        s["pid"] for s in story.danced["shards"]
    }


def test_after_code_that_fails_the_old_code_goes_on_in_the_old_processes(story: Story) -> None:
    assert {s["pid"] for s in story.failed["shards"]} == {s["pid"] for s in story.danced["shards"]}
    assert code_of(story.failed) == code_of(story.danced)
    assert happened(story.failed, "danced") > happened(story.unreadable, "danced")
    for shard in story.failed["shards"]:
        assert shard["state"] == "serving"
        assert shard["sectors"]
    assert story.failed["withheld"] == []


def test_what_the_saved_world_cannot_go_on_with_is_said_and_changes_nothing(story: Story) -> None:
    assert "(4 of kind ball): run a version that does" in story.command.err
    assert story.refused["schema_hash"] == story.first["schema_hash"]
    assert {s["pid"] for s in story.refused["shards"]} == {s["pid"] for s in story.failed["shards"]}


def test_another_world_is_said_in_words_and_begins_anew(story: Story) -> None:
    (line,) = [line for line in story.command.err.splitlines() if "starting_anew" in line]
    assert "fuel_left is 0 to 20 here, 0 to 10 there" in line
    assert story.other["replication"]["entities"] == story.first["replication"]["entities"]
    assert happened(story.other, "sung")


def test_the_world_ends_in_order(story: Story) -> None:
    assert story.command.process.returncode == 0
