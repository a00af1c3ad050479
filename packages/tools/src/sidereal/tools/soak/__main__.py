"""`python -m sidereal.tools.soak`: run one and say what the checker found."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # The working directory: what lies there is no module of ours or Python's.

import argparse
import dataclasses
from typing import Final

import trio

from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.runtime.process import run_until_told, settle_memory, start_logging
from sidereal.tools.publish import check_target, publish
from sidereal.tools.soak.config import SoakConfig
from sidereal.tools.soak.report import describe, make_report
from sidereal.tools.soak.service import SoakRun

PROGRAM: Final = "python -m sidereal.tools.soak"


def main() -> int:
    """Run a soak; 1 if a guarantee broke or memory grew, 2 for a wrong flag."""
    words = _parse_words()
    names = [field.name for field in dataclasses.fields(SoakConfig)]
    config = SoakConfig(**{name: getattr(words, name) for name in names})
    try:
        check_target(words.json)
        run = SoakRun(config)
        start_logging("soak")
        settle_memory()
        trio.run(run_until_told, run.run)
    except ConfigError as error:
        return _say(error, 2)
    except UnavailableError as error:
        return _say(error, 69)
    report = make_report(run)
    publish(report, describe(report), words.json)
    return 1 if report["exit"] == "failed" else 0


def _say(error: Exception, status: int) -> int:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
    return status


def _parse_words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Many clients come, talk over all channels and go, on real sockets and a bad "
        "link, and every guarantee of the transport is checked. Ctrl-C ends it with a report.",
        epilog=f"Example: {PROGRAM} --clients 50 --for 60 --loss 0.1",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--clients", type=int, help="clients at a time")
    add("--for", type=float, dest="for_s", metavar="SECONDS", help="time until all are sent home")
    add("--seed", type=int, help="of all that clients and links do")
    add("--loss", type=float, metavar="SHARE", help="of datagrams that are lost")
    add("--duplication", type=float, metavar="SHARE", help="of datagrams that come twice")
    add("--reordering", type=float, metavar="SHARE", help="of datagrams that others overtake")
    add("--delay-ms", type=float, metavar="MS", help="what every datagram takes")
    add("--jitter-ms", type=float, metavar="MS", help="what it takes more, at most")
    add("--json", metavar="PATH", help="file for the report; - is standard output")
    parser.set_defaults(**dataclasses.asdict(SoakConfig()))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
