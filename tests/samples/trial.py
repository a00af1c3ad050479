"""Trying mutants: a copy of the tree for each worker, and the tests that may notice, in stages."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from cores import (
    PACKAGES,
    ROOT,
    WHOLE_TESTS,
    tests_around,
    tests_beyond,
    tests_near,
)
from draw import Mutant

PYTEST: Final = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
WORLDS: Final = ("tests/samples/worlds.py",)
MEMORY_KB_MAX: Final = 6 << 20
"""Address space of a run: a mutant may make a list without end."""
PROCESSOR_S_MAX: Final = 40
"""Processor time of the tests nearest to a mutant, which take 2 to 15 s without one."""
PATIENCE: Final = 4
"""The other stages have so many times as much."""
STUCK_S: Final = 1800.0
"""A run that waits for something that never comes ends after this."""


class Verdict(NamedTuple):
    """What became of a mutant.

    Attributes:
        killed_by: the test that failed, or what else ended it; None if it lived.
        seconds: that it took.
    """

    killed_by: str | None
    seconds: float


class Run(NamedTuple):
    """One run of Python; below 0, the status is the signal that ended it."""

    status: int
    output: str


class Copy:
    """A copy of the tree, with uncommitted changes, in which one mutant at a time is tried."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, directory / name)
        sources = [directory / package / "src" for package in PACKAGES.values()]
        sources.append(directory / "packages/tools/src")
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, sources)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        # By the content, not by the time: two mutants of one second may have one size.
        self._python("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "packages")
        where = "import sidereal.protocol.rules as module; print(module.__file__)"
        found = Path(self._python("-c", where).output.strip())
        assert found.is_relative_to(directory), f"{found} is not in the copy"

    def try_mutant(self, mutant: Mutant, quick: bool) -> Verdict:
        """Run the tests of its module, then more and more others, until one fails."""
        near = tests_near(mutant.file)
        stages = [(*PYTEST, *near)] if near else []
        stages.append(WORLDS)
        if not quick:
            others = tests_around(mutant.file), tests_beyond(mutant.file), WHOLE_TESTS
            stages += [(*PYTEST, *tests) for tests in others if tests]
        began = time.monotonic()
        file = self._directory / mutant.file
        original = file.read_text()
        file.write_text(mutant.source)
        killed_by = None
        try:
            for number, stage in enumerate(stages):
                patience = PATIENCE if number else 1
                run = self._python(*stage, processor_s=PROCESSOR_S_MAX * patience)
                if run.status != 0:
                    killed_by = _killer(run)
                    break
        finally:
            file.write_text(original)
        return Verdict(killed_by, time.monotonic() - began)

    def fail_untouched(self, killers: Iterable[str]) -> list[str]:
        """Run what killed mutants without one; what fails now has proved nothing."""
        tests = sorted({killer.partition("[")[0] for killer in killers if ".py" in killer})
        everything = [argument for argument in PYTEST if argument != "-x"]
        runs = [self._python(*WORLDS, processor_s=PROCESSOR_S_MAX * PATIENCE)]
        if tests:
            runs.append(self._python(*everything, *tests, processor_s=PROCESSOR_S_MAX * 20))
        return [_killer(run) for run in runs if run.status != 0]

    def _python(self, *arguments: str, processor_s: int = PROCESSOR_S_MAX) -> Run:
        limited = f'ulimit -v {MEMORY_KB_MAX} -t {processor_s} && exec "$@"'
        process = subprocess.Popen(
            ["bash", "-c", limited, "bash", sys.executable, *arguments],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        output = ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            output, _ = process.communicate(timeout=STUCK_S)
        # Whatever it has started goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Run(process.returncode, output)


def _killer(run: Run) -> str:
    if run.status < 0:
        return signal.Signals(-run.status).name
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", run.output, re.MULTILINE)
    if failed is not None:
        return failed[1]
    seed = re.search(r"^seed \d+", run.output, re.MULTILINE)
    return seed[0] if seed is not None else f"exit status {run.status}"
