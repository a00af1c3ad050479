"""The process that fuzzes one target and ends with it; `run.py` starts it."""

from __future__ import annotations

import sys
import warnings
from typing import Final

import atheris

INSTRUMENTED: Final = (
    "sidereal.protocol",
    "sidereal.replication",
    "sidereal.client",
    "sidereal.shard",
    "sidereal.tools",
)

with atheris.instrument_imports(include=list(INSTRUMENTED)):
    from table import TARGETS

warnings.simplefilter("error")  # as in the tests
name, *options = sys.argv[1:]
atheris.Setup([sys.argv[0], *options], TARGETS[name].read)
atheris.Fuzz()
