"""A crowd that is too large for one shard: what is left of its physics beyond the cuts.

Ships thrust towards a corner of four shards until they lie on one heap. A shard is to hold a third
of them at most, so their island is cut. The same ships on one shard say what such a heap is like:
how deep they are inside each other, and how fast they still are.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import Final, NamedTuple

import numpy as np

from shard_cases.cluster import Cluster
from sidereal.game import Body, Game, Motion, Rows, Stage
from sidereal.game.declarations import declare
from sidereal.game.spawns import Spawns
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS, Limits

SHIPS: Final = 300
MEMBERS: Final = 100
"""Of an island that one shard is to hold."""
SHARDS: Final = 4
RADIUS: Final = 6.0
THRUST: Final = 60.0
"""Units/s², of every ship."""
APART: Final = 25.0
"""World units between ships in the beginning."""
GATHER_S: Final = 12.0
LOOK_S: Final = 4.0
"""For so long a heap is looked at, when it has come to rest."""
DEEP: Final = 0.2
"""World units: physics leaves those that press against each other half as deep inside."""
ONE_LAYER: Final = 1e-6
"""A depth of shadows, world units: those at the cut, and no more."""
SEED: Final = 11
ALONE: Final = "one shard"

game = Game("heap")
SHIP = game.kind("ship", Motion(), Body(radius=RADIUS, mass=12.0), accel_max=THRUST)


@game.model(Motion, stage=Stage.SUBSTEP)
def gather(own: Rows) -> None:
    """Thrust towards the corner."""
    motion = own[Motion]
    away = np.maximum(np.hypot(motion.x, motion.y), 1.0)
    motion.vx -= THRUST * own.dt * motion.x / away
    motion.vy -= THRUST * own.dt * motion.y / away


GAME: Final = declare(game)


class Heap(NamedTuple):
    """What a heap is like when it has come to rest.

    Attributes:
        pairs: that overlap by more than `DEEP`, on average over ticks.
        across: of these, those of different owners.
        deepest: world units, of all pairs in all ticks.
        speed: units/s, the mean over ships and ticks.
        handovers_per_s: entities that changed hands.
        shadows: on all shards, on average.
        impulse: t unit/s per second, with which shadows have pushed.
        split: ticks in which the island was cut, a share.
    """

    pairs: float
    across: float
    deepest: float
    speed: float
    handovers_per_s: float
    shadows: float
    impulse: float
    split: float


def pile(
    link: LinkConfig | None, limits: Limits = LIMITS, ships: int = SHIPS, seed: int = SEED
) -> Heap:
    """Let ships gather, and look at the heap.

    Args:
        link: between shards and the authority; None for one shard without a network.
        limits: of the authority.
        ships: how many.
        seed: of places and of the network.
    """
    shards = 1 if link is None else SHARDS
    cluster = Cluster(GAME, _layout, shards=shards, seed=seed, link=link, limits=limits)
    cluster.create(_records(cluster, ships, seed))
    hz = cluster.rules.tick_hz
    cluster.run_ticks(round(GATHER_S * hz))
    grouping, mesh = cluster.core.mesh.grouping, cluster.core.mesh
    handovers, split, impulse = mesh.handovers, grouping.islands_split, _impulse(cluster)
    looks = []
    cluster.follow.append(lambda cluster: looks.append(_look(cluster)))
    cluster.run_ticks(round(LOOK_S * hz))
    found = np.array(looks)
    return Heap(
        found[:, 0].mean(),
        found[:, 1].mean(),
        found[:, 2].max(),
        found[:, 3].mean(),
        (mesh.handovers - handovers) / LOOK_S,
        found[:, 4].mean(),
        (_impulse(cluster) - impulse) / LOOK_S,
        (grouping.islands_split - split) / len(looks),
    )


def with_limits(members: int = MEMBERS, **more: float) -> Limits:
    """Give limits under which a heap is cut."""
    ownership = dataclasses.replace(LIMITS.ownership, island_members=members, **more)
    return dataclasses.replace(LIMITS, ownership=ownership)


def _layout(x: int, y: int) -> int:
    return x % 2 + 2 * (y % 2)


def _records(cluster: Cluster, ships: int, seed: int) -> np.ndarray:
    """Make ships, on a grid around the corner that is a little in disorder."""
    side = int(np.ceil(1.3 * np.sqrt(ships)))
    at = (np.indices((side, side)).reshape(2, -1).T - (side - 1) / 2) * APART
    at = at[np.argsort(np.hypot(*at.T), kind="stable")[:ships]]
    at += np.random.default_rng(seed).uniform(-5.0, 5.0, at.shape)
    return Spawns(GAME, cluster.schema).make(SHIP, [Motion(x=at[:, 0], y=at[:, 1])])


def _look(cluster: Cluster) -> tuple[float, float, float, float, float]:
    """Pairs, those of different owners, how deep, how fast, and shadows."""
    world, columns = cluster.core.world, cluster.core.world.columns
    rows = columns.rows()
    x, y, _ = world.locate(rows, cluster.tick)
    owner = columns["shard"][rows]
    a, b = np.triu_indices(len(rows), 1)
    deep = 2 * RADIUS - np.hypot(x[a] - x[b], y[a] - y[b])
    apart = owner[a] != owner[b]
    shadows = len(cluster.core.mesh.grouping.shadows.rows)
    speed = float(np.hypot(columns["vx"][rows], columns["vy"][rows]).mean())
    pairs = deep > DEEP
    return float(pairs.sum()), float((pairs & apart).sum()), float(deep.max()), speed, shadows


def _impulse(cluster: Cluster) -> float:
    """What all shards tell of the pushes of shadows so far."""
    told = [shard.core.statistics().simulation for shard in cluster.shards if shard.core]
    return sum(one.shadow_impulse for one in told if one is not None)


def measure(links: dict[int, LinkConfig], *, quick: bool) -> dict[str, Heap]:
    """Look at heaps on one shard, and on four without, with few and with all shadows.

    Returns:
        what they are like, by a name.
    """
    began_at = time.monotonic()
    cases: dict[str, tuple[LinkConfig | None, Limits]] = {ALONE: (None, LIMITS)}
    for delay, link in links.items():
        cases[f"shadows, {delay} ms"] = link, with_limits()
        if not quick:
            cases[f"one layer, {delay} ms"] = link, with_limits(shadow_depth=ONE_LAYER)
            cases[f"one shadow of each shard, {delay} ms"] = link, with_limits(shadows=1)
    heaps = {}
    for name, (link, limits) in cases.items():
        heaps[name] = pile(link, limits)
        print(f"{name}: {time.monotonic() - began_at:.0f} s", file=sys.stderr, flush=True)
    return heaps


def numbers(heaps: dict[str, Heap]) -> dict[str, tuple[float, str]]:
    """Give the cases, each with its unit: of both delays the worse."""
    with_shadows = [heap for name, heap in heaps.items() if name.startswith("shadows")]
    # What is to be good where nothing is cut is worth nothing: all of them were.
    assert min(heap.split for heap in with_shadows) == 1.0
    return {
        "crowd_pairs": (max(heap.pairs for heap in with_shadows), "pairs"),
        "crowd_deepest_units": (max(heap.deepest for heap in with_shadows), "units"),
        "crowd_handovers": (max(heap.handovers_per_s for heap in with_shadows), "1/s"),
        "crowd_speed_over_one_shard": (
            max(heap.speed for heap in with_shadows) - heaps[ALONE].speed,
            "units/s",
        ),
    }


def tabulate(heaps: dict[str, Heap]) -> list[str]:
    """Make a table for people."""
    titles = (
        *("heap", f"pairs over {DEEP}", "of two owners", "deepest", "speed left"),
        *("handovers/s", "shadows", "impulse/s", "cut"),
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for name, heap in heaps.items():
        cells = (name, *(f"{value:.2f}" for value in heap))
        lines.append(f"| {' | '.join(cells)} |")
    return lines
