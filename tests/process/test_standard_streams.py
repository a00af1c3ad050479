"""Worlds whose standard streams are closed, broken, full or a terminal; all are started at once."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Toolbox

UP = (
    *("up", "--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0", "--shards", "1"),
    *("--world", "belt"),
)
DEADLINE_S = 90.0
"""How long all of them may take; says nothing about speed."""


class Run:
    """A world with streams of its own, and its report."""

    def __init__(self, directory: Path, *flags: str, **streams: Any) -> None:
        self.directory = directory
        self.log = directory / ".sidereal" / "up.log"
        self.report_path = directory / "report.json"
        # Without a display, and without what the viewer's own tests set in this process.
        without = {"DISPLAY", "ARCADE_HEADLESS"}
        environment = {name: value for name, value in os.environ.items() if name not in without}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sidereal.tools", *UP, "--json", str(self.report_path), *flags],
            cwd=directory,
            env=environment,
            start_new_session=True,
            **streams,
        )

    def wait(self) -> int:
        return self.process.wait(DEADLINE_S)

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.report_path.read_text())
        return report


@pytest.fixture(scope="module")
def runs(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """All worlds, ended."""
    with ExitStack() as stack:
        started = {
            "closed": _start_closed(tmp_path_factory.mktemp("closed")),
            "abandoned": _start_abandoned(tmp_path_factory.mktemp("abandoned"), stack),
            "terminal": _start_on_terminal(tmp_path_factory.mktemp("terminal")),
        }
        for run in started.values():
            stack.callback(run.process.kill)
        log = started["terminal"].log
        toolbox.wait_until(lambda: log.exists() and "child=view" in log.read_text(), "view failed")
        started["terminal"].process.send_signal(signal.SIGINT)
        for run in started.values():
            run.wait()
        yield started


def _start_closed(directory: Path) -> Run:
    """As by `>&- 2>&-` in a shell."""

    def close() -> None:
        os.close(1)
        os.close(2)

    return Run(directory, "--for", "1", stdin=subprocess.DEVNULL, preexec_fn=close)


def _start_abandoned(directory: Path, stack: ExitStack) -> Run:
    """Nobody reads its output any more, and nobody ever reads its log: that pipe is full."""
    gone, output = os.pipe()
    os.close(gone)
    unread, log = os.pipe()
    os.set_blocking(log, False)
    with suppress(BlockingIOError):
        while True:
            os.write(log, bytes(4096))
    os.set_blocking(log, True)
    run = Run(directory, "--for", "1", stdin=subprocess.DEVNULL, stdout=output, stderr=log)
    os.close(output)
    os.close(log)
    stack.callback(os.close, unread)
    return run


def _start_on_terminal(directory: Path) -> Run:
    """With the monitor on the terminal, and a viewer that finds no display."""
    ours, its = pty.openpty()
    run = Run(directory, "--monitor", "--view", stdin=its, stdout=its, stderr=its)
    os.close(its)

    def read() -> None:
        with suppress(OSError):
            while os.read(ours, 4096):
                pass

    threading.Thread(target=read, daemon=True).start()
    return run


@pytest.mark.parametrize("name", ["closed", "abandoned", "terminal"])
def test_a_world_ends_well_and_reports_whatever_its_streams_are(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    assert run.process.returncode == 0
    assert run.report["exit"] == ("interrupted" if name == "terminal" else "done")
    assert run.report["replication"]["tick_hz"] > 0


def test_a_viewer_that_fails_under_the_monitor_is_in_the_report(runs: dict[str, Run]) -> None:
    run = runs["terminal"]
    (error,) = run.report["errors"]
    assert re.match(r"view ended with status 69: sidereal view: \w+", error)
    assert "The world is ready" not in run.log.read_text()  # that was for the terminal


def test_a_run_without_trouble_reports_none(runs: dict[str, Run]) -> None:
    assert runs["closed"].report["errors"] == runs["abandoned"].report["errors"] == []


def test_ctrl_c_before_the_world_is_ready_ends_it_well(toolbox: Toolbox, tmp_path: Path) -> None:
    words = (*UP, "--data-dir", tmp_path / "world", "--bots", 3, "--for", 1)
    command = toolbox.start(*words, "--json", tmp_path / "report.json")
    command.wait_output(r"(replication starting)")
    command.tell(signal.SIGINT)
    assert command.wait() == 0
    assert "interrupted after" in command.out
    assert "0 of 3 connected" in command.out
    assert "Traceback" not in command.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["exit"] == "interrupted"
    assert (report["bots"]["requested"], report["bots"]["connected"]) == (3, 0)
