"""Components that are given and taken: by shards to what they simulate, by the authority to ships.

Who has a stamp follows from an id and a tick, so a shard has given and taken all of them after
every tick, whoever had the entity before. What the authority has of it may lag by the way, and no
more.
A brand has a number that only grows, and goes only when the authority takes brands, whatever shards
say of its ship meanwhile: in the end every shard has the one that the authority gave. After a
restart it is one that was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.game.schema import column_of, name_of
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.stream import PRESENCE
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.borders import put_off_ticks
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.passing import SPARK, Brand, Stamp, is_stamped, is_taken
from sidereal.tools.simulate.shards import ShardProcess

SETTLED_TICKS: Final = 4
"""What was given or taken so lately may still be on its way."""

BEATS = column_of(Stamp, Stamp.fields["beats"])
NUMBER = column_of(Brand, Brand.fields["number"])


class Gifts:
    """Looks at stamps and brands everywhere."""

    def __init__(self) -> None:
        self._incarnation = 0
        self._numbers: dict[int, int] = {}
        self._branded: np.ndarray = np.zeros(0, np.uint32)
        self._tick = 0

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at what shards have given and taken, and at the brands of the world."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._numbers.clear()
            self._branded = self._branded[:0]
        for shard in cluster.shards:
            if not shard.honest or shard.core is None or shard.core.bodies is None:
                continue
            columns, tick = shard.core.bodies.columns, shard.core.tick
            rows = _charged(columns, shard.core.bodies.rows())
            wrong = rows[_has(columns, rows, Stamp) != is_stamped(columns.net_id[rows], tick)]
            cluster.exercised["stamps judged"] += len(rows)
            if len(wrong):
                yield f"{shard.name} has {columns.net_id[wrong].tolist()} stamped otherwise"
        yield from self._judge_brands(core)

    def _judge_brands(self, core: Replicator) -> Iterator[str]:
        columns = core.world.columns
        branded = columns.rows()
        branded = branded[_has(columns, branded, Brand)]
        gone = np.setdiff1d(self._branded, columns.net_id[branded])
        gone = gone[columns.rows_of(gone) >= 0]
        # A step in which the world stands still takes as of the tick that it goes on with.
        tick = core.tick + core.clock.stands_still
        if len(gone) and not any(map(is_taken, range(self._tick + 1, tick + 1))):
            yield f"{gone.tolist()} have lost their brands, which nobody took"
        self._branded, self._tick = columns.net_id[branded], tick
        numbers = columns[NUMBER][branded].tolist()
        for net_id, number in zip(columns.net_id[branded].tolist(), numbers, strict=True):
            if not number:
                yield f"{net_id} has a brand that nobody gave"
            if number < self._numbers.get(net_id, 0):
                yield f"{net_id} has brand {number} again"
            self._numbers[net_id] = number

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what the authority has with what owners and neighbours have."""
        for shard in cluster.shards:
            if shard.honest and shard.core is not None and shard.core.population is not None:
                yield from self._judge_bodies(cluster, core, shard)
                yield from self._judge_ghosts(core, shard)

    def _judge_bodies(
        self, cluster: Cluster, core: Replicator, shard: ShardProcess
    ) -> Iterator[str]:
        assert shard.core is not None
        assert shard.core.bodies is not None
        held, tick = shard.core.bodies.columns, shard.core.tick
        own = _charged(held, shard.core.bodies.rows())
        rows, own = _same(core, held, own)
        ids = held.net_id[own]
        ago = np.array([is_stamped(ids, tick - ago) for ago in range(SETTLED_TICKS + 1)])
        settled = (ago == ago[0]).all(axis=0)
        stamped = _has(core.world.columns, rows, Stamp)
        cluster.exercised["stamps compared"] += int(settled.sum())
        if (wrong := ids[settled & (stamped != ago[0])].tolist()) and len(ids):
            yield f"the world has {wrong} of {shard.name} stamped otherwise"
        number = core.schema.numbers[name_of(Brand)]
        changed = core.world.changed[[PRESENCE, number]][:, rows].max(axis=0, initial=-1)
        settled = changed < core.tick - SETTLED_TICKS
        branded = _has(core.world.columns, rows, Brand)
        cluster.exercised["brands compared"] += int((settled & branded).sum())
        off = branded != _has(held, own, Brand)
        off |= branded & (core.world.columns[NUMBER][rows] != held[NUMBER][own])
        if (settled & off).any():
            yield f"{shard.name} has {ids[settled & off].tolist()} branded otherwise"

    def _judge_ghosts(self, core: Replicator, shard: ShardProcess) -> Iterator[str]:
        assert shard.core is not None
        assert shard.core.ghosts is not None
        held = shard.core.ghosts.columns
        rows, seen = _same(core, held, shard.core.ghosts.rows())
        since = core.tick - SETTLED_TICKS - put_off_ticks(core, len(rows))
        settled = core.world.changed[PRESENCE, rows] < since
        off = settled & (core.world.columns.mask[rows] != held.mask[seen])
        if off.any():
            yield f"{shard.name} sees other components of {held.net_id[seen[off]].tolist()}"


def _charged(columns: Columns, rows: np.ndarray) -> np.ndarray:
    others: np.ndarray = rows[columns["kind"][rows] < SPARK]
    return others


def _has(columns: Columns, rows: np.ndarray, component: type[Stamp] | type[Brand]) -> np.ndarray:
    return columns.has(rows, columns.schema.numbers[name_of(component)])


def _same(core: Replicator, held: Columns, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows of entities in the world, and in a shard, that have the epoch of the world."""
    rows = core.world.columns.rows_of(held.net_id[own])
    same = (rows >= 0) & (core.world.columns.epoch[rows] == held.epoch[own])
    return rows[same], own[same]
