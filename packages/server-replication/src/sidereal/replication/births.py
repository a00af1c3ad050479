"""What shards bring into the world and take out of it: ids, spawns, whole entities, ends.

Theory of operation. A shard gives what it spawns an id of a block that it was granted, and proposes
the entity as a whole until that is acked. The first such proposal that is believed enters the
world, and the shard owns the entity from then on. Further ones, also of an entity that it has long
owned, bring what the shard knew when it sent them, component by component, as far as it is newer.

An id that was used is never entered again, whether its entity has ended, was refused, or has ended
before anybody heard of it. So what is late or repeated raises nobody from the dead. Nor is anything
entered twice that a pilot's input spawns, though two shards may fly that (`spawnkeys`).

A child comes when its parent is there, which must be an entity of the same shard: so a shard speaks
of it only when it knows that the server has its parent. What has lost its parent on the way is
taken back, as is what is spawned at a place that has just been lost.

A shard spawns within its sectors, or near what it owns (`spawners`).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from sidereal.game.component import SHARD
from sidereal.game.declarations import Declarations
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import pack_sector
from sidereal.protocol.state.families import are_followers
from sidereal.protocol.state.proposals import version_of
from sidereal.protocol.state.schema import KIND_NUMBERS, MOTION, OWNER, PARENT, Schema
from sidereal.protocol.state.stream import PRESENCE
from sidereal.replication.families import OF_SHARDS_MAX
from sidereal.replication.limits import Limits
from sidereal.replication.links.allowance import Allowance
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.parentage import find_parents
from sidereal.replication.play.entities import Entities
from sidereal.replication.spawners import Spawners
from sidereal.replication.spawnkeys import SpawnKeys
from sidereal.replication.validate import (
    EPOCH_FIRST,
    Proposed,
    Spawned,
    Verdict,
    judge_gone,
    judge_spawn,
)
from sidereal.replication.world import World

BURST_S: Final = 2.0
"""Spawns of so long may come at once: some were on their way for longer than others."""

BLOCKS_SAVED: Final = 4
"""Blocks of ids that a shard may be granted at once after it was silent, one for each session."""

UNBOUNDED: Final = 1e9
"""Per second: more than any link carries."""


class Births:
    """What shards may bring into one world, and what they have.

    Attributes:
        spawned: entities that have entered the world.
        ended: entities that shards have ended.
        spawns_refused: what was new and did not enter, by reason.
        ends_refused: what shards wanted to end and did not, by reason.
    """

    def __init__(
        self,
        game: Declarations,
        world: World,
        entities: Entities,
        shards: ShardLink,
        leases: LeaseTable,
        limits: Limits,
    ) -> None:
        self.spawned = self.ended = 0
        self.spawns_refused: Counter[str] = Counter()
        self.ends_refused: Counter[str] = Counter()
        self._world = world
        self._entities = entities
        self._shards = shards
        self._leases = leases
        self._limits = limits.proposals
        rules, kinds = world.rules, game.kinds
        spawns_per_s = limits.proposals.spawns_per_s
        self._grant_ticks = max(
            1, round(limits.world.ids_per_block / 2 / spawns_per_s * rules.tick_hz)
        )
        self._allowed = np.zeros(KIND_NUMBERS, np.bool_)
        self._per_s = np.full(KIND_NUMBERS, UNBOUNDED)
        self._per_s[0] = limits.proposals.spawns_per_s
        for number, kind in enumerate(kinds, 1):
            self._allowed[number] = kind.spawned_by is SHARD
            self._per_s[number] = kind.per_s_max or UNBOUNDED
        # By the number of a shard: they hold however often it comes and goes.
        self._blocks: dict[int, Allowance] = {}
        self._rates: dict[int, _Rates] = {}
        self._keys = SpawnKeys(world.schema, limits.proposals.keys_ticks)
        self._spawners = Spawners(world, limits.proposals)

    def grant_ids(self, tick: int) -> None:
        """Grant ids to shards that need them, and take back those that nobody knows any more."""
        ids, shards = self._world.ids, list(self._shards.shards)
        ids.keep_holders({shard.peer for shard in shards}, tick)
        ids.reclaim(tick)
        now = tick * self._world.rules.tick_s
        for shard in shards:
            if shard.wants_ids and tick >= shard.ids_from and not ids.exhausted:
                blocks = self._blocks.setdefault(shard.shard, self._all_blocks(now))
                if blocks.take_if_there(now):
                    shard.wants_ids, shard.ids_from = False, tick + self._grant_ticks
                    self._shards.send_ids(shard, ids.grant(shard.peer, tick))

    def _all_blocks(self, now: float) -> Allowance:
        """Make an allowance of blocks of ids for a shard of which nobody has heard so far."""
        per_s = 1.0 / (self._grant_ticks * self._world.rules.tick_s)
        return Allowance(per_s, BLOCKS_SAVED, BLOCKS_SAVED, now)

    # -- spawns -------------------------------------------------------------------------------

    def judge_spawns(self, shard: Shard, proposed: Proposed) -> np.ndarray:
        """Judge what is new to the world; see `judge_spawn`.

        `settle_spawns` must follow.

        Args:
            shard: who proposes.
            proposed: `Schema.full_record[n]`.

        Returns:
            uint8[n], a `Verdict` for each.
        """
        world, records, tick = self._world, proposed.records, proposed.tick
        ids = records["id"].astype(np.int64)
        granted, used = world.ids.look_up(ids, shard.peer)
        asked = granted & ~used & self._allowed[records["kind"]]
        lost = tick - shard.lost_at <= self._limits.superseded_ticks
        parents = find_parents(world, records, shard, lost=lost)
        spawned = Spawned(
            granted,
            used,
            self._allowed[records["kind"]],
            self._keys.known(records),
            self._may_spawn_at(shard, records, tick, asked) | parents.leads,
            parents.gone,
            parents.foreign,
            np.full(len(ids), lost),
        )
        verdicts = judge_spawn(proposed, spawned, world.rules)
        accepted = np.flatnonzero(verdicts == Verdict.ACCEPTED)
        rates = self._rates.setdefault(shard.shard, _Rates(self._per_s, world.rules, tick))
        admitted = rates.admit(records["kind"][accepted], tick)
        admitted &= world.families.admit(parents.rows[accepted], OF_SHARDS_MAX)
        verdicts[accepted[~admitted]] = Verdict.TOO_MANY
        return verdicts

    def settle_spawns(self, shard: Shard, proposed: Proposed, verdicts: np.ndarray) -> None:
        """Use up ids that are refused; what comes too late, which is no fault, is taken back.

        Args:
            shard: who proposes.
            proposed: as it was judged.
            verdicts: uint8[n], a `Verdict` for each.
        """
        world, tick = self._world, proposed.tick
        ids = proposed.records["id"].astype(np.int64)
        granted, used = world.ids.look_up(ids, shard.peer)
        refused = granted & ~used & (verdicts != Verdict.ACCEPTED)
        world.ids.use(ids[refused], tick, enters=False)
        _count(self.spawns_refused, verdicts[~used])
        late = verdicts == Verdict.SUPERSEDED
        if late.any():
            epochs = np.full(int(late.sum()), EPOCH_FIRST + 1)
            self._shards.send_release(shard, ids[late], epochs, tick)

    def let_in(self, shard: Shard, records: np.ndarray, tick: int) -> None:
        """Enter what a shard has spawned, `Schema.full_record[n]`; it owns that from now on."""
        if not len(records):
            return
        world = self._world
        fresh = world.schema.first[records["kind"]].copy()
        for name in ("epoch", "tick", *_proposed_fields(world.schema)):
            fresh[name] = records[name]
        fresh["differs"] = records["differs"] & np.uint64(world.schema.mask_given)
        ids = records["id"].astype(np.int64)
        rows = self._entities.create(fresh, tick, ids)
        world.ids.use(ids, tick, enters=True)
        self._keys.note(fresh, tick)
        world.columns["shard"][rows] = shard.shard
        world.mark_changed(OWNER.name, rows, tick)
        for versions in world.versions.values():
            versions[rows] = version_of(records)
        self.spawned += len(rows)

    def _may_spawn_at(
        self, shard: Shard, records: np.ndarray, tick: int, asked: np.ndarray
    ) -> np.ndarray:
        """Tell which places are a shard's to spawn at, of those that are asked: bool[n]."""
        world = self._world
        with np.errstate(invalid="ignore", over="ignore"):
            x, y = np.nan_to_num(records["x"]), np.nan_to_num(records["y"])
        inside = asked & world.schema.valid_rows(records[["x", "y"]])
        near = np.zeros(len(records), np.bool_)
        at = np.flatnonzero(inside)
        sectors = pack_sector(*sector_of(x[at], y[at], world.rules))
        near[at] = self._leases.holders_of(sectors) == shard.shard
        away = np.flatnonzero(inside & ~near)
        if len(away):
            near[away] = self._spawners.may_have_spawned(shard.shard, records[away], tick)
        return near

    # -- wholes -------------------------------------------------------------------------------

    def commit_wholes(self, rows: np.ndarray, records: np.ndarray, tick: int) -> None:
        """Accept what is newer of entities that are there.

        Args:
            rows: int64[n], each once.
            records: `Schema.full_record[n]`.
            tick: the current one.
        """
        world, schema = self._world, self._world.schema
        version = version_of(records)
        follows = are_followers(world.columns.mask[rows])
        moves = np.flatnonzero((records["tick"] > world.columns.tick[rows]) & ~follows)
        exact = np.empty(len(moves), schema.exact_record)
        for name in exact.dtype.names or ():
            exact[name] = records[name][moves]
        world.commit(rows[moves], exact, tick)
        self._equip(rows, records, tick)
        for number in schema.proposed:
            if schema.component(number).name in (MOTION.name, PARENT.name):
                continue
            versions = world.versions[number]
            newer = (version > versions[rows]) & world.columns.has(rows, number)
            versions[rows[newer]] = version[newer]
            fields = schema.component(number).fields
            differs = [world.columns[f.name][rows] != records[f.name] for f in fields]
            news = newer & np.any(differs, axis=0)
            if news.any():
                world.commit_component(number, rows[news], records[news], tick)
        world.versions[PRESENCE][rows] = version

    def _equip(self, rows: np.ndarray, records: np.ndarray, tick: int) -> None:
        """Let entities have what shards have given them, and no more what they have taken."""
        world, schema = self._world, self._world.schema
        held = world.columns.mask[rows]
        mask = masks_said(schema, records, held)
        other = np.flatnonzero(mask != held)
        if not len(other):
            return
        for number in schema.proposed:
            bit = np.uint64(1 << number)
            lost = rows[other][(held[other] & ~mask[other] & bit) != 0]
            first = schema.first[world.columns["kind"][lost]]
            for field in schema.component(number).fields if len(lost) else ():
                world.columns[field.name][lost] = first[field.name]
        world.equip(rows[other], mask[other], tick)
        world.mark(rows[other], tick)

    # -- ends ---------------------------------------------------------------------------------

    def judge_ends(self, shard: Shard, proposed: Proposed) -> np.ndarray:
        """Judge ends of entities; see `judge_gone`. Ids of what has never entered are used up.

        Returns:
            uint8[n], a `Verdict` for each.
        """
        ids = proposed.records["id"].astype(np.int64)
        granted, used = self._world.ids.look_up(ids, shard.peer)
        unheard = granted & ~used
        self._world.ids.use(ids[unheard], proposed.tick, enters=False)
        verdicts = judge_gone(proposed, granted)
        _count(self.ends_refused, verdicts[proposed.rows >= 0])
        return verdicts

    def end(self, rows: np.ndarray, tick: int) -> None:
        """End entities for good, int64[n], each once."""
        if len(rows):
            self.ended += len(rows)
            self._spawners.note_ends(rows, tick)
            self._entities.end(rows, tick, by_owner=True)


