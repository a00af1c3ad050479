"""`python -m sidereal.tools.simulate`: run seeds and say what the checkers found."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # The working directory: what lies there is no module of ours or Python's.

import argparse
from functools import partial
from typing import Final

from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.tools.publish import check_target, publish
from sidereal.tools.simulate.given.staging import Staging, stage
from sidereal.tools.simulate.plans.text import read_plan
from sidereal.tools.simulate.play import describe, explain, plan_of, play, play_counting
from sidereal.tools.simulate.runs import report
from sidereal.tools.simulate.runs.workers import run_all

PROGRAM: Final = "python -m sidereal.tools.simulate"
INTERRUPTED: Final = 130


def main() -> int:
    """Run what is asked for; 1 if a checker found something, 2 for a wrong flag."""
    words = _parse_words()
    try:
        check_target(words.json)
        staging = _read_staging(words)
        if words.seeds is not None:
            return _run_many(_read_seeds(words.seeds), words.jobs, words.json, staging)
        if words.plan is not None:
            outcome = play(read_plan(words.plan), staging)
            print(describe(outcome))
            return 1 if outcome.violations else 0
        return _run_one(words.seed, staging, trace=words.trace)
    except ConfigError as error:
        return _say(error, 2)
    except UnavailableError as error:
        return _say(error, 69)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run_one(seed: int, staging: Staging | None, *, trace: bool) -> int:
    if seed < 0:
        raise ConfigError("--seed must be 0 or more")
    outcome, tally = play_counting(plan_of(seed, staging), staging)
    if trace:
        print(seed, outcome.trace)
    elif outcome.violations:
        print(explain(outcome, staging=staging))
    else:
        print(describe(outcome))
        print("\n".join(report.describe_tally(tally)))
    return 1 if outcome.violations else 0


def _run_many(seeds: range, jobs: int, target: str | None, staging: Staging | None) -> int:
    """Play seeds, shrink what fails, and tell; Ctrl-C ends it with what has come so far."""
    if jobs < 1:
        raise ConfigError("--jobs must be 1 or more")
    run = report.Run(seeds)
    trouble = None
    try:
        for played in run_all(partial(report.play_seed, staging=staging), seeds, jobs, "seeds"):
            run.add(played)
        simplest = partial(explain, staging=staging)
        for text in run_all(simplest, run.to_explain(), jobs, "shrinking"):
            run.explained.append(text)
    except KeyboardInterrupt:
        pass
    except UnavailableError as error:
        trouble = error
    publish(report.make_report(run), report.describe(run), target)
    if trouble is not None:
        raise trouble
    return {"done": 0, "failed": 1, "interrupted": INTERRUPTED}[run.end]


def _read_staging(words: argparse.Namespace) -> Staging | None:
    if words.game is None:
        if words.world is not None or words.judges is not None:
            raise ConfigError("--world and --judges are of a game: give --game, too")
        return None
    staging = Staging(words.game, words.world, words.judges)
    stage(staging)
    return staging


def _read_seeds(text: str) -> range:
    first, colon, end = text.partition(":")
    if not colon or not first.isdecimal() or not end.isdecimal() or int(first) >= int(end):
        raise ConfigError(f"--seeds {text}: give the first and the end, as in 0:100")
    return range(int(first), int(end))


def _say(error: Exception, status: int) -> int:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
    return status


def _parse_words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Simulate whole clusters from seeds, in virtual time, under separate checkers. "
        "What fails shrinks to the simplest plan that fails like it.",
        epilog=f"Example: {PROGRAM} --seeds 0:1000 --jobs 2",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--seed", type=int, default=0, help="one seed (default: 0)")
    what.add_argument("--seeds", metavar="A:B", help="the seeds from A on, up to B without B")
    what.add_argument("--plan", metavar="JSON", help="a plan, as a failure prints it")
    parser.add_argument(
        "--game", metavar="MODULE:NAME", help="a game to play (default: the simulator's own)"
    )
    parser.add_argument("--world", metavar="NAME", help="of that game (default: its first one)")
    parser.add_argument(
        "--judges", metavar="MODULE:NAME", help="a function that makes checkers of that game"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes for --seeds (default: 1)")
    parser.add_argument("--trace", action="store_true", help="print seed and trace only")
    parser.add_argument(
        "--json", metavar="PATH", help="file for the report of --seeds; - is standard output"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
