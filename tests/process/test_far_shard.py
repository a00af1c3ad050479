"""A shard behind a long and lossy way: ships cross its borders, and it is killed, stopped, told."""

from __future__ import annotations

import json
import secrets
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox, World

BOTS = 6
LINK = "--delay-ms 40 --jitter-ms 5 --loss 0.02"
"""Each way, as islands are judged."""
HANDOVERS = 8
"""So many are waited for while the far shard is there, each time."""


class Story(NamedTuple):
    """The world whenever both shards had a part in it, and how everybody ended."""

    moments: list[dict[str, Any]]
    replication: Command
    bots: Command
    netsim: Command
    told: Command
    stopped: Command


class Place:
    """A world whose shards `near` and `far` are started and ended one by one."""

    def __init__(self, toolbox: Toolbox, world: World, ways: dict[str, str], key: str) -> None:
        self.world = world
        self._toolbox = toolbox
        self._ways = ways
        self._key = key

    def start(self, name: str) -> Command:
        words = ("shard", "--server", self._ways[name], "--name", name)
        command = self._toolbox.start(*words, SIDEREAL_SHARD_KEY=self._key)
        command.wait_output(rf'("name": "{name}")')
        return command

    def meet(self) -> dict[str, Any]:
        """Wait until both have a part, and ships cross between them; returns the status."""
        began = self.world.wait_status(lambda s: is_held_by(s, {"near", "far"}), "both have a part")
        crossed = began["replication"]["handovers"] + HANDOVERS
        return self.world.wait_status(
            lambda s: s["replication"]["handovers"] >= crossed, "ships cross between both"
        )

    def wait_alone(self) -> None:
        self.world.wait_status(lambda s: is_held_by(s, {"near"}), "the near one has everything")


def is_held_by(status: dict[str, Any], names: set[str]) -> bool:
    """Whether these shards, and no others, have sectors, and all entities."""
    shards = {shard["name"]: shard for shard in status["shards"]}
    return (
        set(shards) == names
        and all(shard["sectors"] for shard in shards.values())
        and sum(shard["entities"] for shard in shards.values()) == status["replication"]["entities"]
    )


@pytest.fixture(scope="module")
def story(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Story:
    key, port = secrets.token_hex(16), toolbox.free_udp_port()
    words = f"--listen 127.0.0.1:0 --target 127.0.0.1:{port} {LINK} --json -"
    netsim = toolbox.start("netsim", *words.split())
    door = netsim.wait_output(r"netsim passes on (\S+) to ")
    words = f"--http 127.0.0.1:0 --clients 127.0.0.1:0 --shards 127.0.0.1:{port} --world seam"
    replication = toolbox.start(
        *("replication", *words.split(), "--public-shards", door),
        *("--data-dir", tmp_path_factory.mktemp("world")),
        SIDEREAL_SHARD_KEY=key,
    )
    url = json.loads(replication.wait_output(r"(\{.*\})\n"))["http"]
    ways = {"near": f"127.0.0.1:{port}", "far": door}
    place = Place(toolbox, toolbox.watch(url, replication), ways, key)
    near, told = place.start("near"), place.start("far")
    words = f"--server {url} --count {BOTS} --world seam --json -"
    bots = toolbox.start("bots", *words.split())
    place.world.wait_flying(BOTS)
    moments = [place.meet()]

    told.tell(signal.SIGTERM)
    told.wait()
    place.wait_alone()
    killed = place.start("far")
    moments.append(place.meet())

    killed.tell(signal.SIGKILL)
    place.wait_alone()
    stopped = place.start("far")
    moments.append(place.meet())

    stopped.tell(signal.SIGSTOP)
    place.wait_alone()
    stopped.tell(signal.SIGCONT)
    moments.append(place.meet())

    for command in (bots, stopped, near, replication, netsim):
        command.tell(signal.SIGINT)
        command.wait()
    return Story(moments, replication, bots, netsim, told, stopped)


def test_ships_cross_to_it_and_back_and_nothing_of_theirs_is_rejected(story: Story) -> None:
    counts = [moment["replication"]["handovers"] for moment in story.moments]
    assert counts == sorted(counts)
    assert counts[0] >= HANDOVERS
    assert [moment["replication"]["rejected"] for moment in story.moments] == [{}] * 4


def test_nobody_is_disconnected_and_everybody_keeps_its_ship(
    story: Story, toolbox: Toolbox
) -> None:
    bots = story.bots.report["bots"]
    assert (bots["connected"], bots["disconnected"], bots["refused"]) == (BOTS, 0, 0)
    flying = [toolbox.ships(moment) for moment in story.moments]
    assert flying == flying[:1] * 4
    assert len(flying[0]) == BOTS


def test_nothing_is_lost_or_doubled(story: Story) -> None:
    counts = [moment["replication"]["entities"] for moment in story.moments]
    assert counts == counts[:1] * 4


def test_its_way_is_long_and_loses_some(story: Story) -> None:
    report = story.netsim.report
    # Told, killed, stopped, and come again: a session each.
    assert report["clients_seen"] == 4
    assert min(report["up"]["lost"], report["down"]["lost"]) > 0


def test_told_to_end_it_gives_away_what_it_has_first(story: Story) -> None:
    assert story.told.wait() == 0
    assert float(story.told.wait_output(r"drained seconds=([0-9.]+)")) < 8.0
    assert "why=-" in departures(story)[0]


def test_killed_or_stopped_it_is_missed(story: Story) -> None:
    assert ["TIMED_OUT" in line for line in departures(story)[1:3]] == [True, True]


def test_what_was_stopped_comes_back_by_itself(story: Story) -> None:
    assert story.stopped.wait() == 0
    assert "Traceback" not in story.stopped.err
    assert "Traceback" not in story.replication.err


def departures(story: Story) -> list[str]:
    """What the server has logged of the far shard's leaving, in order."""
    lines = story.replication.err.splitlines()
    return [line for line in lines if "shard_left" in line and "name=far" in line]
