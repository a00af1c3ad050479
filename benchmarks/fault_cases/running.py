"""Programs and worlds as processes, started, watched and ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, TypeVar

import httpx
from processes import command_of, descendants, role_of

T = TypeVar("T")

DEADLINE_S: Final = 120.0
"""How long anything may take before a case is given up."""
POLL_S: Final = 0.02
END_S: Final = 45.0
"""How long a world may take to end; then it is killed."""
HTTP_S_MAX: Final = 10.0
SHARD_KEY: Final = "SIDEREAL_SHARD_KEY"
ANY_PORTS: Final = ("--http", "127.0.0.1:0", "--shard-port", "0")
BURNER: Final = "while True: pass"


class MissedError(Exception):
    """A case could not go on: something never came, or ended."""


def wait_until(
    probe: Callable[[], T], what: str, deadline_s: float = DEADLINE_S, poll_s: float = POLL_S
) -> T:
    """Ask until the answer is true.

    Raises:
        MissedError: it never was.
    """
    deadline = time.monotonic() + deadline_s
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise MissedError(f"still not so after {deadline_s:.0f} s: {what}")
        time.sleep(poll_s)
    return answer


class Program:
    """A process that logs into a file.

    Attributes:
        pid: of the process.
    """

    def __init__(
        self, name: str, command: Sequence[str], directory: Path, **environment: str
    ) -> None:
        bare = {k: v for k, v in os.environ.items() if not k.startswith("SIDEREAL_")}
        self._name = name
        self._out, self._log = directory / f"{name}.out", directory / f"{name}.log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**bare, **environment},
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        """All that it has written to its standard error."""
        return self._log.read_text(errors="replace")

    @property
    def output(self) -> str:
        """All that it has written to its standard output."""
        return self._out.read_text(errors="replace")

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    def wait_for(self, pattern: str) -> str:
        """Wait for a match in what it writes; returns its first group.

        Raises:
            MissedError: it never came.
        """

        def look() -> re.Match[str] | None:
            ended, found = self.status, re.search(pattern, self.output + self.log)
            if not found and ended is not None:
                raise MissedError(f"{self._name} ended with {ended}:\n{self.log[-2000:]}")
            return found

        found = wait_until(look, f"{self._name} writes {pattern!r}")
        assert found is not None
        return found[1]

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """End it in order, and whatever is left of it by force; returns its exit status."""
        family = [pid for pid in descendants(self.pid) if pid != self.pid]
        if self.status is None:
            self.tell(signal.SIGCONT)
            self.tell(signal.SIGINT)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                family = [pid for pid in descendants(self.pid) if pid != self.pid]
                self._process.kill()
                for pid in family:
                    kill(pid)
        return self._process.wait()


def sidereal(name: str, words: Sequence[object], directory: Path, **environment: str) -> Program:
    """Start one of our commands."""
    command = [sys.executable, "-m", "sidereal.tools", *map(str, words)]
    return Program(name, command, directory, **environment)


def kill(*pids: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to processes, as far as they are there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Readiness(NamedTuple):
    """An answer of `/readyz`: whether it was 200, and what it said."""

    ready: bool
    why: str


class World:
    """A running world, seen from outside.

    Attributes:
        program: whose log is the world's.
        url: of its HTTP endpoint.
        endpoints: as the replication server has announced them, where it was started alone.
    """

    def __init__(self, program: Program, url: str, endpoints: dict[str, str] | None = None) -> None:
        self.program = program
        self.url = url
        self.endpoints = endpoints or {}
        self._http = httpx.Client(base_url=url, timeout=HTTP_S_MAX, trust_env=False)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    # -- what it says of itself -------------------------------------------------------------------

    def status(self) -> dict[str, Any] | None:
        """Its `/v1/status`; None while nobody answers."""
        try:
            answer = self._http.get("/v1/status")
        except httpx.HTTPError:
            return None
        found: dict[str, Any] = answer.json()
        return found if answer.status_code == 200 else None

    def readiness(self) -> Readiness:
        """Its `/readyz`."""
        try:
            answer = self._http.get("/readyz")
        except httpx.HTTPError as error:
            return Readiness(False, f"no answer ({type(error).__name__})")
        return Readiness(answer.status_code == 200, str(answer.json().get("detail", "ready")))

    def wait_status(self, fits: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Ask for the status until it fits.

        Raises:
            MissedError: it never did.
        """

        def look() -> dict[str, Any] | None:
            if self.program.status is not None:
                raise MissedError(f"the world has ended:\n{self.program.log[-2000:]}")
            found = self.status()
            return found if found is not None and fits(found) else None

        return wait_until(look, what) or {}

    def wait_flying(self, count: int, hold_s: float = 0.0) -> float:
        """Wait until so many clients fly, and go on flying.

        Args:
            count: of clients.
            hold_s: for how long they must go on.

        Returns:
            monotonic second from which on they flew.
        """
        since = float("inf")
        deadline = time.monotonic() + DEADLINE_S
        while True:
            asked_at = time.monotonic()
            status = self.status()
            if status is None or flying(status) != count:
                since = float("inf")
            else:
                since = min(since, asked_at)
            if time.monotonic() - since >= hold_s:
                return since
            if asked_at > deadline:
                raise MissedError(f"{count} clients never fly for {hold_s:.0f} s")
            time.sleep(POLL_S)

    # -- its processes ----------------------------------------------------------------------------

    def family(self) -> list[int]:
        """All its processes, the first one first."""
        return list(descendants(self.program.pid))

    def pids_of(self, role: str) -> list[int]:
        """Its processes of a role; of the database, the postmaster alone."""
        found = []
        for pid in self.family():
            with contextlib.suppress(OSError):
                if role_of(pid) == role and (role != "postgres" or "-D" in command_of(pid)):
                    found.append(pid)
        return found


