"""Balance in a running world: four shards, and bots that gather and scatter.

The real cores, in virtual time. Every shard tells what its ticks take of a processor, and the
authority shares the sectors out. What is measured is how much more the busiest shard takes in a
second than the mean of all, over the run.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Final, NamedTuple

import numpy as np

from shard_cases.cluster import Cluster
from sidereal.game import BotView, Game
from sidereal.game.declarations import declare
from sidereal.games import frontier
from sidereal.games.frontier.behaviours.flying import (
    STAR_CYCLE_S,
    STAR_GATHER_S,
    STAR_SCATTER,
)
from sidereal.games.frontier.behaviours.steering import fly_to
from sidereal.games.frontier.ships import Stick
from sidereal.games.frontier.worlds import worlds
from sidereal.protocol.rules import Rules
from sidereal.tools.bots.behaviour import choose_behaviour

BOTS: Final = 200
SHARDS: Final = 4
COMES_S: Final = 6.0
"""Seconds over which bots come."""
SETTLES_S: Final = 20.0
"""Seconds after that in which nothing is measured: one cycle."""
SEED: Final = 3
CORNER: Final = np.array(
    [
        *((300.0, 300.0), (1400.0, 500.0), (500.0, 1500.0), (1600.0, 1700.0)),
        *((-1300.0, 500.0), (-600.0, -1400.0), (1500.0, -1200.0), (-1700.0, -700.0)),
    ]
)
"""Eight points, half of them in one corner of the world."""

game = Game("evenness", parts=[frontier.flight, frontier.rocks, frontier.bots, worlds])


@game.bot("lopsided")
def lopsided(bot: BotView) -> tuple[Stick, float]:
    """Gather with others at one of the points, scatter, and go on to another."""
    memory, rng = bot.memory, bot.rng
    cycle, into_s = divmod(bot.tick * bot.tick_s, STAR_CYCLE_S)
    phase = cycle, into_s < STAR_GATHER_S
    if memory.get("phase") != phase:
        if phase[1] or "point" not in memory:
            memory["point"] = CORNER[rng.integers(len(CORNER))]
        away, course = (0.0 if phase[1] else STAR_SCATTER), rng.uniform(0.0, math.tau)
        memory["phase"], memory["leg"] = phase, []
        memory["to"] = memory["point"] + away * np.array([math.cos(course), math.sin(course)])
    return fly_to(bot, *memory["to"])


class Shared(NamedTuple):
    """What came of a run.

    Attributes:
        max_over_mean: what the busiest shard took against the mean, averaged over all seconds.
        worst: of all seconds.
        sectors_moved: how often a sector went to another shard because of balance.
        entities_moved: entities that changed hands because of that.
        again_s: the shortest time after which an entity did so again; infinity if none did.
    """

    max_over_mean: float
    worst: float
    sectors_moved: int
    entities_moved: int
    again_s: float


class Moves:
    """Follows whose sector has changed hands: of those that were in it, who went along."""

    def __init__(self) -> None:
        self.count = 0
        self.again_s = math.inf
        self._moved_at: dict[int, float] = {}
        self._leases: dict[int, int] = {}
        self._owners: dict[int, tuple[int, int]] = {}

    def follow(self, cluster: Cluster) -> None:
        """Look at the world after a tick."""
        columns = cluster.core.world.columns
        present = cluster.core.world.present(cluster.tick)
        ids, owners = columns.net_id[present.rows].tolist(), columns["shard"][present.rows].tolist()
        sectors = present.sector.tolist()
        holders = cluster.core.mesh.leases.holders_of(present.sector).tolist()
        places = zip(owners, sectors, strict=True)
        before, self._owners = self._owners, dict(zip(ids, places, strict=True))
        leases, self._leases = self._leases, dict(zip(sectors, holders, strict=True))
        for net_id, owner, sector, holder in zip(ids, owners, sectors, holders, strict=True):
            was = before.get(net_id)
            # Its sector is the one that it was in, and has gone from its owner to another.
            if was and was[1] == sector and was[0] != owner == holder and leases[sector] == was[0]:
                self.count += 1
                last, self._moved_at[net_id] = self._moved_at.get(net_id, -math.inf), cluster.now
                self.again_s = min(self.again_s, cluster.now - last)


def share(behaviour: str, seconds: float) -> Shared:
    """Let bots gather and scatter for a while."""
    declared = declare(game)
    cluster = Cluster(declared, None, shards=SHARDS, seed=SEED, rules=Rules(), bots_max=BOTS)
    chosen = choose_behaviour(declared, behaviour)
    assert chosen is not None
    for number in range(BOTS):
        cluster.add_bot(chosen).come(cluster.now + COMES_S * number / BOTS)
    hz = cluster.rules.tick_hz
    cluster.run_ticks(round((COMES_S + SETTLES_S) * hz))
    moves, moved = Moves(), cluster.core.mesh.balance.moved
    cluster.follow.append(moves.follow)
    ratios = []
    for _ in range(round(seconds)):
        counted = [len(shard.step_s) for shard in cluster.shards]
        cluster.run_ticks(hz)
        took = [np.sum(shard.step_s[n:]) for shard, n in zip(cluster.shards, counted, strict=True)]
        ratios.append(np.max(took) / np.mean(took))
    moved = cluster.core.mesh.balance.moved - moved
    return Shared(float(np.mean(ratios)), max(ratios), moved, moves.count, moves.again_s)


def measure(*, quick: bool) -> dict[str, Shared]:
    """Let crowds gather all around, and half of them in one corner."""
    found = {}
    for behaviour in ("star", "lopsided"):
        began_at = time.monotonic()
        found[behaviour] = share(behaviour, 20.0 if quick else 100.0)
        took_s = time.monotonic() - began_at
        print(f"balance, {behaviour}: {took_s:.0f} s", file=sys.stderr, flush=True)
    return found


def tabulate(found: dict[str, Shared]) -> list[str]:
    """Make a table for people."""
    titles = (
        "bots",
        "busiest/mean",
        "in the worst second",
        "sectors moved",
        "entities",
        "again, s",
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for behaviour, one in found.items():
        cells = (f"{one.max_over_mean:.2f}", f"{one.worst:.2f}", one.sectors_moved)
        more = (one.entities_moved, f"{one.again_s:.1f}")
        lines.append(f"| {' | '.join(map(str, (behaviour, *cells, *more)))} |")
    return lines
