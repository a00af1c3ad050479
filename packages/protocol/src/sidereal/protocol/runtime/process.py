"""One server process: its wall clock, its signals, its log and its end.

A process ends cleanly when it is told to: by SIGINT, by SIGTERM or, when a supervisor started it
(`SUPERVISED` is set), by the end of its standard input, which also comes when the supervisor is
killed. So nothing outlives the command that started it.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import trio

SUPERVISED: Final = "SIDEREAL_SUPERVISED"
"""Environment variable: standard input is the supervisor's leash."""

LOG_LEVEL: Final = "SIDEREAL_LOG"
"""Environment variable: debug, info (the default), warning or error."""

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


async def run_until_told(serve: Callable[[], Awaitable[None]]) -> None:
    """Run a server until it returns or its process is told to end.

    The server is cancelled then, and has its own time to say goodbye in shielded scopes.
    """
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await wait_until_told()
            nursery.cancel_scope.cancel()

        nursery.start_soon(end)
        await serve()
        nursery.cancel_scope.cancel()


async def wait_until_told() -> None:
    """Return when this process is told to end."""
    async with trio.open_nursery() as nursery:

        async def watch_signals() -> None:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await anext(aiter(signals))
            nursery.cancel_scope.cancel()

        async def watch_leash() -> None:
            async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as leash:
                while await leash.receive_some(64):
                    pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch_signals)
        if os.environ.get(SUPERVISED):
            nursery.start_soon(watch_leash)


class LineFormatter(logging.Formatter):
    """`time level logger message`, where a message is an event and its key=value fields."""

    default_time_format = "%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self, role: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {role} %(message)s")


def start_logging(role: str) -> None:
    """Send records to standard error, one line each."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(LineFormatter(role))
    level = os.environ.get(LOG_LEVEL, "info").upper()
    known = level in logging.getLevelNamesMapping()
    logging.basicConfig(level=level if known else "INFO", handlers=[stream], force=True)
    for noisy in ("asyncio", "httpx", "httpcore", "hypercorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def fields(**values: object) -> str:
    """Write the fields of a log line as key=value; what would break the line is quoted."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in values.items())


def _quoted(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text and text.isprintable() and not any(c in text for c in ' "=')
    return text if plain else json.dumps(text)
