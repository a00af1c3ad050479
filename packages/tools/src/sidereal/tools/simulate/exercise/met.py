"""Which limits were met, seen from outside of the cores after every tick of the authority.

Most cores count what a limit has cost; the others show it: a sector that is there no more, a
tombstone that is gone. What the checkers see of limits they count themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from sidereal.protocol.rules import StreamLimits
from sidereal.protocol.state.arrays import TICK_MAX
from sidereal.protocol.state.schema import MOTION
from sidereal.replication.edge.changelog import Tombstones
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.exercise.tally import Tally

Counts = Iterator[tuple[str, int]]


class Watch:
    """Takes down what a run exercises; asked like a checker, it finds nothing wrong.

    Attributes:
        tally: of the run.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._counted: dict[str, tuple[object, Counter[str]]] = {}
        self._core: Replicator | None = None
        self._before: _Glance | None = None

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at every core after a tick."""
        self._add("authority", core, _counts_of_authority(core))
        for shard in cluster.shards:
            if shard.core is not None:
                self._add(shard.host, shard.core, _counts_of_shard(shard.core.statistics()))
        for client in cluster.clients:
            if client.core is not None:
                self._add(client.host, client.core, _counts_of_client(client.core))
        glance = _Glance(core)
        if self._before is not None and self._core is core:
            self.tally.limits.update(dict(glance.met_since(self._before)))
        self._before, self._core = glance, core
        return iter(())

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Take down who is there in the end: what they had lost has healed, if nothing is wrong."""
        present = {shard.address for shard in cluster.shards if shard.core is not None}
        present |= {client.address for client in cluster.clients if client.core is not None}
        self.tally.healed = cluster.network.losses.healed(present)
        return iter(())

    def finish(self, cluster: Cluster, *, agreed: bool) -> Tally:
        """Give what was taken down.

        Args:
            cluster: when the run is over.
            agreed: whether nothing was wrong.
        """
        tally = self.tally
        struck = (fault.kind.value for fault in cluster.plan.faults if fault.at <= cluster.now)
        tally.faults = Counter(struck) + cluster.network.happened
        noted = cluster.authority.noted
        tally.limits.update(cluster.limits_met)
        tally.limits["authority.standstill_after_s"] = noted["stands_still"]
        tally.limits["authority.shards.silence_s"] = noted["shard_left TIMED_OUT"]
        tally.lost = +cluster.network.losses.lost
        tally.judged = +cluster.exercised
        tally.noted = +cluster.authority.noted
        if not agreed:
            tally.healed.clear()
        return tally

    def _add(self, name: str, core: object, counts: Counts) -> None:
        """Add what a core has counted since the last look."""
        now = Counter(dict(counts))
        counted_for, before = self._counted.get(name, (core, Counter[str]()))
        self._counted[name] = core, now
        self.tally.limits.update(now)
        if counted_for is core:
            self.tally.limits.subtract(before)


def _counts_of_authority(core: Replicator) -> Counts:
    fanout, rejected = core.edge.fanout.statistics(), core.ingest.rejected
    of_clients, of_shards = core.clients.dropped, core.shards.dropped
    yield "authority.ticks_catch_up", core.ticks.dropped
    yield "authority.proposals.superseded_ticks", rejected["stale_epoch"]
    yield "authority.proposals.future_ticks", rejected["future_tick"]
    yield "authority.proposals.unreported_s", rejected["too_far"]
    yield "authority.proposals.spawns_per_s", rejected["too_many"]
    yield "authority.ownership.answer_within_s", core.mesh.answers.fenced
    yield "authority.ownership.ghost_messages", core.ghosts.rows_put_off
    yield "authority.ownership.island_members", core.mesh.grouping.islands_split
    yield "authority.ownership.shadows", core.mesh.grouping.shadows_left_out
    yield "authority.players.messages_per_s", of_clients["too_many"]
    yield "authority.players.controls_burst_ticks", of_clients["controls_too_fast"]
    yield "authority.players.heard_per_s", of_clients["lines_unheard"]
    yield "authority.actions.burst", core.actions.counts["too_fast"]
    yield "authority.actions.waiting", core.actions.counts["too_much"]
    yield "authority.actions.waiting_ticks", core.actions.counts["not_now"]
    yield "authority.shards.asks_per_tick", core.actions.counts["asked_too_much"]
    yield "authority.shards.allowed_burst_s", of_shards["too_many"]
    yield "authority.shards.barred_s", of_shards["barred"]
    yield "authority.shards.inbox", of_shards["inbox_full"]
    yield "authority.shards.faults", core.shards.fenced_for_faults
    malformed = (
        e.statistics().payloads_malformed for e in (core.clients.endpoint, core.shards.endpoint)
    )
    yield "authority.transport.malformed_payloads", sum(malformed)
    yield "authority.edge.datagrams", fanout.deferred
    yield "authority.edge.section_parts", fanout.transfers - fanout.transfers_whole
    yield "authority.edge.replace_parts", fanout.transfers_whole
    yield "authority.edge.leases_every_ticks", core.edge.lease_views.put_off
    yield "stream.reorder_ticks", fanout.late_acks


