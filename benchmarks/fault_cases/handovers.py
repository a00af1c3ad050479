"""Shards that are given much, and one that says too much."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import trio

from fault_cases import loud
from fault_cases.figures import Figure, worst_of
from fault_cases.running import (
    POLL_S,
    MissedError,
    Program,
    World,
    ended,
    kill,
    parts,
    scratch,
    shard,
    sidereal,
)
from sidereal.game import Body, Motion
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.game.spawns import Spawns
from sidereal.games.frontier import ASTEROID
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.postgres.postmaster import Embedded
from sidereal.replication.keeping.references import saved_alone
from sidereal.replication.keeping.store import open_store
from sidereal.replication.world import UUID

BOTS: Final = 4
LOUD_S: Final = 12.0
PACE_S: Final = 1.0
"""The slowest stretch of so long is looked for."""
ENTITIES: Final = 200_000
ENTITIES_QUICK: Final = 50_000
BATCH_ROWS: Final = 20_000
ADOPTED_S_MAX: Final = 150.0
LOOK_S: Final = 0.5
"""How often that is looked at: a status of so much costs a good part of a tick."""


class Pace(NamedTuple):
    """Ticks at a time, and the monotonic second at which this was seen first."""

    at: float
    tick: int


# -- one that floods ------------------------------------------------------------------------------


def hostile_shard(quick: bool) -> list[Figure]:
    """Let a shard with the right key flood, again and again, in a world that is flown in."""
    with scratch() as directory, parts(directory / "data", directory) as (world, keys):
        words = ("bots", "--server", world.url, "--count", BOTS)
        with (
            shard(world, "shard-1", directory, keys),
            shard(world, "shard-2", directory, keys),
            ended(sidereal("bots", words, directory)),
        ):
            world.wait_flying(BOTS, 3.0)
            paces, lives = hear_a_loud_shard(world, directory, keys, 6.0 if quick else LOUD_S)
            world.wait_flying(BOTS, 1.0)
            left = re.findall(r"shard_left .*name=shard-\d .*", world.program.log)
    floods = [life for life in lives if life["loud_since"] is not None and life["told"]]
    if not floods:
        raise MissedError(f"the hostile shard never came to flood, or was never fenced: {lives}")
    began_at, ended_at = floods[0]["loud_since"], floods[-1]["ended_at"]
    during = [pace for pace in paces if began_at <= pace.at <= ended_at]
    fenced_s = [life["ended_at"] - life["loud_since"] for life in floods]
    return [
        Figure("tick_hz", "ticks, one floods", rate(during), "per s", at_least=18.0),
        Figure("tick_hz_worst", "the slowest second of it", slowest(during), "per s"),
        worst_of("fenced_s", "until it is fenced", fenced_s),
        Figure("honest_fenced", "honest shards that were", len(left), at_most=0),
    ]


def hear_a_loud_shard(
    world: World, directory: Path, keys: dict[str, str], seconds: float
) -> tuple[list[Pace], list[dict[str, Any]]]:
    """Let one flood for a while; gives the world's pace meanwhile, and the lives of the shard."""
    command = [sys.executable, "-m", loud.__name__, world.endpoints["shards"], str(seconds)]
    here = str(Path(__file__).parents[1])
    paces: list[Pace] = []
    with ended(Program("loud", command, directory, PYTHONPATH=here, **keys)) as program:
        while program.status is None:
            watch_pace(world, paces)
    if program.status:
        raise MissedError(f"the hostile shard failed:\n{program.log[-2000:]}")
    return paces, [json.loads(line) for line in program.output.splitlines()]


def watch_pace(world: World, paces: list[Pace], pause_s: float = POLL_S) -> dict[str, Any] | None:
    """Look once, and note a tick that is seen for the first time."""
    asked_at = time.monotonic()
    status = world.status()
    if status is not None and (not paces or status["tick"] != paces[-1].tick):
        paces.append(Pace(asked_at, status["tick"]))
    time.sleep(pause_s)
    return status


