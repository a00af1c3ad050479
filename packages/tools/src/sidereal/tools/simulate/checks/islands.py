"""No contact is ever resolved by two shards: what decisions must have seen, and how they flap.

After every tick, as committed:

* no two owners have entities that may touch within the horizon, but for those that wait until their
  new owner has room, and those between which an island was cut because it is too large;
* of what a shard that is to leave has, whatever may touch goes together, but for what was cut;
* who changes hands has a higher epoch than before, and nobody goes to a shard that is to leave from
  one that is not;
* a guest that touches nothing and is clear of the border is at home soon, unless it rests since its
  sector has gone to another shard, or is where one that is to leave is at home;
* whoever was brought to another shard because of an island comes back at once only if it may touch
  something of the shard that it came from. Who comes back to what lingered begins with the shard
  that it is in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.links.states import ShardState
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.borders import EDGE_SLACK, Sector, is_clear, leases_of
from sidereal.tools.simulate.checks.meetings import Meetings, find_meetings, living_owners
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan

HOME_TICKS_MORE: Final = 2
"""Ticks after which a guest is at home that nothing keeps."""


class _Whose(NamedTuple):
    """Who simulates an entity and who flies it, after a tick."""

    owner: int
    epoch: int
    control_epoch: int


_NOBODY: Final = _Whose(SHARD_NONE, 0, 0)
"""Of what was not there."""


class _Moved(NamedTuple):
    """Where an entity came from with its island, and when."""

    tick: int
    owner: int


class Islands:
    """Looks at every two entities, after every tick."""

    def __init__(self, plan: Plan) -> None:
        self._home_ticks = plan.limits.ownership.home_ticks
        self._incarnation, self._tick = 0, -1
        self._before: dict[int, _Whose] = {}
        self._sessions: dict[int, int] = {}
        self._moved: dict[int, _Moved] = {}
        self._idle: dict[int, int] = {}
        self._rest_ticks = math.ceil(plan.limits.ownership.balance_rest_s * plan.tick_hz)
        self._leases: dict[Sector, int] = {}
        self._left_behind: dict[int, int] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge the decisions of a tick."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        if core.tick == self._tick:
            # The world stands still: what is decided is seen with the next tick.
            return
        self._tick = core.tick
        self._note_left_behind(core)
        meetings = find_meetings(cluster, core)
        yield from self._judge_owners(cluster, core, meetings)
        yield from self._judge_drains(cluster, core, meetings)
        yield from self._judge_moves(cluster, core, meetings)
        yield from self._judge_guests(cluster, core, meetings)
        columns = core.world.columns
        ids = columns.net_id[meetings.rows].tolist()
        self._before = dict(zip(ids, _whose(core, meetings.rows), strict=True))

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _note_left_behind(self, core: Replicator) -> None:
        """Note whose sectors have gone to another shard: they may stay until they have rested."""
        leases, self._leases = self._leases, leases_of(core)
        moved = {s: leases[s] for s, now in self._leases.items() if leases.get(s, now) != now}
        if not moved:
            return
        present = core.world.present(core.tick)
        for sector, holder in moved.items():
            rows = present.rows[present.sector == pack_sector(*sector)]
            for net_id in core.world.columns.net_id[rows].tolist():
                if self._before.get(net_id, _NOBODY).owner == holder:
                    self._left_behind[net_id] = core.tick + self._rest_ticks

    def _forget(self) -> None:
        self._tick = -1
        self._before.clear()
        self._sessions.clear()
        self._moved.clear()
        self._idle.clear()
        self._leases.clear()
        self._left_behind.clear()

    def _judge_owners(
        self, cluster: Cluster, core: Replicator, meetings: Meetings
    ) -> Iterator[str]:
        """No two owners have what may touch."""
        rows, owner = meetings.rows, living_owners(core, meetings.rows)
        served = owner != SHARD_NONE
        cluster.exercised["meetings judged"] += int(np.triu(meetings.sure).sum())
        apart = meetings.sure & (owner != owner[:, None]) & served & served[:, None]
        waits = np.isin(rows, core.mesh.waiting_rows)
        waiting = apart & (waits | waits[:, None])
        cluster.exercised["meetings that wait"] += int(np.triu(waiting).sum())
        yield from self._find_torn(cluster, core, rows, apart & ~waiting)

    def _find_torn(
        self, cluster: Cluster, core: Replicator, rows: np.ndarray, apart: np.ndarray
    ) -> Iterator[str]:
        """Tell of pairs that are apart, bool[n, n], but not of those that were cut."""
        columns = core.world.columns
        cut = {frozenset(pair) for pair in core.mesh.grouping.cut.T.tolist()}
        for a, b in np.argwhere(np.triu(apart)).tolist():
            pair = rows[[a, b]]
            if frozenset(pair.tolist()) in cut:
                cluster.exercised["meetings that were cut"] += 1
                continue
            ids, owner = columns.net_id[pair].tolist(), columns["shard"][pair].tolist()
            yield f"{ids} may touch, and are simulated by {owner}"

    def _judge_drains(
        self, cluster: Cluster, core: Replicator, meetings: Meetings
    ) -> Iterator[str]:
        """What a shard that is to leave has goes with what it may touch."""
        rows, columns = meetings.rows, core.world.columns
        leaving = [s.shard for s in core.shards.shards if s.state is ShardState.DRAINING]
        if not leaving:
            return
        was = np.array([self._before.get(i, _NOBODY).owner for i in columns.net_id[rows].tolist()])
        together = meetings.sure & (was == was[:, None]) & np.isin(was, leaving)
        owner = columns["shard"][rows]
        goes = (owner != was) & (owner != SHARD_NONE)
        cluster.exercised["meetings of who leaves"] += int(np.triu(together & goes).sum())
        apart = together & (owner != owner[:, None]) & (goes | goes[:, None])
        yield from self._find_torn(cluster, core, rows, apart)

    def _judge_moves(self, cluster: Cluster, core: Replicator, meetings: Meetings) -> Iterator[str]:
        """Who changes hands has a new epoch, and does not come back at once for nothing."""
        ids = core.world.columns.net_id[meetings.rows].tolist()
        was = np.array([self._before.get(net_id, _NOBODY).owner for net_id in ids])
        sessions = {shard.shard: shard.peer for shard in core.shards.shards}
        living = {shard for shard, peer in sessions.items() if self._sessions.get(shard) == peer}
        living &= set(core.mesh.leases.shards)
        self._sessions = sessions
        for at, (net_id, now) in enumerate(zip(ids, _whose(core, meetings.rows), strict=True)):
            before, after = self._before.get(net_id, _NOBODY), now.owner
            if after in (before.owner, SHARD_NONE):
                continue
            if net_id in self._before and now.epoch <= before.epoch:
                yield f"{net_id} went to {after} under the epoch of {before.owner}"
            if before.owner in living and after in core.mesh.leases.retiring:
                yield f"{net_id} went from {before.owner} to {after}, which is to leave"
            moved = self._moved.pop(net_id, None)
            # What returns under its number has lost what it had; who is to leave gives all away.
            if before.owner not in living or now.control_epoch != before.control_epoch:
                continue
            back = moved is not None and moved.owner == after
            if back and moved is not None and core.tick - moved.tick < self._home_ticks:
                cluster.exercised["returns judged"] += 1
                if not meetings.reaches(at, was == after):
                    yield f"{net_id} is back with {after} after {core.tick - moved.tick} ticks"
            if not is_clear(core, meetings.rows[at], before.owner, EDGE_SLACK):
                self._moved[net_id] = _Moved(core.tick, before.owner)

    def _judge_guests(
        self, cluster: Cluster, core: Replicator, meetings: Meetings
    ) -> Iterator[str]:
        """A guest that nothing keeps goes home."""
        rows, idle, self._idle = meetings.rows, self._idle, {}
        owner = living_owners(core, rows)
        holder = core.mesh.leases.holders_of(core.world.present(core.tick).sector)
        holder = holder[np.searchsorted(core.world.columns.rows(), rows)]
        lone = ~meetings.possible.any(axis=0) & (owner != SHARD_NONE) & (owner != holder)
        lone &= (holder != SHARD_NONE) & ~np.isin(rows, core.mesh.waiting_rows)
        lone &= ~np.isin(holder, core.mesh.leases.retiring)
        for at in np.flatnonzero(lone).tolist():
            net_id = int(core.world.columns.net_id[rows[at]])
            if not is_clear(core, rows[at], int(owner[at]), -EDGE_SLACK):
                continue
            if core.tick <= self._left_behind.get(net_id, -1):
                continue
            cluster.exercised["guests judged"] += 1
            since = self._idle[net_id] = idle.get(net_id, core.tick)
            if core.tick - since > self._home_ticks + HOME_TICKS_MORE:
                yield f"{net_id} is a guest of {owner[at]} for nothing since tick {since}"


def _whose(core: Replicator, rows: np.ndarray) -> Iterator[_Whose]:
    """Tell whose entities are, int64[n] in the world."""
    columns = core.world.columns
    three = columns["shard"][rows], columns.epoch[rows], columns["control_epoch"][rows]
    return map(_Whose, *(column.tolist() for column in three))
