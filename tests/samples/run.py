"""Draw single-point mutants of the cores with a seed, and see which of them tests kill.

    uv run --with 'cosmic-ray>=8.7,<9' python tests/samples/run.py --seed 7 --count 200

A mutant is tried in a copy of the tree: the tests of its module first, then three simulated
worlds, then all tests of cores, which `--quick` leaves out. What killed one must pass without it.
What lives is listed. What nobody can tell from the original is named with a reason in
`equivalent.toml` and counted apart. Verdicts are kept in `.samples/`, so that a run that was broken
off goes on; `--survivors` tries those again that lived and are not in that list. Exit status: 1
when of the mutants that make a difference fewer than 95 % died.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cores import ROOT
from draw import Mutant, draw
from equivalent import read_equivalent
from trial import Copy, Verdict

WANTED: Final = 0.95


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1, help="mutants tried at once")
    parser.add_argument("--quick", action="store_true", help="only the nearest tests and worlds")
    parser.add_argument("--survivors", action="store_true", help="try again what lived and may die")
    parser.add_argument("--anew", action="store_true", help="forget all verdicts of this seed")
    return parser.parse_args()


class Verdicts:
    """What is known of the mutants of one seed, in a file that is only appended to."""

    def __init__(self, seed: int) -> None:
        self._file = ROOT / ".samples" / f"seed-{seed}.jsonl"
        self._file.parent.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self.by_key: dict[str, Verdict] = {}
        if self._file.exists():
            for line in self._file.read_text().splitlines():
                key, *verdict = json.loads(line)
                self.by_key[key] = Verdict(*verdict)

    def forget(self) -> None:
        """Begin again."""
        self._file.unlink(missing_ok=True)
        self.by_key.clear()

    def add(self, mutant: Mutant, verdict: Verdict) -> None:
        """Keep one."""
        with self._lock:
            self.by_key[mutant.key] = verdict
            with self._file.open("a") as file:
                file.write(json.dumps([mutant.key, *verdict]) + "\n")
            word = f"killed by {verdict.killed_by}" if verdict.killed_by else "LIVED"
            text = f"{place(mutant)} {mutant.operator}: {word} ({verdict.seconds:.0f} s)"
            print(text, flush=True)


def place(mutant: Mutant) -> str:
    return f"{mutant.file.as_posix().split('sidereal/', 1)[1]}:{mutant.line}"


def try_all(mutants: Iterable[Mutant], jobs: int, quick: bool, verdicts: Verdicts) -> list[str]:
    """Try mutants.

    Returns:
        tests that killed one and fail without any, too.
    """
    waiting = iter(list(mutants))
    broken_off = threading.Event()

    def work(copy: Copy) -> None:
        for mutant in waiting:
            if broken_off.is_set():
                return
            verdicts.add(mutant, copy.try_mutant(mutant, quick))

    with (
        tempfile.TemporaryDirectory(prefix="sidereal-samples-") as directory,
        ThreadPoolExecutor(jobs) as pool,
    ):
        copies = [Copy(Path(directory, str(number))) for number in range(jobs)]
        try:
            list(pool.map(work, copies))
        finally:
            broken_off.set()
        killers = (verdict.killed_by for verdict in verdicts.by_key.values())
        return copies[0].fail_untouched(filter(None, killers))


def report(mutants: list[Mutant], verdicts: dict[str, Verdict]) -> bool:
    """Print what lived, and the figure.

    Returns:
        whether enough died.
    """
    reasons = read_equivalent()
    killed = [m for m in mutants if verdicts[m.key].killed_by is not None]
    lived = [m for m in mutants if verdicts[m.key].killed_by is None]
    for mutant in sorted(lived, key=place):
        print(f"\n{place(mutant)} in {mutant.function or 'the module'}: {mutant.operator}")
        print(*(f"  - {line}" for line in mutant.before.splitlines()), sep="\n")
        print(*(f"  + {line}" for line in mutant.after.splitlines()), sep="\n")
        if mutant.key in reasons:
            print(f"  equivalent: {reasons[mutant.key]}")
    equivalent = sum(mutant.key in reasons for mutant in lived)
    different = len(mutants) - equivalent
    at_import = sum("::" not in (verdicts[m.key].killed_by or "") for m in killed)
    print(
        f"\n{len(mutants)} mutants: {len(killed)} killed ({at_import} of them outside of any one "
        f"test), {equivalent} equivalent, {len(lived) - equivalent} lived: "
        f"{len(killed)} of {different} are {len(killed) / different:.1%}"
    )
    return len(killed) >= WANTED * different


def main() -> int:
    flags = parse_flags()
    verdicts = Verdicts(flags.seed)
    if flags.anew:
        verdicts.forget()
    mutants = draw(flags.seed, flags.count)
    known = verdicts.by_key
    untried = [m for m in mutants if m.key not in known]
    if flags.survivors:
        lived = [m for m in mutants if m.key in known and known[m.key].killed_by is None]
        untried += [m for m in lived if m.key not in read_equivalent()]
    unreliable = try_all(untried, flags.jobs, flags.quick, verdicts) if untried else []
    if unreliable:
        sys.exit(f"these fail without any mutant: {unreliable}")
    return 0 if report(mutants, verdicts.by_key) else 1


if __name__ == "__main__":
    sys.exit(main())
