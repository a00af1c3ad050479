"""Mutants that nobody can tell from the original, each with the reason."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

LISTED: Final = Path(__file__).with_suffix(".toml")


def read_listed() -> list[dict[str, Any]]:
    """Read the list: `file`, `function`, `before`, `after` and `reason` of each."""
    listed: list[dict[str, Any]] = tomllib.loads(LISTED.read_text()).get("mutant", [])
    return listed


def read_equivalent() -> dict[str, str]:
    """Reasons by the mutants' keys."""
    return {
        "\n".join([entry["file"], entry["function"], entry["before"], entry["after"]]): entry[
            "reason"
        ]
        for entry in read_listed()
    }
