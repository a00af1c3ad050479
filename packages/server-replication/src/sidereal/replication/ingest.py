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

    def commit(self, tick: int) -> np.ndarray:
        """Judge all that has come since the last tick, commit it, and take away what is wrong.

        Returns:
            int64[n] rows of what was proposed wrongly by its owner, which has to get it anew.
        """
        columns = self._world.columns
        wrong = [np.empty(0, np.int64)]
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
                wrong.append(self._reject(shard, records, rows, verdicts, tick))
        return np.concatenate(wrong)

    def _reject(
        self,
        shard: Shard,
        records: np.ndarray,
        rows: np.ndarray,
        verdicts: np.ndarray,
        tick: int,
    ) -> np.ndarray:
        """Count what was refused and take it from the shard.

        What is its own, but was proposed wrongly, is given to it anew from the committed state;
        a new epoch fences the wrong records that are still on their way.
        """
        for verdict in FAULTS:
            count = int((verdicts == verdict).sum())
            if count:
                self.rejected[verdict.name.lower()] += count
                if verdict is not Verdict.FUTURE_TICK or tick > shard.ahead_until:
                    shard.faults += count
        faulty = np.isin(verdicts, FAULTS)
        epoch = records["epoch"][faulty].astype(np.int64) + 1
        self._shards.send_release(shard, records["id"][faulty], epoch, tick)
        wrong: np.ndarray = rows[verdicts >= Verdict.FUTURE_TICK]
        self._world.columns.epoch[wrong] += np.uint32(1)
        self._world.handover_tick[wrong] = tick
        return wrong
