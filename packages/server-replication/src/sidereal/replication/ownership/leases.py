"""Which shard simulates which sector.

Theory of operation. A lease is (sector, shard, epoch). Every change of a sector's holder takes the
next number of one counter as its epoch, so an epoch never repeats and "older" is one comparison.
Sectors are leased when something is in them; a sector nobody holds goes to the shard that already
holds its neighbours (`grow`), so that regions stay contiguous; one that has stood empty for long is
nobody's again (`vacate`), else the table would grow with all that was ever visited. A shard that
joins takes half of the most loaded shard's sectors, cut across the longer side of their bounding
box. The sectors of a shard that leaves go, one by one, to the least loaded shard beside them.

The table decides; who is told, and what happens to the entities inside, is the replicator's work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.codec import LEASE_ROW
from sidereal.protocol.space.sectors import pack_sector, unpack_sector

_NEIGHBOURS: Final = tuple((dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0))


class Lease(NamedTuple):
    """Who holds a sector, and since which epoch."""

    shard: int
    epoch: int


class LeaseChange(NamedTuple):
    """A sector's holder changed; either side may be `SHARD_NONE`."""

    sector: tuple[int, int]
    before: int
    after: int
    epoch: int


class LeaseTable:
    """The leases of the world, and the shards that may hold them.

    Sectors are (x, y) pairs of Python ints: there are as many as there are populated sectors, and
    they change seldom. `holders_of` answers for whole columns of positions at once.
    """

    def __init__(self) -> None:
        self._leases: dict[tuple[int, int], Lease] = {}
        self._shards: dict[int, set[tuple[int, int]]] = {}
        self._epoch = 0
        self._rows = np.empty(0, LEASE_ROW)
        self._keys = np.empty(0, np.int64)
        self._holders = np.empty(0, np.uint16)
        self._stale = False

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards that may hold leases, in the order they joined."""
        return tuple(self._shards)

    @property
    def epoch(self) -> int:
        """The newest lease's; another one whenever a holder has changed."""
        return self._epoch

    def sectors_of(self, shard: int) -> frozenset[tuple[int, int]]:
        """Return the sectors a shard holds (none for an unknown shard)."""
        return frozenset(self._shards.get(shard, ()))

    def holder_of(self, sector: tuple[int, int]) -> int:
        """Return the shard that holds a sector, or `SHARD_NONE`."""
        lease = self._leases.get(sector)
        return SHARD_NONE if lease is None else lease.shard

    def holders_of(self, keys: np.ndarray) -> np.ndarray:
        """Look up the holders of many sectors.

        Args:
            keys: int64, any shape, packed sectors (`pack_sector`).

        Returns:
            uint16 of that shape, `SHARD_NONE` where nobody holds the sector.
        """
        self._index()
        if not len(self._keys):
            return np.full(keys.shape, SHARD_NONE, np.uint16)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._holders[at], SHARD_NONE).astype(np.uint16)

    def rows(self) -> np.ndarray:
        """Return all leases, `LEASE_ROW[n]`, in the order of their sectors; not to be changed."""
        self._index()
        return self._rows

    def join(self, shard: int, loads: Mapping[tuple[int, int], float]) -> list[LeaseChange]:
        """Let a shard hold leases and give it a fair part of the world.

        Args:
            shard: its id, not yet known.
            loads: weight of each populated sector; those nobody holds are leased now.
        """
        self._shards[shard] = set()
        changes = []
        others = [other for other in self._shards if other != shard]
        if others:
            donor = max(others, key=lambda other: (self._load(other, loads), -other))
            changes += [self._move(sector, shard) for sector in self._half_of(donor, loads)]
        orphans = [sector for sector in sorted(loads) if sector not in self._leases]
        if not others:
            return changes + [self._move(sector, shard) for sector in orphans]
        return changes + self._adopt(orphans, loads)

    def leave(self, shard: int, loads: Mapping[tuple[int, int], float]) -> list[LeaseChange]:
        """Take all leases from a shard, give them to the others and forget the shard."""
        orphans = sorted(self._shards.pop(shard, ()))
        if not self._shards:
            return [self._move(sector, SHARD_NONE) for sector in orphans]
        return self._adopt(orphans, loads)

    def grow(
        self, sectors: Iterable[tuple[int, int]], loads: Mapping[tuple[int, int], float]
    ) -> list[LeaseChange]:
        """Lease sectors nobody holds to the shards beside them."""
        if not self._shards:
            return []
        return self._adopt([s for s in sorted(sectors) if s not in self._leases], loads)

    def vacate(self, sectors: Iterable[tuple[int, int]]) -> list[LeaseChange]:
        """Take leases of sectors that nothing is in any more from their holders."""
        return [self._move(s, SHARD_NONE) for s in sorted(sectors) if s in self._leases]

    def _adopt(
        self, orphans: list[tuple[int, int]], loads: Mapping[tuple[int, int], float]
    ) -> list[LeaseChange]:
        burden = {shard: self._load(shard, loads) for shard in self._shards}
        waiting = dict.fromkeys(orphans)
        frontier = deque(sector for sector in orphans if self._beside(sector))
        changes = []
        while waiting:
            # Regions grow inwards from their edges; an island starts with its first sector.
            sector = frontier.popleft() if frontier else next(iter(waiting))
            if sector not in waiting:
                continue
            del waiting[sector]
            shard = min(
                self._beside(sector) or self._shards, key=lambda other: (burden[other], other)
            )
            burden[shard] += loads.get(sector, 0.0) + 1.0
            changes.append(self._move(sector, shard))
            frontier.extend(other for other in _around(sector) if other in waiting)
        return changes

    def _beside(self, sector: tuple[int, int]) -> list[int]:
        near = (self._leases.get(other) for other in _around(sector))
        return [lease.shard for lease in near if lease is not None and lease.shard in self._shards]

    def _half_of(self, donor: int, loads: Mapping[tuple[int, int], float]) -> list[tuple[int, int]]:
        sectors = sorted(self._shards[donor])
        if len(sectors) < 2:
            return []
        spans = [max(s[axis] for s in sectors) - min(s[axis] for s in sectors) for axis in (0, 1)]
        axis = 0 if spans[0] >= spans[1] else 1
        sectors.sort(key=lambda s: (s[axis], s[1 - axis]))
        weights = np.array([loads.get(sector, 0.0) + 1.0 for sector in sectors])
        cut = int(np.searchsorted(np.cumsum(weights), weights.sum() / 2)) + 1
        return sectors[min(cut, len(sectors) - 1) :]

    def _load(self, shard: int, loads: Mapping[tuple[int, int], float]) -> float:
        return sum(loads.get(sector, 0.0) + 1.0 for sector in self._shards[shard])

    def _move(self, sector: tuple[int, int], shard: int) -> LeaseChange:
        before = self.holder_of(sector)
        self._epoch += 1
        self._stale = True
        if before in self._shards:
            self._shards[before].discard(sector)
        if shard == SHARD_NONE:
            self._leases.pop(sector, None)
        else:
            self._leases[sector] = Lease(shard, self._epoch)
            self._shards[shard].add(sector)
        return LeaseChange(sector, before, shard, self._epoch)

    def _index(self) -> None:
        if not self._stale:
            return
        held = sorted(self._leases.items())
        self._rows = lease_rows((sector, lease.shard, lease.epoch) for sector, lease in held)
        self._keys = pack_sector(self._rows["sector_x"], self._rows["sector_y"])
        self._holders = self._rows["shard"].copy()
        self._stale = False


def _around(sector: tuple[int, int]) -> list[tuple[int, int]]:
    return [(sector[0] + dx, sector[1] + dy) for dx, dy in _NEIGHBOURS]


def lease_rows(leases: Iterable[tuple[tuple[int, int], int, int]]) -> np.ndarray:
    """Pack (sector, shard, epoch) triples into `LEASE_ROW[n]`."""
    return np.array(
        [(sector[0], sector[1], shard, epoch) for sector, shard, epoch in leases], LEASE_ROW
    )


def count_by_sector(keys: np.ndarray) -> dict[tuple[int, int], float]:
    """Count rows per sector: the load that leases are balanced by.

    Args:
        keys: int64[n], the packed sector of each entity.
    """
    unique, counts = np.unique(keys, return_counts=True)
    sector_x, sector_y = unpack_sector(unique)
    return {
        (int(x), int(y)): float(count)
        for x, y, count in zip(sector_x, sector_y, counts, strict=True)
    }
