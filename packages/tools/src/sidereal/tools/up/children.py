"""Child processes of a supervisor: started, listened to, restarted, ended."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import trio

from sidereal.protocol.runtime.process import SUPERVISED, fields
from sidereal.tools.up.restarts import RestartLimits, Restarts

log = logging.getLogger("sidereal.up")

END_WITHIN_S: Final = 10.0
"""How long a child with nothing to save may take to end before it is killed."""

DRAIN_S: Final = 1.0
"""How long the pipes of a child that has ended are read; its own children may hold them open."""

FAULTS: Final = frozenset(
    {
        -signal.SIGABRT,
        -signal.SIGBUS,
        -signal.SIGFPE,
        -signal.SIGILL,
        -signal.SIGSEGV,
        -signal.SIGSYS,
        -signal.SIGTRAP,
    }
)
"""Statuses of a process that a signal has ended because of what it did itself."""

PREPARED: Final = "sidereal.tools.up.prepared"

SETTLE_S: Final = 3.0
"""How long a new world has all processors for itself, before anything is prepared."""

FOR_PREPARED: Final = RestartLimits(pauses_s=(0.5, 2.0, 10.0, 60.0), final=frozenset())
"""The first pause follows a process that was needed: what needed it comes first. The others follow
one that ended by itself; shards do without, they only start more slowly."""

SCARCE: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""Errors of a start that pass: the machine is out of processes, memory or descriptors."""

START_AGAIN_S: Final = (0.5, 1.0, 2.0, 5.0)
"""Pauses before such a start is tried again; the last one repeats."""

OUTPUT_SIZE_MAX: Final = 16 << 20
"""Bytes of a child's output that are kept, the newest."""

LINE_SIZE_MAX: Final = 1 << 16
"""Longest line of a child's log that is passed on whole."""


class Prepared:
    """Keeps one process ready that has loaded its modules already: see `prepared`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Prepare processes that get this environment besides ours."""
        self._environment = child_environment(environment, supervised=True)
        self._process: trio.Process | None = None
        self._gone = trio.Event()

    async def keep_ready(self) -> None:
        """Keep a process ready until cancelled."""
        restarts = Restarts(FOR_PREPARED)
        pause_s: float | None = FOR_PREPARED.pauses_s[0]
        await trio.sleep(SETTLE_S)
        while pause_s is not None:
            await trio.sleep(pause_s)
            process = await _start([PREPARED], self._environment)
            self._process, self._gone = process, trio.Event()
            began_at = trio.current_time()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._notice_end, process)
                    await self._gone.wait()
                    nursery.cancel_scope.cancel()
                pause_s = FOR_PREPARED.pauses_s[0]
                if self._process is not None:
                    status = await process.wait()
                    lived_s = trio.current_time() - began_at
                    stopped = was_told_to_end(status)
                    pause_s = restarts.died(status, served_s=lived_s, stopped=stopped)
                    why = {"status": status, "why": await _last_line(process)}
                    log.warning("not prepared %s", fields(**why, again_in_s=pause_s))
            finally:
                if self._process is not None:
                    self._process = None
                    with trio.CancelScope(shield=True):
                        process.kill()
                        await process.wait()
                        await _close_pipes(process)

    async def _notice_end(self, process: trio.Process) -> None:
        await process.wait()
        self._gone.set()

    def become(self, arguments: Sequence[str]) -> trio.Process | None:
        """Let the process that is ready run a command, and give it away; None if none is."""
        process = self._process
        if process is None:
            return None
        assert isinstance(process.stdin, trio.lowlevel.FdStream)
        try:
            os.write(process.stdin.fileno(), json.dumps(list(arguments)).encode() + b"\n")
        except OSError:
            return None  # it has just ended
        self._process = None
        self._gone.set()
        return process


