"""Which sectors go to other shards, so that none has much more to do than the others.

Theory of operation. A sector costs what is in it, times what a row costs the shard that holds it,
as that shard has measured it. Twice a second the busiest shard is looked at. If it has more to do
than the mean by some part, one sector of it goes to a shard beside that sector: the one after which
the busier of the two has least to do, if that helps. A shard without any sector is beside all. If
no other shard is beside the busiest one, the one that has least to do is.

What is decided holds for a while: a sector that has moved rests, and so does every entity that has
changed hands because its sector did. It stays where it is when its sector moves again, as a guest,
until its rest is over. How many entities may be on the move is bounded by credits; a sector that
holds more than there are puts the next one off.

A shard that tells nothing of its steps costs what the others do. If nobody does, nothing moves. Nor
does anything while a shard gives up its sectors to leave.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN
from sidereal.protocol.space.sectors import pack_sector, unpack_sector
from sidereal.replication.limits import OwnershipLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import NUMBERS_MAX
from sidereal.replication.links.states import ShardState
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable
from sidereal.replication.world import Present, World

_AROUND: Final = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)])


class Held(NamedTuple):
    """Sectors that are leased, ascending; all arrays have one length.

    Attributes:
        keys: int64[n], packed.
        holder: uint16[n].
        rows: int64[n], entities in each.
        rests: bool[n], whether it has moved too lately to move again.
    """

    keys: np.ndarray
    holder: np.ndarray
    rows: np.ndarray
    rests: np.ndarray


class Move(NamedTuple):
    """A sector that is to go to another shard.

    Attributes:
        at: which of those that are held.
        to: the shard.
    """

    at: int
    to: int


def row_costs(step_s: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Work out what a row costs each shard, float64[s], seconds per tick.

    Args:
        step_s: float64[s], what a tick takes it; 0 where it has told nothing.
        rows: int64[s], entities that it simulates.

    Returns:
        of who tells nothing or has nothing the mean of the others; all 0 when nobody tells.
    """
    known = (step_s > 0.0) & (rows > 0)
    mean = step_s[known].sum() / max(1, rows[known].sum())
    return np.asarray(np.where(known, step_s / np.maximum(rows, 1), mean))


def choose_move(
    held: Held, shards: np.ndarray, row_cost: np.ndarray, limits: OwnershipLimits
) -> Move | None:
    """Choose the sector that is to move now, if one is.

    Args:
        held: by whom.
        shards: uint16[s], those that serve.
        row_cost: float64[s], what a row costs each of them, seconds per tick.
        limits: from when on it is worth it.
    """
    by_number = np.zeros(NUMBERS_MAX + 1)
    by_number[shards] = row_cost
    cost = held.rows * by_number[held.holder]
    load = np.bincount(held.holder, cost, NUMBERS_MAX + 1)
    mean, busiest = load[shards].mean(), shards[load[shards].argmax()]
    if load[busiest] <= max(limits.balance_from * mean, limits.balance_busy_s):
        return None
    mine = np.flatnonzero(held.holder == busiest)
    takers = _takers(held, mine, shards, load, int(busiest))
    after = np.maximum(load[busiest] - cost[mine, None], load[takers] + cost[mine, None])
    after[(takers == SHARD_NONE) | held.rests[mine, None]] = math.inf
    if not after.size:
        return None
    best, way = np.unravel_index(after.argmin(), after.shape)
    if load[busiest] - after[best, way] < limits.balance_gain * mean:
        return None
    return Move(int(mine[best]), int(takers[best, way]))


def _takers(
    held: Held, mine: np.ndarray, shards: np.ndarray, load: np.ndarray, busiest: int
) -> np.ndarray:
    """Find the shards that could take sectors of the busiest one, uint16[m, k].

    Args:
        held: all sectors.
        mine: int64[m], which of them are to move.
        shards: uint16[s], those that serve.
        load: float64, by number of a shard.
        busiest: whose sectors they are.
    """
    x, y = (axis.astype(np.int64)[:, None] for axis in unpack_sector(held.keys[mine]))
    around = pack_sector(
        np.clip(x + _AROUND[:, 0], SECTOR_MIN, SECTOR_MAX),
        np.clip(y + _AROUND[:, 1], SECTOR_MIN, SECTOR_MAX),
    )
    at = np.minimum(np.searchsorted(held.keys, around), len(held.keys) - 1)
    beside = np.where(held.keys[at] == around, held.holder[at], SHARD_NONE)
    takes = np.isin(beside, shards) & (beside != busiest)
    beside = np.where(takes, beside, SHARD_NONE).astype(np.uint16)
    idle = shards[~np.isin(shards, held.holder)]
    if not takes.any() and not len(idle):
        idle = shards[[load[shards].argmin()]]
    return np.hstack([beside, np.broadcast_to(idle, (len(mine), len(idle)))])


