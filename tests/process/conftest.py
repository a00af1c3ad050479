"""Real processes: commands started as a person starts them, watched from outside, and killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest
import trio

from sidereal.client.client import Client
from sidereal.client.driver import turn
from sidereal.client.events import ClientEvent
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.protocol.runtime.udp import UdpSocket
from sidereal.replication.keeping.postgres.postmaster import Embedded
from sidereal.replication.keeping.store import open_store
from sidereal.replication.keeping.stored import Recovered

T = TypeVar("T")

DEADLINE_S = 40.0
"""How long anything may take before a test gives up on it; says nothing about speed."""
POLL_S = 0.02

FORK = """
import gc, json, os, sys
from importlib import import_module

from sidereal.tools.cli import COMMANDS
from sidereal.tools.up.prepared import become

for name, _ in COMMANDS:
    import_module(f"sidereal.tools.commands.{name}")
gc.freeze()
forks = []
for number, words in enumerate(json.loads(sys.argv[1])):
    forks.append(os.fork())
    if not forks[-1]:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        sys.exit(become(words))
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) for fork in forks]))
"""

ANY_PORTS = ("--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0")


def wait_until(probe: Callable[[], T], what: str) -> T:
    """Ask until the answer is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not (answer := probe()):
        if time.monotonic() > deadline:
            pytest.fail(f"still not so after {DEADLINE_S:.0f} s: {what}")
        time.sleep(POLL_S)
    return answer


class Family:
    """A process and all that descend from it, at the moment this is made.

    Held by descriptors, so they are found when their parents have died, and nobody who later gets
    one of their numbers is taken for them.
    """

    def __init__(self, pid: int) -> None:
        self.commands = {pid: _command_line(pid), **_descendants(pid)}
        self._ends: dict[int, int] = {}
        for member in self.commands:
            with contextlib.suppress(ProcessLookupError):
                self._ends[member] = os.pidfd_open(member)

    def pid_of(self, *words: str) -> int:
        """The one member whose command line has all these words in a row."""
        found = [pid for pid, line in self.commands.items() if " ".join(words) in line]
        assert len(found) == 1, (words, self.commands)
        return found[0]

    def descriptor_of(self, *words: str) -> int:
        return self._ends[self.pid_of(*words)]

    def alive(self) -> list[str]:
        ended = set(select.select(list(self._ends.values()), [], [], 0)[0])
        return [self.commands[pid] for pid, end in self._ends.items() if end not in ended]

    def wait_gone(self) -> None:
        wait_until(lambda: not self.alive(), "nothing is left of the command")

    def kill(self) -> None:
        for end in self._ends.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(end, signal.SIGKILL)

    def close(self) -> None:
        for end in self._ends.values():
            os.close(end)
        self._ends = {}


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _descendants(pid: int) -> dict[int, str]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, waiting = {}, [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found[child] = _command_line(child)
            waiting.append(child)
    return found


class Command:
    """A `sidereal` command as a process of its own."""

    def __init__(self, words: tuple[str, ...], directory: Path, extra: Mapping[str, str]) -> None:
        self.words = words
        self.families: list[Family] = []
        self._out, self._err = directory / "out", directory / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sidereal.tools", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env={**_bare_environment(), **extra},
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def said(self) -> list[str]:
        """Standard error without its log: what the command has to say to whoever started it."""
        return _without_log(self.err)

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.out)
        return report

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"sidereal {' '.join(self.words)} does not end:\n{self.err[-2000:]}")

    def wait_output(self, pattern: str) -> str:
        """Wait for a match in what it prints; return its first group."""

        def look() -> re.Match[str] | None:
            ended = self.process.poll()
            found = re.search(pattern, self.out + self.err)
            if not found and ended is not None:
                pytest.fail(f"sidereal {' '.join(self.words)}: {ended}\n{self.err[-2000:]}")
            return found

        found = wait_until(look, f"sidereal {self.words[0]} prints {pattern!r}")
        assert found is not None
        return found[1]

    def family(self) -> Family:
        self.families.append(Family(self.process.pid))
        return self.families[-1]


class Answer(NamedTuple):
    """What a command that ended by itself has printed and said, and its status."""

    status: int
    out: str
    said: list[str]


def _without_log(text: str) -> list[str]:
    return [line for line in text.splitlines() if not re.match(r"\d\d:\d\d:\d\d\.", line)]


def _bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SIDEREAL_")}


