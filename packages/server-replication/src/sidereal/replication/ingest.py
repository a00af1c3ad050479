"""What shards propose becomes the world, as far as it is believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from sidereal.protocol.state.proposals import version_of
from sidereal.protocol.state.schema import EVENT_FIRST, MOTION, WHOLE
from sidereal.protocol.state.stream import GONE, PRESENCE
from sidereal.replication.births import Births
from sidereal.replication.events import Events
from sidereal.replication.gamerules import GameRules, Offered
from sidereal.replication.limits import LIMITS, ProposalLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.inputs import InputLog
from sidereal.replication.validate import (
    FAULTS,
    Proposed,
    Verdict,
    judge_component,
    judge_event,
    judge_motion,
    judge_whole,
)
from sidereal.replication.world import World


class Ingest:
    """Validation and commit of one world's proposals.

    Attributes:
        committed: rows that were accepted.
        fenced: rows that were on their way when their entity changed hands, which is no fault.
        rejected: rows that were refused, by reason.
        events_dropped: of shards that had more to say than may happen in a tick.
    """

    def __init__(
        self,
        world: World,
        shards: ShardLink,
        inputs: InputLog,
        births: Births,
        rules: GameRules,
        events: Events,
        limits: ProposalLimits = LIMITS.proposals,
    ) -> None:
        self.committed = 0
        self.fenced = 0
        self.rejected: Counter[str] = Counter()
        self.events_dropped = 0
        self._world = world
        self._shards = shards
        self._inputs = inputs
        self._births = births
        self._rules = rules
        self._events = events
        self._limits = limits
        self._motion = world.schema.numbers[MOTION.name]

    def commit(self, tick: int) -> np.ndarray:
        """Judge all that has come since the last tick, commit it, and take away what is wrong.

        Returns:
            uint32[n], ids of what was proposed wrongly by its owner, which has to get it anew.
        """
        wrong = [np.empty(0, np.uint32)]
        for shard in self._shards.shards:
            shard.quota.renew()
            for number, records in self._batches(shard):
                proposed = self._proposed(shard, records, tick)
                if number >= EVENT_FIRST:
                    self._commit_events(shard, number, proposed)
                    continue
                verdicts = self._judge(number, shard, proposed)
                self.fenced += int((verdicts == Verdict.SUPERSEDED).sum())
                if verdicts.max(initial=0) > Verdict.SUPERSEDED:
                    wrong.append(self._reject(shard, proposed, verdicts))
                self._accept(number, shard, proposed, verdicts == Verdict.ACCEPTED)
        return np.concatenate(wrong)

    def _commit_events(self, shard: Shard, number: int, proposed: Proposed) -> None:
        """Let happen what a shard may say has happened, as far as it is not too much."""
        verdicts = judge_event(proposed, shard.events.take(proposed.records["nth"]))
        accepted = np.flatnonzero(verdicts == Verdict.ACCEPTED)
        taken = accepted[: shard.quota.take(len(accepted))]
        self.events_dropped += len(accepted) - len(taken)
        records, tick = proposed.records[taken], proposed.tick
        values = {name: records[name] for name in records.dtype.names or ()}
        self._events.commit(number, proposed.rows[taken], values, tick)
        self.fenced += int((verdicts == Verdict.SUPERSEDED).sum())
        self._count_faults(shard, verdicts, tick)

    def _batches(self, shard: Shard) -> Iterator[tuple[int, np.ndarray]]:
        """Give what a shard has proposed: first who is new, since other rows may be theirs."""
        rows = self._shards.take_rows(shard)
        wholes = rows.pop(WHOLE, None)
        if wholes is not None:
            known = self._world.columns.rows_of(wholes["id"]) >= 0
            yield from ((WHOLE, some) for some in (wholes[~known], wholes[known]) if len(some))
        # Then components and what has happened, and last who is gone.
        gone = rows.pop(GONE, None)
        yield from rows.items()
        if gone is not None:
            yield GONE, gone

    def _proposed(self, shard: Shard, records: np.ndarray, tick: int) -> Proposed:
        world, rows = self._world, self._world.columns.rows_of(records["id"])
        unknown = records["id"][rows < 0].astype(np.int64)
        _, used = world.ids.look_up(unknown, shard.peer)
        return Proposed(
            records,
            rows,
            world.columns,
            world.handover_tick,
            unknown[used],
            shard.shard,
            tick,
            world.schema,
            self._limits,
        )

    def _judge(self, number: int, shard: Shard, proposed: Proposed) -> np.ndarray:
        if number == GONE:
            return self._births.judge_ends(shard, proposed)
        if number == WHOLE and proposed.rows[0] < 0:
            return self._births.judge_spawns(shard, proposed)
        verdicts = self._judge_rows(number, proposed)
        passed = np.flatnonzero(verdicts == Verdict.ACCEPTED)
        for concerned in self._world.schema.proposed if number == WHOLE else (number,):
            if len(passed) and self._rules.concern(concerned):
                verdicts[passed] = self._ask_rules(concerned, proposed, passed)
                passed = np.flatnonzero(verdicts == Verdict.ACCEPTED)
        return verdicts

    def _judge_rows(self, number: int, proposed: Proposed) -> np.ndarray:
        """Judge rows of entities that should be there."""
        world, records, at = self._world, proposed.records, proposed.at
        version = version_of(records)
        if number == WHOLE:
            newest = version > world.versions[PRESENCE][at]
            return judge_whole(proposed, self._inputs.newest(records), newest, world.rules)
        if number == self._motion:
            return judge_motion(proposed, self._inputs.newest(records), world.rules)
        versions = world.versions.get(number)
        newest = np.broadcast_to(versions is None or version > versions[at], len(at))
        late = version <= world.versions[PRESENCE][at]
        return judge_component(proposed, number, newest, late)

    def _ask_rules(self, number: int, proposed: Proposed, passed: np.ndarray) -> np.ndarray:
        """Ask the game what it thinks of rows that have passed, and have this component."""
        world, rows = self._world, proposed.at[passed]
        has = world.columns.has(rows, number)
        verdicts = np.full(len(passed), Verdict.ACCEPTED, np.uint8)
        if has.any():
            records, rows = proposed.records[passed[has]], rows[has]
            offered = Offered(records, rows, self._elapsed_s(number, records, rows))
            verdicts[has] = self._rules.judge(number, offered, world, proposed.tick)
        return verdicts

    def _elapsed_s(self, number: int, records: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Tell how much newer rows are than those that the world has, float64[n] seconds.

        A new owner goes on from the row that it was handed over with, whatever tick the former one
        had come to.
        """
        world = self._world
        if number == self._motion:
            since = world.columns.tick[rows]
        else:
            epoch, tick = np.divmod(world.versions[number][rows], 1 << 32)
            same_owner = epoch == records["epoch"]
            since = np.where(same_owner, tick, np.minimum(tick, world.handover_tick[rows]))
        ticks = np.maximum(records["tick"].astype(np.int64) - since, 1)
        elapsed_s: np.ndarray = ticks * world.rules.tick_s
        return elapsed_s

    def _accept(self, number: int, shard: Shard, proposed: Proposed, accepted: np.ndarray) -> None:
        rows, records = proposed.rows[accepted], proposed.records[accepted]
        self.committed += len(rows)
        if not len(rows):
            return
        if number == GONE:
            self._births.end(rows, proposed.tick)
        elif number == WHOLE and rows[0] < 0:
            self._births.let_in(shard, records, proposed.tick)
        elif number == WHOLE:
            self._births.commit_wholes(rows, records, proposed.tick)
        elif number == self._motion:
            self._world.commit(rows, records, proposed.tick)
        else:
            self._world.commit_component(number, rows, records, proposed.tick)

    def _reject(self, shard: Shard, proposed: Proposed, verdicts: np.ndarray) -> np.ndarray:
        """Count what was refused and take it from the shard.

        What is its own, but was proposed wrongly, is given to it anew from the committed state;
        a new epoch fences the wrong rows that are still on their way.
        """
        records, tick = proposed.records, proposed.tick
        self._count_faults(shard, verdicts, tick)
        faulty = np.isin(verdicts, FAULTS)
        epoch = records["epoch"][faulty].astype(np.int64) + 1
        self._shards.send_release(shard, records["id"][faulty], epoch, tick)
        wrong = proposed.rows[(verdicts >= Verdict.FUTURE_TICK) & (proposed.rows >= 0)]
        self._world.columns.epoch[wrong] += np.uint32(1)
        self._world.handover_tick[wrong] = tick
        ids: np.ndarray = self._world.columns.net_id[wrong]
        return ids

    def _count_faults(self, shard: Shard, verdicts: np.ndarray, tick: int) -> None:
        for verdict in FAULTS:
            count = int((verdicts == verdict).sum())
            if count:
                self.rejected[verdict.name.lower()] += count
                if not self._is_forgiven(shard, verdict, tick):
                    shard.faults += count

    def _is_forgiven(self, shard: Shard, verdict: Verdict, tick: int) -> bool:
        """Tell whether a refusal is not the shard's fault: we stood still, or a rule failed."""
        late = verdict in (Verdict.FUTURE_TICK, Verdict.TOO_MANY)
        ahead = late and tick <= shard.ahead_until
        return ahead or verdict is Verdict.RULE_FAILED
