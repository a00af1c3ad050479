"""Where a command's result goes: JSON where `--json` says, words to standard output."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from sidereal.protocol.errors import ConfigError

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
    path = Path(target).absolute()
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"--json is {target!r}; it must be a file that can be written, or -")


def publish(result: Mapping[str, Any], words: Iterable[str], target: str | None) -> None:
    """Print a result.

    Args:
        result: as JSON.
        words: the same for people, line by line.
        target: file for the JSON, `-` for standard output, where nothing else goes then.
    """
    text = json.dumps(result, indent=2)
    if target == STANDARD_OUTPUT:
        print(text)
        return
    if target is not None:
        Path(target).write_text(text + "\n")
    for line in words:
        print(line)
