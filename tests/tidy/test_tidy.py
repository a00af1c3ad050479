"""The house style that a machine can see, as a test.

Every rule is a function from one parsed module to the places that break it, so that each can be
shown to catch what it is for. Paths are relative to the `sidereal` namespace: `shard/space.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
MODULE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 50

LONG_MODULES: Final[dict[str, int]] = {}
"""Modules over the limit and their size today. This list only shrinks."""
LONG_FUNCTIONS: Final[dict[str, int]] = {}
"""Functions over the limit, `path:name`, and their size today. This list only shrinks."""

NAMES_FORBIDDEN: Final = ("manager", "handler", "helper", "util", "common", "misc", "engine")

SHELLS: Final = (
    "protocol/runtime/*",
    "replication/__main__.py",
    "replication/config.py",
    "replication/http/answers.py",
    "replication/http/app.py",
    "replication/http/connection.py",
    "replication/http/passwords.py",
    "replication/http/server.py",
    "replication/keeping/postgres/*",
    "replication/keeping/beginning.py",
    "replication/keeping/database.py",
    "replication/keeping/evolution.py",
    "replication/keeping/judging.py",
    "replication/keeping/ledger.py",
    "replication/keeping/ledgertables.py",
    "replication/keeping/rows.py",
    "replication/keeping/saver.py",
    "replication/keeping/store.py",
    "replication/keeping/tables.py",
    "replication/lifecycle.py",
    "replication/service.py",
    "game/load.py",
    "shard/__main__.py",
    "shard/config.py",
    "shard/service.py",
    "client/driver.py",
    "client/front/*",
    "client/http.py",
    "tools/*",
)
"""What owns sockets, clocks, entropy, processes and the database; all else is core."""

SOAK_CORE: Final = (
    "tools/soak/air.py",
    "tools/soak/behaviour.py",
    "tools/soak/body.py",
    "tools/soak/checker.py",
    "tools/soak/config.py",
    "tools/soak/rig.py",
    "tools/soak/soak.py",
    "tools/soak/tracks.py",
    "tools/soak/visitor.py",
)
CORES_AMONG_SHELLS: Final = (
    "tools/bots/behaviour.py",
    "tools/bots/report.py",
    "tools/bots/sight.py",
    "tools/netsim/relay.py",
    "tools/up/restarts.py",
    "tools/simulate/*",
    *SOAK_CORE,
)

SHELLS_AMONG_CORES: Final = ("tools/simulate/__main__.py", "tools/simulate/runs/*")

DOORS: Final = {
    "pymunk": ("shard/space.py", "tools/simulate/checks/physics.py"),
    "scipy": ("shard/neighbours.py",),
    "asyncpg": ("replication/keeping/database.py", "replication/keeping/postgres/*"),
    "trio_asyncio": ("replication/keeping/database.py", "replication/keeping/postgres/*"),
    "starlette": ("replication/http/answers.py", "replication/http/app.py"),
    "h11": ("replication/http/connection.py",),
    "arcade": ("client/front/*",),
    "pyglet": ("client/front/*",),
    "rich": ("tools/*",),
    "watchfiles": ("tools/up/watching.py",),
    "trio": SHELLS,
}
"""One library, one door: who may import it."""

CORE_IMPORTS_FORBIDDEN: Final = frozenset(
    {
        *("time", "datetime", "sched", "signal"),
        *("random", "secrets", "uuid"),
        *("os", "subprocess", "multiprocessing", "shutil", "tempfile", "pathlib"),
        *("socket", "select", "selectors", "ssl"),
        *("threading", "concurrent", "queue", "asyncio", "anyio"),
        *("logging", "warnings"),
    }
)
"""A core is given its time, its entropy and its bytes, and returns what it has to say."""

RUNTIME: Final = "sidereal.protocol.runtime."
"""The Trio shell: cores do not know it."""

SEEDED: Final = ("protocol/testing/*", "tools/simulate/*")
"""May make a `random.Random(seed)`; every other use of `random` is forbidden there too."""

TESTING: Final = "sidereal.protocol.testing"
TESTING_USERS: Final = (
    *("protocol/testing/*", "testing/*"),
    *("tools/simulate/*", "tools/netsim/*", *SOAK_CORE),
)


class Module(NamedTuple):
    """A source file and what it says."""

    path: str
    text: str
    tree: ast.Module


def parsed(path: str, text: str) -> Module:
    return Module(path, text, ast.parse(text))


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def is_core(path: str) -> bool:
    if matches(path, SHELLS_AMONG_CORES):
        return False
    return not matches(path, SHELLS) or matches(path, CORES_AMONG_SHELLS)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of everything imported."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def dotted(node: ast.expr) -> str:
    """Give `a.b.c` for such an expression, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def functions(module: Module) -> Iterator[tuple[str, int]]:
    """Yield name and size of every function: lines from its first statement to its last."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            last = node.body[-1].end_lineno or node.lineno
            yield node.name, last - body[0].lineno + 1 if body else 0


def long_modules(module: Module) -> Iterator[str]:
    lines = len(module.text.splitlines())
    if lines > LONG_MODULES.get(module.path, MODULE_LINES_MAX):
        yield f"{module.path}: {lines} lines"


def long_functions(module: Module) -> Iterator[str]:
    for name, lines in functions(module):
        if lines > LONG_FUNCTIONS.get(f"{module.path}:{name}", FUNCTION_LINES_MAX):
            yield f"{module.path}:{name}: {lines} lines"


def forbidden_names(module: Module) -> Iterator[str]:
    classes = [node.name for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    for name in (*module.path.removesuffix(".py").split("/"), *classes):
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
        for word in words:
            singular = word.lower().removesuffix("s")
            if singular in NAMES_FORBIDDEN or singular + "s" in NAMES_FORBIDDEN:
                yield f"{module.path}: {name}"


def closed_doors(module: Module) -> Iterator[str]:
    for line, name in imports(module):
        door = DOORS.get(name.split(".")[0])
        if door is not None and not matches(module.path, door):
            yield f"{module.path}:{line}: imports {name}"


def impure_cores(module: Module) -> Iterator[str]:
    if not is_core(module.path):
        return
    seeded = matches(module.path, SEEDED)
    for line, name in imports(module):
        allowed = name == "uuid.UUID" or (seeded and name == "random")
        impure = name.split(".")[0] in CORE_IMPORTS_FORBIDDEN or f"{name}.".startswith(RUNTIME)
        if impure and not allowed:
            yield f"{module.path}:{line}: imports {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{module.path}:{node.lineno}: async"
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            global_draw = re.fullmatch(r"(np|numpy)\.random\.[a-z]\w*|random\.[a-z]\w*", name)
            seeded_draw = name.endswith(".default_rng") and node.args
            if name in ("os.urandom", "uuid4", "uuid.uuid4") or (global_draw and not seeded_draw):
                yield f"{module.path}:{node.lineno}: calls {name}"


STRANGERS: Final = (
    "game/load.py",
    "replication/actions/desk.py",
    "replication/gamerules.py",
    "replication/play/hooks.py",
    "replication/play/worlds.py",
    "shard/stages.py",
    "tools/bots/behaviour.py",
)
"""What runs code that is not ours, which may raise anything."""


def broad_excepts(module: Module) -> Iterator[str]:
    if matches(module.path, STRANGERS):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {dotted(item) if item is not None else "everything" for item in caught}
            if names & {"Exception", "BaseException", "everything"}:
                yield f"{module.path}:{node.lineno}: except {', '.join(sorted(names))}"


def rigs_in_production(module: Module) -> Iterator[str]:
    if not matches(module.path, TESTING_USERS):
        for line, name in imports(module):
            if f"{name}.".startswith(f"{TESTING}."):
                yield f"{module.path}:{line}: imports {name}"


Rule = Callable[[Module], Iterator[str]]
RULES: Final[tuple[Rule, ...]] = (
    long_modules,
    long_functions,
    forbidden_names,
    closed_doors,
    impure_cores,
    broad_excepts,
    rigs_in_production,
)


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    sources = sorted(ROOT.glob("packages/*/src/sidereal"))
    assert len(sources) == 5
    return [
        parsed(file.relative_to(source).as_posix(), file.read_text())
        for source in sources
        for file in sorted(source.rglob("*.py"))
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_sources_keep_the_house_rules(rule: Rule, modules: list[Module]) -> None:
    places = [place for module in modules for place in rule(module)]
    assert not places, "\n".join(places)


def test_exceptions_to_sizes_are_needed_still(modules: list[Module]) -> None:
    sizes = {module.path: len(module.text.splitlines()) for module in modules}
    assert {path: sizes.get(path, 0) for path in LONG_MODULES} == LONG_MODULES
    spans = {f"{m.path}:{name}": lines for m in modules for name, lines in functions(m)}
    assert {name: spans.get(name, 0) for name in LONG_FUNCTIONS} == LONG_FUNCTIONS
    assert all(size > MODULE_LINES_MAX for size in LONG_MODULES.values())
    assert all(size > FUNCTION_LINES_MAX for size in LONG_FUNCTIONS.values())


def test_packages_hold_a_docstring_and_no_code(modules: list[Module]) -> None:
    opened = [m for m in modules if m.path.endswith("__init__.py")]
    assert "__init__.py" not in {m.path for m in opened}, "sidereal is a namespace"
    assert [m.path for m in opened if ast.get_docstring(m.tree) is None] == []
    # What a game's modules and tests import from; each gives names, and nothing else.
    names = {f"{door}/__init__.py" for door in ("game", "games/frontier", "testing")}
    doors = [m for m in opened if m.path in names]
    assert len(doors) == len(names)
    code = {m.path: [type(node).__name__ for node in m.tree.body[1:]] for m in opened}
    assert {path: nodes for path, nodes in code.items() if nodes} == {
        m.path: ["ImportFrom"] * len(m.tree.body[1:]) for m in doors
    }


def test_no_loose_ends_anywhere() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    folders = ("packages", "tests", "benchmarks", "docs")
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*"))]
    texts = [file for file in files if file.suffix in {".py", ".md", ".toml", ".sql", ".glsl"}]
    assert [
        f"{file.relative_to(ROOT)}:{number}"
        for file in texts
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if marks.search(line)
    ] == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (long_modules, "shard/shard.py", "x = 1\n" * (MODULE_LINES_MAX + 1)),
        (long_functions, "shard/shard.py", "def f():\n" + "    x = 1\n" * 51),
        (forbidden_names, "shard/body_helpers.py", ""),
        (forbidden_names, "shard/shard.py", "class SessionManager: pass"),
        (forbidden_names, "shard/utils/angles.py", ""),
        (closed_doors, "shard/bodies.py", "from pymunk import batch"),
        (closed_doors, "replication/world.py", "def f():\n    import asyncpg.pool"),
        (closed_doors, "protocol/session/server.py", "import trio"),
        (closed_doors, "client/client.py", "import rich.table"),
        (impure_cores, "shard/shard.py", "import time"),
        (impure_cores, "protocol/state/columns.py", "from os import urandom"),
        (impure_cores, "replication/world.py", "from uuid import uuid4"),
        (impure_cores, "client/client.py", "import numpy as np\nrng = np.random.default_rng()"),
        (impure_cores, "client/client.py", "from sidereal.protocol.runtime.udp import open_udp"),
        (impure_cores, "client/client.py", "import numpy as np\nx = np.random.normal(3)"),
        (impure_cores, "protocol/testing/link.py", "import random\nx = random.random()"),
        (impure_cores, "tools/bots/behaviour.py", "async def f(): pass"),
        (impure_cores, "tools/simulate/cluster.py", "import multiprocessing"),
        (broad_excepts, "tools/cli.py", "try: f()\nexcept Exception: pass"),
        (broad_excepts, "tools/cli.py", "try: f()\nexcept (OSError, BaseException): pass"),
        (broad_excepts, "tools/cli.py", "try: f()\nexcept: pass"),
        (rigs_in_production, "tools/up/supervisor.py", "from sidereal.protocol import testing"),
        (rigs_in_production, "shard/shard.py", "from sidereal.protocol.testing.link import A"),
    ],
)
def test_each_rule_catches_what_it_is_for(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(parsed(path, text)))) == 1


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (long_functions, "shard/shard.py", 'def f():\n    """A.\n' + "\n" * 60 + '    """'),
        (forbidden_names, "protocol/state/columns.py", "class Datagram: pass"),
        (closed_doors, "shard/space.py", "import pymunk"),
        (closed_doors, "replication/keeping/database.py", "import asyncpg"),
        (impure_cores, "client/driver.py", "import time\nasync def f(): pass"),
        (impure_cores, "tools/simulate/runs/workers.py", "import multiprocessing"),
        (impure_cores, "protocol/testing/link.py", "import random\nr = random.Random(3)"),
        (impure_cores, "client/client.py", "import numpy as np\nrng = np.random.default_rng(3)"),
        (broad_excepts, "tools/cli.py", "try: f()\nexcept* (OSError, ValueError): pass"),
        (rigs_in_production, "tools/simulate/cluster.py", "import sidereal.protocol.testing"),
    ],
)
def test_rules_let_honest_code_pass(rule: Rule, path: str, text: str) -> None:
    assert list(rule(parsed(path, text))) == []
