"""Which shard simulates which sector.

Theory of operation. A lease is (sector, shard, epoch). Every change of a sector's holder takes the
next number of one counter as its epoch. So an epoch never repeats, and "older" is one comparison.

* A sector is leased when something is in it. If nobody holds it, the shard that holds its
  neighbours gets it (`grow`), so that regions stay contiguous.
* A sector that has been empty for long is nobody's again (`vacate`). Otherwise the table would grow
  with everything that was ever visited.
* A shard that joins for the first time takes half of the most loaded shard's sectors.
* The sectors of a shard that leaves are divided among the others (`dividing`). When it comes back
  it gets these sectors back, and no other sector moves.
* A shard that *retires* gets none any more, and keeps what it has until that is given up in the
  same way, a few sectors at a time.
* If a spare takes over from it (`spares`), that gets all of them, and the shard gets nothing back.
* A sector that is withheld (`failures`) is nobody's, and nobody gets it.

Columns of all leases, ordered by sector, answer for whole columns of positions at once. They follow
the changes, which are few per tick. So does everybody who derives something from the leases:
`changed_since` an epoch is the newest part of a log.

The table decides. Who is sent the change, and what happens to the entities inside, is not its work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.codec import LEASE_ROW
from sidereal.protocol.space.sectors import pack_sector, unpack_sector
from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership.dividing import divide, half_of


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

    def __init__(self, changes_max: int = LIMITS.ownership.lease_changes) -> None:
        self._leases: dict[tuple[int, int], Lease] = {}
        self._shards: dict[int, set[tuple[int, int]]] = {}
        # Who is to get what those have that retire, in this order.
        self._retiring: dict[int, dict[tuple[int, int], int]] = {}
        self._left_behind: dict[int, set[tuple[int, int]]] = {}
        self._withheld: frozenset[tuple[int, int]] = frozenset()
        self._epoch = 0
        # The sector of every change, the newest last: each change has an epoch of its own.
        self._changed: deque[tuple[int, int]] = deque(maxlen=changes_max)
        self._keys = np.empty(0, np.int64)
        self._holders = np.empty(0, np.uint16)
        self._epochs = np.empty(0, np.uint32)
        self._indexed_epoch = 0

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards that may hold leases, in the order they joined."""
        return tuple(self._shards)

    @property
    def retiring(self) -> tuple[int, ...]:
        """The shards that get none any more, and may have some still."""
        return tuple(self._retiring)

    @property
    def left(self) -> tuple[int, ...]:
        """The shards that have left, or retire, and get back what they had; the newest last."""
        return tuple(self._left_behind)

    @property
    def epoch(self) -> int:
        """The newest lease's; another one whenever a holder has changed."""
        return self._epoch

    def sectors_of(self, shard: int) -> frozenset[tuple[int, int]]:
        """Return the sectors a shard holds (none for an unknown shard)."""
        return frozenset(self._shards.get(shard, ())) | self._retiring.get(shard, {}).keys()

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
        """Return all leases, `LEASE_ROW[n]`, in the order of their sectors."""
        self._index()
        rows = np.empty(len(self._keys), LEASE_ROW)
        rows["sector_x"], rows["sector_y"] = unpack_sector(self._keys)
        rows["shard"], rows["epoch"] = self._holders, self._epochs
        return rows

    def changed_since(self, epoch: int) -> np.ndarray | None:
        """Find the sectors whose holder has changed after an epoch.

        Returns:
            int64[n], packed, each once; None when the log does not reach back that far.
        """
        count = self._epoch - epoch
        if count > len(self._changed):
            return None
        newest = list(islice(reversed(self._changed), count))
        if not newest:
            return np.empty(0, np.int64)
        return np.unique(pack_sector(*np.array(newest, np.int64).T))

    def join(self, shard: int, loads: Mapping[tuple[int, int], float]) -> list[LeaseChange]:
        """Let a shard hold leases: those that it had when it left, else a fair part of the world.

        Args:
            shard: its id, not yet known.
            loads: weight of each populated sector; those nobody holds are leased now.
        """
        self._shards[shard] = set()
        others = [other for other in self._shards if other != shard]
        had = self._left_behind.pop(shard, set())
        for kept in self._left_behind.values():
            kept -= had
        # Of what those have that retire it gets its part, unless one has taken over from them.
        for other in self._retiring.keys() & self._left_behind.keys():
            self._retiring[other] = dict.fromkeys(sorted(self._retiring[other]), SHARD_NONE)
        had = {s for s in had if s in self._leases or s in loads} - self._withheld
        changes = [self._move(sector, shard) for sector in sorted(had)]
        if others and not changes:
            donor = max(others, key=lambda other: (self._load(other, loads), -other))
            changes = [self._move(s, shard) for s in half_of(self._shards[donor], loads)]
        orphans = self._vacant(loads)
        if not others:
            return changes + [self._move(sector, shard) for sector in orphans]
        return changes + self._adopt(orphans, loads, self._burden(loads))

    def renew(self, shard: int) -> list[LeaseChange]:
        """Grant a shard what it holds once more: a newer session of it knows of nothing."""
        sectors = sorted(self._shards[shard])
        return [self._move(s, shard)._replace(before=SHARD_NONE) for s in sectors]

    def leave(
        self, shard: int, loads: Mapping[tuple[int, int], float], *, returns: bool = True
    ) -> list[LeaseChange]:
        """Take all leases from a shard and give them to the others.

        Args:
            shard: its id.
            loads: weight of each populated sector.
            returns: whether it gets its sectors back when it joins again.
        """
        if not returns:
            self.forget(shard)
        elif shard in self._shards:
            self._left_behind[shard] = self._shards[shard]
        heirs = self._retiring.pop(shard, {})
        orphans = sorted(self._shards.pop(shard, set()) | heirs.keys())
        if not self._shards:
            return [self._move(sector, SHARD_NONE) for sector in orphans]
        if not self._shards.keys() >= set(heirs.values()):
            heirs = {}
        changes = [self._move(sector, heir) for sector, heir in heirs.items()]
        orphans = [sector for sector in orphans if sector not in heirs]
        return changes + self._adopt(orphans, loads, self._burden(loads))

    def retire(
        self, shard: int, loads: Mapping[tuple[int, int], float], *, heir: int = SHARD_NONE
    ) -> None:
        """Let a shard have no more than it has, until that is given up.

        Args:
            shard: its id.
            loads: weight of each populated sector.
            heir: who gets all of it, and holds none yet; the shard gets nothing back then.
        """
        had = self._shards.pop(shard)
        self._retiring[shard] = dict.fromkeys(sorted(had), heir)
        if heir == SHARD_NONE:
            self._left_behind[shard] = had
            self._find_heirs(shard, loads)
        else:
            self._let_take_over(shard, heir)

    def give_up(
        self, shard: int, loads: Mapping[tuple[int, int], float], room: np.ndarray
    ) -> list[LeaseChange]:
        """Give sectors of one that retires to others, while these have room.

        Args:
            shard: its id.
            loads: weight of each of its sectors.
            room: [s], by the id of a shard, how much more it takes; what it gets is taken off. The
                last sector that it gets may be more.
        """
        heirs = self._retiring[shard]
        if not self._shards.keys() >= set(heirs.values()):
            self._find_heirs(shard, loads)
        changes = []
        for sector, heir in list(self._retiring[shard].items()):
            if room[heir] > 0 or not loads[sector]:
                room[heir] -= loads[sector]
                changes.append(self._move(sector, heir))
        return changes

    def replace(self, shard: int, taker: int) -> list[LeaseChange]:
        """Give all leases of a shard, which gets nothing back, to one that holds none."""
        had = self._shards.pop(shard)
        self._let_take_over(shard, taker)
        return [self._move(sector, taker) for sector in sorted(had)]

    def pass_on(self, shard: int, taker: int) -> None:
        """Let another shard get back what this one had when it left."""
        self._left_behind[taker] = self._left_behind.pop(shard)

    def forget(self, shard: int) -> None:
        """Forget what a shard had when it left."""
        self._left_behind.pop(shard, None)

    def grow(
        self, sectors: Mapping[tuple[int, int], float], entities: Mapping[int, float]
    ) -> list[LeaseChange]:
        """Lease sectors nobody holds to the shards beside them.

        Args:
            sectors: weight of each.
            entities: how many there are in the sectors of each shard; none where it is not named.
        """
        if not self._shards:
            return []
        orphans = self._vacant(sectors)
        burden = {
            shard: entities.get(shard, 0.0) + len(held) for shard, held in self._shards.items()
        }
        return self._adopt(orphans, sectors, burden)

    def assign(self, holders: Mapping[tuple[int, int], int]) -> list[LeaseChange]:
        """Lease sectors to shards that are named, each of which may hold leases."""
        return [self._move(sector, shard) for sector, shard in sorted(holders.items())]

    def vacate(self, sectors: Iterable[tuple[int, int]]) -> list[LeaseChange]:
        """Take leases of sectors that nothing is in any more from their holders."""
        return [self._move(s, SHARD_NONE) for s in sorted(sectors) if s in self._leases]

    def withhold(self, sectors: Iterable[tuple[int, int]]) -> list[LeaseChange]:
        """Lease these sectors to nobody from now on, and no others any more."""
        self._withheld = frozenset(sectors)
        return self.vacate(self._withheld)

    def _vacant(self, sectors: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Choose the sectors that nobody holds and somebody may, in order."""
        return [s for s in sorted(sectors) if s not in self._leases and s not in self._withheld]

    def _let_take_over(self, shard: int, taker: int) -> None:
        """Let a shard be in the place of one that gets nothing back: its heir, too."""
        self.forget(shard)
        self._shards[taker] = set()
        for heirs in self._retiring.values():
            heirs |= {sector: taker for sector, heir in heirs.items() if heir == shard}

    def _find_heirs(self, shard: int, loads: Mapping[tuple[int, int], float]) -> None:
        """Decide anew who is to get what one has that retires, if there is anybody."""
        sectors = sorted(self._retiring[shard])
        if self._shards:
            self._retiring[shard] = divide(sectors, loads, self._burden(loads), self.holder_of)

    def _adopt(
        self,
        orphans: list[tuple[int, int]],
        loads: Mapping[tuple[int, int], float],
        burden: dict[int, float],
    ) -> list[LeaseChange]:
        heirs = divide(orphans, loads, burden, self.holder_of)
        return [self._move(sector, shard) for sector, shard in heirs.items()]

    def _burden(self, loads: Mapping[tuple[int, int], float]) -> dict[int, float]:
        return {shard: self._load(shard, loads) for shard in self._shards}

    def _load(self, shard: int, loads: Mapping[tuple[int, int], float]) -> float:
        return sum(loads.get(sector, 0.0) + 1.0 for sector in self._shards[shard])

    def _move(self, sector: tuple[int, int], shard: int) -> LeaseChange:
        before = self.holder_of(sector)
        self._epoch += 1
        self._changed.append(sector)
        self._shards.get(before, set()).discard(sector)
        self._retiring.get(before, {}).pop(sector, None)
        if shard == SHARD_NONE:
            self._leases.pop(sector, None)
        else:
            self._leases[sector] = Lease(shard, self._epoch)
            self._shards[shard].add(sector)
        return LeaseChange(sector, before, shard, self._epoch)

    def _index(self) -> None:
        """Bring the columns up to date: only what has changed is looked up in Python."""
        if self._indexed_epoch == self._epoch:
            return
        changed = self.changed_since(self._indexed_epoch)
        self._indexed_epoch = self._epoch
        if changed is None:
            sectors = np.array(sorted(self._leases), np.int64).reshape(-1, 2)
            self._keys = pack_sector(sectors[:, 0], sectors[:, 1])
            self._holders, self._epochs = self._look_up(self._keys)
            return
        holders, epochs = self._look_up(changed)
        kept = ~np.isin(self._keys, changed, assume_unique=True)
        held = holders != SHARD_NONE
        keys = self._keys[kept]
        at = np.searchsorted(keys, changed[held])
        self._keys = np.insert(keys, at, changed[held])
        self._holders = np.insert(self._holders[kept], at, holders[held])
        self._epochs = np.insert(self._epochs[kept], at, epochs[held])

    def _look_up(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find who holds sectors, and since which epoch: uint16[n] and uint32[n]."""
        sector_x, sector_y = unpack_sector(keys)
        nobody = Lease(SHARD_NONE, 0)
        found = [
            self._leases.get(sector, nobody)  # 0.2 µs each
            for sector in zip(sector_x.tolist(), sector_y.tolist(), strict=True)
        ]
        leases = np.array(found, np.int64).reshape(-1, 2)
        return leases[:, 0].astype(np.uint16), leases[:, 1].astype(np.uint32)


def lease_rows(leases: Iterable[tuple[tuple[int, int], int, int]]) -> np.ndarray:
    """Pack (sector, shard, epoch) triples into `LEASE_ROW[n]`."""
    return np.array(
        [(sector[0], sector[1], shard, epoch) for sector, shard, epoch in leases], LEASE_ROW
    )
