"""Every entity is simulated by exactly one shard, and soon again by one after nobody did."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sidereal.replication.replicator import Replicator
from sidereal.shard.token import SESSION_TIMEOUT_S
from sidereal.tools.simulate.checks.always import reach_s
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.passing import SPARK


class OneOwner:
    """Every entity is simulated by exactly one shard whose rows the epoch lets pass.

    A body of another epoch must go as soon as the shard can know; and somebody must simulate an
    entity again soon after nobody does, if there is a shard at all. What a shard has spawned may
    wait for its turn: there is a most of what it says in a tick that it is new.
    """

    def __init__(self, plan: Plan) -> None:
        self._stale_s_max = reach_s(plan)
        # All that lost its shard may go to one other, as fast as that one is given entities.
        self._orphan_s_max = reach_s(plan) + plan.adopting_s
        if plan.silences:
            self._stale_s_max += SESSION_TIMEOUT_S
            # The shard that is given what a silent one had may fall silent too.
            self._orphan_s_max += plan.silences * plan.limits.shards.silence_s
        self._stale: dict[tuple[str, int, int, bool], float] = {}
        self._wholes_per_tick = plan.shard_limits.wholes_per_tick
        # What a living shard owns it simulates, or is just being told so.
        self._handover_s_max = reach_s(plan) + plan.silences * plan.limits.shards.silence_s
        self._orphans: dict[int, float] = {}
        self._left_alone: dict[tuple[int, int], float] = {}
        self._epoch = np.zeros(1, np.uint32)

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Count who holds what under which epoch."""
        columns = core.world.columns
        holders = np.zeros(columns.capacity, np.int64)
        # Whoever held an entity up to this tick's handover simulated it until now.
        simulated = np.zeros(columns.capacity, np.bool_)
        epoch_before, self._epoch = self._epoch, columns.epoch.copy()
        epoch_before = np.resize(epoch_before, columns.capacity)
        stale: list[tuple[str, int, int, bool]] = []
        turns_s: dict[tuple[str, int], float] = {}
        for shard in cluster.shards:
            running = shard.core is not None and shard.core.closed is None
            if not running or shard.welcomed_at < cluster.authority.started_at:
                continue
            assert shard.core is not None
            bodies = shard.core.bodies
            if bodies is None:
                continue
            held = bodies.rows()
            if not shard.honest:
                # What a liar spawns may never come into the world.
                held = held[bodies.columns["kind"][held] < SPARK]
            net_id, epoch = bodies.columns.net_id[held], bodies.columns.epoch[held]
            rows = columns.rows_of(net_id)
            current = (rows >= 0) & (columns.epoch[rows] == epoch)
            if ((rows >= 0) & (epoch > columns.epoch[rows])).any():
                yield f"{shard.name} has a body of an epoch that is still to come"
            holders[rows[current]] += 1
            simulated[rows[(rows >= 0) & (epoch >= epoch_before[rows])]] = True
            unknown = net_id[rows < 0].astype(np.int64)
            _, used = core.world.ids.look_up(unknown, 0)
            waiting = set(unknown[~used].tolist())
            turn_s = math.ceil(len(held) / self._wholes_per_tick) * core.rules.tick_s
            turns_s |= {(shard.name, net_id_): turn_s for net_id_ in waiting}
            # With its epoch: what a shard goes on losing and getting anew it has let go each time.
            # And whether it has still to come: what is refused then is lost from then on.
            lost = zip(net_id[~current].tolist(), epoch[~current].tolist(), strict=True)
            stale += [(shard.name, *body, body[0] in waiting) for body in lost]
        self._stale = {key: self._stale.get(key, cluster.now) for key in stale}
        liars = {shard.name for shard in cluster.shards if not shard.honest}
        for (name, net_id_, *_), since in self._stale.items():
            # A liar that is closed may not hear of it: then its session has to time out.
            deaf_s = SESSION_TIMEOUT_S if name in liars and cluster.plan.lossy else 0.0
            turn_s = turns_s.get((name, net_id_), 0.0)
            if cluster.now - since > self._stale_s_max + deaf_s + turn_s:
                lost_s = cluster.now - since
                yield f"{name} still simulates {net_id_} {lost_s:.2f} s after it lost it"
        living = columns.rows()
        doubled = living[holders[living] > 1]
        if len(doubled):
            yield f"{columns.net_id[doubled].tolist()} simulated by two shards with a current epoch"
        yield from self._look_for_orphans(cluster, core, living[~simulated[living]])

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Every shard that runs serves; every entity has an owner, every sector a living holder.

        Of two processes of one name it is enough that one serves: the other one keeps trying.
        """
        living = {
            shard.core.shard
            for shard in cluster.shards
            if shard.core is not None and (shard.honest or shard.core.serving)
        }
        served = {s.name for s in cluster.shards if s.core is not None and s.core.serving}
        for shard in cluster.shards:
            if shard.honest and shard.running and shard.name not in served:
                yield f"{shard.name} runs, but does not serve"
        if len(core.shards.shards) != len(living):
            yield f"{len(core.shards.shards)} shards are known, {len(living)} live"
        owners = np.unique(core.world.columns["shard"][core.world.columns.rows()])
        strangers = set(owners.tolist()) - living
        if strangers:
            yield f"entities are owned by {sorted(strangers)}, who do not live"
        holders = set(core.mesh.leases.rows()["shard"].tolist())
        if holders - living:
            yield f"sectors are leased to {sorted(holders - living)}, who do not live"

    def _look_for_orphans(
        self, cluster: Cluster, core: Replicator, orphans: np.ndarray
    ) -> Iterator[str]:
        now, before, alone = cluster.now, self._orphans, self._left_alone
        # Without any shard nobody is waited for; what was so before says nothing then.
        self._orphans, self._left_alone = {}, {}
        if not len(core.shards.shards):
            return
        serving = {s.core.shard: s.honest for s in cluster.shards if s.core and s.core.serving}
        owners = core.world.columns["shard"][orphans].tolist()
        for net_id, owner in zip(core.world.columns.net_id[orphans].tolist(), owners, strict=True):
            if not serving.get(owner, True):
                # What a liar was given is at its mercy until it is closed.
                continue
            since = self._orphans[net_id] = before.get(net_id, now)
            if now - since > self._orphan_s_max:
                yield f"{net_id} has not been simulated by anybody for {now - since:.2f} s"
            if owner in serving:
                since = self._left_alone[net_id, owner] = alone.get((net_id, owner), now)
                if now - since > self._handover_s_max:
                    yield f"shard {owner} has not simulated its {net_id} for {now - since:.2f} s"