def _counts_of_shard(statistics: Any) -> Counts:
    yield "shard.ticks_catch_up", statistics.ticks_skipped
    yield "shard.controls_waiting", statistics.controls_dropped
    yield "shard.jump_ticks", statistics.phase_jumps
    if statistics.simulation is not None:
        yield "shard.spawns_per_s", statistics.simulation.spawns_refused


def _counts_of_client(client: Any) -> Counts:
    statistics = client.statistics()
    yield "client.ticks_catch_up", statistics.inputs_skipped
    yield "client.events", statistics.events_dropped
    yield "client.entities", statistics.entities_dropped
    if client.replica is not None:
        yield "stream.reorder_ticks", client.replica.stale


class _Glance:
    """What the authority shows of itself at one tick."""

    def __init__(self, core: Replicator) -> None:
        self._core = core
        self._tick = core.tick
        world = core.world
        self._sectors = set(world.sectors.keys.tolist())
        self._lease_epoch = core.mesh.leases.epoch
        self._tombstones = _packed(core.edge.changes.tombstones)
        self._rows = world.columns.rows()
        self._net_id = world.columns.net_id[self._rows].copy()
        self._changed = world.changed[world.schema.numbers[MOTION.name], self._rows]

    def met_since(self, before: _Glance) -> Counts:
        """Tell which limits the tick has met."""
        core = self._core
        limits, streams = core.limits, core.rules.streams
        checked = self._tick % limits.world.sectors_checked_every_ticks == 0
        yield "authority.world.sectors_checked_every_ticks", int(checked)
        forgotten = before._sectors - self._sectors
        yield "authority.world.sector_empty_ticks", len(forgotten)
        leases = core.mesh.leases
        missed = self._lease_epoch - before._lease_epoch > limits.ownership.lease_changes
        yield "authority.ownership.lease_changes", int(missed)
        changed = leases.changed_since(before._lease_epoch)
        parts = 0 if changed is None else (len(changed) - 1) // limits.edge.sectors_at_once
        yield "authority.edge.sectors_at_once", max(0, parts)
        full = any(s.adopting >= limits.ownership.adopting_records for s in core.shards.shards)
        yield "authority.ownership.adopting_records", core.mesh.waiting if full else 0
        yield "authority.ownership.adopt_records_per_s", 0 if full else core.mesh.waiting
        yield "stream.tombstone_ticks", self._pruned_since(before, streams)
        yield "stream.record_age_ticks", self._renewed_since(before, streams)

    def _pruned_since(self, before: _Glance, streams: StreamLimits) -> int:
        """Count tombstones that went because they were old, not because their sector did."""
        gone = before._tombstones[~np.isin(before._tombstones, self._tombstones)]
        age = self._tick - (gone & TICK_MAX)
        return int((age >= streams.tombstone_ticks).sum())

    def _renewed_since(self, before: _Glance, streams: StreamLimits) -> int:
        """Count references that were replaced when they were too old to stay."""
        _, now, then = np.intersect1d(self._net_id, before._net_id, return_indices=True)
        age = self._changed[now] - before._changed[then]
        return int((age >= streams.record_age_ticks).sum())


def _packed(tombstones: Tombstones) -> np.ndarray:
    """Pack tombstones into numbers, int64[n]."""
    packed: np.ndarray = (tombstones.row["id"].astype(np.int64) << 32) | tombstones.tick
    return packed
