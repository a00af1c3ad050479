"""The foreign ends know nothing of the real ones."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

FOREIGN = Path(__file__).parent / "foreign"
LIBRARIES = frozenset({"cryptography", "msgspec", "nacl"})


def imported(text: str) -> set[str]:
    """First names of all that a module imports, however it does; empty for its own package."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            outside = (node.module or "").split(".")[0] if node.level == 0 else ""
            names.add(outside if node.level < 2 else "..")
        elif isinstance(node, ast.Name) and node.id in ("__import__", "eval", "exec"):
            names.add(node.id)
    return names - {""}


def test_foreign_modules_import_nothing_of_sidereal() -> None:
    modules = sorted(FOREIGN.rglob("*.py"))
    assert len(modules) > 10
    allowed = (sys.stdlib_module_names - {"importlib", "runpy"}) | LIBRARIES
    strange = {path.name: imported(path.read_text()) - allowed for path in modules}
    assert {name: names for name, names in strange.items() if names} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import sidereal.protocol.limits",
        "from sidereal.protocol import limits",
        "def f():\n    from sidereal.protocol.limits import PAYLOAD_SIZE_MAX",
        "from ..record import record",
        "import importlib\nimportlib.import_module('sidereal.protocol')",
        "__import__('sidereal')",
    ],
)
def test_every_way_to_import_sidereal_is_seen(text: str) -> None:
    allowed = (sys.stdlib_module_names - {"importlib", "runpy"}) | LIBRARIES
    assert imported(text) - allowed
