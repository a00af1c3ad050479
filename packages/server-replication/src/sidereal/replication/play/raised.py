"""What the code of a game raised, in a line."""

from __future__ import annotations

import traceback
from types import ModuleType
from typing import Final

import sidereal.game
import sidereal.replication

_ENGINE: Final = tuple(
    f"{next(iter(package.__path__))}/" for package in (sidereal.game, sidereal.replication)
)
"""Where the frames of a traceback are that are not the game's."""


def describe_raised(error: Exception, *more: ModuleType) -> str:
    """Say in a line what code of a game raised, and where in it.

    Args:
        error: that was raised.
        more: packages of the engine that called the game, or were called by it.
    """
    engine = (*_ENGINE, *(f"{next(iter(package.__path__))}/" for package in more))
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(engine)]
    where = f"{theirs[-1].filename}:{theirs[-1].lineno}: " if theirs else ""
    return f"{where}{''.join(traceback.format_exception_only(error)).strip()}"
