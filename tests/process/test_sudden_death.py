"""`kill -9` of the replication server, then of `up`: a world comes back, and nothing stays."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from sidereal.replication.keeping.stored import Recovered

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox, World

BOTS = 3
SHARDS = 2
SAVED_WITHIN_TICKS = 100
"""Far more than it takes until something is saved."""


class Death(NamedTuple):
    """What was killed in a world, and what became of it."""

    command: Command
    before: dict[str, Any]
    after: dict[str, Any]
    status: int
    processes: dict[int, str]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def of_the_server(toolbox: Toolbox, data_dir: Path) -> Death:
    """The replication server is killed; waits until everybody is back, then ends the world."""
    world = toolbox.start_world(data_dir, "--bots", BOTS, "--json", "-")
    before = world.wait_flying(BOTS)
    world.wait_status(
        lambda s: s["tick"] > before["tick"] + SAVED_WITHIN_TICKS, "the ships are saved"
    )
    family = world.command.family()
    signal.pidfd_send_signal(family.descriptor_of("sidereal.tools replication"), signal.SIGKILL)
    world.command.wait_output(r"(died) child=replication")
    world.command.wait_output(r"(recovered) tick=")
    toolbox.wait_until(lambda: answers(world), "the new server answers where the old one did")
    world.wait_status(lambda s: len(s["shards"]) == SHARDS, "the shards are back")
    after = world.wait_flying(BOTS)
    world.command.tell(signal.SIGINT)
    return Death(world.command, before, after, world.command.wait(), family.commands)


def answers(world: World) -> bool:
    try:
        world.status()
    except httpx.TransportError:
        return False
    return True


@pytest.fixture(scope="module")
def of_the_supervisor(toolbox: Toolbox, data_dir: Path, of_the_server: Death) -> Death:
    """The same world again, with bots; `up` is killed; waits until nothing is left."""
    world = toolbox.start_world(data_dir, "--bots", BOTS)
    before = world.wait_flying(BOTS)
    family = world.command.family()
    world.command.tell(signal.SIGKILL)
    family.wait_gone()
    return Death(world.command, before, before, world.command.wait(), family.commands)


@pytest.fixture(scope="module")
def saved(toolbox: Toolbox, data_dir: Path, of_the_supervisor: Death) -> Recovered:
    return toolbox.load(data_dir)


def test_a_killed_server_is_started_again_where_it_was(of_the_server: Death) -> None:
    # That it is asked under the same address is what the fixture waits for.
    before, after = of_the_server.before["endpoints"], of_the_server.after["endpoints"]
    assert after == before


def test_a_killed_server_s_world_goes_on(of_the_server: Death) -> None:
    before, after = of_the_server.before, of_the_server.after
    assert after["tick"] > before["tick"]
    assert after["replication"]["entities"] == before["replication"]["entities"]


def test_clients_of_a_killed_server_come_back_as_themselves(
    of_the_server: Death, toolbox: Toolbox
) -> None:
    assert set(toolbox.ships(of_the_server.after)) == set(toolbox.ships(of_the_server.before))
    assert of_the_server.command.report["bots"]["connected"] == BOTS


def test_a_killed_server_is_an_error_of_the_report_and_no_failure(of_the_server: Death) -> None:
    report = of_the_server.command.report
    assert (of_the_server.status, report["exit"]) == (0, "interrupted")
    assert report["errors"] == [
        "the replication server was killed by SIGKILL; it was started again"
    ]
    assert report["replication"]["tick_hz"] > 0
    assert "Traceback" not in of_the_server.command.err


def test_nothing_survived_its_supervisor(of_the_supervisor: Death) -> None:
    # The fixture has waited for it; this says of whom.
    lines = of_the_supervisor.processes.values()
    for name in ("replication", "shard", "bots"):
        assert any(f"sidereal.tools {name} " in line for line in lines)
    assert any("postgres" in line for line in lines)


def test_a_killed_supervisor_s_world_is_saved(of_the_supervisor: Death, saved: Recovered) -> None:
    before = of_the_supervisor.before
    assert saved.tick >= before["tick"]
    assert len(saved.rows) == before["replication"]["entities"]
    assert len(set(saved.uuid.tolist())) == len(saved.rows)
