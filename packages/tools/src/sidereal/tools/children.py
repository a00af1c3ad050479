"""Child processes of a supervisor: started, listened to, restarted, ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import trio

from sidereal.protocol.runtime.process import SUPERVISED, fields

log = logging.getLogger("sidereal.up")

END_WITHIN_S: Final = 10.0
"""How long a child that was told to end may take before it is killed."""

RESTART_AFTER_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits before a child that died is started again; the last one repeats."""

OUTPUT_SIZE_MAX: Final = 16 << 20
"""Bytes of a child's output that are kept, the newest."""

LINE_SIZE_MAX: Final = 1 << 16
"""Longest line of a child's log that is passed on whole."""


class Child:
    """One `sidereal` command as a process of its own.

    It hangs on a leash: its standard input is a pipe of ours, and when that ends it ends too, even
    if we are killed. One that needs the terminal gets ours instead, and ends with it.

    Attributes:
        name: for the log.
        process: the running process, None before the first start.
        restarts: how often it has been started again.
        output: what it has printed so far; its log goes to our standard error.
        spoke: set when it has printed its first line.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        terminal: bool = False,
    ) -> None:
        self.name = name
        self.process: trio.Process | None = None
        self.restarts = 0
        self.output = b""
        self.spoke = trio.Event()
        self._arguments = [sys.executable, "-m", "sidereal.tools", *arguments]
        self._terminal = terminal
        leash = {} if terminal else {SUPERVISED: "1"}
        self._environment = {**os.environ, **(environment or {}), **leash}

    @property
    def pid(self) -> int | None:
        """Process id of the newest start."""
        return None if self.process is None else self.process.pid

    async def run(self) -> int:
        """Start the process and pass its log on until it ends.

        When this is cancelled the process is told to end, and killed if it does not.

        Returns:
            its exit status, negative for a signal.
        """
        pipe = None if self._terminal else subprocess.PIPE
        process = await trio.lowlevel.open_process(
            self._arguments,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=self._environment,
            start_new_session=not self._terminal,
        )
        self.process = process
        try:
            return await self._listen_to_the_end(process)
        finally:
            with trio.CancelScope(shield=True):
                await self._end()

    async def run_again_and_again(self, errors: list[str]) -> None:
        """Keep the process running; every death that nobody asked for goes into `errors`."""
        while True:
            status = await self.run()
            errors.append(f"{self.name} {describe_status(status)}; it was started again")
            wait_s = RESTART_AFTER_S[min(self.restarts, len(RESTART_AFTER_S) - 1)]
            self.restarts += 1
            log.warning("died %s", fields(child=self.name, status=status, restart_in_s=wait_s))
            await trio.sleep(wait_s)

    async def _end(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(END_WITHIN_S):
            await self._listen_to_the_end(process)
        if process.returncode is None:
            log.error("killed %s", fields(child=self.name, waited_s=END_WITHIN_S))
            process.kill()
            await process.wait()

    async def _listen_to_the_end(self, process: trio.Process) -> int:
        async with trio.open_nursery() as nursery:
            if process.stdout is not None and process.stderr is not None:
                nursery.start_soon(self._keep, process.stdout)
                nursery.start_soon(_pass_on, process.stderr)
            return await process.wait()

    async def _keep(self, stream: trio.abc.ReceiveStream) -> None:
        async for chunk in stream:
            self.output = (self.output + chunk)[-OUTPUT_SIZE_MAX:]
            if b"\n" in self.output:
                self.spoke.set()


def describe_status(status: int) -> str:
    """Say in words how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"


async def _pass_on(stream: trio.abc.ReceiveStream) -> None:
    """Copy a child's log to our own standard error, whole lines at a time."""
    rest = b""
    async for chunk in stream:
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        if len(rest) > LINE_SIZE_MAX:
            lines, newline, rest = lines + newline + rest, b"\n", b""
        sys.stderr.buffer.write(lines + newline)
        sys.stderr.buffer.flush()
