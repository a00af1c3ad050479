"""What is a core, and which tests hold it."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

PACKAGES: Final = {
    "protocol": "packages/protocol",
    "replication": "packages/server-replication",
    "shard": "packages/server-shard",
    "client": "packages/client",
}
"""Where each part of the `sidereal` namespace lies."""

CORES: Final = (
    "protocol/channel/*",
    "protocol/session/*",
    "protocol/message/*",
    "protocol/state/*",
    "protocol/space/*",
    "game/*",
    "protocol/rules.py",
    "replication/*",
    "shard/*",
    "client/*",
)
SHELLS: Final = (
    "*/__init__.py",
    "*/__main__.py",
    "*/config.py",
    "*/service.py",
    "replication/http/*",
    "replication/keeping/postgres/*",
    "replication/keeping/database.py",
    "replication/keeping/rows.py",
    "replication/keeping/saver.py",
    "replication/keeping/store.py",
    "replication/keeping/tables.py",
    "replication/lifecycle.py",
    "client/driver.py",
    "client/front/*",
    "client/http.py",
)
"""Not mutated: what owns sockets, clocks and the database, which tests in real time hold."""

REAL_TIME_TESTS: Final = (
    *("test_attacks.py", "test_memory.py", "test_process.py", "test_streams.py", "test_udp.py"),
    *("test_config.py", "test_disk_full.py", "test_one_guard.py", "test_pooler.py"),
    *("test_postgres.py", "test_store.py", "test_truth.py", "test_http*.py"),
    *("test_replication_service.py", "test_service.py", "test_driver.py", "test_front*.py"),
)
"""Not run: what starts processes or a database, or measures, may fail on a busy machine for no
fault of the mutant's."""

WHOLE_TESTS: Final = ("tests/integration", "tests/interop")


@cache
def core_files() -> list[Path]:
    """Files that are mutated, from the root of the repository."""
    found = []
    for package in PACKAGES.values():
        source = ROOT / package / "src" / "sidereal"
        for file in sorted(source.rglob("*.py")):
            name = file.relative_to(source).as_posix()
            if _is_any(name, CORES) and not _is_any(name, SHELLS):
                found.append(file.relative_to(ROOT))
    return found


@cache
def tests_near(file: Path) -> list[str]:
    """The tests most likely to notice: by name and by what they import."""
    own = _importers(file, _tests_of_package(file))
    others = _importers(file, [*_tests_of_others(file), *_tests_in(WHOLE_TESTS[0])])
    words = set(file.stem.split("_"))
    everything = [*_tests_of_package(file), *_tests_in(WHOLE_TESTS[0])]
    named, called = (
        [test for test in tests if words <= set(Path(test).stem.split("_"))]
        for tests in (own + others, map(str, everything))
    )
    return (named or called or [*own, *_tests_near_users(file)] or others)[:6]


def tests_around(file: Path) -> list[str]:
    """All tests of cores of its package, those that import the module first."""
    own = _tests_of_package(file)
    return list(dict.fromkeys([*_importers(file, own), *map(str, own)]))


def tests_beyond(file: Path) -> list[str]:
    """The tests of other packages that import the module."""
    return _importers(file, _tests_of_others(file))


def _tests_near_users(file: Path) -> list[str]:
    """Those of the modules that import it, for a module that no test imports."""
    users = _importers(file, [user for user in core_files() if user != file])
    own = f"{PACKAGES[file.parts[4]]}/tests/"
    tests = dict.fromkeys(test for user in users for test in tests_near(Path(user)))
    return [test for test in tests if test.startswith(own)]


def _importers(file: Path, tests: list[Path]) -> list[str]:
    return [str(test) for test in tests if _module(file) in _imports(test)]


def _tests_of_package(file: Path) -> list[Path]:
    return _tests_in(f"{PACKAGES[file.parts[4]]}/tests")


def _tests_of_others(file: Path) -> list[Path]:
    others = (package for package in PACKAGES.values() if package != PACKAGES[file.parts[4]])
    return [test for package in others for test in _tests_in(f"{package}/tests")]


def _tests_in(folder: str) -> list[Path]:
    files = sorted((ROOT / folder).glob("test_*.py"))
    return [file.relative_to(ROOT) for file in files if not _is_any(file.name, REAL_TIME_TESTS)]


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts[3:])


@cache
def _imports(test: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((ROOT / test).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _is_any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
