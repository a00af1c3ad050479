"""Balance among shards whose crowds gather and scatter: the rule alone, replayed over columns.

Bots fly between a place of their own and one of eight points, there and back in 20 s. Sectors and
the bots in them change hands by the rules of the server. Each shard tells what its ticks take, 15 %
off in either direction. What is measured is how much more the busiest of four shards has to do than
the mean, over all of the time.
"""

from __future__ import annotations

from itertools import product
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.space.sectors import pack_sector, unpack_sector
from sidereal.replication.limits import LIMITS, OwnershipLimits
from sidereal.replication.ownership.balance import Held, Rests, choose_move, row_costs
from sidereal.replication.ownership.dividing import count_by_sector
from sidereal.replication.ownership.leases import LeaseTable

SECTOR: Final = 1000.0
SIDE: Final = 10
"""Sectors along each side of the world."""
SHARDS: Final = np.arange(1, 5, dtype=np.uint16)
BOTS: Final = 2000
CYCLE_S: Final = 20.0
SCATTER: Final = 1500.0
ROW_S: Final = 10e-6
NOISE: Final = 0.15
TICK_HZ: Final = 20
EVEN: Final = np.array([(x, y) for x in (1500.0, 3500.0, 6500.0, 8500.0) for y in (2500.0, 7500.0)])
UNEVEN: Final = np.array(
    [
        *((600.0, 600.0), (2500.0, 900.0), (900.0, 2600.0), (2700.0, 2800.0)),
        *((7500.0, 1500.0), (1500.0, 7500.0), (7500.0, 7500.0), (5200.0, 5200.0)),
    ]
)
"""Points at which bots gather; of the uneven ones half are in one corner."""
CROWDS: Final = np.array([0.25, 0.2, 0.15, 0.1, 0.1, 0.1, 0.05, 0.05])
"""Which share of the bots gathers at each, where crowds are uneven."""


class Replayed(NamedTuple):
    """What came of a replay.

    Attributes:
        max_over_mean: what the busiest shard had to do against the mean, averaged over time.
        moved_per_s: bots that changed hands because their sectors did.
        again_s: the shortest time after which a bot did so again; infinity if none did.
    """

    max_over_mean: float
    moved_per_s: float
    again_s: float


def replay(
    points: np.ndarray,
    crowds: np.ndarray | None = None,
    seconds: float = 120.0,
    limits: OwnershipLimits = LIMITS.ownership,
    seed: int = 1,
) -> Replayed:
    """Let bots gather and scatter for a while.

    Args:
        points: float64[8, 2], world units.
        crowds: float64[8], which share of the bots is of each; None for equal ones.
        seconds: for how long.
        limits: of the rule.
        seed: of places and noise.
    """
    return _Star(points, crowds, limits, np.random.default_rng(seed)).run(seconds)


class _Star:
    def __init__(
        self,
        points: np.ndarray,
        crowds: np.ndarray | None,
        limits: OwnershipLimits,
        rng: np.random.Generator,
    ) -> None:
        self._rng, self._limits = rng, limits
        point = points[rng.choice(len(points), BOTS, p=crowds)]
        self._point = point
        self._home = np.clip(
            point + rng.uniform(-SCATTER, SCATTER, (BOTS, 2)), 0, SIDE * SECTOR - 1
        )
        self._phase = rng.uniform(0.0, 0.1 * CYCLE_S, BOTS)
        self._bots = np.arange(BOTS)
        self._ids = self._bots.astype(np.uint32) + 1
        self._leases = LeaseTable()
        self._rests = Rests()
        everywhere = dict.fromkeys(product(range(SIDE), range(SIDE)), 0.0)
        for shard in SHARDS.tolist():
            self._leases.join(shard, everywhere | count_by_sector(self._sectors(0.0)))
        self._owner = self._leases.holders_of(self._sectors(0.0))
        self._resting: dict[int, int] = {}
        self._credits = 0.0
        self._moved_at = np.full(BOTS, -np.inf)
        self._again_s, self._moved = np.inf, 0

    def run(self, seconds: float) -> Replayed:
        """Replay: the rule is asked as often as the server asks it."""
        every = round(self._limits.balance_every_s * TICK_HZ)
        ratios = []
        step_s = np.zeros(len(SHARDS))
        for tick in range(0, round(seconds * TICK_HZ), every):
            sector = self._sectors(tick / TICK_HZ)
            self._follow(sector, tick)
            owned = np.bincount(self._owner, minlength=len(SHARDS) + 1)[SHARDS]
            ratios.append(owned.max() / owned.mean())
            noise = self._rng.uniform(1.0 - NOISE, 1.0 + NOISE, len(SHARDS))
            measured = np.maximum(owned, 1) * ROW_S * noise
            share = 1.0 - np.exp(-self._limits.balance_every_s)
            step_s = np.where(step_s > 0.0, step_s + share * (measured - step_s), measured)
            self._decide(sector, row_costs(step_s, owned), tick)
        return Replayed(float(np.mean(ratios)), self._moved / seconds, self._again_s)

    def _sectors(self, at_s: float) -> np.ndarray:
        """Where everybody is: int64[BOTS], packed sectors."""
        turn = ((at_s + self._phase) % CYCLE_S) / CYCLE_S
        near = (1.0 - np.abs(2.0 * turn - 1.0))[:, None]
        place = self._home + near * (self._point - self._home)
        x, y = (place // SECTOR).astype(np.int64).T
        return pack_sector(x, y)

    def _follow(self, sector: np.ndarray, tick: int) -> None:
        """Let bots follow their sectors, but for those that rest."""
        holder = self._leases.holders_of(sector)
        stays = self._rests.stays(self._bots, self._ids, tick)
        moves = np.flatnonzero((holder != self._owner) & ~stays)
        self._owner[moves] = holder[moves]
        rest_ticks = round(self._limits.balance_rest_s * TICK_HZ)
        by_balance = self._rests.note(moves, self._ids[moves], tick + rest_ticks)
        if len(by_balance):
            since_s = tick / TICK_HZ - self._moved_at[by_balance].max()
            self._again_s = min(self._again_s, since_s)
            self._moved_at[by_balance] = tick / TICK_HZ
            self._moved += len(by_balance)

    def _decide(self, sector: np.ndarray, row_cost: np.ndarray, tick: int) -> None:
        limits = self._limits
        most = limits.balance_entities_per_s * limits.balance_every_s
        self._credits = min(most, self._credits + most)
        self._resting = {key: until for key, until in self._resting.items() if until > tick}
        if self._credits <= 0.0:
            return
        rows = self._leases.rows()
        keys = pack_sector(rows["sector_x"], rows["sector_y"])
        at = np.searchsorted(keys, sector)
        count = np.bincount(at, minlength=len(keys))
        resting = np.array(list(self._resting), np.int64)
        held = Held(keys, rows["shard"], count, np.isin(keys, resting))
        move = choose_move(held, SHARDS, row_cost, limits)
        if move is None:
            return
        key = keys[move.at]
        self._credits -= count[move.at]
        self._resting[int(key)] = tick + round(limits.balance_rest_s * TICK_HZ)
        mine = self._bots[(sector == key) & (self._owner == held.holder[move.at])]
        self._rests.go(mine, self._ids[mine], tick)
        x, y = (int(axis[0]) for axis in unpack_sector([key]))
        self._leases.assign({(x, y): move.to})
