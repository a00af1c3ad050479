"""A game of somebody's own, in a file of theirs, is what all processes of a world play."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

ANY_PORTS: Final = ("--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0")
BEACONS: Final = 6
GAME: Final = f'''
"""Beacons in a ring, among which one flies."""
import numpy as np
from sidereal.game import F4, Body, Component, Game, Motion, field
from sidereal.games import frontier

class Beacon(Component):
    reach: F4 = field(150, low=1, high=500)

game = Game("beacons", parts=[frontier.flight])
BEACON = game.kind("beacon", Motion(), Body(radius=5, mass=900), Beacon())

@game.bot("lost")
def lost(view):
    raise RuntimeError("this world names another bot")

@game.bot("still")
def still(view):
    return frontier.Stick()

@game.world("bare")
def bare(make):
    raise RuntimeError("this world was not chosen")

@game.world("ring", bots="still")
def ring(make):
    angle = np.linspace(0, 2 * np.pi, {BEACONS}, endpoint=False)
    place = Motion(x=400 * np.cos(angle), y=400 * np.sin(angle))
    make.spawn(BEACON, place, Beacon(reach=10.0 + np.arange({BEACONS})))
'''
FILES: Final = {"mygame.py": GAME}


class Played(NamedTuple):
    """A world of that game, which has ended, and another game on its data.

    Attributes:
        seen: what a monitor saw that had not the game.
        viewer: that took a picture of it without the game.
        picture: which it took.
    """

    status: dict[str, Any]
    command: Command
    other: Command
    seen: dict[str, Any]
    viewer: Command
    picture: Path


def look(toolbox: Toolbox, url: str) -> dict[str, Any] | None:
    """What a monitor sees that is not told which game it is; None if it came too late."""
    monitor = toolbox.run("monitor", "--server", url, "--json", "-", "--for", 1)
    report: dict[str, Any] = monitor.report
    return report if report["sight"] else None


@pytest.fixture(scope="module")
def played(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Played:
    data_dir: Path = tmp_path_factory.mktemp("world")
    words = ("up", *ANY_PORTS, "--data-dir", data_dir, "--shards", 1)
    mine = ("--game", "mygame:game", "--world", "ring", "--bots", 1)
    command = toolbox.start(*words, *mine, files=FILES)
    world = toolbox.watch(command.wait_output(r"The world is ready at (\S+)"), command)
    status = world.wait_flying(1)
    seen = toolbox.wait_until(lambda: look(toolbox, world.url), "a monitor sees the world")
    picture = data_dir.parent / "world.png"
    shot = ("--headless", "--observe", "--shot", picture, "--seconds", 0.5, "--size", "640x480")
    viewer = toolbox.run("view", "--server", world.url, *shot)
    command.tell(signal.SIGINT)
    command.wait()
    return Played(status, command, toolbox.run(*words), seen, viewer, picture)


def test_its_world_is_made_and_flown_in(played: Played) -> None:
    assert played.status["replication"]["entities"] == BEACONS + 1
    assert [shard["name"] for shard in played.status["shards"]] == ["shard-1"]
    assert played.status["replication"]["hooks_failed"] == {}
    assert played.command.process.returncode == 0


def test_its_bots_do_what_its_world_says(played: Played) -> None:
    assert "this world names another bot" not in played.command.err


def test_another_game_on_its_data_is_refused_in_a_line(played: Played) -> None:
    assert played.other.process.returncode == 69
    (line,) = played.other.said
    assert "holds a world of the game beacons, and this is frontier" in line
    assert "--data-dir" in line


def test_a_monitor_without_the_game_sees_its_kinds_by_their_names(played: Played) -> None:
    assert played.seen["observed"]["described"] is True
    assert played.seen["sight"]["beacon"] == BEACONS


def test_a_viewer_without_the_game_takes_a_picture_of_it(played: Played) -> None:
    status, needed = played.viewer.process.returncode, os.environ.get("SIDEREAL_REQUIRE_GL") == "1"
    if status == 69 and "OpenGL" in played.viewer.err and not needed:
        pytest.skip(played.viewer.err)
    assert status == 0, played.viewer.err
    assert played.picture.read_bytes().startswith(b"\x89PNG")
