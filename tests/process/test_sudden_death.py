"""`kill -9` of the replication server, then of `up` itself: nothing stays, nothing is lost."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from sidereal.replication.keeping.stored import Recovered

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

BOTS = 3
SAVED_WITHIN_TICKS = 100
"""Far more than it takes until something is saved."""


class Death(NamedTuple):
    """A run that was cut short."""

    command: Command
    before: dict[str, Any]
    status: int
    processes: dict[int, str]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def of_the_server(toolbox: Toolbox, data_dir: Path) -> Death:
    """The replication server is killed; waits until nothing is left."""
    world = toolbox.start_world(data_dir, "--bots", BOTS, "--json", "-")
    before = world.wait_flying(BOTS)
    world.wait_status(
        lambda s: s["tick"] > before["tick"] + SAVED_WITHIN_TICKS, "the ships are saved"
    )
    family = world.command.family()
    signal.pidfd_send_signal(family.descriptor_of("sidereal.tools replication"), signal.SIGKILL)
    status = world.command.wait()
    family.wait_gone()
    return Death(world.command, before, status, family.commands)


@pytest.fixture(scope="module")
def of_the_supervisor(toolbox: Toolbox, data_dir: Path, of_the_server: Death) -> Death:
    """The same world again, with bots; `up` is killed; waits until nothing is left."""
    world = toolbox.start_world(data_dir, "--bots", BOTS)
    before = world.wait_flying(BOTS)
    family = world.command.family()
    world.command.tell(signal.SIGKILL)
    family.wait_gone()
    return Death(world.command, before, world.command.wait(), family.commands)


@pytest.fixture(scope="module")
def saved(toolbox: Toolbox, data_dir: Path, of_the_supervisor: Death) -> Recovered:
    return toolbox.load(data_dir)


def test_without_its_server_a_world_ends_and_says_so(of_the_server: Death) -> None:
    report = of_the_server.command.report
    assert of_the_server.status == 1
    assert report["exit"] == "failed"
    assert report["errors"] == ["the replication server was killed by SIGKILL"]
    assert "Traceback" not in of_the_server.command.err


@pytest.mark.parametrize("whose", ["of_the_server", "of_the_supervisor"])
def test_nothing_survived(whose: str, request: pytest.FixtureRequest) -> None:
    # The fixtures have waited for it; this says of whom.
    lines = request.getfixturevalue(whose).processes.values()
    for name in ("replication", "shard", "bots"):
        assert any(f"sidereal.tools {name} " in line for line in lines)
    assert any("postgres" in line for line in lines)


def test_a_killed_server_s_world_recovers(of_the_server: Death, of_the_supervisor: Death) -> None:
    before, after = of_the_server.before, of_the_supervisor.before
    assert after["tick"] > before["tick"]
    assert after["replication"]["entities"] == before["replication"]["entities"]
    assert after["replication"]["ships_in_hangar"] == 0


def test_a_killed_supervisor_s_world_is_saved(of_the_supervisor: Death, saved: Recovered) -> None:
    before = of_the_supervisor.before
    assert saved.tick >= before["tick"]
    assert len(saved.rows) == before["replication"]["entities"]
    assert len(set(saved.uuid.tolist())) == len(saved.rows)
