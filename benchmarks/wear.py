"""What becomes of a world that goes on and on: `uv run python benchmarks/wear.py`.

Runs `sidereal up --shards 2 --bots 12` with the world `belt` and a new database for half an hour,
looks at it every few seconds, and compares the medians of an early and a late part of the run
(minutes 5 to 10 and 25 to 30, or as `--windows` says). Cases: leases; bytes sent to each client;
processor time per tick of the server, of the shards and of the bots; private memory of every
process. The same entities must be there, and none further out than the sector next to the belt. A
ratio is late to early; the run fails when one of them is off by more than `--tolerance`. Rows that
shards propose in a tick are told beside them.

Processors that others share, or that get warm, take longer for the same work. So this process does
a fixed piece of work in every sample, and ratios of processor time are in that measure: what it
took, late to early, is the case `yardstick_ms`. The work is like that of a world: some ticks of
snapshots, each after a rest in which others have the caches. A short loop did not notice others
with whom the very same ticks took a fifth longer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from processes import ROLES, descendants, role_of
from replication import Crowd
from results import make_parser, publish, result, table

from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.memory import private_bytes

BOTS: Final = 12
SAMPLE_S: Final = 5.0
QUICK: Final = ((0.25, 0.6), (0.8, 1.15))
"""Windows of `--quick`, minutes: long enough to see that everything is measured."""
WORKERS: Final = ("replication", "shard", "bots")
"""Roles whose processor time is compared."""
EXPLAINING: Final = ("rows_per_tick", "yardstick_ms")
"""Cases that need not stay as they were: others follow from them."""
YARD_ENTITIES: Final = 2000
YARD_SHARE: Final = 0.02
YARD_SECTORS: Final = 5
YARD_TICKS: Final = 10
CLOCK_HZ: Final = os.sysconf("SC_CLK_TCK")


class Window(NamedTuple):
    """A part of the run, minutes from when the world was ready."""

    begin: float
    end: float


class Sample(NamedTuple):
    """The world at some time.

    Attributes:
        at_s: seconds since it was ready.
        totals: numbers that only grow, by case.
        gauges: numbers as they are, by case.
        entities: in the world.
        sectors_outside: how far beyond the belt the farthest of them is, in sectors.
    """

    at_s: float
    totals: dict[str, float]
    gauges: dict[str, float]
    entities: int
    sectors_outside: int


def parse_window(text: str) -> Window:
    """Read `5-10` as minutes."""
    begin, end = map(float, text.split("-"))
    if not 0 <= begin < end:
        raise argparse.ArgumentTypeError(f"{text} is no part of a run")
    return Window(begin, end)


# -- looking ------------------------------------------------------------------------------------


def cpu_s_of(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_HZ


def yardstick_ms() -> float:
    """Processor time that a tick of a fixed piece of work takes, ms."""
    crowd, spent_s = Crowd(BOTS, YARD_ENTITIES, YARD_SHARE, sectors=YARD_SECTORS), []
    for _ in range(YARD_TICKS):
        time.sleep(Rules().tick_s)
        began_s = time.thread_time()
        crowd.deliver(crowd.tell(crowd.advance()))
        spent_s.append(time.thread_time() - began_s)
    # In the first one clients are sent everything.
    return 1000.0 * statistics.median(spent_s[1:])


def look_at_processes(pid: int) -> tuple[dict[str, float], dict[str, float]]:
    """Measure a world's processes: seconds of processor by role, and MB of memory by role."""
    cpu_s, memory_mb = dict.fromkeys(ROLES, 0.0), dict.fromkeys(ROLES, 0.0)
    for child in descendants(pid):
        try:
            role = role_of(child)
            if role in cpu_s:
                cpu_s[role] += cpu_s_of(child)
                memory_mb[role] += private_bytes(child) / 1e6
        except OSError:  # one of PostgreSQL's that has ended meanwhile
            continue
    return cpu_s, memory_mb


def take_sample(http: httpx.Client, pid: int, at_s: float) -> Sample:
    """Look at the world and its processes."""
    status: dict[str, Any] = http.get("/v1/status").json()
    replication = status["replication"]
    low, high = (round(edge / Rules().sector_size) for edge in (BELT_LOW, BELT_HIGH))
    outside = [
        max(low - min(sector["x"], sector["y"]), max(sector["x"], sector["y"]) - high + 1)
        for sector in status["sectors"]
        if sector["entities"]
    ]
    cpu_s, memory_mb = look_at_processes(pid)
    totals = {
        "tick": status["tick"],
        "bytes_out": replication["bytes_out"],
        "rows": replication["proposals"],
        **{f"cpu_s.{role}": cpu_s[role] for role in WORKERS},
    }
    gauges = {"leases": len(status["sectors"]), "clients": replication["clients"]}
    gauges["yardstick_ms"] = yardstick_ms()
    gauges |= {f"memory_{role}_mb": memory_mb[role] for role in ROLES}
    return Sample(at_s, totals, gauges, replication["entities"], max(outside, default=0))


