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
from pathlib import Path
from typing import Final, NamedTuple

from cores import (
    PACKAGES,
    ROOT,
    SIMULATION,
    WHOLE_TESTS,
    tests_around,
    tests_beyond,
    tests_near,
)
from draw import Mutant

PYTEST: Final = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
MEMORY_KB_MAX: Final = 6 << 20
"""Address space of a run: a mutant may make a list without end."""
PATIENCE: Final = 5
"""A run is given this many times what it takes without a mutant, and `GRACE_S`."""
GRACE_S: Final = 20.0
UNTRIED_S_MAX: Final = 1200.0


class Verdict(NamedTuple):
    """What became of a mutant.

    Attributes:
        killed_by: the test that failed, or what else ended it; None if it lived.
        seconds: that it took.
    """

    killed_by: str | None
    seconds: float


class Run(NamedTuple):
    """One run of tests: how it ended; None for one that was cut off."""

    status: int | None
    output: str
    seconds: float


class Copy:
    """A copy of the tree, with uncommitted changes, in which one mutant at a time is tried."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seconds: dict[frozenset[str], float] = {}
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

    def try_mutant(self, mutant: Mutant) -> Verdict:
        """Run the tests of its module, then more and more others, until one fails."""
        files = [f(mutant.file) for f in (tests_near, tests_around, tests_beyond)]
        stages = [(*PYTEST, *tests) for tests in (*files, WHOLE_TESTS) if tests]
        spent_s = 0.0
        for stage in (*stages, SIMULATION):
            limit_s = GRACE_S + PATIENCE * self._untouched_s(stage)
            run = self._run_mutated(mutant, stage, limit_s)
            spent_s += run.seconds
            if run.status != 0:
                return Verdict(_killer(run), spent_s)
        return Verdict(None, spent_s)

    def _untouched_s(self, stage: tuple[str, ...]) -> float:
        """How long a stage takes without a mutant; it must pass, or a death says nothing."""
        if (tests := frozenset(stage)) not in self._seconds:
            run = self._python(*stage)
            if run.status != 0:
                sys.exit(f"without any mutant this fails: {' '.join(stage)}\n{run.output[-4000:]}")
            self._seconds[tests] = run.seconds
        return self._seconds[tests]

    def _run_mutated(self, mutant: Mutant, stage: tuple[str, ...], limit_s: float) -> Run:
        file = self._directory / mutant.file
        original = file.read_text()
        file.write_text(mutant.source)
        try:
            return self._python(*stage, limit_s=limit_s)
        finally:
            file.write_text(original)

    def _python(self, *arguments: str, limit_s: float = UNTRIED_S_MAX) -> Run:
        limited = f'ulimit -v {MEMORY_KB_MAX} && exec "$@"'
        began = time.monotonic()
        process = subprocess.Popen(
            ["sh", "-c", limited, "sh", sys.executable, *arguments],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit_s)
            status: int | None = process.returncode
        except subprocess.TimeoutExpired:
            output, status = "", None
        finally:
            # Whatever it has started goes with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return Run(status, output, time.monotonic() - began)


def _killer(run: Run) -> str:
    if run.status is None:
        return "time"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", run.output, re.MULTILINE)
    if failed is not None:
        return failed[1]
    seed = re.search(r"^seed \d+", run.output, re.MULTILINE)
    return seed[0] if seed is not None else f"exit status {run.status}"