class Balance:
    """The balance of one world.

    Attributes:
        moved: sectors that went to another shard.
    """

    def __init__(
        self, world: World, leases: LeaseTable, shards: ShardLink, limits: OwnershipLimits
    ) -> None:
        self.moved = 0
        self._world = world
        self._leases = leases
        self._shards = shards
        self._limits = limits
        tick_s = world.rules.tick_s
        self._every_ticks = max(1, round(limits.balance_every_s / tick_s))
        self._rest_ticks = math.ceil(limits.balance_rest_s / tick_s)
        self._credits_per_tick = limits.balance_entities_per_s * tick_s
        self._credits = limits.balance_entities_per_s * limits.balance_every_s
        self._decided_at = 0
        self._resting: dict[int, int] = {}
        self._rests = Rests()

    def decide(self, present: Present) -> list[LeaseChange]:
        """Let a sector go to another shard, if one is to; once per tick."""
        tick = present.tick
        passed = tick - self._decided_at
        if passed < self._every_ticks:
            return []
        self._decided_at = tick
        most = self._credits_per_tick * self._every_ticks
        self._credits = min(most, self._credits + passed * self._credits_per_tick)
        self._resting = {key: until for key, until in self._resting.items() if until > tick}
        serving = [s for s in self._shards.shards if s.state is ShardState.SERVING]
        # Who gets the sectors of one that is to leave has more to do soon.
        if len(serving) < 2 or self._credits <= 0.0 or self._leases.retiring:
            return []
        held = self._look(present)
        shards = np.array([shard.shard for shard in serving], np.uint16)
        owner = self._world.columns["shard"][present.rows]
        owned = np.bincount(owner, minlength=NUMBERS_MAX + 1)[shards]
        step_s = np.array([shard.step_s for shard in serving])
        move = choose_move(held, shards, row_costs(step_s, owned), self._limits)
        return [] if move is None else self._move(held, move, present)

    def hold(self, present: Present, holder: np.ndarray) -> np.ndarray:
        """Let entities that rest stay where they are although their sectors have moved.

        Args:
            present: everything that is.
            holder: uint16[n], who holds the sector that each is in.

        Returns:
            uint16[n], the same, but of those that stay their owner.
        """
        stays = self._rests.stays(present.rows, self._ids(present.rows), present.tick)
        if not stays.any():
            return holder
        owner = self._world.columns["shard"][present.rows]
        stays &= np.isin(owner, np.array(self._leases.shards, np.uint16))
        return np.where(stays, owner, holder)

    def note(self, rows: np.ndarray, tick: int) -> None:
        """Note entities that have changed hands, int64[n], each once."""
        self._rests.note(rows, self._ids(rows), tick + self._rest_ticks)

    def _look(self, present: Present) -> Held:
        leases, sectors = self._leases.rows(), self._world.sectors
        keys = pack_sector(leases["sector_x"], leases["sector_y"])
        inside = present.group.astype(np.int64) // sectors.cells_per_sector
        count = np.append(np.bincount(inside, minlength=sectors.row_count), 0)
        resting = np.fromiter(self._resting, np.int64, len(self._resting))
        return Held(keys, leases["shard"], count[sectors.rows_of(keys)], np.isin(keys, resting))

    def _move(self, held: Held, move: Move, present: Present) -> list[LeaseChange]:
        key, before = int(held.keys[move.at]), int(held.holder[move.at])
        self.moved += 1
        self._credits -= float(held.rows[move.at])
        self._resting[key] = present.tick + self._rest_ticks
        rows = present.rows[present.sector == key]
        rows = rows[self._world.columns["shard"][rows] == before]
        self._rests.go(rows, self._ids(rows), present.tick)
        sector_x, sector_y = unpack_sector([key])
        return self._leases.assign({(int(sector_x[0]), int(sector_y[0])): move.to})

    def _ids(self, rows: np.ndarray) -> np.ndarray:
        ids: np.ndarray = self._world.columns.net_id[rows]
        return ids


class Rests:
    """Which entities have changed hands because of balance too lately to do so again.

    An entity is its id: a row that another one has by now says nothing.
    """

    def __init__(self) -> None:
        self._net_id = np.zeros(0, np.uint32)
        self._goes = np.zeros(0, np.bool_)
        self._until = np.zeros(0, np.int64)
        self._stays = np.zeros(0, np.bool_)
        self._last = -1

    def go(self, rows: np.ndarray, net_id: np.ndarray, tick: int) -> None:
        """Let entities go with their sector, int64[n]; those that rest stay until they have."""
        self._reserve(int(rows.max(initial=-1)) + 1)
        other = self._net_id[rows] != net_id
        self._net_id[rows] = net_id
        self._until[rows[other]] = 0
        rests = self._until[rows] > tick
        self._goes[rows], self._stays[rows] = ~rests, rests
        self._last = max(self._last, int(self._until[rows].max(initial=-1)))

    def note(self, rows: np.ndarray, net_id: np.ndarray, until: int) -> np.ndarray:
        """Let those that were to go, and have changed hands now, rest until a tick: their rows."""
        known = rows < len(self._goes)
        rows, net_id = rows[known], net_id[known]
        gone: np.ndarray = rows[self._goes[rows] & (self._net_id[rows] == net_id)]
        self._goes[gone], self._until[gone] = False, until
        return gone

    def stays(self, rows: np.ndarray, net_id: np.ndarray, tick: int) -> np.ndarray:
        """Tell which entities are to stay where they are, bool[n]."""
        stays = np.zeros(len(rows), np.bool_)
        if tick < self._last:
            at = np.flatnonzero(rows < len(self._goes))
            known = rows[at]
            resting = self._stays[known] & (self._until[known] > tick)
            stays[at] = resting & (self._net_id[known] == net_id[at])
        return stays

    def _reserve(self, count: int) -> None:
        more = count - len(self._goes)
        if more > 0:
            more = max(more, len(self._goes))
            self._net_id = np.concatenate([self._net_id, np.zeros(more, np.uint32)])
            self._goes = np.concatenate([self._goes, np.zeros(more, np.bool_)])
            self._until = np.concatenate([self._until, np.zeros(more, np.int64)])
            self._stays = np.concatenate([self._stays, np.zeros(more, np.bool_)])