class Child:
    """One `sidereal` command as a process of its own, started as often as is needed.

    It hangs on a leash: its standard input is a pipe of ours, and when that ends it ends too, even
    if we are killed. One that needs the terminal gets ours instead, and ends with it.

    Attributes:
        name: for the log.
        title: for people.
        arguments: of the next start.
        process: the newest process, None before the first start.
        output: what it has printed since its newest start; its log goes to our standard error.
        last_words: the newest line in which it said what is wrong, empty if it did not.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        title: str = "",
        spoke: Callable[[str], None] = lambda _: None,
        ended: Callable[[int], None] = lambda _: None,
        end_within_s: float = END_WITHIN_S,
        terminal: bool = False,
        prepared: Prepared | None = None,
    ) -> None:
        """Prepare a process.

        Args:
            name: for the log.
            arguments: after `sidereal`.
            environment: what it gets besides ours.
            title: for people, when it is another one than the name.
            spoke: is told each line that it prints; with the first one it serves.
            ended: is told the process id of each start as soon as it has ended.
            end_within_s: how long it may take to end when it is told to.
            terminal: whether it needs the terminal.
            prepared: gives a process that starts faster, when there is one.
        """
        self.name = name
        self.title = title or name
        self.arguments = list(arguments)
        self.process: trio.Process | None = None
        self.output = b""
        self.last_words = ""
        self._served_at = math.inf
        self._died_at = 0.0
        self._spoke = spoke
        self._ended = ended
        self._end_within_s = end_within_s
        self._terminal = terminal
        self._begins_anew = False
        self._prepared = prepared
        self._environment = child_environment(environment, supervised=not terminal)

    @property
    def pid(self) -> int | None:
        """Process id of the newest start."""
        return None if self.process is None else self.process.pid

    @property
    def runs(self) -> bool:
        """Whether the newest start has not ended."""
        return self.process is not None and self.process.returncode is None

    @property
    def served(self) -> bool:
        """Whether the newest start has come to serve."""
        return b"\n" in self.output

    @property
    def served_s(self) -> float | None:
        """For how long the newest start, which has died, had served; None if it had not."""
        return max(0.0, self._died_at - self._served_at) if self.served else None

    async def keep_running(self, restarts: Restarts, again: Callable[[str], None]) -> int:
        """Start the process again whenever it has died, as long as that helps.

        Args:
            restarts: decides whether it helps.
            again: is told of each death when the next life begins.

        Returns:
            the exit status of its last life.
        """
        while True:
            status = await self.run()
            if self._begins_anew:
                self._begins_anew = False
                continue
            pause_s = restarts.died(status, served_s=self.served_s, stopped=was_told_to_end(status))
            if pause_s is None:
                return status
            log.warning("died %s", fields(child=self.name, status=status, restart_in_s=pause_s))
            await trio.sleep(pause_s)
            again(f"{self.describe(status)}; it was started again")

    async def run(self) -> int:
        """Start the process and pass its log on until it ends.

        When this is cancelled the process is told to end, and killed if it does not.

        Returns:
            its exit status, negative for a signal.
        """
        self.output, self.last_words = b"", ""
        process = None if self._prepared is None else self._prepared.become(self.arguments)
        if process is None:
            words = ["sidereal.tools", *self.arguments]
            process = await _start(words, self._environment, self.name, terminal=self._terminal)
        self.process = process
        try:
            return await self._listen_to_the_end(process)
        finally:
            with trio.CancelScope(shield=True):
                await self._end(process)
                await _close_pipes(process)

    def tell(self, line: str) -> None:
        """Write a line on its leash; if it does not run, or has not read for long, it misses it."""
        if self.process is not None and isinstance(self.process.stdin, trio.lowlevel.FdStream):
            with contextlib.suppress(OSError, trio.ClosedResourceError):
                os.write(self.process.stdin.fileno(), line.encode() + b"\n")

    def begin_anew(self) -> None:
        """End the newest start in order; who keeps it running starts it again at once."""
        if self.process is not None and self.runs:
            self._begins_anew = True
            self.process.send_signal(signal.SIGTERM)

    def name_end(self, status: int) -> str:
        """Say in words how the process ended."""
        return f"{self.title} {describe_status(status)}"

    def describe(self, status: int) -> str:
        """Say in words how the process ended, and why, if it has said that."""
        how = self.name_end(status)
        return f"{how}: {self.last_words}" if status > 0 and self.last_words else how

    async def _end(self, process: trio.Process) -> None:
        if process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(self._end_within_s):
            await self._listen_to_the_end(process)
        if process.returncode is None:
            log.error("killed %s", fields(child=self.name, waited_s=self._end_within_s))
            process.kill()
            await process.wait()

    async def _listen_to_the_end(self, process: trio.Process) -> int:
        pipes = trio.CancelScope()

        async def listen() -> None:
            with pipes:
                async with trio.open_nursery() as nursery:
                    if process.stdout is not None:
                        nursery.start_soon(self._keep, process.stdout)
                    if process.stderr is not None:
                        nursery.start_soon(self._pass_on, process.stderr)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            status = await process.wait()
            self._died_at = trio.current_time()
            self._ended(process.pid)
            pipes.deadline = trio.current_time() + DRAIN_S
        return status

    async def _keep(self, stream: trio.abc.ReceiveStream) -> None:
        rest = b""
        async for chunk in stream:
            if not self.served and b"\n" in chunk:
                self._served_at = trio.current_time()
            self.output = (self.output + chunk)[-OUTPUT_SIZE_MAX:]
            *lines, rest = (rest[-LINE_SIZE_MAX:] + chunk).split(b"\n")
            for line in lines:
                self._spoke(line.decode(errors="replace"))

    async def _pass_on(self, stream: trio.abc.ReceiveStream) -> None:
        """Copy a child's log to our own standard error, whole lines at a time."""
        rest = b""
        async for chunk in stream:
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if len(rest) > LINE_SIZE_MAX:
                lines, newline, rest = lines + newline + rest, b"\n", b""
            text = (lines + newline).decode(errors="backslashreplace")
            sys.stderr.write(text)
            said = [line for line in text.splitlines() if line.startswith("sidereal ")]
            self.last_words = said[-1] if said else self.last_words


