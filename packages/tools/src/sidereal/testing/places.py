"""Where things are in a world under test: which shard simulates what, who comes, and who is whose.

The first shard simulates all that is west of x = 0, the last one all that is east of the last
border, and those in between a column of sectors each: n shards have n - 1 borders, a sector apart.
With rows of them it is likewise from south to north, one row after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sidereal.game import Kind, Motion
from sidereal.game.schema import name_of
from sidereal.replication.parentage import check_parents
from sidereal.replication.replicator import Replicator


class Strips:
    """Shares space among shards, however the authority does it.

    Attributes:
        columns: of shards, from west to east.
        rows: of shards, from south to north.
        shares: whether it does, or leaves it to the authority.
    """

    def __init__(self, columns: int, rows: int = 1) -> None:
        self.columns, self.rows = columns, rows
        self.shares = columns * rows > 1
        self._shared: tuple[int, tuple[int, ...]] = (0, ())

    def share(self, core: Replicator, shards: Sequence[int]) -> None:
        """Give shards the sectors that they should have.

        Args:
            core: who decides.
            shards: their ids, from west to east and then from south to north; what one should have
                that has gone others keep.
        """
        leases = core.mesh.leases
        if not self.shares or self._shared == (leases.epoch, leases.shards):
            return
        wanted = {}
        for x, y, holder in leases.rows()[["sector_x", "sector_y", "shard"]].tolist():
            column, row = (
                min(max(at + 1, 0), most - 1) for at, most in ((x, self.columns), (y, self.rows))
            )
            shard = shards[column + self.columns * row]
            if shard != holder and shard in leases.shards:
                wanted[x, y] = shard
        core.mesh.assign(wanted, core.tick)
        self._shared = leases.epoch, leases.shards


def is_settled(core: Replicator) -> bool:
    """Whether everybody belongs to the shard whose space it is in."""
    present = core.world.present(core.tick)
    holders = core.mesh.leases.holders_of(present.sector)
    return bool((core.world.columns["shard"][present.rows] == holders).all())


def ids_of(core: Replicator, kind: int | None) -> NDArray[np.uint32]:
    """Give the ids of all, or of those of a kind by its number: uint32[n], ascending."""
    columns = core.world.columns
    rows = columns.rows()
    return np.sort(columns.net_id[rows if kind is None else rows[columns["kind"][rows] == kind]])


def put(core: Replicator, entity: int, x: float, y: float) -> None:
    """Put an entity somewhere else, at rest.

    Raises:
        LookupError: there is none of this id.
    """
    world, columns = core.world, core.world.columns
    rows = columns.rows_of(np.array([entity]))
    if rows[0] < 0:
        raise LookupError(f"entity {entity} is not there")
    world.halt(rows, core.tick)
    columns["x"][rows], columns["y"][rows] = x, y
    # What its shard has proposed of it and not sent yet does not count any more.
    columns.epoch[rows] += np.uint32(1)
    world.mark_changed(name_of(Motion), rows, core.tick)
    core.mesh.give_anew(columns.net_id[rows])


def let_in(core: Replicator, kind: Kind, records: NDArray[np.void]) -> int:
    """Let an entity into the world, `Schema.full_record[1]`: gives its id.

    Raises:
        GameError: there is nobody to be its parent.
    """
    records["tick"], records["epoch"] = core.tick, 1
    check_parents(core.world, kind, records)
    rows = core.entities.create(records, core.tick)
    return int(core.world.columns.net_id[rows[0]])


def children_of(core: Replicator, entity: int) -> NDArray[np.uint32]:
    """Give the ids of the children of an entity, uint32[n], ascending."""
    columns, families = core.world.columns, core.world.families
    rows = families.children()
    ids: NDArray[np.uint32] = columns.net_id[rows[columns["of"][rows] == entity]]
    return np.sort(ids)
