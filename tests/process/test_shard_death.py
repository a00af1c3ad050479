"""`kill -9` of a shard: another one takes over, nobody notices, the dead one comes back."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

BOTS = 6


class Story(NamedTuple):
    """The world at four moments, and what was said of it in the end."""

    before: dict[str, Any]
    orphaned: dict[str, Any]
    later: dict[str, Any]
    restored: dict[str, Any]
    command: Command
    status: int
    victim: int
    heir: int
    left: list[str]


@pytest.fixture(scope="module")
def story(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Story:
    data_dir = tmp_path_factory.mktemp("world")
    world = toolbox.start_world(data_dir, "--bots", BOTS, "--json", "-")
    world.wait_flying(BOTS)
    before = world.wait_status(lambda s: is_held_by(s, {"shard-1", "shard-2"}), "both have sectors")
    victim = world.command.family().pid_of("--name", "shard-1")
    # Whoever would start the shard again is held up, so that the world is seen without it.
    world.command.tell(signal.SIGSTOP)
    os.kill(victim, signal.SIGKILL)
    orphaned = world.wait_status(lambda s: is_held_by(s, {"shard-2"}), "shard-2 has everything")
    later = world.wait_status(
        lambda s: s["replication"]["proposals"] > orphaned["replication"]["proposals"] + 100,
        "what shard-2 took over moves on",
    )
    world.command.tell(signal.SIGCONT)
    restored = world.wait_status(
        lambda s: is_held_by(s, {"shard-1", "shard-2"}), "both have sectors again"
    )
    world.wait_status(
        lambda s: s["tick"] > restored["tick"] + 40, "`up` has looked too, for its report"
    )
    family = world.command.family()
    heir = family.pid_of("--name", "shard-1")
    world.command.tell(signal.SIGTERM)
    status = world.command.wait()
    return Story(
        before, orphaned, later, restored, world.command, status, victim, heir, family.alive()
    )


def is_held_by(status: dict[str, Any], names: set[str]) -> bool:
    """Whether these shards, and no others, have sectors, and all sectors and entities."""
    shards = {shard["name"]: shard for shard in status["shards"]}
    living = {shard["id"] for shard in shards.values()}
    return (
        set(shards) == names
        and all(shard["sectors"] for shard in shards.values())
        and all(sector["shard"] in living for sector in status["sectors"])
        and sum(shard["entities"] for shard in shards.values()) == status["replication"]["entities"]
    )


def test_the_other_shard_takes_all_sectors_under_new_epochs(story: Story) -> None:
    (dead,) = [shard["id"] for shard in story.before["shards"] if shard["name"] == "shard-1"]
    epochs = {(s["x"], s["y"]): s["epoch"] for s in story.orphaned["sectors"]}
    lost = [sector for sector in story.before["sectors"] if sector["shard"] == dead]
    # An empty one may have been let go of meanwhile.
    lost = [sector for sector in lost if (sector["x"], sector["y"]) in epochs]
    assert lost
    assert all(epochs[s["x"], s["y"]] > s["epoch"] for s in lost)


def test_no_entity_is_lost_or_doubled(story: Story) -> None:
    counts = [
        status["replication"]["entities"]
        for status in (story.before, story.orphaned, story.later, story.restored)
    ]
    assert counts == counts[:1] * 4


def test_everybody_flies_on_in_the_same_ship(story: Story, toolbox: Toolbox) -> None:
    flying = toolbox.ships(story.before)
    assert len(flying) == BOTS
    for status in (story.orphaned, story.later, story.restored):
        assert toolbox.ships(status) == flying
    bots = story.command.report["bots"]
    assert (bots["connected"], bots["disconnected"]) == (BOTS, 0)


def test_nothing_the_shards_propose_is_rejected(story: Story) -> None:
    assert story.restored["replication"]["rejected"] == {}


def test_the_dead_shard_comes_back_as_itself_in_a_new_process(story: Story) -> None:
    numbers = {shard["name"]: shard["id"] for shard in story.before["shards"]}
    assert {shard["name"]: shard["id"] for shard in story.restored["shards"]} == numbers
    (pid,) = [s["pid"] for s in story.command.report["shards"] if s["id"] == numbers["shard-1"]]
    assert pid == story.heir != story.victim


def test_the_report_names_who_died_and_how(story: Story) -> None:
    assert story.command.report["errors"] == ["shard-1 was killed by SIGKILL; it was started again"]


def test_sigterm_ends_a_world_cleanly(story: Story) -> None:
    assert story.status == 0
    assert story.command.report["exit"] == "interrupted"
    assert story.left == []
    assert "Traceback" not in story.command.err
