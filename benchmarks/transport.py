"""What the transport does: `uv run python benchmarks/transport.py`.

Both ends are in this process and take turns on a plain loop over loopback UDP; everything is
encrypted, and everything that arrives is compared with what was sent.

`unreliable_1000B_per_s`: unreliable messages of 1,000 bytes, in bursts of 128; the peer is aioquic
with datagram frames. `reliable_100B_per_s`: reliable ordered messages of 100 bytes, in bursts of
512; the peer is ENet through pyenet, not encrypted. `bulk_MB_per_s`: reliable messages of 1 MiB,
four queued; the peer is aioquic with one stream. Ours and the peer's runs alternate; values are
medians, and a ratio is the median of those of one run to the next. `handshakes_per_s`: complete
connects per second of processor time, both ends' work, on a server with 4,096 slots. `flood_us`:
processor time of a server per datagram without a key, of the worst kind of flood.
`lossy_latency_round_trips_p99`: how late reliable ordered messages at 20 Hz come over a link of
250 ms, 50 ms jitter, 5 % loss and 2 % duplicates each way, in round trips, the worst of four ways
to live on it; virtual time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import transport_loopback
import trio
from results import parse_flags, publish, result, table
from transport_flood import measure_floods
from transport_handshakes import CROWD, measure_handshakes
from transport_latency import HABITS, measure_latencies
from transport_loopback import Loopback, measure

PEERS: Final = Path(__file__).parent / "peers"
CASE_WIDTH: Final = 36
PEER_S_MAX: Final = 180.0
"""A peer's run, and to install it the first time, takes no longer."""


class Throughput(NamedTuple):
    """A case that a peer can do, too."""

    name: str
    unit: str
    ours: Callable[[Loopback, float], float]
    peer_script: str


THROUGHPUTS: Final = (
    Throughput("unreliable_1000B_per_s", "per s", transport_loopback.unreliable, "quic.py"),
    Throughput("reliable_100B_per_s", "per s", transport_loopback.reliable, "pyenet.py"),
    Throughput("bulk_MB_per_s", "MB/s", transport_loopback.bulk, "quic.py"),
)


class PeerRun(NamedTuple):
    """What a peer's script reports."""

    peer: str
    value: float


class PeerUnavailableError(Exception):
    """There is no such peer on this machine, and why."""


def run_peer(script: str, case: str, seconds: float) -> PeerRun:
    """Let a peer do the same work, in a process and an environment of its own.

    Raises:
        PeerUnavailableError: it cannot be installed or run here.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = ["uv", "run", "--quiet", "--python", python, "--script", str(PEERS / script)]
    command += [case, "--seconds", str(seconds)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=PEER_S_MAX
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        raise PeerUnavailableError(lines[-1]) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailableError(str(error)) from None
    return PeerRun(**json.loads(done.stdout))


def compare(flags: argparse.Namespace, case: Throughput) -> dict:
    """Run ours and the peer's in turn: the speed of a machine drifts."""
    runs, seconds = (2, 0.5) if flags.quick else (7, 3.0)
    ours: list[float] = []
    theirs: list[PeerRun] = []
    refusal = ""
    for _ in range(runs):
        ours.append(trio.run(measure, case.ours, seconds))
        if not refusal:
            try:
                theirs.append(run_peer(case.peer_script, case.name, seconds))
            except PeerUnavailableError as error:
                refusal = str(error)
    print_line(flags, case.name, case.unit, ours)
    if refusal:
        print(f"{'':{CASE_WIDTH}} no peer: {refusal}", file=table(flags))
        return result(statistics.median(ours), case.unit)
    values = [run.value for run in theirs]
    ratio = statistics.median(mine / peers for mine, peers in zip(ours, values, strict=True))
    print_line(flags, f"  {theirs[0].peer}", case.unit, values, f"ratio {ratio:.2f}")
    return result(statistics.median(ours), case.unit, theirs[0].peer, ratio)


def print_line(
    flags: argparse.Namespace, name: str, unit: str, values: Sequence[float], remark: str = ""
) -> None:
    """Print a median, the range it comes from, and what else there is to say."""
    spread = f"({min(values):,.2f} to {max(values):,.2f})"
    line = f"{name:{CASE_WIDTH}} {statistics.median(values):12,.2f} {unit:6} {spread:28} {remark}"
    print(line.rstrip(), file=table(flags))


def shake_hands(flags: argparse.Namespace) -> dict:
    costs = trio.run(measure_handshakes, 2 if flags.quick else 40)
    rates = [1 / cost.all_s for cost in costs]
    server_us = statistics.median(cost.server_s for cost in costs) * 1e6
    share = statistics.median(cost.server_s / cost.all_s for cost in costs)
    remark = f"of it the server's: {server_us:.0f} us, {share:.0%}; {CROWD} at a time"
    print_line(flags, "handshakes_per_s", "per s", rates, remark)
    return result(statistics.median(rates), "per s")


def flood(flags: argparse.Namespace) -> dict:
    costs = trio.run(measure_floods, 20 if flags.quick else 300)
    for name, cost in costs.items():
        print(f"  {name:{CASE_WIDTH - 2}} {cost:12.2f} us", file=table(flags))
    worst = max(costs, key=costs.__getitem__)
    print(f"{'flood_us':{CASE_WIDTH}} {costs[worst]:12.2f} us     {worst}", file=table(flags))
    return result(costs[worst], "us")


def arrive_late(flags: argparse.Namespace) -> dict:
    seeds, seconds = (2, 60.0) if flags.quick else (10, 100.0)
    worst = 0.0
    for habit in HABITS:
        latencies = measure_latencies(habit, seeds, seconds)
        p50, p99, p999 = np.percentile(latencies, (50, 99, 99.9)).tolist()
        print(
            f"  {habit!s:42} p50 {p50:.2f}  p99 {p99:.2f}  p99.9 {p999:.2f}  "
            f"max {latencies.max():.2f}  of {len(latencies):,} messages",
            file=table(flags),
        )
        worst = max(worst, p99)
    name = "lossy_latency_round_trips_p99"
    print(f"{name:{CASE_WIDTH}} {worst:12.2f} round trips", file=table(flags))
    return result(worst, "round trips")


def main() -> None:
    flags = parse_flags(__doc__)
    results = {case.name: compare(flags, case) for case in THROUGHPUTS}
    results["handshakes_per_s"] = shake_hands(flags)
    results["flood_us"] = flood(flags)
    results["lossy_latency_round_trips_p99"] = arrive_late(flags)
    publish(flags, results)


if __name__ == "__main__":
    main()
