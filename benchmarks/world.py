"""A whole world under load: `uv run python benchmarks/world.py`.

Runs `sidereal up --shards 2 --bots 50 --for 30` with the world `belt` and a new database, three
times, and takes the median of each figure. Cases: `ready_s` from the command to the world being
ready, `tick_*_ms` of the replication server, `snapshot_hz_p50` over the bots, `input_to_view_*_ms`
from the moment an input was due to the snapshot that shows it, and the processor time of the three
kinds of process in percent of a core.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time

from results import parse_flags, publish, result, table

BOTS = 50
UNITS = {
    "ready_s": "s",
    "tick_p50_ms": "ms",
    "tick_p99_ms": "ms",
    "snapshot_hz_p50": "Hz",
    "input_to_view_p50_ms": "ms",
    "input_to_view_p99_ms": "ms",
    "replication_core_percent": "%",
    "shard_core_percent": "%",
    "bots_core_percent": "%",
}


def run_world(seconds: int) -> dict[str, float]:
    """Run one world; its report must be without errors, rejections and missing bots."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "sidereal.tools", "up", "--shards", "2"]
        command += ["--world", "belt"]
        command += ["--bots", str(BOTS), "--for", str(seconds), "--data-dir", data]
        command += ["--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0"]
        began_at = time.monotonic()
        process = subprocess.Popen(
            [*command, "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("The world is ready"):
                break
        ready_s = time.monotonic() - began_at
        output, _ = process.communicate()
    report = json.loads(output)
    server, bots = report["replication"], report["bots"]
    assert report["exit"] == "done", report["exit"]
    assert not report["errors"], report["errors"]
    assert not server["rejected"], server["rejected"]
    assert server["handovers"] > 0
    assert bots["connected"] == BOTS, bots
    return {
        "ready_s": ready_s,
        "tick_p50_ms": server["tick_ms"]["p50"],
        "tick_p99_ms": server["tick_ms"]["p99"],
        "snapshot_hz_p50": bots["snapshot_hz"]["p50"],
        "input_to_view_p50_ms": bots["input_to_view_ms"]["p50"],
        "input_to_view_p99_ms": bots["input_to_view_ms"]["p99"],
        "replication_core_percent": server["cpu_percent"],
        "shard_core_percent": max(shard["cpu_percent"] for shard in report["shards"]),
        "bots_core_percent": bots["cpu_percent"],
    }


def main() -> None:
    flags = parse_flags(__doc__)
    runs = [run_world(10 if flags.quick else 30) for _ in range(1 if flags.quick else 3)]
    results = {}
    for case, unit in UNITS.items():
        values = sorted(run[case] for run in runs)
        results[case] = result(statistics.median(values), unit)
        print(
            f"{case:26} {statistics.median(values):9.2f} {unit:3} "
            f"({values[0]:.2f} to {values[-1]:.2f})",
            file=table(flags),
        )
    publish(flags, results)


if __name__ == "__main__":
    main()
