"""The directory of a world with an embedded database: can it be used, and is it ours alone?"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sidereal.protocol.errors import UnavailableError


def check_files(directory: Path) -> None:
    """Check that nothing else lies where an embedded database keeps its files.

    Args:
        directory: of the world; it need not exist.

    Raises:
        UnavailableError: naming the file that is in the way.
    """
    for name in ("postgres", "postgres.new"):
        _check_kind(directory / name, "directory", Path.is_dir)
    for name in ("postgres.lock", "postgres.log"):
        _check_kind(directory / name, "file", Path.is_file)


def _check_kind(path: Path, wanted: str, fits: Callable[[Path], bool]) -> None:
    if os.path.lexists(path) and not fits(path):
        raise UnavailableError(
            f"{path} is in the way: the embedded database has a {wanted} of that name; "
            "move it away, or choose another directory with --data-dir"
        )


@contextmanager
def usable(directory: Path) -> Iterator[None]:
    """Make the directory when it is not there.

    Raises:
        UnavailableError: nothing can be kept there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write in {directory}")
    except OSError as error:
        raise UnavailableError(
            f"no database can be kept in {directory}: {error.strerror or error}; "
            "choose another directory with --data-dir"
        ) from error
    yield


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other servers off the directory; its lock names us.

    Raises:
        UnavailableError: another process has it; the message says which.
    """
    with (directory / "postgres.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise UnavailableError(
                f"the database in {directory} is in use by process {holder}: "
                "stop that one, or choose another directory with --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
