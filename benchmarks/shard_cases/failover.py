"""How long ships stand when the shard that simulates them is killed.

Real processes: `up` with bots, in a game in which nobody loses a ship, and some pilots that are
told whose their ships are. Again and again the shard with most of the pilots' ships gets `kill -9`.
A ship is live again with the first state that answers an input made after that: what its new owner
has proposed was committed, and has been sent. That is when its pilot sees it move, a part of a tick
after the commit.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from fault_cases.pilots import Pilot, fly
from fault_cases.running import World, flying, kill, up, wait_until
from flights import FLIGHTS

BOTS: Final = 100
SHARDS: Final = 2
PILOTS: Final = 10
KILLS: Final = 20
SETTLES_S: Final = 4.0
"""How long pilots fly between two deaths: by then the supervisor has another process ready."""
LOOK_S: Final = 0.005
LIVE_S_MAX: Final = 20.0


class Failover(NamedTuple):
    """What came of all deaths.

    Attributes:
        live_s: float64[n], seconds from each `kill -9` until each ship of a pilot was live again.
        kills: how many there were.
        left: clients that were disconnected.
        rejected: rows that were refused, by reason.
    """

    live_s: np.ndarray
    kills: int
    left: int
    rejected: dict[str, int]

    @property
    def p95_s(self) -> float:
        """Of all ships."""
        return float(np.quantile(self.live_s, 0.95))


def measure(spares: int, *, quick: bool) -> Failover:
    """Kill shards, each time when those before are back.

    Args:
        spares: shards that wait for it.
        quick: whether fewer deaths and bots will do.
    """
    bots, kills = (30, 5) if quick else (BOTS, KILLS)
    flags = ["--spares", spares] if spares else []
    with up("--game", FLIGHTS, "--shards", SHARDS, "--bots", bots, *flags) as world:
        world.wait_flying(bots)
        pilots = [Pilot(world.url, number, mirror=True, game=FLIGHTS) for number in range(PILOTS)]
        whole = partial(_is_whole, world, pilots, SHARDS + spares, bots + PILOTS)
        live_s: list[float] = []
        for number in range(kills):
            status = wait_until(whole, "all is simulated") or {}
            took_s = _kill_one(pilots, status)
            live_s += took_s
            print(
                f"failover, {spares} spares, {number + 1} of {kills}: {len(took_s)} ships, "
                f"the last after {max(took_s):.3f} s",
                file=sys.stderr,
                flush=True,
            )
        status = wait_until(whole, "all is simulated") or {}
        left = len(re.findall(r"client_left", world.program.log))
        for pilot in pilots:
            pilot.leave()
    return Failover(np.array(live_s), kills, left, status["replication"]["rejected"])


def _is_whole(
    world: World, pilots: Sequence[Pilot], shards: int, clients: int
) -> dict[str, Any] | None:
    """Let pilots fly for a while; then give the status if everything is simulated, and by whom."""
    fly(pilots, SETTLES_S)
    status = world.status()
    if status is None or flying(status) != clients or len(status["shards"]) != shards:
        return None
    waiting = status["replication"]["handovers_waiting"] + sum(
        shard["adopting"] for shard in status["shards"]
    )
    owned = sum(shard["entities"] for shard in status["shards"])
    whole = not waiting and owned == status["replication"]["entities"]
    return status if whole and all(pilot.owner for pilot in pilots) else None


def _kill_one(pilots: Sequence[Pilot], status: dict[str, Any]) -> list[float]:
    """Kill the shard with most of the pilots' ships: seconds until each of these was live again."""
    dead, _ = Counter(pilot.owner for pilot in pilots).most_common(1)[0]
    (pid,) = [shard["pid"] for shard in status["shards"] if shard["id"] == dead]
    theirs = [pilot for pilot in pilots if pilot.owner == dead]
    kill(pid)
    killed_at = time.monotonic()
    waiting = {pilot: pilot.made for pilot in theirs}
    live_s: list[float] = []

    def look() -> bool:
        for pilot in pilots:
            pilot.turn()
        now = time.monotonic()
        for pilot in [pilot for pilot, made in waiting.items() if pilot.answered > made]:
            del waiting[pilot]
            live_s.append(now - killed_at)
        return not waiting

    wait_until(look, "the ships of a dead shard fly again", LIVE_S_MAX, LOOK_S)
    return live_s


def tabulate(found: dict[int, Failover]) -> list[str]:
    """Make a table for people, by the number of spares."""
    titles = (
        *("spares", "kills", "ships", "live again: median, s", "p95, s", "the last, s"),
        *("clients disconnected", "rows refused"),
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for spares, one in found.items():
        cells = (
            *(spares, one.kills, len(one.live_s), f"{np.median(one.live_s):.3f}"),
            *(f"{one.p95_s:.3f}", f"{one.live_s.max():.3f}", one.left),
            sum(one.rejected.values()),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines
