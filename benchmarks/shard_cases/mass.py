"""A shard leaves, and all that it simulated goes to two others at once.

Its sectors lie between theirs, and bots fly over all of them. It is told to end, comes back, and is
killed. What a tick costs the authority while entities change hands is compared with its ticks
before. In virtual time the others have all the time that they need for a tick; what they are sent
passes links that carry so much and no more.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from shard_cases.cluster import Cluster
from sidereal.game import Body, Motion
from sidereal.game.declarations import declare
from sidereal.game.spawns import Spawns
from sidereal.games import frontier
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS
from sidereal.tools.bots.behaviour import choose_behaviour

SHARDS: Final = 3
BOTS: Final = 50
COMES_S: Final = 5.0
"""Seconds over which bots come."""
SPEED: Final = 3.0
"""Of rocks, units/s."""
LINK: Final = LinkConfig(delay_s=0.005, bytes_per_s=12.5e6)
"""100 Mbit/s."""
WATCHED_TICKS: Final = 200
"""Ticks before each time that the shard leaves."""
AWAY_S: Final = 8.0
"""How long it is away, beside what it takes at least to give away what it has."""
MANY: Final = 100
"""Entities that change hands in a tick, of those that count as ticks in which they do. Fewer drift
over borders in any tick."""
TAKES_S: Final = 300.0
"""Virtual seconds after which what still waits for an owner never gets one."""
GROUP_MAX: Final = 20
"""Rocks that go together, at most, as they may touch: the last ones that there is room for."""
SEED: Final = 7
GAME: Final = declare(frontier.game)


@dataclass(slots=True)
class Moved:
    """What came of it.

    Attributes:
        entities: that the shard had which left.
        takes_s: virtual seconds until others simulated all of them, each time.
        before_s: processor time of the authority's ticks before, seconds.
        drains_s: of those in which entities changed hands while it drained; and
        dead_s: when it had died.
        late_ticks: by how many ticks the newest proposal of a shard was behind the world's clock.
        given: entities that a shard was given in one tick, at most.
        fenced: shards that the authority has thrown out, beside the one that was killed.
    """

    entities: int = 0
    takes_s: list[float] = field(default_factory=list)
    before_s: list[float] = field(default_factory=list)
    drains_s: list[float] = field(default_factory=list)
    dead_s: list[float] = field(default_factory=list)
    late_ticks: int = 0
    given: int = 0
    fenced: int = 0

    @property
    def growth_ms(self) -> float:
        """By how much the 99th percentile of a tick grows, at the worse of the two."""
        during_s = max(_p99(s) for s in (self.drains_s, self.dead_s) if s)
        return 1000 * (during_s - _p99(self.before_s))


class Watch:
    """Looks at what shards are given, and whether they keep up.

    Attributes:
        changing: of each tick, whether many entities changed hands.
    """

    def __init__(self, moved: Moved, cluster: Cluster) -> None:
        self.changing: list[bool] = []
        self._moved = moved
        self._given = {shard.peer: shard.given for shard in cluster.core.shards.shards}

    def follow(self, cluster: Cluster) -> None:
        """Look at the shards after a tick."""
        given, moved = 0, self._moved
        for shard in cluster.core.shards.shards:
            got = shard.given - self._given.get(shard.peer, 0)
            self._given[shard.peer] = shard.given
            given += got
            moved.given = max(moved.given, got)
            if shard.newest_tick >= 0 and shard.name != cluster.shards[0].name:
                late = cluster.tick - shard.newest_tick
                moved.late_ticks = max(moved.late_ticks, late)
        self.changing.append(given >= MANY)


def hand_over(entities: int, others: int, bots: int, *, dies: bool) -> Moved:
    """Let a shard leave.

    Args:
        entities: that it simulates.
        others: that each of the two shards beside it does.
        bots: that fly over all of them.
        dies: whether it comes back, and is killed.
    """
    cluster = Cluster(GAME, layout, shards=SHARDS, seed=SEED, link=LINK, bots_max=max(1, bots))
    for low, high, count in (
        (BELT_LOW, BELT_LOW + 1000.0, others),
        (BELT_LOW + 1000.0, BELT_HIGH - 1000.0, entities),
        (BELT_HIGH - 1000.0, BELT_HIGH, others),
    ):
        cluster.create(_rocks(cluster, low, high, count))
    behaviour = choose_behaviour(GAME, "wander")
    for number in range(bots):
        assert behaviour is not None
        cluster.add_bot(behaviour).come(cluster.now + COMES_S * number / bots)
    cluster.run_ticks(round(COMES_S * cluster.rules.tick_hz))
    shards = cluster.core.shards.shards
    moved = Moved()
    watch = Watch(moved, cluster)
    cluster.follow.append(watch.follow)
    for drains in (True, False)[: 1 + dies]:
        _wait(cluster, lambda: len(shards) == SHARDS and _is_simulated(cluster))
        _leave_once(cluster, moved, watch, drains=drains)
    noted = cluster.authority.noted
    gone = {name: n for name, n in noted.items() if name.startswith("shard_left")}
    moved.fenced = sum(gone.values()) - len(moved.takes_s)
    room = LIMITS.ownership.adopt_records_per_s // cluster.rules.tick_hz
    assert moved.given <= room + GROUP_MAX, moved.given
    return moved


def layout(x: int, _y: int) -> int:
    """Let the first shard have the middle, and the others an edge each."""
    low, high = int(BELT_LOW // 1000), int(BELT_HIGH // 1000) - 1
    return 1 if x <= low else 2 if x >= high else 0


def _leave_once(cluster: Cluster, moved: Moved, watch: Watch, *, drains: bool) -> None:
    cluster.run_ticks(WATCHED_TICKS)
    moved.before_s += cluster.authority.tick_s[-WATCHED_TICKS:]
    victim, owner = cluster.shards[0], cluster.core.world.columns["shard"]
    mine = (owner == _id_of_victim(cluster)) & cluster.core.world.columns.alive
    moved.entities = int(mine.sum())
    first, began_at = len(cluster.authority.tick_s), cluster.now
    watch.changing.clear()
    given_per_s = LIMITS.ownership.adopt_records_per_s * (SHARDS - 1)
    back_at = cluster.now + AWAY_S + moved.entities / given_per_s
    if drains:
        victim.drain(cluster.now, back_at)
    else:
        victim.kill()
        victim.start(back_at)
    shards = cluster.core.shards.shards
    _wait(cluster, lambda: len(shards) < SHARDS and _is_simulated(cluster))
    moved.takes_s.append(cluster.now - began_at)
    spent_s = cluster.authority.tick_s[first:]
    during_s = moved.drains_s if drains else moved.dead_s
    during_s += [s for s, on in zip(spent_s, watch.changing, strict=True) if on]


def _wait(cluster: Cluster, probe: Callable[[], bool]) -> None:
    """Let ticks pass until something is so.

    Raises:
        TimeoutError: it never was.
    """
    until = cluster.now + TAKES_S
    while not probe():
        if cluster.now > until:
            raise TimeoutError(f"not within {TAKES_S:g} virtual seconds")
        cluster.run_ticks(1)


def _is_simulated(cluster: Cluster) -> bool:
    """Tell whether everything has an owner that has adopted it, but for what has just drifted."""
    core = cluster.core
    columns = core.world.columns
    owned = columns["shard"][columns.rows()] > 0
    adopting = sum(shard.adopting for shard in core.shards.shards)
    return bool(owned.all()) and adopting + core.mesh.waiting < MANY


def _id_of_victim(cluster: Cluster) -> int:
    core = cluster.shards[0].core
    return 0 if core is None else core.shard


def _rocks(cluster: Cluster, low: float, high: float, count: int) -> np.ndarray:
    """Make rocks in rows and columns between two x, all along y, that drift slowly."""
    rng = np.random.default_rng([SEED, count])
    across = max(1, round(math.sqrt(count * (high - low) / (BELT_HIGH - BELT_LOW))))
    row, column = np.divmod(np.arange(count), across)
    course = rng.uniform(0.0, math.tau, count)
    along = (BELT_HIGH - BELT_LOW - 100.0) / math.ceil(count / across)
    motion = Motion(
        x=low + (column + 0.5) * (high - low) / across,
        y=BELT_LOW + 50.0 + (row + 0.5) * along,
        vx=SPEED * np.cos(course),
        vy=SPEED * np.sin(course),
    )
    spawns = Spawns(GAME, cluster.schema)
    return spawns.make(frontier.ASTEROID, [motion, Body(radius=1.0, mass=1.0)])


def measure(*, quick: bool) -> dict[str, Moved]:
    """Move 20,000 entities among bots, and 200,000 alone; a tenth of them if that is to be quick.

    The shard of the 200,000 does not die.

    Returns:
        what came of it, by how many there were.
    """
    part = 10 if quick else 1
    found = {}
    for entities, others, bots in ((20_000, 5000, BOTS), (200_000, 1000, 0)):
        began_at = time.monotonic()
        # With 200,000 a quarter of an hour goes by until they are all there, and once more.
        moved = hand_over(entities // part, others // part, bots, dies=bots > 0)
        found[f"{entities:,}"] = moved
        took_s = time.monotonic() - began_at
        print(f"mass, {entities // part:,}: {took_s:.0f} s", file=sys.stderr, flush=True)
    return found


def tabulate(found: dict[str, Moved]) -> list[str]:
    """Make a table for people."""
    titles = (
        *("entities", "told to end: all simulated after, s", "killed, s"),
        *("tick before: p99, ms", "told to end: meanwhile, ms", "killed: meanwhile, ms"),
        *("proposals behind, ticks", "given to one in a tick", "others fenced"),
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for moved in found.values():
        drained_s, killed_s = (*moved.takes_s, math.nan)[:2]
        cells = (
            *(f"{moved.entities:,}", f"{drained_s:.2f}", f"{killed_s:.2f}"),
            *(f"{1000 * _p99(s):.1f}" for s in (moved.before_s, moved.drains_s, moved.dead_s)),
            *(moved.late_ticks, moved.given, moved.fenced),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _p99(values: list[float]) -> float:
    return float(np.quantile(values, 0.99)) if values else math.nan