def child_environment(extra: Mapping[str, str] | None, *, supervised: bool) -> dict[str, str]:
    """Environment of a process: ours and more; it tells whether the process hangs on a leash."""
    return {**os.environ, **(extra or {}), **({SUPERVISED: "1"} if supervised else {})}


async def _start(
    words: Sequence[str],
    environment: Mapping[str, str],
    name: str = "prepared",
    *,
    terminal: bool = False,
) -> trio.Process:
    """Start a process; when the machine has no room for one, wait until it has."""
    failures = 0
    while True:
        try:
            process = await _open(words, environment, terminal=terminal)
        except OSError as error:
            if error.errno not in SCARCE:
                raise
            if not failures:
                log.warning("not started %s", fields(child=name, why=error.strerror))
            await trio.sleep(START_AGAIN_S[min(failures, len(START_AGAIN_S) - 1)])
            failures += 1
        else:
            if failures:
                log.warning("started %s", fields(child=name, tries=failures + 1))
            return process


async def _open(
    words: Sequence[str], environment: Mapping[str, str], *, terminal: bool
) -> trio.Process:
    pipe = None if terminal else subprocess.PIPE
    return await trio.lowlevel.open_process(
        # -P: what lies in the working directory is the user's, no module of ours or Python's.
        [sys.executable, "-P", "-m", *words],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=not terminal,
    )


async def _last_line(process: trio.Process) -> str:
    """Last line of the log of a process that has ended: an error's traceback ends with it."""
    said = b""
    with trio.move_on_after(DRAIN_S):
        if process.stderr is not None:
            async for chunk in process.stderr:
                said = (said + chunk)[-LINE_SIZE_MAX:]
    lines = said.decode(errors="backslashreplace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


async def _close_pipes(process: trio.Process) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            await stream.aclose()


def describe_status(status: int) -> str:
    """Say in words how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"


def was_told_to_end(status: int) -> bool:
    """Whether a process that served was ended from outside: it ends in order only when told."""
    return status <= 0 and status not in FAULTS
