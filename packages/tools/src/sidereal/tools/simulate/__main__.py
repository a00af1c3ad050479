"""`python -m sidereal.tools.simulate`: run seeds and say what the checkers found."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # The working directory: what lies there is no module of ours or Python's.

import argparse

from sidereal.tools.simulate.play import describe, plan_of, play


def main() -> int:
    """Run the seeds asked for; 1 if a checker found something."""
    parser = argparse.ArgumentParser(
        prog="python -m sidereal.tools.simulate",
        description="Simulate a whole cluster from a seed, in virtual time.",
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--count", type=int, default=1, help="how many seeds (default: 1)")
    parser.add_argument("--trace", action="store_true", help="print seeds and traces only")
    arguments = parser.parse_args()
    if arguments.seed < 0 or arguments.count < 1:
        parser.error("--seed must be 0 or more, and --count 1 or more")
    failed = 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        outcome = play(plan_of(seed))
        failed += bool(outcome.violations)
        if arguments.trace:
            print(seed, outcome.trace)
        elif outcome.violations or arguments.count == 1:
            print(describe(outcome))
    if arguments.count > 1 and not arguments.trace:
        print(f"{arguments.count} seeds, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
