"""A process that has loaded what a shard needs, and waits on its leash for its arguments.

Run as `python -m sidereal.tools.up.prepared`. A supervisor keeps one such process ready: starting
Python costs more than anything else that a shard that died must do to serve again. It becomes the
command whose arguments it reads, under that command's name in the list of processes; without any,
when the leash ends, it ends.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

import setproctitle

import sidereal.tools.__main__  # it holds signals back
import sidereal.tools.commands.shard  # noqa: F401  # what is loaded now need not be loaded then
from sidereal.tools.cli import main

ARGUMENTS_SIZE_MAX: Final = 1 << 16


def read_line(descriptor: int) -> bytes:
    """Read up to the end of a line and no further; empty where there is none."""
    line = b""
    while len(line) < ARGUMENTS_SIZE_MAX:
        letter = os.read(descriptor, 1)
        if not letter:
            return b""
        if letter == b"\n":
            return line
        line += letter
    return b""


def become(words: list[str]) -> int:
    """Run the command with these arguments as if it had been started with them."""
    sys.argv = [sys.argv[0], *words]
    setproctitle.setproctitle(" ".join([sys.executable, "-m", "sidereal.tools", *words]))
    return main()


if __name__ == "__main__":
    arguments = read_line(0)
    sys.exit(become(json.loads(arguments)) if arguments else 0)
