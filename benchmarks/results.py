"""How every benchmark reports: a table for people, and `--json` for comparisons."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import numpy as np


def make_parser(words: str | None) -> argparse.ArgumentParser:
    """Make a parser of `--quick` and `--json PATH`; `words` is the benchmark's docstring."""
    parser = argparse.ArgumentParser(
        description=words, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="shorter, and rougher numbers")
    parser.add_argument("--json", metavar="PATH", help="write the results there; - is stdout")
    return parser


def parse_flags(words: str | None) -> argparse.Namespace:
    """Read `--quick` and `--json PATH`."""
    return make_parser(words).parse_args()


def table(flags: argparse.Namespace) -> TextIO:
    """Where lines for people go: never between the JSON."""
    return sys.stderr if flags.json == "-" else sys.stdout


def result(value: float, unit: str, peer: str | None = None, ratio: float | None = None) -> dict:
    """One case; a ratio above 1 means ahead of the peer."""
    return {"value": value, "unit": unit, "peer": peer, "ratio": ratio}


def publish(flags: argparse.Namespace, results: Mapping[str, dict]) -> None:
    """Write the results as JSON where the flags say."""
    if flags.json is None:
        return
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    text = json.dumps({"machine": machine, "results": results}, indent=2)
    if flags.json == "-":
        print(text)
    else:
        Path(flags.json).write_text(text + "\n")