class _Rates:
    """What a shard may still spawn, overall (0) and by the number of a kind."""

    def __init__(self, per_s: np.ndarray, rules: Rules, tick: int) -> None:
        self._per_s = per_s
        self._tick_s = rules.tick_s
        self._burst = np.maximum(BURST_S * per_s, 1.0)
        self._left = self._burst.copy()
        self._tick = tick

    def admit(self, kinds: np.ndarray, tick: int) -> np.ndarray:
        """Tell which may come, the first ones of each kind and of all: bool[n].

        Args:
            kinds: uint8[n]
            tick: the current one.
        """
        self._left += self._per_s * (max(0, tick - self._tick) * self._tick_s)
        self._left = np.minimum(self._left, self._burst)
        self._tick = tick
        admitted = np.zeros(len(kinds), np.bool_)
        for number in np.unique(kinds).tolist():  # a few kinds
            of_kind = np.flatnonzero(kinds == number)
            admitted[of_kind[: int(self._left[number])]] = True
        admitted[np.flatnonzero(admitted)[int(self._left[0]) :]] = False
        self._left -= np.bincount(kinds[admitted], minlength=KIND_NUMBERS)
        self._left[0] -= int(admitted.sum())
        return admitted


def masks_said(schema: Schema, records: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Tell which components entities have by what their shards say of them.

    Args:
        schema: of the world.
        records: `Schema.full_record[n]`, as shards propose them.
        held: uint64[n], what each had; of that shards give and take only some.

    Returns:
        uint64[n], masks.
    """
    given = np.uint64(schema.mask_given)
    mask: np.ndarray = (held & ~given) | (schema.masks_of(records) & given)
    return mask


def _proposed_fields(schema: Schema) -> list[str]:
    """Name the fields that shards write."""
    return [field.name for number in schema.proposed for field in schema.component(number).fields]


def _count(refused: Counter[str], verdicts: np.ndarray) -> None:
    """Count what was refused, by reason."""
    for verdict in np.unique(verdicts[verdicts != Verdict.ACCEPTED]).tolist():  # seldom any
        refused[Verdict(verdict).name.lower()] += int((verdicts == verdict).sum())
