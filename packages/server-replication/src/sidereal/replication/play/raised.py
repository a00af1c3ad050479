"""What the code of a game raised, in a line."""

from __future__ import annotations

import traceback
from typing import Final

import sidereal.game
import sidereal.replication

_ENGINE: Final = tuple(
    f"{next(iter(package.__path__))}/" for package in (sidereal.game, sidereal.replication)
)
"""Where the frames of a traceback are that are not the game's."""


def describe_raised(error: Exception) -> str:
    """Say in a line what code of a game raised, and where in it."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_ENGINE)]
    where = f"{theirs[-1].filename}:{theirs[-1].lineno}: " if theirs else ""
    return f"{where}{''.join(traceback.format_exception_only(error)).strip()}"
