"""Worlds that are hurt, and what becomes of them: `uv run python benchmarks/faults.py [CASE ...]`.

Every case starts real processes on free ports, with a new data directory, hurts them as the
faults did that were found by use, and prints its figures beside what is asked of them. One that is
missed makes the exit status 1. Cases:

    shards_killed  both shards are killed every 3 s, for two minutes
    server_killed  the replication server is killed, ten bots steer, all processors are busy
    hostile_shard  a shard with the right key says everything two hundred times
    honest_logins  90 wrong logins at a time beside eight right ones; 11 wrong ones in a row
    stopped        the world is stopped for 13 s; the link of its bots is cut for 10 s
    adoption       a shard is given 200,000 entities when another one is killed
    half_open      150 connections that say nothing, 96 descriptors; the database restarts
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

from fault_cases.crowds import half_open, honest_logins
from fault_cases.deaths import server_killed, shards_killed
from fault_cases.figures import TITLES, Figure
from fault_cases.handovers import adoption, hostile_shard
from fault_cases.running import MissedError
from fault_cases.stalls import stopped
from results import make_parser, publish, result, table

Case = Callable[[bool], list[Figure]]
CASES: Final[dict[str, Case]] = {
    case.__name__: case
    for case in (
        shards_killed,
        server_killed,
        hostile_shard,
        honest_logins,
        stopped,
        adoption,
        half_open,
    )
}


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all unless told")
    flags = parser.parse_args()
    unknown = [name for name in flags.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {unknown[0]!r}; there are: {', '.join(CASES)}")
    out, results, missed = table(flags), {}, []
    rows = [f"| {' | '.join(TITLES)} |", "| --- " * len(TITLES) + "|"]
    for name in flags.cases or CASES:
        began_at = time.monotonic()
        try:
            figures = CASES[name](flags.quick)
        except MissedError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            missed.append(name)
            continue
        took_s = time.monotonic() - began_at
        print(f"{name}: {took_s:.0f} s", file=sys.stderr, flush=True)
        for at, figure in enumerate(figures):
            rows.append(figure.row("" if at else f"`{name}`"))
            asked = figure.asked or None
            key = f"{name}_{figure.key}"
            results[key] = result(figure.value, figure.unit, asked, figure.ratio)
            missed += [] if figure.met else [key]
    print("\n".join(rows), file=out)
    publish(flags, results)
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
