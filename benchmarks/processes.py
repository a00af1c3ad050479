"""The processes of a running world, found from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROLES: Final = ("replication", "shard", "bots", "postgres", "up")


def descendants(pid: int) -> Iterator[int]:
    """Find a process and all that it has started, directly or not, as far as they still run."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from descendants(int(child))


def command_of(pid: int) -> list[str]:
    """Give the words of a process's command; none of one that has just ended.

    Raises:
        OSError: there is no such process.
    """
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()


def role_of(pid: int) -> str:
    """Say which part a process plays: by its title, or by the command that it is.

    Raises:
        OSError: there is no such process.
    """
    words = command_of(pid)
    if words and "postgres" in words[0]:
        return "postgres"
    return next((word for word in words if word in ROLES), "other")
