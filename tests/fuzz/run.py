"""Look for inputs that break what reads peer bytes, guided by coverage, for a bounded time.

    uv run --with 'atheris>=3,<4' python tests/fuzz/run.py all --for 30

runs every target for 30 s; any part of a target's name runs those that have it: `channel`,
`decode_rows`. Every run begins with the seeds and the corpus, and replaces the corpus with what of
all this is still worth keeping: so after the bytes of packets have changed,

    uv run --with 'atheris>=3,<4' python tests/fuzz/run.py channel --for 60

makes their corpora anew. What breaks a target is added to its corpus as `crash-…`, to be committed
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

INSTRUMENTED: Final = (
    "sidereal.protocol",
    "sidereal.replication",
    "sidereal.client",
    "sidereal.shard",
)
INPUT_S_MAX: Final = 10
"""One input may take no longer."""
MEMORY_MB_MAX: Final = 2048


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", help="a target's name, a part of several, or all")
    parser.add_argument(
        "--for", type=float, default=30, dest="seconds", metavar="SECONDS", help="per target"
    )
    parser.add_argument("--inside", nargs="*", default=None, help=argparse.SUPPRESS)
    return parser.parse_args()


def fuzz_inside(name: str, options: list[str]) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from table import TARGETS

    atheris.Setup([sys.argv[0], *options], TARGETS[name].read)
    atheris.Fuzz()


def fuzz(name: str, seconds: float) -> bool:
    """Fuzz one target in a process of its own and bring its corpus up to date.

    Returns:
        whether nothing broke.
    """
    from corpus import add_crash, name_of, read_corpus, write_corpus
    from table import TARGETS

    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as directory:
        found, broken = Path(directory, "found"), Path(directory, "broken")
        found.mkdir()
        broken.mkdir()
        for body in (*target.seeds(), *read_corpus(target).values()):
            (found / name_of(body)).write_bytes(body)
        options = [
            str(found),
            f"-artifact_prefix={broken}/",
            f"-max_total_time={seconds:.0f}",
            f"-max_len={target.size_max}",
            f"-timeout={INPUT_S_MAX}",
            f"-rss_limit_mb={MEMORY_MB_MAX}",
        ]
        command = [sys.executable, __file__, name, "--inside", *(f" {o}" for o in options)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        crashes = [file.read_bytes() for file in sorted(broken.iterdir())]
        print(f"{name}: {summary(run.stderr)}", flush=True)
        if run.returncode or crashes:
            print("\n".join(run.stdout.splitlines()[-30:] or run.stderr.splitlines()[-30:]))
        for body in crashes:
            print(f"  broken by {add_crash(target, body)}")
        bodies = [file.read_bytes() for file in found.iterdir()]
        if not crashes and not run.returncode:
            print(f"  corpus: {write_corpus(target, bodies)} files beside the seeds", flush=True)
        return not crashes and not run.returncode


def summary(log: str) -> str:
    """Find the fuzzer's last line of numbers."""
    lines = [line for line in log.splitlines() if re.match(r"#\d+\s", line)]
    return " ".join(lines[-1].split()) if lines else "no input was run"


def main() -> int:
    flags = parse_flags()
    if importlib.util.find_spec("atheris") is None:
        print(
            "atheris is not here: run with `uv run --with 'atheris>=3,<4' python …`",
            file=sys.stderr,
        )
        return 69
    if flags.inside is not None:
        fuzz_inside(flags.target, [option.strip() for option in flags.inside])
        return 0
    from table import TARGETS

    chosen = [name for name in TARGETS if flags.target == "all" or flags.target in name]
    if not chosen:
        print(
            f"no target has {flags.target!r} in its name; there are:",
            *TARGETS,
            sep="\n  ",
            file=sys.stderr,
        )
        return 2
    broken = [name for name in chosen if not fuzz(name, flags.seconds)]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
