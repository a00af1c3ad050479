"""What shards propose becomes the world, as far as it is believed."""

from __future__ import annotations

from collections import Counter

import numpy as np

from sidereal.replication.limits import LIMITS, ProposalLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.inputs import InputLog
from sidereal.replication.validate import (
    FAULTS,
    Verdict,
    judge_records,
)
from sidereal.replication.world import World


class Ingest:
    """Validation and commit of one world's proposals.

    Attributes:
        committed: records that were accepted.
        fenced: records that were on their way when their entity changed hands, which is no fault.
        rejected: records that were refused, by reason.
    """

    def __init__(
        self,
        world: World,
        shards: ShardLink,
        inputs: InputLog,
        limits: ProposalLimits = LIMITS.proposals,
    ) -> None:
        self.committed = 0
        self.fenced = 0
        self.rejected: Counter[str] = Counter()
        self._world = world
        self._shards = shards
        self._inputs = inputs
        self._limits = limits

    def commit(self, tick: int) -> None:
        """Judge all that has come since the last tick, commit it, and answer what is wrong."""
        columns = self._world.columns
        departed = self._world.departed_since(tick - self._limits.superseded_ticks)
        for shard in self._shards.shards:
            records = self._shards.take_records(shard)
            if not len(records):
                continue
            rows = columns.rows_of(records["id"])
            verdicts = judge_records(
                records,
                rows,
                columns,
                self._world.handover_tick,
                departed=departed,
                newest_input=self._inputs.newest(records),
                shard=shard.shard,
                tick=tick,
                schema=self._world.schema,
                rules=self._world.rules,
                limits=self._limits,
            )
            accepted = verdicts == Verdict.ACCEPTED
            self._world.commit(rows[accepted], records[accepted], tick)
            self.committed += int(accepted.sum())
            self.fenced += int((verdicts == Verdict.SUPERSEDED).sum())
            if verdicts.max(initial=0) > Verdict.SUPERSEDED:
                self._reject(shard, records, rows, verdicts, tick)

    def _reject(
        self,
        shard: Shard,
        records: np.ndarray,
        rows: np.ndarray,
        verdicts: np.ndarray,
        tick: int,
    ) -> None:
        """Count what was refused and tell the shard the truth.

        What is not the shard's is released; what is, but was proposed wrongly, is adopted anew
        from the committed state, under a new epoch that fences the wrong records on their way.
        """
        for verdict in FAULTS:
            count = int((verdicts == verdict).sum())
            if count:
                self.rejected[verdict.name.lower()] += count
                if verdict is not Verdict.FUTURE_TICK or tick > shard.ahead_until:
                    shard.faults += count
        foreign = np.isin(
            verdicts, (Verdict.UNKNOWN_ENTITY, Verdict.STALE_EPOCH, Verdict.NOT_OWNER)
        )
        if foreign.any():
            epoch = records["epoch"][foreign].astype(np.int64) + 1
            self._shards.send_release(shard, records["id"][foreign], epoch, tick)
        wrong = rows[verdicts >= Verdict.FUTURE_TICK]
        if len(wrong):
            columns = self._world.columns
            columns.epoch[wrong] += np.uint32(1)
            self._world.handover_tick[wrong] = tick
            truth = columns.store(wrong, self._world.schema.full_record)
            self._shards.send_adopt(shard, truth, self._inputs.since(truth), tick)