def watch(process: subprocess.Popen[str], url: str, minutes: float) -> Iterator[Sample]:
    """Look at a world every few seconds."""
    began_at = time.monotonic()
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:
        while (at_s := time.monotonic() - began_at) <= 60.0 * minutes:
            yield take_sample(http, process.pid, at_s)
            passed = time.monotonic() - began_at - at_s
            time.sleep(max(0.0, SAMPLE_S - passed))


def run_world(minutes: float) -> list[Sample]:
    """Run one world; it must end without errors, and with all its bots."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "sidereal.tools", "up", "--shards", "2"]
        command += ["--world", "belt"]
        command += ["--bots", str(BOTS), "--data-dir", data, "--json", f"{data}/report.json"]
        command += ["--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            samples = list(watch(process, wait_until_ready(process), minutes))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
        report = json.loads(Path(data, "report.json").read_text())
    assert process.returncode == 0, process.returncode
    assert not report["errors"], report["errors"]
    assert report["bots"]["connected"] == BOTS, report["bots"]
    return samples


def wait_until_ready(process: subprocess.Popen[str]) -> str:
    """Read what the world says until it gives its address."""
    assert process.stderr is not None
    for line in process.stderr:
        if ready := re.match(r"The world is ready at (\S+)", line):
            return ready[1]
    raise SystemExit("the world ended before it was ready")


# -- comparing ----------------------------------------------------------------------------------


def medians(samples: list[Sample], window: Window) -> dict[str, float]:
    """Give the median of every case over a part of the run."""
    part = [s for s in samples if 60.0 * window.begin <= s.at_s < 60.0 * window.end]
    assert len(part) > 2, f"only {len(part)} samples in minutes {window.begin:g}-{window.end:g}"
    cases = {name: [s.gauges[name] for s in part] for name in part[0].gauges if name != "clients"}
    for before, after in pairwise(part):
        gained = {name: after.totals[name] - before.totals[name] for name in after.totals}
        per_client = gained["bytes_out"] / (after.at_s - before.at_s) / after.gauges["clients"]
        cases.setdefault("bytes_per_client_per_s", []).append(per_client)
        cases.setdefault("rows_per_tick", []).append(gained["rows"] / gained["tick"])
        for role in WORKERS:
            cpu_ms = 1000.0 * gained[f"cpu_s.{role}"] / gained["tick"]
            cases.setdefault(f"cpu_per_tick_{role}_ms", []).append(cpu_ms)
    return {name: statistics.median(values) for name, values in cases.items()}


def unit_of(case: str) -> str:
    """Unit of a case, from the end of its name."""
    if case == "bytes_per_client_per_s":
        return "B/s"
    return {"mb": "MB", "ms": "ms"}.get(case.rpartition("_")[2], "")


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--windows", nargs=2, type=parse_window, metavar="MINUTES")
    parser.add_argument("--tolerance", type=float, default=0.1, help="a tenth unless told")
    flags = parser.parse_args()
    windows = flags.windows or [Window(5, 10), Window(25, 30)]
    if flags.quick and flags.windows is None:
        windows = [Window(*window) for window in QUICK]
    samples = run_world(max(window.end for window in windows))
    early, late = (medians(samples, window) for window in windows)
    results, worn = {}, []
    titles = [f"{window.begin:g}-{window.end:g} min" for window in windows]
    print(f"{'':26} {titles[0]:>12} {titles[1]:>12} {'ratio':>7}", file=table(flags))
    for case, before in early.items():
        ratio = late[case] / before if before else float(late[case] == before)
        if case.startswith("cpu_per_tick"):
            ratio /= late["yardstick_ms"] / early["yardstick_ms"]
        results[case] = result(late[case], unit_of(case), titles[0], ratio)
        worn += [case] if case not in EXPLAINING and abs(ratio - 1.0) > flags.tolerance else []
        print(
            f"{case:26} {before:12.2f} {late[case]:12.2f} {ratio:7.3f} {unit_of(case)}",
            file=table(flags),
        )
    settled = [s for s in samples if s.at_s >= 60.0 * windows[0].begin]
    entities = {s.entities for s in settled}
    farthest = max(s.sectors_outside for s in settled)
    print(f"entities {sorted(entities)}, farthest {farthest} sectors outside", file=table(flags))
    publish(flags, results)
    worn += ["entities"] if len(entities) > 1 else []
    worn += ["sectors_outside"] if farthest > 1 else []
    if worn:
        print(f"not as before: {', '.join(worn)}", file=sys.stderr)
    return 1 if worn else 0


if __name__ == "__main__":
    sys.exit(main())
