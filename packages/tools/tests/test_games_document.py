"""Every block of code in docs/GAMES.md is in a file of a project whose tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TEXT = (Path(__file__).parents[3] / "docs" / "GAMES.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n# (\w+\.py)\n(.*?)```", TEXT, re.S)


def test_every_block_has_a_file_and_their_tests_pass(tmp_path: Path) -> None:
    assert len(BLOCKS) == TEXT.count("```") // 2
    for _, name, code in BLOCKS:
        (tmp_path / name).write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    tests = sum(code.count("\ndef test_") for _, _, code in BLOCKS)
    assert f"{tests} passed" in done.stdout
