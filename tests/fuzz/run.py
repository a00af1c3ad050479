"""Look for inputs that break what reads peer bytes, guided by coverage, for a bounded time.

    uv run --with 'atheris>=3,<4' python tests/fuzz/run.py all --for 30

runs every target for 30 s; any part of a target's name runs those that have it: `channel`,
`decode_rows`. Every run begins with the seeds and the corpus, and replaces the corpus with what of
all this is still worth keeping: so after the bytes of packets have changed,

    uv run --with 'atheris>=3,<4' python tests/fuzz/run.py channel --for 60

makes their corpora anew; `--for 0`, for which atheris is not needed, only takes out what is not
worth keeping any more. What breaks a target is added to its corpus as `crash-…`, to be committed
with its repair; `pytest tests/fuzz` replays everything. Exit status: 1 when something broke.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from corpus import add_crash, name_of, read_corpus, write_corpus
from table import TARGETS
from target import Target

HERE: Final = Path(__file__).parent
INPUT_S_MAX: Final = 10
"""One input may take no longer."""
MEMORY_MB_MAX: Final = 4096
"""Watching comparisons of arrays leaks some 300 bytes for each."""


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", help="a target's name, a part of several, or all")
    parser.add_argument(
        "--for", type=int, default=30, dest="seconds", metavar="SECONDS", help="per target"
    )
    return parser.parse_args()


def fuzz(target: Target, seconds: int) -> bool:
    """Fuzz one target in a process of its own and bring its corpus up to date.

    Returns:
        whether nothing broke.
    """
    with tempfile.TemporaryDirectory() as directory:
        found, broken = Path(directory, "found"), Path(directory, "broken")
        found.mkdir()
        broken.mkdir()
        for body in (*target.seeds(), *read_corpus(target).values()):
            (found / name_of(body)).write_bytes(body)
        options = [
            str(found),
            f"-artifact_prefix={broken}/",
            f"-max_total_time={seconds}",
            f"-max_len={target.size_max}",
            f"-timeout={INPUT_S_MAX}",
            f"-rss_limit_mb={MEMORY_MB_MAX}",
            f"-dict={HERE / 'values.dict'}",
        ]
        command = [sys.executable, str(HERE / "inside.py"), target.name, *options]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"{target.name}: {summary(run.stderr)}", flush=True)
        if run.returncode == 0:
            kept = write_corpus(target, [file.read_bytes() for file in found.iterdir()])
            print(f"  corpus: {kept} files beside the seeds", flush=True)
            return True
        print("\n".join((run.stdout or run.stderr).splitlines()[-30:]))
        for file in broken.iterdir():
            print(f"  broken by {add_crash(target, file.read_bytes())}", flush=True)
        return False


def prune(target: Target) -> int:
    """Take out of a corpus what is not worth keeping; returns how many files are left."""
    return write_corpus(target, read_corpus(target).values())


def summary(log: str) -> str:
    """Find the fuzzer's last line of numbers."""
    lines = [line for line in log.splitlines() if re.match(r"#\d+\s", line)]
    return " ".join(lines[-1].split()) if lines else "no input was run"


def main() -> int:
    flags = parse_flags()
    if flags.seconds and importlib.util.find_spec("atheris") is None:
        remedy = "run with `uv run --with 'atheris>=3,<4' python tests/fuzz/run.py …`"
        print(f"atheris is not installed: {remedy}", file=sys.stderr)
        return 69
    wanted = "" if flags.target == "all" else flags.target
    chosen = [target for name, target in TARGETS.items() if wanted in name]
    if not chosen:
        print(f"no target has {wanted!r} in its name; table.py lists them", file=sys.stderr)
        return 2
    if not flags.seconds:
        for target in chosen:
            print(f"{target.name}: {prune(target)} files beside the seeds", flush=True)
        return 0
    broken = [target.name for target in chosen if not fuzz(target, flags.seconds)]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