def rate(paces: list[Pace]) -> float:
    """Ticks per second from the first to the last."""
    if len(paces) < 2:
        return 0.0
    return (paces[-1].tick - paces[0].tick) / (paces[-1].at - paces[0].at)


def slowest(paces: list[Pace]) -> float:
    """Ticks per second in the slowest stretch of a second or a little more."""
    slow = math.inf
    for at, first in enumerate(paces):
        last = next((p for p in paces[at:] if p.at >= first.at + PACE_S), None)
        if last is not None:
            slow = min(slow, rate([first, last]))
    return slow if slow < math.inf else rate(paces)


# -- one that is given everything -----------------------------------------------------------------


def adoption(quick: bool) -> list[Figure]:
    """Kill the shard that has 200,000 entities, when another one has just come."""
    count = ENTITIES_QUICK if quick else ENTITIES
    with scratch() as directory:
        trio.run(fill, directory / "data", count)
        with (
            parts(directory / "data", directory) as (world, keys),
            shard(world, "shard-1", directory, keys) as first,
        ):
            at_first_s, _ = watch_adoption(world, "shard-1", count)
            with shard(world, "shard-2", directory, keys):
                kill(first.pid)
                again_s, paces = watch_adoption(world, "shard-2", count)
                tick_ms = (world.status() or {})["replication"]["tick_ms"]
                left = re.findall(r"shard_left .*", world.program.log)
    fenced = [line for line in left if "name=shard-2" in line or "reason=FENCED" in line]
    return [
        Figure("again_s", f"{count:,} entities, all simulated again", again_s, "s"),
        Figure("at_first_s", "the same at the start", at_first_s, "s"),
        Figure("fenced", "shards fenced", len(fenced), at_most=0),
        Figure("tick_p99_ms", "tick of the server meanwhile, p99", tick_ms["p99"], "ms"),
        Figure("tick_hz", "ticks meanwhile", rate(paces), "per s"),
    ]


def watch_adoption(world: World, name: str, count: int) -> tuple[float, list[Pace]]:
    """Wait until one shard simulates everything.

    Returns:
        seconds, and the world's pace meanwhile.

    Raises:
        MissedError: it never does.
    """
    began_at, paces = time.monotonic(), list[Pace]()
    while True:
        status = watch_pace(world, paces, LOOK_S)
        if status is not None and has_all(status, name, count):
            return time.monotonic() - began_at, paces
        if time.monotonic() - began_at > ADOPTED_S_MAX:
            log = world.program.log[-2000:]
            raise MissedError(f"after {ADOPTED_S_MAX:.0f} s not all is simulated:\n{log}")


def has_all(status: dict[str, Any], name: str, count: int) -> bool:
    """Whether a shard simulates so many entities, and nothing is on its way to it."""
    return any(
        found["name"] == name and found["entities"] >= count and not found["adopting"]
        for found in status["shards"]
    )


async def fill(data: Path, count: int) -> None:
    """Save a new world of so many small rocks at rest, in rows and columns."""
    game, low, high = load(DEFAULT_GAME), BELT_LOW, BELT_HIGH
    side = math.ceil(math.sqrt(count))
    row, column = np.divmod(np.arange(count), side)
    motion = Motion(
        x=low + (column + 0.5) * (high - low) / side, y=low + (row + 0.5) * (high - low) / side
    )
    rows = Spawns(game, schema_of(game)).make(ASTEROID, [motion, Body(radius=1, mass=1)])
    rows["tick"] = 1
    uuid = np.frombuffer(np.random.default_rng(1).bytes(16 * count), UUID)
    batch = Batch(
        saved_alone(schema_of(game), rows),
        uuid,
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
        np.zeros(count, np.bool_),
        np.ones(count, np.int64),
        np.ones(count, np.int64),
    )
    async with open_store(Embedded(data), game) as store:
        await store.begin("faults", "a benchmark")
        for start in range(0, count, BATCH_ROWS):
            part = batch.select(np.arange(start, min(start + BATCH_ROWS, count)))
            assert (await store.write_rows(part, 1)).saved.all()
        await store.release()