def flying(status: dict[str, Any]) -> int:
    """How many clients fly ships."""
    return sum(c["state"] == "joined" and c["net_id"] > 0 for c in status["clients"])


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory for one world; what is left in it goes with it."""
    with TemporaryDirectory(prefix="sidereal-faults-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@contextmanager
def up(*flags: object, client_port: int = 0, descriptors: int | None = None) -> Iterator[World]:
    """Run a world of asteroids by `sidereal up`; it must end in order.

    Args:
        flags: beside ports, directory and the world `belt`, unless they name another one.
        client_port: 0 for any free one.
        descriptors: how many each of its processes may have open.
    """
    with scratch() as directory:
        words = ["up", *ANY_PORTS, "--client-port", client_port]
        if "--game" not in flags and "--world" not in flags:
            words += ["--world", "belt"]
        words += ["--data-dir", directory / "data", *flags]
        command = [sys.executable, "-m", "sidereal.tools", *map(str, words)]
        if descriptors is not None:
            command = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *command]
        with _running(Program("up", command, directory)) as program:
            world = World(program, program.wait_for(r"The world is ready at (\S+)"))
            try:
                yield world
            finally:
                world.close()


@contextmanager
def parts(data: Path, directory: Path) -> Iterator[tuple[World, dict[str, str]]]:
    """Run a replication server alone.

    Yields:
        the world, and the environment in which its shards find the key.
    """
    environment = {SHARD_KEY: secrets.token_hex(16)}
    anywhere = ("--http", "127.0.0.1:0", "--clients", "127.0.0.1:0", "--shards", "127.0.0.1:0")
    words = ("replication", *anywhere, "--data-dir", data, "--world", "belt")
    with _running(sidereal("replication", words, directory, **environment)) as program:
        endpoints = json.loads(program.wait_for(r"(\{.*\})\n"))
        world = World(program, endpoints["http"], endpoints)
        try:
            yield world, environment
        finally:
            world.close()


@contextmanager
def shard(
    world: World, name: str, directory: Path, environment: dict[str, str]
) -> Iterator[Program]:
    """Run a shard of a world whose server was started alone, and wait until it was welcomed."""
    words = ("shard", "--server", world.endpoints["shards"], "--name", name)
    with ended(sidereal(name, words, directory, **environment)) as program:
        program.wait_for(rf'("name": "{name}")')
        yield program


@contextmanager
def ended(program: Program) -> Iterator[Program]:
    """End a program with the context, however it ends."""
    try:
        yield program
    finally:
        program.end()


@contextmanager
def _running(program: Program) -> Iterator[Program]:
    """Watch over a program: it is ended, and a bad end of it is an error."""
    try:
        yield program
    finally:
        status = program.end()
    if status != 0:
        raise MissedError(f"the world ended with status {status}:\n{program.log[-2000:]}")


@contextmanager
def busy_processors() -> Iterator[None]:
    """Keep every processor busy while the context is open."""
    burners = [subprocess.Popen([sys.executable, "-c", BURNER]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
