"""How sectors are divided among shards, so that regions stay contiguous.

Theory of operation. Sectors of a shard that leaves go, one by one, to the least loaded shard beside
them: regions grow inwards from their edges. A shard that comes gets half of a region, cut across
the longer side of its bounding box.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from sidereal.protocol.space.sectors import unpack_sector

_NEIGHBOURS: Final = tuple((dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0))

Sector = tuple[int, int]


def divide(
    orphans: Iterable[Sector],
    loads: Mapping[Sector, float],
    burden: dict[int, float],
    holder_of: Callable[[Sector], int],
) -> dict[Sector, int]:
    """Decide which shard gets each sector.

    Args:
        orphans: those that are to be given away.
        loads: weight of each populated sector.
        burden: what each shard has to do that may get some; what it gets is added.
        holder_of: who holds a sector now.

    Returns:
        in the order in which they are to go.
    """

    def beside(sector: Sector) -> list[int]:
        near = (heirs.get(other) or holder_of(other) for other in _around(sector))
        return [shard for shard in near if shard in burden]

    heirs: dict[Sector, int] = {}
    waiting = dict.fromkeys(orphans)
    frontier = deque(sector for sector in waiting if beside(sector))
    while waiting:
        # An island starts with its first sector.
        sector = frontier.popleft() if frontier else next(iter(waiting))
        if sector not in waiting:
            continue
        del waiting[sector]
        shard = min(beside(sector) or burden, key=lambda other: (burden[other], other))
        heirs[sector] = shard
        burden[shard] += loads.get(sector, 0.0) + 1.0
        frontier.extend(other for other in _around(sector) if other in waiting)
    return heirs


def half_of(held: Iterable[Sector], loads: Mapping[Sector, float]) -> list[Sector]:
    """Choose half of a region by weight; of a single sector none.

    Args:
        held: its sectors.
        loads: weight of each populated sector.
    """
    sectors = sorted(held)
    if len(sectors) < 2:
        return []
    spans = [max(s[axis] for s in sectors) - min(s[axis] for s in sectors) for axis in (0, 1)]
    axis = 0 if spans[0] >= spans[1] else 1
    sectors.sort(key=lambda s: (s[axis], s[1 - axis]))
    weights = np.array([loads.get(sector, 0.0) + 1.0 for sector in sectors])
    cut = int(np.searchsorted(np.cumsum(weights), weights.sum() / 2)) + 1
    return sectors[min(cut, len(sectors) - 1) :]


def count_by_sector(keys: np.ndarray) -> dict[Sector, float]:
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


def _around(sector: Sector) -> list[Sector]:
    return [(sector[0] + dx, sector[1] + dy) for dx, dy in _NEIGHBOURS]
