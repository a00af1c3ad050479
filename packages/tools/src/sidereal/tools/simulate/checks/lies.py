"""Whoever lies is not believed and is closed; nobody else is blamed, or has to notice.

`LiesFail` asks two things: that no row which a liar has made up is in the world, and that a liar
which gives every reason for it is closed in time. It also asks that lies can be read: else a liar
would be closed for noise, whatever it is believed. `NobodyIsBlamed` asks that no honest process is.
That nobody notices is what all other checkers say: they go on judging the honest as strictly as
before. Above all `Reference`: what nothing has touched is where it would be without the liar, and
whatever was touched went on as it had to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.errors import CloseReason
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.always import reach_s
from sidereal.tools.simulate.checks.lives import BORN
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Kind, Plan
from sidereal.tools.simulate.idleshards import IdleShardProcess
from sidereal.tools.simulate.liarclients import CLIENT_LIES, Finale
from sidereal.tools.simulate.liarshards import LyingShardProcess
from sidereal.tools.simulate.lies import LIAR_ACCOUNT, content_of

BLAMED: Final = frozenset(
    {CloseReason.FENCED, CloseReason.PROTOCOL_VIOLATION, CloseReason.CHANNEL_OVERFLOW}
)
"""How no honest process ends."""

COUNTED_FROM: Final = 40
"""So many lies do not all get lost: something must have been counted."""


class _Heard(NamedTuple):
    """The inputs of a ship that have come to an idle shard while it owned it.

    Attributes:
        since: when the first of them came, virtual seconds.
        newest: number of the last one.
        asked: in so many ticks newer ones have come.
    """

    since: float
    newest: int
    asked: int


class LiesFail:
    """Looks for what liars achieve."""

    def __init__(self, plan: Plan) -> None:
        self._reach_s = reach_s(plan)
        within_s = plan.limits.ownership.answer_within_s
        self._answers_within_s = within_s + 3.0 / plan.tick_hz
        self._inputs_asked = math.ceil(0.5 * within_s * plan.tick_hz) + 1
        self._players = plan.limits.players
        # Inputs that may be ahead of their time, and those that a full queue jumps over.
        self._ahead_max = self._players.controls_burst_ticks + plan.shard_limits.controls_queue
        self._barred_s = plan.limits.shards.barred_s
        self._barred_names = plan.limits.shards.barred_names
        self._is_noisy = any(
            fault.kind is Kind.CLIENT_LIES and fault.target == Finale.NONSENSE
            for fault in plan.faults
        )
        self._connected_at: dict[str, float] = {}
        self._listened = 0
        self._flying_since: dict[int, float] = {}
        self._first: dict[int, int] = {}
        self._owners: dict[int, int] = {}
        self._heard: dict[tuple[str, int], _Heard] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at everybody, and at the rows that were lied about."""
        yield from self._look_for_believed(cluster, core)
        yield from self._look_for_values(cluster, core)
        yield from self._look_for_births(cluster, core)
        yield from self._look_at_shards(cluster, core)
        yield from self._look_at_idle_shards(cluster, core)
        yield from self._look_at_pilots(cluster, core)
        for client in cluster.strangers:
            if not client.closed and self._is_overdue(cluster, client.name):
                yield f"{client.name} was not closed in time"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """What was said in vain is counted, and nothing is noise that is not meant to be."""
        cluster.exercised.update({f"lies: {what}": n for what, n in cluster.lies.told.items()})
        malformed = core.clients.endpoint.statistics().payloads_malformed
        if malformed and not self._is_noisy:
            yield f"{malformed} payloads of clients were no packets"
        if cluster.authority.incarnation > 1:
            return
        counts = sum(core.ingest.rejected.values()) + sum(core.shards.dropped.values())
        lied = [p for p in cluster.shards if isinstance(p, LyingShardProcess) and p.fallen]
        if lied and not counts:
            yield "nothing of what a shard has made up was counted"
        told = sum(cluster.lies.told[lie.__name__] for lie in CLIENT_LIES)
        if told > COUNTED_FROM and not sum(core.clients.dropped.values()):
            yield "nothing of what a client has made up was counted"

    def _is_overdue(self, cluster: Cluster, name: str) -> bool:
        return cluster.now > cluster.lies.closed_by.get(name, math.inf) + self._reach_s

    def _look_for_believed(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        lies, columns = cluster.lies.rows, core.world.columns
        if not lies:
            return
        ids = np.array(list(lies), np.int64)
        rows = columns.rows_of(ids)
        ids, rows = ids[rows >= 0], rows[rows >= 0]
        records = columns.store(rows, core.schema.exact_record)
        for at, net_id in enumerate(ids.tolist()):
            if content_of(records[at : at + 1]) in lies[net_id]:
                yield f"{net_id} is as a liar has it: {records[at]}"

    def _look_for_values(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        columns, values = core.world.columns, cluster.lies.values
        rows = columns.rows_of(np.array(list(values), np.int64))
        for row, (net_id, said) in zip(rows.tolist(), values.items(), strict=True):
            for name, value in said if row >= 0 else ():
                if columns[name][row].tobytes() == value:
                    yield f"{net_id} has the {name} that a liar has made up"

    def _look_for_births(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        columns = core.world.columns
        rows = columns.rows()
        wrong = rows[np.isin(columns[BORN][rows], list(cluster.lies.unborn))]
        if len(wrong):
            yield f"{columns.net_id[wrong].tolist()} are here because a liar said so"

    def _look_at_shards(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        connected = {shard.name for shard in core.shards.shards}
        self._connected_at |= dict.fromkeys(connected, cluster.now)
        for shard in cluster.shards:
            if not isinstance(shard, LyingShardProcess):
                continue
            if shard.lies and self._is_overdue(cluster, shard.name):
                yield f"{shard.name} was not closed in time"
            serves = shard.core is not None and shard.core.serving
            fenced_at = cluster.lies.provoked_at.get(shard.name, -math.inf)
            fenced = "FENCED" in shard.fallen and fenced_at > cluster.authority.started_at
            # Only so many names are kept out, those fenced last; none but liars' are (see
            # `NobodyIsBlamed`). Whoever else of them has gone since may have pushed this one out.
            later = {
                other.name
                for other in cluster.shards
                if not other.honest and other.name not in {shard.name, *connected}
                if self._connected_at.get(other.name, -math.inf) >= fenced_at
            }
            kept_out = len(later) < self._barred_names
            early = shard.welcomed_at < fenced_at + self._barred_s
            if serves and fenced and kept_out and early and not shard.lies:
                yield f"{shard.name} was let in again at once"

    def _look_at_idle_shards(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """A shard that has a ship, and is sent its inputs, must answer, or is closed."""
        idle = {
            shard.core_name: shard
            for shard in cluster.shards
            if isinstance(shard, IdleShardProcess) and shard.core is not None
        }
        columns = core.world.columns
        fresh, self._listened = cluster.ledger.heard[self._listened :], len(cluster.ledger.heard)
        newest: dict[tuple[str, int], int] = {}
        for at, name, mark in fresh:
            if name in idle and mark.net_id:
                key = name, mark.net_id
                self._heard.setdefault(key, _Heard(at, mark.input_seq, 0))
                newest[key] = max(newest.get(key, 0), mark.input_seq)
        for key, seq in newest.items():
            heard = self._heard[key]
            if seq > heard.newest:
                self._heard[key] = heard._replace(newest=seq, asked=heard.asked + 1)
        for (name, net_id), heard in list(self._heard.items()):
            row = columns.rows_of(np.array([net_id]))[0]
            shard = idle.get(name)
            if (
                shard is None
                or shard.core is None
                or not shard.core.serving
                or row < 0
                or columns["shard"][row] != shard.core.shard
            ):
                del self._heard[name, net_id]
                continue
            cluster.exercised["inputs left unanswered"] += 1
            waited_s = cluster.now - heard.since
            if waited_s > self._answers_within_s and heard.asked > self._inputs_asked:
                yield f"{name} leaves {net_id} without an answer for {waited_s:.2f} s"

    def _look_at_pilots(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Whatever numbers a liar gives to its inputs, they pass no faster than time does.

        Time counts from when it was given its ship: its first inputs may be late.
        """
        columns, rows = core.world.columns, core.world.columns.rows()
        for row in rows[core.world.account[rows] == LIAR_ACCOUNT].tolist():
            net_id, seq = int(columns.net_id[row]), int(columns["input_seq"][row])
            at = self._flying_since.setdefault(net_id, cluster.now)
            if not seq:
                continue
            first = self._first.setdefault(net_id, seq)
            passed = (cluster.now - at) * core.rules.tick_hz * self._players.controls_rate
            if seq - first > passed + self._ahead_max:
                yield f"a liar has flown {seq - first} inputs in {cluster.now - at:.2f} s"


class NobodyIsBlamed:
    """No honest process is ever closed for what it does."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at why sessions have ended."""
        for process in (*cluster.shards, *cluster.clients):
            blamed = [why for why in process.fallen if _is_blame(why)]
            if process.honest and blamed:
                yield f"{process.name} was blamed: {blamed}"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


def _is_blame(why: str) -> bool:
    return why.upper().replace(" ", "_") in CloseReason.__members__ and (
        CloseReason[why.upper().replace(" ", "_")] in BLAMED
    )
