"""A process that is prepared for a command it does not know yet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.process.conftest import Toolbox

WORDS = ("netsim", "--listen", "127.0.0.1:0", "--target", "127.0.0.1:9")


def start(tmp_path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sidereal.tools.up.prepared"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_it_becomes_the_command_and_is_called_so(tmp_path: Path, toolbox: Toolbox) -> None:
    with start(tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(WORDS).encode() + b"\n")
        process.stdin.flush()
        line = Path(f"/proc/{process.pid}/cmdline")
        toolbox.wait_until(lambda: " ".join(WORDS) in line.read_text(), "it has the name")
        process.terminate()
        assert process.wait() == 0


def test_without_arguments_it_ends_with_its_leash(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0
