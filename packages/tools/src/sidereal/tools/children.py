"""Child processes of a supervisor: started, listened to, restarted, ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import trio

from sidereal.protocol.runtime.process import SUPERVISED, fields
from sidereal.tools.restarts import Restarts

log = logging.getLogger("sidereal.up")

END_WITHIN_S: Final = 10.0
"""How long a child with nothing to save may take to end before it is killed."""

DRAIN_S: Final = 1.0
"""How long the pipes of a child that has ended are read; its own children may hold them open."""

OUTPUT_SIZE_MAX: Final = 16 << 20
"""Bytes of a child's output that are kept, the newest."""

LINE_SIZE_MAX: Final = 1 << 16
"""Longest line of a child's log that is passed on whole."""


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
        spoke: Callable[[str], None] | None = None,
        end_within_s: float = END_WITHIN_S,
        terminal: bool = False,
    ) -> None:
        """Prepare a process.

        Args:
            name: for the log.
            arguments: after `sidereal`.
            environment: what it gets besides ours.
            title: for people, when it is another one than the name.
            spoke: is told the first line that each start prints: it serves then.
            end_within_s: how long it may take to end when it is told to.
            terminal: whether it needs the terminal.
        """
        self.name = name
        self.title = title or name
        self.arguments = list(arguments)
        self.process: trio.Process | None = None
        self.output = b""
        self.last_words = ""
        self._spoke = spoke
        self._end_within_s = end_within_s
        self._terminal = terminal
        leash = {} if terminal else {SUPERVISED: "1"}
        self._environment = {**os.environ, **(environment or {}), **leash}

    @property
    def pid(self) -> int | None:
        """Process id of the newest start."""
        return None if self.process is None else self.process.pid

    @property
    def served(self) -> bool:
        """Whether the newest start has come to serve."""
        return b"\n" in self.output

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
            pause_s = restarts.died(status, served=self.served)
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
        pipe = None if self._terminal else subprocess.PIPE
        process = await trio.lowlevel.open_process(
            # -P: what lies in the working directory is the user's, no module of ours or Python's.
            [sys.executable, "-P", "-m", "sidereal.tools", *self.arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=self._environment,
            start_new_session=not self._terminal,
        )
        self.process = process
        try:
            return await self._listen_to_the_end(process)
        finally:
            with trio.CancelScope(shield=True):
                await self._end(process)
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream is not None:
                        await stream.aclose()

    def describe(self, status: int) -> str:
        """Say in words how the process ended, in its own if it has left some."""
        how = f"{self.title} {describe_status(status)}"
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
            pipes.deadline = trio.current_time() + DRAIN_S
        return status

    async def _keep(self, stream: trio.abc.ReceiveStream) -> None:
        async for chunk in stream:
            before = self.served
            self.output = (self.output + chunk)[-OUTPUT_SIZE_MAX:]
            line, newline, _ = self.output.partition(b"\n")
            if newline and not before and self._spoke is not None:
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


def describe_status(status: int) -> str:
    """Say in words how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"