class World:
    """A running world, through its `/v1/status`."""

    def __init__(self, url: str, command: Command) -> None:
        self.url = url
        self.command = command

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = httpx.get(f"{self.url}/v1/status", timeout=DEADLINE_S).json()
        return status

    def wait_status(self, fits: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Ask for the status until it fits."""
        return wait_until(lambda: status if fits(status := self.status()) else None, what) or {}

    def wait_flying(self, count: int) -> dict[str, Any]:
        """Wait until so many clients fly ships."""
        return self.wait_status(lambda s: len(ships(s)) == count, f"{count} clients fly")


def ships(status: dict[str, Any]) -> dict[str, int]:
    """Who flies which ship."""
    flying = [client for client in status["clients"] if client["state"] == "joined"]
    return {client["name"]: client["net_id"] for client in flying if client["net_id"]}


class Pilot:
    """A client on a socket of its own, driven by hand."""

    def __init__(self, connect_token: bytes, **options: Any) -> None:
        settings = {"game": load(DEFAULT_GAME), **options}
        self.client = Client(
            connect_token,
            entropy=os.urandom,
            now=time.monotonic(),
            software="test",
            **settings,
        )
        self.events: list[ClientEvent] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._udp = UdpSocket(self._socket)

    def turn(self) -> None:
        turn(self.client, self._udp, time.monotonic)
        while (event := self.client.next_event()) is not None:
            self.events.append(event)

    def seen(self, kind: type[T]) -> T | None:
        """The newest event of a kind."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)

    def leave_now(self) -> None:
        now = time.monotonic()
        self._udp.send_nowait(self.client.leave(now))

    def close(self) -> None:
        self.leave_now()
        self._socket.close()


class Toolbox(NamedTuple):
    """What tests of processes are made of."""

    start: Callable[..., Command]
    start_world: Callable[..., World]
    watch: Callable[[str, Command], World]
    run: Callable[..., Command]
    ask: Callable[[Sequence[Sequence[str]]], list[Answer]]
    load: Callable[[Path], Recovered]
    wait_until: Callable[[Callable[[], Any], str], Any]
    ships: Callable[[dict[str, Any]], dict[str, int]]
    free_udp_port: Callable[[], int]


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolbox]:
    """Starts commands; what still runs when the module's tests are over is killed."""
    commands: list[Command] = []

    def start(
        *words: object, files: Mapping[str, str] = MappingProxyType({}), **environment: str
    ) -> Command:
        directory = tmp_path_factory.mktemp("command")
        for name, text in files.items():
            (directory / name).write_text(text)
        commands.append(Command(tuple(map(str, words)), directory, environment))
        return commands[-1]

    def start_world(data_dir: Path, *flags: object) -> World:
        """Run a world of asteroids, and nothing else but what the flags say."""
        command = start("up", *ANY_PORTS, "--data-dir", data_dir, "--world", "belt", *flags)
        return World(command.wait_output(r"The world is ready at (\S+)"), command)

    def run(*words: object, **environment: str) -> Command:
        command = start(*words, **environment)
        command.wait()
        return command

    def ask(many: Sequence[Sequence[str]]) -> list[Answer]:
        """Run commands that end by themselves, all at once, in forks of what has loaded them."""
        directory = tmp_path_factory.mktemp("forks")
        forks = subprocess.run(
            [sys.executable, "-c", FORK, json.dumps(many)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=directory,
            env=_bare_environment(),
            check=True,
            timeout=len(many) * DEADLINE_S,
        )
        read = [
            [(directory / f"{number}.{name}").read_text() for name in ("out", "err")]
            for number in range(len(many))
        ]
        statuses = json.loads(forks.stdout)
        return [
            Answer(status, out, _without_log(err))
            for status, (out, err) in zip(statuses, read, strict=True)
        ]

    yield Toolbox(start, start_world, World, run, ask, load_world, wait_until, ships, free_udp_port)
    for command in commands:
        if command.process.poll() is None:
            command.family()
        for family in command.families:
            family.kill()
            family.close()
        command.process.wait()


def free_udp_port() -> int:
    """Find a port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def load_world(data_dir: Path) -> Recovered:
    """Read what is saved of a world that does not run."""

    async def read() -> Recovered:
        async with open_store(Embedded(data_dir), load(DEFAULT_GAME)) as store:
            return await store.load_world(berths=True)

    return trio.run(read)


@pytest.fixture
def enlist() -> Iterator[Callable[..., Pilot]]:
    """Makes clients that leave when the test is over."""
    pilots: list[Pilot] = []

    def make(connect_token: bytes, **options: Any) -> Pilot:
        pilots.append(Pilot(connect_token, **options))
        return pilots[-1]

    yield make
    for pilot in pilots:
        pilot.close()
