"""How shards share what there is to do, and how they go."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.links.shards import NUMBERS_MAX
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.always import reach_s
from sidereal.tools.simulate.checks.borders import Sector, leases_of
from sidereal.tools.simulate.checks.meetings import find_meetings
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Kind, Plan
from sidereal.tools.simulate.passing import SPARK
from sidereal.tools.simulate.shards import ShardProcess

_HELD_UP: Final = frozenset(
    {
        *(Kind.AUTHORITY_RESTARTS, Kind.AUTHORITY_REPLACED, Kind.AUTHORITY_STALLED),
        *(Kind.SHARD_DOUBLED, Kind.SHARD_LEAVES, Kind.SHARD_FAILS, Kind.SHARD_CLOCK_JUMPS),
    }
)
"""With these a shard may leave, or lose its session, whatever it still has."""

CLOCKS_AGREE: Final = 0.95
"""A process whose clock drifts takes its time to be over a little earlier than it is."""


def drains_undisturbed(plan: Plan) -> bool:
    """Whether a shard is to leave, and nothing but its own time can keep it from doing so well."""
    held_up = plan.lossy or plan.silences or plan.kinds & _HELD_UP
    return Kind.SHARD_DRAINS in plan.kinds and not held_up


class Drains:
    """Watches shards that are to leave.

    From when the authority can know of it, such a shard is leased no sector that it did not have,
    and none at all when others had the time to adopt everything. When it leaves, unless its time is
    over, nothing is its any more, if there was another one that could take it.
    """

    def __init__(self, plan: Plan) -> None:
        self._within_s = plan.shard_limits.drain_within_s
        self._reach_s = reach_s(plan)
        self._empty_s = self._reach_s + plan.adopting_s
        self._judges = drains_undisturbed(plan)
        self._had: dict[ShardProcess, int] = {}
        self._held: dict[ShardProcess, frozenset[Sector]] = {}
        self._judged: dict[ShardProcess, int] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at those that drain, and at those that have left since the tick before."""
        if not self._judges:
            return
        columns = core.world.columns
        owned = np.bincount(columns["shard"][columns.rows()], minlength=NUMBERS_MAX + 1)
        had, self._had = self._had, {}
        held, self._held = self._held, {}
        for process in cluster.shards:
            yield from self._judge_last(cluster, process, had.get(process, 0))
            if process.core is None or not process.serves:
                continue
            number, waited_s = process.core.shard, cluster.now - process.drains_since
            if waited_s > self._reach_s or number in core.mesh.leases.retiring:
                sectors = self._held[process] = core.mesh.leases.sectors_of(number)
                more = sectors - held.get(process, sectors)
                if more or (sectors and waited_s > self._empty_s):
                    yield f"{process.name} is to leave for {waited_s:.2f} s and is leased {sectors}"
            self._had[process] = int(owned[number]) if self._others(cluster, process) else 0

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _judge_last(self, cluster: Cluster, process: ShardProcess, had: int) -> Iterator[str]:
        """Judge how a shard has left, if it has since the tick before."""
        judged, self._judged[process] = self._judged.get(process, 0), len(process.drained)
        for since, at in process.drained[judged:]:
            cluster.exercised["shards that left judged"] += 1
            if had and at - since < CLOCKS_AGREE * self._within_s:
                yield f"{process.name} left while {had} were its"

    def _others(self, cluster: Cluster, process: ShardProcess) -> bool:
        """Tell whether there is another shard that could take what this one has."""
        return any(
            other.serves and not other.drains_since < np.inf
            for other in cluster.shards
            if other is not process
        )


