"""Becomes the program it is told to run: unprivileged, and not outliving its parent.

Run by path, as `python -I -S launch.py UID GID PARENT_PID PROGRAM ARGUMENT...`. It needs only the
standard library, and starts as the parent's user because the interpreter may lie where no other
user can reach it. A death signal is lost when a process changes its user, so the order matters.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
UNCHANGED: Final = -1
"""In place of UID: stay who we are."""

DEATH_SIGNAL: Final = signal.SIGQUIT
"""PostgreSQL's immediate shutdown: every process ends, the next start recovers from the log."""


def main(arguments: list[str]) -> None:
    """Drop privileges, tie our life to the parent's, run the program."""
    uid, gid, parent = (int(argument) for argument in arguments[:3])
    if uid != UNCHANGED:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(DEATH_SIGNAL), 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent is gone already")
    os.execv(arguments[3], arguments[3:])


if __name__ == "__main__":
    main(sys.argv[1:])
