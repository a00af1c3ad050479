"""Saves of a game's files, as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

import trio
from watchfiles import PythonFilter, watch

from sidereal.protocol.errors import UnavailableError

GATHER_MS: Final = 50
"""Files that are saved closer together than that are saved together."""


async def watch_folders(folders: Iterable[Path], saved: Callable[[], None]) -> None:
    """Watch Python files until cancelled, not those in folders below.

    Compiled code of a file that was saved is removed. Python would take it for up to date if the
    file has the same size as before, and was saved twice in a second.

    Args:
        folders: where the files are.
        saved: is called when one was saved, came, or went.

    Raises:
        UnavailableError: the system lets nobody watch them.
    """
    stop = threading.Event()
    changes = watch(
        *folders,
        watch_filter=PythonFilter(),
        step=GATHER_MS,
        stop_event=stop,
        recursive=False,
    )
    try:
        while True:
            # `awatch` would take Ctrl-C for itself.
            for _, path in await trio.to_thread.run_sync(next, changes, abandon_on_cancel=True):
                _forget_compiled(path)
            saved()
    except OSError as error:
        raise UnavailableError(f"--reload can't watch the files of the game: {error}") from None
    finally:
        stop.set()


def _forget_compiled(path: str) -> None:
    Path(cache_from_source(path)).unlink(missing_ok=True)
