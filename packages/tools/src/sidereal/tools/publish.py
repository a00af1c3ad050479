"""Where a command's result goes: JSON where `--json` says, words to standard output."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

STANDARD_OUTPUT: Final = "-"

JsonTarget = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
"""Type of a `--json` flag: a file, or `-` for standard output."""


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
