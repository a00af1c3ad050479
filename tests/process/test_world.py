"""A world comes up, is flown in, ends, and goes on where it was."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from sidereal.protocol.rules import Rules
from sidereal.replication.keeping.stored import Recovered

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

BOTS = 6
ANY_PORTS = ("--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0")

Q = {"p50": float, "p90": float, "p99": float, "max": float, "count": int}
REPORT: dict[str, Any] = {
    "version": str,
    "duration_s": float,
    "seed": int,
    "exit": str,
    "errors": list,
    "replication": {
        "pid": int,
        "tick_hz": float,
        "tick_ms": Q,
        "clients": int,
        "entities": int,
        "proposals_per_s": float,
        "rejected": dict,
        "handovers": int,
        "snapshots_per_s": float,
        "bytes_out_per_s": float,
        "bytes_in_per_s": float,
        "cpu_percent": float,
        "private_mb": float,
    },
    "shards": [
        {
            "id": int,
            "name": str,
            "state": str,
            "pid": int,
            "sectors": int,
            "entities": int,
            "guests": int,
            "ghosts": int,
            "step_ms": Q,
            "cpu_percent": float,
            "private_mb": float,
        }
    ],
    "database": {"kind": str, "saved_rows": int, "flush_ms": Q, "lag_ms": float},
    "bots": {
        "requested": int,
        "connected": int,
        "disconnected": int,
        "refused": int,
        "snapshot_hz": Q,
        "input_to_view_ms": Q,
        "rtt_ms": Q,
        "visible_entities": Q,
        "bytes_in_per_s": Q,
        "position_error_units": Q,
        "lateness_ms": Q,
        "cpu_percent": float,
        "private_mb": float,
    },
}
"""What a report promises; of a run that measured everything, so without nulls."""


class Run(NamedTuple):
    """A run that is over, and what was saved then."""

    command: Command
    status: int
    processes: dict[int, str]
    began: dict[str, Any]
    left: list[str]
    saved: Recovered


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def first(toolbox: Toolbox, data_dir: Path) -> Run:
    """A run with bots, to the end of its time."""
    world = toolbox.start_world(data_dir, "--bots", BOTS, "--for", 6, "--json", "-")
    began = world.wait_flying(BOTS)
    family = world.command.family()
    status = world.command.wait()
    left = family.alive()
    return Run(world.command, status, family.commands, began, left, toolbox.load(data_dir))


@pytest.fixture(scope="module")
def second(toolbox: Toolbox, first: Run, data_dir: Path) -> Run:
    """The same world again, without bots, until Ctrl-C."""
    world = toolbox.start_world(data_dir)
    began = world.status()
    world.wait_status(lambda s: s["tick"] > began["tick"] + 40, "the world has gone on for 2 s")
    family = world.command.family()
    world.command.tell(signal.SIGINT)
    status = world.command.wait()
    left = family.alive()
    return Run(world.command, status, family.commands, began, left, toolbox.load(data_dir))


def shape_of(value: Any, promised: Any) -> Any:
    """The shape of a value, in the terms of a promise; numbers may be whole."""
    if isinstance(promised, dict) and isinstance(value, dict):
        return {name: shape_of(part, promised.get(name)) for name, part in value.items()}
    if isinstance(promised, list) and isinstance(value, list):
        shapes = [shape_of(part, promised[0]) for part in value]
        return promised if all(shape == promised[0] for shape in shapes) else shapes
    return float if promised is float and type(value) is int else type(value)


def test_the_report_has_exactly_the_members_it_promises(first: Run) -> None:
    report = first.command.report
    assert shape_of(report, REPORT) == REPORT
    assert len(report["shards"]) == 2


def test_an_undisturbed_run_has_nothing_to_complain_of(first: Run) -> None:
    report = first.command.report
    assert first.status == 0
    assert (report["exit"], report["errors"]) == ("done", [])
    assert report["replication"]["rejected"] == {}
    bots = report["bots"]
    assert [bots[name] for name in ("requested", "connected")] == [BOTS, BOTS]
    assert [bots[name] for name in ("disconnected", "refused")] == [0, 0]


def test_the_shards_of_the_report_hold_the_whole_world(first: Run) -> None:
    report = first.command.report
    entities = [shard["entities"] for shard in report["shards"]]
    assert sum(entities) == report["replication"]["entities"]
    assert all(entities)
    assert all(shard["sectors"] for shard in report["shards"])


def test_how_to_look_is_said_once_after_the_log_of_the_bots(first: Run) -> None:
    before, _, after = first.command.err.partition("\n  fly in it:   uv run sidereal view --server")
    assert before.count(" client_joined ") >= BOTS - 1  # the newest may be on its way to our log
    assert "  end it:      Ctrl-C" in after
    assert "  fly in it:" not in after


def test_processes_of_the_report_are_those_that_ran(first: Run) -> None:
    report = first.command.report
    assert " replication " in first.processes[report["replication"]["pid"]]
    for shard in report["shards"]:
        assert " shard " in first.processes[shard["pid"]]


@pytest.mark.parametrize("which", ["first", "second"])
def test_nothing_outlives_a_world(which: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    assert any("postgres" in line for line in run.processes.values())
    assert run.left == []


def test_ctrl_c_ends_a_world_cleanly(second: Run) -> None:
    assert second.status == 0
    assert "interrupted after" in second.command.out
    assert "Traceback" not in second.command.err


def test_a_world_goes_on_where_it_stopped(first: Run, second: Run) -> None:
    before, after = first.saved, second.saved
    assert second.began["tick"] >= before.tick > first.began["tick"]
    assert after.tick > second.began["tick"]
    replication = second.began["replication"]
    assert replication["entities"] == len(before.rows) - BOTS > 2000
    assert set(after.uuid.tolist()) == set(before.uuid.tolist())
    assert len(after.uuid) == len(before.uuid)


def test_positions_go_on_where_they_were(first: Run, second: Run) -> None:
    tick = second.saved.tick
    old_order, new_order = first.saved.uuid.argsort(), second.saved.uuid.argsort()
    expected = positions(first.saved, tick)[old_order]
    found = positions(second.saved, tick)[new_order]
    started = positions(first.saved, first.saved.tick)[old_order]
    # All but those that have hit one another since.
    assert np.mean(np.hypot(*(found - expected).T) < 0.5) > 0.95
    assert np.median(np.hypot(*(found - started).T)) > 0.5


def positions(saved: Recovered, tick: int) -> np.ndarray:
    """Where everything is at a tick, as float64[n, 2]."""
    rows = saved.rows
    span_s = (tick - rows["tick"].astype(np.int64)) / Rules().tick_hz
    return np.stack([rows["x"] + rows["vx"] * span_s, rows["y"] + rows["vy"] * span_s], axis=1)


def test_another_world_than_the_one_that_was_begun_is_refused(
    toolbox: Toolbox, second: Run, data_dir: Path
) -> None:
    refused = toolbox.run("up", *ANY_PORTS, "--data-dir", data_dir, "--world", "crowd")
    assert refused.process.returncode == 2
    says = "the database holds the world belt, which goes on without --world: for crowd give"
    assert says in refused.said[-1]
    assert toolbox.load(data_dir).tick == second.saved.tick


def test_bots_do_what_belongs_to_the_world_that_goes_on(
    toolbox: Toolbox, second: Run, data_dir: Path
) -> None:
    command = toolbox.start("up", *ANY_PORTS, "--data-dir", data_dir, "--bots", 1)
    world = toolbox.watch(command.wait_output(r"The world is ready at (\S+)"), command)
    world.wait_flying(1)
    family = command.family()
    assert "--world belt" in family.commands[family.pid_of("bots", "--server")]
    command.tell(signal.SIGINT)
    assert command.wait() == 0
