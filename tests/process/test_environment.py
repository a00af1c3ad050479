"""A world in the environment and the directory of somebody who did not think of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sidereal.client.http import PROXIES

if TYPE_CHECKING:
    from tests.process.conftest import Toolbox

SHADOWS: Final = ("random", "token", "signal", "json", "trio", "httpx", "numpy")
"""Names of modules that we import, and that somebody's own file may have."""

OF_OTHERS: Final = {
    **dict.fromkeys(PROXIES, "socks://127.0.0.1:9"),
    "SSL_CERT_FILE": "/nonexistent",
    "PGHOST": "nowhere.invalid",
    "PGPORT": "none",
    "PGSSLMODE": "verify-full",
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "LC_ALL": "xx_YY",
    "PYTHONIOENCODING": "ascii",
    "TERM": "odd",
    "COLUMNS": "",
    "SIDEREAL_SHARDS": "3",
    "SIDEREAL_SERVER": "http://127.0.0.1:9",
    "SIDEREAL_NAME": "ada",
    "SIDEREAL_UP_FOR": "",
}
"""What an environment has for other programs, and what once meant two things here."""


def test_a_world_starts_whatever_the_environment_and_the_directory_have_for_others(
    toolbox: Toolbox, tmp_path: Path
) -> None:
    up = toolbox.start(
        *("up", "--http", "127.0.0.1:0", "--client-port", 0, "--shard-port", 0),
        *("--data-dir", tmp_path / "world", "--bots", 1, "--for", 3, "--json", "-"),
        files={f"{name}.py": f"raise SystemExit('{name} of the user')\n" for name in SHADOWS},
        **OF_OTHERS,
    )
    up.wait_output(r"The world is ready at (\S+)")
    lines = up.family().commands.values()
    assert not [line for line in lines if "--database" in line or "key" in line], "no secrets there"
    assert up.wait() == 0, up.err
    assert up.report["bots"]["connected"] == 1
    assert len(up.report["shards"]) == 2
    assert up.said[0] == (
        "sidereal up: SIDEREAL_SHARDS is not read; the name for this command is SIDEREAL_UP_SHARDS"
    )


@pytest.mark.parametrize(
    "module", ["sidereal.tools", "sidereal.tools.soak", "sidereal.tools.simulate"]
)
def test_a_module_run_by_name_takes_none_from_the_directory(module: str, tmp_path: Path) -> None:
    for name in (*SHADOWS, "argparse", "dataclasses"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of the user')\n")
    ran = subprocess.run(
        [sys.executable, "-m", module, "--seed", "-1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2, ran.stderr
    assert "of the user" not in ran.stderr
    assert "--seed" in ran.stderr
