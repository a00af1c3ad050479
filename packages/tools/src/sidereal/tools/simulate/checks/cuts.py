"""What touches over the cut of an island that is too large for one shard.

After every tick, as committed:

* nothing of two owners overlaps while no island is cut, but for those that wait to change hands;
* of two that may touch over a cut each owner is given the other one as a shadow at once, and has it
  soon;
* what had one owner is cut only if it is larger than a part may be;
* with that nobody gets deep into another: how it is pushed out is left to physics (`contacts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.always import reach_s
from sidereal.tools.simulate.checks.meetings import Meetings, find_meetings, living, living_owners
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan

DEEP: Final = 0.5
"""World units that two may be inside each other over a cut when physics has pushed them apart."""

PUSHED_TICKS: Final = 20
"""So long that takes, however deep they were."""


class _Need(NamedTuple):
    """Who needs a shadow of whom: a session at the shard endpoint, and an id."""

    peer: int
    net_id: int


class Cuts:
    """Looks at pairs that islands are cut through."""

    def __init__(self, plan: Plan) -> None:
        self._within_s = reach_s(plan) + plan.silences * plan.limits.shards.silence_s
        self._pushed_s = self._within_s + PUSHED_TICKS / plan.tick_hz
        self._tick, self._incarnation = -1, 0
        self._contacts = self._left_out = 0
        self._members_max = plan.limits.ownership.island_members
        self._owners: dict[int, int] = {}
        self._needed: dict[_Need, float] = {}
        self._deep: dict[tuple[int, int], float] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge a tick."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._tick, self._contacts, self._left_out = -1, 0, 0
            self._needed.clear()
            self._deep.clear()
        before, self._owners = self._owners, {}
        if core.tick == self._tick:
            # The world stands still: what is decided is seen with the next tick.
            return
        self._tick, grouping = core.tick, core.mesh.grouping
        contacts = grouping.cross_shard_contacts - self._contacts
        self._contacts = grouping.cross_shard_contacts
        cut = grouping.cut.shape[1] > 0
        if contacts and not cut and not core.mesh.waiting:
            yield f"{contacts} pairs of two owners overlap, though nothing is cut and nobody waits"
        needed, self._needed = self._needed, {}
        deep, self._deep = self._deep, {}
        left_out, self._left_out = self._left_out, grouping.shadows_left_out
        columns, rows = core.world.columns, core.world.columns.rows()
        ids, owners = columns.net_id[rows].tolist(), columns["shard"][rows].tolist()
        self._owners = dict(zip(ids, owners, strict=True))
        if not cut:
            return
        meetings = find_meetings(cluster, core)
        owner = living_owners(core, meetings.rows)
        stays = (owner != SHARD_NONE) & ~np.isin(meetings.rows, core.mesh.waiting_rows)
        apart = meetings.sure & (owner[:, None] != owner) & stays[:, None] & stays
        ids = columns.net_id[meetings.rows].tolist()
        had = np.array([before.get(net_id, SHARD_NONE) for net_id in ids])
        had = living(core, meetings.rows, had)
        yield from self._judge_parted(cluster, meetings, np.triu(apart), had, ids)
        if left_out == self._left_out:
            yield from self._judge_shadows(cluster, core, meetings.rows, apart, needed)
            yield from self._judge_depth(cluster, core, meetings.rows, np.triu(apart), deep)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _judge_parted(
        self,
        cluster: Cluster,
        meetings: Meetings,
        apart: np.ndarray,
        had: np.ndarray,
        ids: list[int],
    ) -> Iterator[str]:
        """Who had one owner still has, as far as all that they may touch of it fits in a part."""
        parted = apart & (had[:, None] == had) & (had != SHARD_NONE)
        for a, b in np.argwhere(parted).tolist():
            mine = had == had[a]
            group, edge = np.zeros(len(had), np.bool_), np.arange(len(had)) == a
            while edge.any():
                group |= edge
                edge = meetings.possible[edge].any(axis=0) & mine & ~group
            cluster.exercised["partings judged"] += 1
            if group.sum() <= self._members_max:
                yield f"{ids[a]} and {ids[b]} had one owner, with {group.sum()} in all, and are cut"

    def _judge_shadows(
        self,
        cluster: Cluster,
        core: Replicator,
        rows: np.ndarray,
        apart: np.ndarray,
        needed: dict[_Need, float],
    ) -> Iterator[str]:
        """Each owner has the other one of two that may touch."""
        ids = core.world.columns.net_id[rows].astype(np.int64).tolist()
        owner = core.world.columns["shard"][rows].tolist()
        shadows, has = core.mesh.grouping.shadows, self._shadows_of(cluster)
        given = set(zip(shadows.shard.tolist(), shadows.rows.tolist(), strict=True))
        peers = {shard.shard: shard.peer for shard in core.shards.shards}
        for a, b in np.argwhere(apart).tolist():
            cluster.exercised["shadows judged"] += 1
            if (owner[a], int(rows[b])) not in given:
                yield f"shard {owner[a]} is given no shadow of {ids[b]}, and has {ids[a]}"
            need = _Need(peers.get(owner[a], -1), ids[b])
            since = self._needed[need] = needed.get(need, cluster.now)
            late = cluster.now - since > self._within_s and ids[b] not in has.get(owner[a], ids)
            if late:
                yield f"shard {owner[a]} has no shadow of {ids[b]}, and has {ids[a]}"

    def _judge_depth(
        self,
        cluster: Cluster,
        core: Replicator,
        rows: np.ndarray,
        apart: np.ndarray,
        deep: dict[tuple[int, int], float],
    ) -> Iterator[str]:
        """Nobody stays deep inside another."""
        columns = core.world.columns
        x, y, _ = core.world.locate(rows, core.tick)
        radius = columns["radius"][rows].astype(np.float64)
        inside = radius[:, None] + radius - np.hypot(x[:, None] - x, y[:, None] - y)
        for a, b in np.argwhere(apart & (inside > DEEP)).tolist():
            pair = int(columns.net_id[rows[a]]), int(columns.net_id[rows[b]])
            since = self._deep[pair] = deep.get(pair, cluster.now)
            cluster.exercised["overlaps over cuts judged"] += 1
            if cluster.now - since > self._pushed_s:
                yield f"{pair} are {inside[a, b]:.1f} units inside each other over a cut"

    def _shadows_of(self, cluster: Cluster) -> dict[int, set[int]]:
        """Give the ids of the shadows of all shards that are well, by the shard."""
        found = {}
        for process in cluster.shards:
            core = process.core
            if core is None or not core.serving or not process.honest:
                continue
            if core.population is not None and core.shadows is not None:
                ids = core.population.columns.net_id[core.shadows.rows]
                found[core.shard] = set(ids.astype(np.int64).tolist())
        return found
