"""A process that loads a game as its files are now, says what it is, and ends.

Run as `python -m sidereal.tools.up.examined MODULE:NAME`. What a process has loaded once it can't
load anew; and what a game does while it is imported is no business of a supervisor. The last line
of its standard output is one JSON object: see `examine`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from typing import Final

from sidereal.game import load as loading
from sidereal.game.declarations import Declarations
from sidereal.game.load import digest_of_code, load, source_files
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import ConfigError

IMPORTING: Final = (importlib.__file__, loading.__file__, "<frozen importlib")
"""How the names of files begin that only import a game."""


def examine(text: str) -> dict[str, object]:
    """Load a game, `module:name`.

    Returns:
        `wrong`, what is wrong with it in words, and `shown`, the same as Python shows it; or else
        `code`, the digest of its source, and `schema`, the description of its world, both in
        hexadecimal; `folders`, where its files are; and `served`, the source of each function that
        the server runs, by its name.
    """
    try:
        declared = load(text)
    except ConfigError as error:
        return {"wrong": str(error), "shown": show(error)}
    folders = {str(file.absolute().parent) for file in source_files(text, declared).values()}
    return {
        "code": digest_of_code(text, declared).hex(),
        "schema": schema_of(declared).description.encode().hex(),
        "folders": sorted(folders),
        "served": served(declared),
    }


def served(declared: Declarations) -> dict[str, str]:
    """Find the source of what the server runs of a game; what it calls in turn is not looked at."""
    functions: list[Callable[..., object]] = [action.function for action in declared.actions]
    functions += [rule.function for rule in declared.rules]
    functions += [timer.function for timer in declared.timers]
    functions += [hook for hooks in declared.hooks.values() for hook in hooks]
    functions += [world.function for world in declared.worlds.values()]
    found = {}
    for function in functions:
        with contextlib.suppress(OSError, TypeError):  # it is in no file
            found[f"{function.__module__}.{function.__qualname__}"] = inspect.getsource(function)
    return found


def show(error: ConfigError) -> str:
    """Show what is wrong with a game: as Python does if its code has raised, else in our words."""
    raised = error.__cause__
    if raised is None or isinstance(raised, ConfigError):
        return str(error)
    said = traceback.TracebackException.from_exception(raised)
    frames = [frame for frame in said.stack if not frame.filename.startswith(IMPORTING)]
    said.stack = traceback.StackSummary.from_list(frames)
    return "".join(said.format()).rstrip()


if __name__ == "__main__":
    print(json.dumps(examine(sys.argv[1])))
