"""Processes that are killed: shards, again and again, and the replication server."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from fault_cases.figures import Figure, worst_of
from fault_cases.pilots import Pilot, fly
from fault_cases.running import World, busy_processors, kill, up, wait_until

SHARDS: Final = 2
PILOTS: Final = 6
BOTS: Final = 10
TICK_S: Final = 0.05
KILL_EVERY_S: Final = 3.0
SAMPLE_S: Final = 0.1
FRESH_TICKS: Final = 5
"""A shard serves when its newest proposal is no older: a quarter of a second."""
STEADY_S: Final = 6.0
"""How long a server must have lived before it is killed: it has served, and all is saved."""
WATCH_S: Final = 1.5
"""How long it is looked at closely before."""


# -- shards ---------------------------------------------------------------------------------------


def shards_killed(quick: bool) -> list[Figure]:
    """Kill both shards every three seconds, for two minutes; then both, and hold up `up`."""
    rounds = 5 if quick else 40
    with up("--shards", SHARDS) as world:
        pilots = [Pilot(world.url, number) for number in range(PILOTS)]
        wait_until(partial(all_fly, pilots), "pilots fly")
        with sampled(world) as samples:
            for _ in range(rounds):
                kill(*world.pids_of("shard"))
                fly(pilots, KILL_EVERY_S)
        drifts = [drift for pilot in pilots for drift in pilot.drifts]
        for pilot in pilots:
            pilot.leave()
        stood_s, from_kill_s = stand_still(world)
    share = 100.0 * sum(samples) / len(samples)
    return [
        Figure("served_share", "samples in which a shard serves", share, "%", at_least=80.0),
        Figure(
            "drift_max", "farthest that a ship went unserved", max(drifts, default=0.0), "units"
        ),
        Figure("stand_s", "ticks go on without a shard for", stood_s, "s", at_most=2.0),
        Figure("stand_from_kill_s", "the same from `kill -9` on", from_kill_s, "s"),
    ]


def all_fly(pilots: Sequence[Pilot]) -> bool:
    """Let pilots have some turns; tell whether all of them are in their ships."""
    fly(pilots, SAMPLE_S)
    return all(pilot.flies for pilot in pilots)


def is_served(status: dict[str, Any]) -> bool:
    """Whether a living shard simulates the world now."""
    return any(
        shard["newest_tick"] >= status["tick"] - FRESH_TICKS
        and Path(f"/proc/{shard['pid']}").exists()
        for shard in status["shards"]
    )


@contextmanager
def sampled(world: World) -> Iterator[list[bool]]:
    """Look again and again whether a world is served, while the context is open."""
    samples: list[bool] = []
    over = threading.Event()
    own = World(world.program, world.url)

    def look() -> None:
        while not over.wait(SAMPLE_S):
            status = own.status()
            samples.append(status is not None and is_served(status))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
        own.close()


def stand_still(world: World) -> tuple[float, float]:
    """Kill all shards while nobody starts them again, until the ticks stand.

    Returns:
        seconds of the world's clock that passed without a shard, and since they were killed.
    """
    world.wait_status(lambda s: len(s["shards"]) == SHARDS, "the shards are back")
    supervisor = world.program
    supervisor.tell(signal.SIGSTOP)
    try:
        before = world.wait_status(is_served, "the world is served")["tick"]
        kill(*world.pids_of("shard"))
        stood = world.wait_status(lambda s: s["stands_still"], "the ticks stand")
    finally:
        supervisor.tell(signal.SIGCONT)
    left = max(e["tick"] for e in stood["events"] if e["event"] == "shard_left")
    return (stood["tick"] - left) * TICK_S, (stood["tick"] - before) * TICK_S


# -- the replication server -----------------------------------------------------------------------


class Death(NamedTuple):
    """One death of the server.

    Attributes:
        lost_s: by how much the saved clock was behind.
        ready: whether it said that it was ready when it was killed.
        back_s: until all clients flew again.
    """

    lost_s: float
    ready: bool
    back_s: float


def server_killed(quick: bool) -> list[Figure]:
    """Kill the replication server of ten bots that steer, while all processors are busy."""
    with up("--shards", SHARDS, "--bots", BOTS) as world:
        world.wait_flying(BOTS, STEADY_S)
        with busy_processors():
            deaths = [kill_server(world) for _ in range(2 if quick else 5)]
    unwarned = [death.lost_s for death in deaths if death.ready]
    asked = []
    if unwarned:
        asked = [worst_of("lost_ready_s", "motion lost while ready", unwarned, at_most=0.5)]
    return [
        *asked,
        worst_of("lost_s", "motion lost, ready or not", [death.lost_s for death in deaths]),
        Figure("unwarned", f"of {len(deaths)} deaths, with readiness green", len(unwarned)),
        worst_of("back_s", "until all ten clients fly again", [death.back_s for death in deaths]),
    ]


def kill_server(world: World) -> Death:
    """Kill the server once it is steady, and wait until everybody is back."""
    world.wait_flying(BOTS, STEADY_S)
    (server,) = world.pids_of("replication")
    recoveries = len(recovered_ticks(world))
    tick, at = watch_closely(world)
    ready = world.readiness().ready
    kill(server)
    killed_at = time.monotonic()
    # What the tick was by then, if it went on in time: rather too late than too early.
    tick += (killed_at - at) / TICK_S
    wait_until(lambda: len(recovered_ticks(world)) > recoveries, "it is started again")
    lost_s = (tick - recovered_ticks(world)[-1]) * TICK_S
    back_at = world.wait_flying(BOTS, 3.0)
    return Death(max(0.0, lost_s), ready, back_at - killed_at)


def watch_closely(world: World) -> tuple[float, float]:
    """Look at the tick for a while.

    Returns:
        the newest one, and the monotonic second of the request that showed it first: a status
        serves everybody who asks for a moment, so only then is it known how old it is.
    """
    tick, at = -1.0, 0.0
    until = time.monotonic() + WATCH_S
    while (asked_at := time.monotonic()) < until or tick < 0:
        status = world.status()
        if status is not None and status["tick"] != tick:
            tick, at = status["tick"], asked_at
        time.sleep(0.02)
    return tick, at


def recovered_ticks(world: World) -> list[int]:
    """With which ticks the server has begun, each time that it was started."""
    return [int(tick) for tick in re.findall(r"recovered tick=(\d+)", world.program.log)]
