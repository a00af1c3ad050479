"""One server process: its wall clock, its signals, its log and its end.

A process ends cleanly when it is told to: by SIGINT, SIGTERM or SIGHUP or, when a supervisor
started it (`SUPERVISED` is set), by the end of its standard input, which also comes when the
supervisor is killed. So nothing outlives the command that started it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from sidereal.protocol.errors import ConfigError

SUPERVISED: Final = "SIDEREAL_SUPERVISED"
"""Environment variable: standard input is the supervisor's leash."""

LOG_LEVEL: Final = "SIDEREAL_LOG"
"""Environment variable: one of `LEVELS`, info by default."""

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

ENDS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Signals that tell a process to end."""

LINE_SIZE_MAX: Final = 4096
"""Longest line that a supervisor may write on a leash."""

YOUNG_OBJECTS: Final = 20_000
"""New objects that start a garbage collection."""


def wall_clock_now() -> float:
    """Give Unix seconds, for tokens and rows on disk only."""
    return time.time()


def entropy(size: int) -> bytes:
    """Give unpredictable bytes."""
    return os.urandom(size)


def settle_memory() -> None:
    """Take all that a process has loaded so far out of garbage collection.

    Modules and their objects live as long as the process; walking them costs 30 ms every now and
    then, in the middle of a tick. What a tick makes is freed by counting references, so the young
    need not be walked often either.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def run_until_told(
    serve: Callable[[], Awaitable[None]], hear: Callable[[str], None] = lambda _: None
) -> None:
    """Run a server until it returns or its process is told to end.

    The server is cancelled then, and has its own time to say goodbye in shielded scopes. Being told
    again changes nothing: what is being saved is saved, and every step of it has a time limit.

    Args:
        serve: the server.
        hear: is told each line that a supervisor writes on the leash.
    """
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(_end_when_told, nursery.cancel_scope, hear)
        try:
            await serve()
        finally:
            listening.cancel()
        nursery.cancel_scope.cancel()


async def _end_when_told(
    serving: trio.CancelScope,
    hear: Callable[[str], None],
    *,
    task_status: trio.TaskStatus[trio.CancelScope],
) -> None:
    """Cancel a server when this process is told to end; listen on until it has ended."""
    with trio.CancelScope(shield=True) as listening, listen_for_signals() as signals:
        async with trio.open_nursery() as nursery:
            if os.environ.get(SUPERVISED):
                nursery.start_soon(_watch_leash, serving, hear)
            task_status.started(listening)
            async for _ in signals:
                serving.cancel()


async def wait_until_told() -> None:
    """Return when this process is told to end by a signal."""
    with listen_for_signals() as signals:
        await anext(aiter(signals))


def release_signals() -> None:
    """Take the signals that tell a process to end as Python does: the start had held them back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


@contextmanager
def listen_for_signals() -> Iterator[AsyncIterator[int]]:
    """Take the signals that tell a process to end, those that waited included.

    SIGHUP tells that the terminal is gone, but not to a process that was started by `nohup`.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    with trio.open_signal_receiver(*(ENDS - {signal.SIGHUP} if ignored else ENDS)) as signals:
        release_signals()
        yield signals


async def _watch_leash(serving: trio.CancelScope, hear: Callable[[str], None]) -> None:
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as leash:
        with contextlib.suppress(trio.BrokenResourceError):
            rest = b""
            while chunk := await leash.receive_some(LINE_SIZE_MAX):
                *lines, rest = (rest[-LINE_SIZE_MAX:] + chunk).split(b"\n")
                for line in lines:
                    hear(line.decode(errors="replace"))
    serving.cancel()


class LineFormatter(logging.Formatter):
    """`time level logger message`, where a message is an event and its key=value fields."""

    default_time_format = "%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self, role: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {role} %(message)s")


def start_logging(role: str) -> None:
    """Send records to standard error, one line each: ours from the level asked for, and of the
    libraries warnings only.

    Raises:
        ConfigError: `SIDEREAL_LOG` is no level.
    """
    asked = os.environ.get(LOG_LEVEL) or "info"
    level = LEVELS.get(asked.lower())
    if level is None:
        raise ConfigError(f"{LOG_LEVEL} is {asked!r}; it must be one of: {', '.join(LEVELS)}")
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(LineFormatter(role))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[stream], force=True)
    logging.getLogger("sidereal").setLevel(level)


def fields(**values: object) -> str:
    """Write the fields of a log line as key=value; what would break the line is quoted."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in values.items())


def _quoted(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text and text.isprintable() and not any(c in text for c in ' "=')
    return text if plain else json.dumps(text)
