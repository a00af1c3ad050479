"""`up --spares 1`: a spare takes over from a shard that is killed, which is the next spare."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

BOTS = 6


class Story(NamedTuple):
    """The world before the death, when the spare has taken over, and when all are there again."""

    before: dict[str, Any]
    taken: dict[str, Any]
    restored: dict[str, Any]
    command: Command
    status: int
    ships: list[dict[str, int]]


@pytest.fixture(scope="module")
def story(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Story:
    flags = ("--spares", 1, "--bots", BOTS, "--json", "-")
    world = toolbox.start_world(tmp_path_factory.mktemp("world"), *flags)
    world.wait_flying(BOTS)
    before = world.wait_status(
        lambda s: (
            states(s) == {"shard-1": "serving", "shard-2": "serving", "shard-3": "spare"}
            and all(sectors_of(s, number) for number in (1, 2))
        ),
        "two shards serve, and one waits",
    )
    os.kill(world.command.family().pid_of("--name", "shard-1"), signal.SIGKILL)
    taken = world.wait_status(lambda s: not sectors_of(s, 1), "shard-1 has nothing any more")
    restored = world.wait_status(
        lambda s: states(s) == {"shard-1": "spare", "shard-2": "serving", "shard-3": "serving"},
        "the one that was killed waits",
    )
    world.wait_status(lambda s: s["tick"] > restored["tick"] + 40, "`up` has looked too")
    ships = [toolbox.ships(status) for status in (before, taken, restored)]
    world.command.tell(signal.SIGTERM)
    return Story(before, taken, restored, world.command, world.command.wait(), ships)


def states(status: dict[str, Any]) -> dict[str, str]:
    return {shard["name"]: shard["state"] for shard in status["shards"]}


def sectors_of(status: dict[str, Any], number: int) -> set[tuple[int, int]]:
    return {(s["x"], s["y"]) for s in status["sectors"] if s["shard"] == number}


def test_a_spare_has_nothing_while_the_others_are_there(story: Story) -> None:
    (spare,) = [shard for shard in story.before["shards"] if shard["state"] == "spare"]
    assert (spare["sectors"], spare["entities"]) == (0, 0)


def test_it_takes_over_what_the_dead_one_had(story: Story) -> None:
    lost = sectors_of(story.before, 1)
    assert sectors_of(story.taken, 3) & lost
    # Balance may have moved one sector on its own between the two looks.
    assert len(sectors_of(story.taken, 2) & lost) <= 1
    assert story.command.wait_output(r"spare_called .*name=shard-3 .*takes_over_from=(\d+)") == "1"


def test_the_dead_one_comes_back_as_a_spare(story: Story) -> None:
    # That it does is what the fixture waits for.
    assert sectors_of(story.restored, 1) == set()
    states_told = {shard["id"]: shard["state"] for shard in story.command.report["shards"]}
    assert states_told == {1: "spare", 2: "serving", 3: "serving"}


def test_everybody_flies_on_in_the_same_ship(story: Story) -> None:
    assert len(story.ships[0]) == BOTS
    assert story.ships == story.ships[:1] * 3
    bots = story.command.report["bots"]
    assert (bots["connected"], bots["disconnected"]) == (BOTS, 0)
    assert story.restored["replication"]["rejected"] == {}


def test_the_world_ends_cleanly_with_its_spare(story: Story) -> None:
    assert story.status == 0
    assert "Traceback" not in story.command.err
