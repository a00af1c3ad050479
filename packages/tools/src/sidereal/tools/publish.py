"""Where a command's result goes: JSON where `--json` says, words to standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.runtime.config import check_output_file

STANDARD_OUTPUT: Final = "-"

JsonTarget = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
"""Type of a `--json` flag: a file, or `-` for standard output."""


def check_target(target: str | None) -> None:
    """Check that a result can be written where `--json` says, before it costs a run.

    Raises:
        ConfigError: it can't.
    """
    if target is None or target == STANDARD_OUTPUT:
        return
    check_output_file(Path(target), "--json")


def publish(result: Mapping[str, Any], words: Iterable[str], target: str | None) -> None:
    """Print a result.

    Args:
        result: as JSON.
        words: the same for people, line by line.
        target: file for the JSON, `-` for standard output, where nothing else goes then.

    Raises:
        BrokenPipeError: whoever read standard output is gone.
        UnavailableError: a result can't be written; the words are printed all the same.
    """
    text = json.dumps(result, indent=2)
    if target == STANDARD_OUTPUT:
        print(text, flush=True)
        return
    problem = None if target is None else _write(Path(target), text + "\n")
    for line in words:
        print(line)
    sys.stdout.flush()
    if problem:
        raise UnavailableError(f"--json {target!r} can't be written: {problem}")


def publish_report(report: Mapping[str, Any], words: Iterable[str], target: str | None) -> None:
    """Print the report of a run that has ended well even when nobody reads the words any more.

    `| tee` has ended before us when Ctrl-C was for both.

    Raises:
        BrokenPipeError: the JSON was for standard output, and whoever read that is gone.
        UnavailableError: the report can't be written.
    """
    try:
        publish(report, words, target)
    except BrokenPipeError:
        if target == STANDARD_OUTPUT:
            raise


def announce(line: str) -> None:
    """Print a line of a process that goes on, whether or not anybody reads it."""
    try:
        print(line, flush=True)
    except (BrokenPipeError, UnavailableError):
        return


def read_announced(line: str | bytes) -> dict[str, Any]:
    """Read a line of a process: the JSON object that it is; empty if it was printed by its game."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _write(path: Path, text: str) -> str | None:
    """Write a file; returns why it can't be."""
    try:
        path.write_text(text)
    except OSError as error:
        return error.strerror or str(error)
    return None