class Shares:
    """Watches sectors that go to another shard while no shard comes or goes.

    While one is to leave its own do, and no others. Else one goes at a time, and not again before
    it has rested. Nor does an entity that has changed hands because its sector did: when it is in
    another one that goes, it stays where it is until it has rested, unless it may touch something.
    """

    def __init__(self, plan: Plan) -> None:
        self._rest_ticks = plan.limits.ownership.balance_rest_s * plan.tick_hz
        self._fleet: object = None
        self._incarnation = 0
        self._leases: dict[Sector, int] = {}
        self._retiring: set[int] = set()
        self._moved: dict[Sector, int] = {}
        self._rests = _Rests(math.ceil(self._rest_ticks))

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare the leases with those of the tick before."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._rests = _Rests(math.ceil(self._rest_ticks))
        shards = [(shard.peer, shard.state) for shard in core.shards.shards]
        fleet = cluster.authority.incarnation, shards
        same, self._fleet = fleet == self._fleet, fleet
        retiring, self._retiring = self._retiring, set(core.mesh.leases.retiring)
        retiring |= self._retiring
        steady = same and not retiring
        leases, self._leases = self._leases, leases_of(core)
        moved = [s for s, holder in self._leases.items() if leases.get(s, holder) != holder]
        went = {sector: leases[sector] for sector in moved}
        yield from self._rests.look(cluster, core, went, steady=steady)
        if not steady:
            self._moved.clear()
            # One that gives up the last ones in this tick is past that when others are balanced.
            for sector in moved if same and self._retiring else ():
                cluster.exercised["sectors of who leaves judged"] += 1
                if went[sector] not in retiring:
                    yield f"sector {sector} of {went[sector]} moves while {retiring} are to leave"
            return
        if len(moved) > 1:
            yield f"sectors {moved} move at once"
        for sector in moved:
            cluster.exercised["sectors that moved judged"] += 1
            since = core.tick - self._moved.get(sector, -1 << 31)
            self._moved[sector] = core.tick
            if since < self._rest_ticks:
                yield f"sector {sector} moves again after {since} ticks"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


class _Rests:
    """Who has changed hands with its sector, by network id."""

    def __init__(self, rest_ticks: int) -> None:
        self._rest_ticks = rest_ticks
        self._owners: dict[int, int] = {}
        self._epochs: dict[int, int] = {}
        self._going: set[int] = set()
        self._until: dict[int, int] = {}
        self._stays: dict[int, int] = {}
        # In sectors that went while shards came or went: why they did is not known.
        self._unsure: set[int] = set()

    def look(
        self, cluster: Cluster, core: Replicator, went: Mapping[Sector, int], *, steady: bool
    ) -> Iterator[str]:
        """Judge who has changed hands in a tick.

        Args:
            cluster: all there is.
            core: the authority's.
            went: sectors that went to another shard, and whose they were.
            steady: whether no shard came or went.
        """
        columns, present = core.world.columns, core.world.present(core.tick)
        lasts = columns["kind"][present.rows] < SPARK
        rows, sectors = present.rows[lasts], present.sector[lasts]
        ids = columns.net_id[rows]
        before, self._owners = (
            self._owners,
            dict(zip(ids.tolist(), columns["shard"][rows].tolist(), strict=True)),
        )
        # Who was given away and back in one tick has changed hands, too.
        epochs, self._epochs = (
            self._epochs,
            dict(zip(ids.tolist(), columns.epoch[rows].tolist(), strict=True)),
        )
        for gone in before.keys() - self._owners.keys():
            # Another entity may have this id one day.
            self._going.discard(gone)
            self._until.pop(gone, None)
            self._stays.pop(gone, None)
        for sector, holder in went.items():
            theirs = ids[sectors == pack_sector(*sector)].tolist()
            self._note({id_ for id_ in theirs if before.get(id_) == holder}, core.tick, steady)
        stays = {id_ for id_, until in self._stays.items() if until > core.tick} - self._unsure
        cluster.exercised["entities at rest judged"] += len(stays)
        changed = {id_ for id_, owner in before.items() if self._owners.get(id_, owner) != owner}
        living = core.mesh.leases.shards
        given = {id_ for id_, epoch in epochs.items() if self._epochs.get(id_, epoch) != epoch}
        kept = {id_ for id_ in given if before[id_] in living}
        self._until |= dict.fromkeys(kept & self._going, core.tick + self._rest_ticks)
        self._going -= given
        wrong = kept & changed & stays
        if wrong and steady:
            meetings = find_meetings(cluster, core)
            lone = columns.net_id[meetings.rows[~meetings.possible.any(axis=0)]]
            for id_ in sorted(wrong & set(lone.tolist())):
                yield f"{id_} changes hands again, before it has rested"

    def _note(self, net_ids: set[int], tick: int, steady: bool) -> None:
        """Note that the sector of some entities has gone, and is to take them along."""
        if not steady:
            self._unsure |= net_ids
        for net_id in net_ids:
            rests = self._until.get(net_id, -1)
            if rests > tick:
                self._going.discard(net_id)
                self._stays[net_id] = rests
            else:
                self._going.add(net_id)
                self._stays.pop(net_id, None)
