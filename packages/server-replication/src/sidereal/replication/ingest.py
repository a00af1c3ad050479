"""What shards propose becomes the world, as far as it is believed.

An entity of which something was refused is taken from its shard. That holds from the end of the
shard's rows of a tick on. A state has several rows: motion, and what models write beside it. All of
them are taken, or none: else whoever is given the entity would go on from what never was. So until
then those count that belong to the motion that was accepted, and no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from sidereal.protocol.state.proposals import version_of
from sidereal.protocol.state.schema import EVENT_FIRST, MOTION, WHOLE
from sidereal.protocol.state.stream import GONE, PRESENCE
from sidereal.replication.births import Births, masks_said
from sidereal.replication.events import Events
from sidereal.replication.gamerules import GameRules, Offered
from sidereal.replication.limits import LIMITS, ProposalLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.inputs import InputLog
from sidereal.replication.validate import (
    EPOCH_FIRST,
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
        wrong = [self._commit_rows_of(shard, tick) for shard in self._shards.shards]
        return np.concatenate([np.empty(0, np.uint32), *wrong])

    def _commit_rows_of(self, shard: Shard, tick: int) -> np.ndarray:
        """Judge and commit what one shard has proposed; returns what it has to get anew."""
        wrong = np.empty(0, np.uint32)
        shard.quota.renew()
        for number, records in self._batches(shard):
            proposed = self._proposed(shard, records, tick)
            lost = np.isin(records["id"], wrong)
            if number >= EVENT_FIRST:
                self._commit_events(shard, number, proposed, lost)
                continue
            verdicts = self._judge(number, shard, proposed)
            if lost.any():
                self._fence(number, proposed, verdicts, lost)
            self.fenced += int((verdicts == Verdict.SUPERSEDED).sum())
            if verdicts.max(initial=0) > Verdict.SUPERSEDED:
                wrong = np.union1d(wrong, self._reject(shard, proposed, verdicts))
            self._accept(number, shard, proposed, verdicts == Verdict.ACCEPTED)
        rows = self._world.columns.rows_of(wrong)
        rows = rows[rows >= 0]
        self._world.columns.epoch[rows] += np.uint32(1)
        self._world.handover_tick[rows] = tick
        return wrong

    def _fence(
        self, number: int, proposed: Proposed, verdicts: np.ndarray, lost: np.ndarray
    ) -> None:
        """Refuse, of what was refused in this tick already, all but what goes with its motion.

        Mutates:
            verdicts: of entities that are lost, bool[n].
        """
        belongs = verdicts == Verdict.ACCEPTED
        if number == GONE:
            belongs[:] = False
        elif number not in (WHOLE, self._motion):
            belongs &= proposed.records["tick"] <= self._world.columns.tick[proposed.at]
        verdicts[lost & ~belongs & (verdicts != Verdict.REPEATED)] = Verdict.SUPERSEDED

    def _commit_events(
        self, shard: Shard, number: int, proposed: Proposed, lost: np.ndarray
    ) -> None:
        """Let happen what a shard may say has happened, as far as it is not too much."""
        verdicts = judge_event(proposed, shard.events.take(proposed.records["nth"]))
        verdicts[lost] = Verdict.SUPERSEDED
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
        for wholes in self._newest(rows.pop(WHOLE, None)):
            known = self._world.columns.rows_of(wholes["id"]) >= 0
            yield from ((WHOLE, some) for some in (wholes[~known], wholes[known]) if len(some))
        # Then components and what has happened, and last who is gone.
        gone = rows.pop(GONE, None)
        for number, records in rows.items():
            if number >= EVENT_FIRST:
                yield number, records
            else:
                yield from ((number, some) for some in self._newest(records))
        yield from ((GONE, some) for some in self._newest(gone))

    def _newest(self, records: np.ndarray | None) -> Iterator[np.ndarray]:
        """Choose the newest row of each entity, each once.

        Nobody can have a row of an epoch that has not come. It is refused, and no other one for it.
        """
        if records is None:
            return
        columns = self._world.columns
        rows = columns.rows_of(records["id"])
        to_come = records["epoch"] > np.where(rows >= 0, columns.epoch[rows], EPOCH_FIRST)
        order = np.lexsort((records["tick"], records["epoch"], to_come, records["id"]))
        ids, apart = records["id"][order], to_come[order]
        last = np.append((ids[1:] != ids[:-1]) | (apart[1:] != apart[:-1]), True)
        for chosen in (order[last & ~apart], order[last & apart]):
            if len(chosen):
                yield records[chosen]

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
            world.repairs,
            self._limits,
        )

    def _judge(self, number: int, shard: Shard, proposed: Proposed) -> np.ndarray:
        if number == GONE:
            return self._births.judge_ends(shard, proposed)
        spawns = number == WHOLE and bool(proposed.rows[0] < 0)
        if spawns:
            verdicts = self._births.judge_spawns(shard, proposed)
        else:
            verdicts = self._judge_rows(number, proposed)
        passed = np.flatnonzero(verdicts == Verdict.ACCEPTED)
        for concerned in self._world.schema.proposed if number == WHOLE else (number,):
            if len(passed) and self._rules.concern(concerned):
                verdicts[passed] = self._ask_rules(concerned, proposed, passed)
                passed = np.flatnonzero(verdicts == Verdict.ACCEPTED)
        if spawns:
            self._births.settle_spawns(shard, proposed, verdicts)
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
        """Ask the game what it thinks of rows that have passed and say what a component holds.

        What an entity is given, and what is new, has changed from what its kind begins with.
        """
        columns, schema = self._world.columns, self._world.schema
        rows, records = proposed.rows[passed], proposed.records[passed]
        has = had = (rows >= 0) & columns.has(rows, number)
        if records.dtype == schema.full_record:
            held = np.where(rows >= 0, columns.mask[rows], schema.masks[records["kind"]])
            has = masks_said(schema, records, held) & np.uint64(1 << number) != 0
            # What was overtaken by a newer row is not taken over, and so not judged.
            has &= ~had | self._is_newer(number, rows, records)
        verdicts = np.full(len(passed), Verdict.ACCEPTED, np.uint8)
        if has.any():
            rows, records, had = rows[has], records[has], had[has]
            before = self._before(number, rows, records, had)
            offered = Offered(records, before, self._elapsed_s(number, rows, records, had))
            verdicts[has] = self._rules.judge(number, offered, proposed.tick)
        return verdicts

    def _is_newer(self, number: int, rows: np.ndarray, records: np.ndarray) -> np.ndarray:
        """Tell which records bring a newer row of a component than the world has, bool[n]."""
        if number == self._motion:
            return np.asarray(records["tick"] > self._world.columns.tick[rows])
        return np.asarray(version_of(records) > self._world.versions[number][rows])

    def _before(
        self, number: int, rows: np.ndarray, records: np.ndarray, had: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Give what entities had of a component, by column; those that had none, as at first."""
        columns, fields = self._world.columns, self._world.schema.component(number).fields
        before = {field.name: columns[field.name][rows] for field in fields}
        if not had.all():
            first = self._world.schema.first[records["kind"]]
            before = {name: np.where(had, was, first[name]) for name, was in before.items()}
        return before

    def _elapsed_s(
        self, number: int, rows: np.ndarray, records: np.ndarray, had: np.ndarray
    ) -> np.ndarray:
        """Tell how much newer rows are than those that the world has, float64[n] seconds.

        A new owner goes on from the row that it was handed over with, whatever tick the former one
        had come to. What an entity has not had so far its shard has given it lately.
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
        lately_s = np.minimum(elapsed_s, self._limits.unreported_s)
        lately_s[rows < 0] = self._limits.unreported_s
        return np.where(had, elapsed_s, lately_s)

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
        a new epoch fences the wrong rows that are still on their way. A row of an epoch that has
        not come concerns nothing that the shard has.

        Returns:
            uint32[n], ids of what it has lost by this.
        """
        records, tick = proposed.records, proposed.tick
        self._count_faults(shard, verdicts, tick)
        epoch = records["epoch"].astype(np.int64)
        had = (proposed.rows < 0) | (epoch <= proposed.columns.epoch[proposed.at])
        void = np.isin(verdicts, FAULTS) & had
        self._shards.send_release(shard, records["id"][void], epoch[void] + 1, tick)
        wrong = proposed.rows[(verdicts >= Verdict.FUTURE_TICK) & (proposed.rows >= 0)]
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
        """Tell whether a refusal is not the shard's fault: we were late, or a rule failed."""
        late = verdict in (Verdict.FUTURE_TICK, Verdict.TOO_MANY)
        ahead = late and tick <= shard.ahead_until
        return ahead or verdict is Verdict.RULE_FAILED
