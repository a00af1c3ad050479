"""What comes into the world and what leaves it, everywhere at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sidereal.replication.edge.edge import Edge
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.ownership.mesh import Mesh
from sidereal.replication.world import ACCOUNT_NONE, UUID, World


class Entities:
    """The door of one world.

    Attributes:
        created: entities that the authority has let in which had never been before.
        ended: entities that the authority has ended.
    """

    def __init__(
        self,
        world: World,
        edge: Edge,
        mesh: Mesh,
        saving: WriteBehind,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._world = world
        self._edge = edge
        self._mesh = mesh
        self._saving = saving
        self._entropy = entropy
        self.created = self.ended = 0
        self._ended: dict[int, tuple[float, float]] = {}

    def names(self, count: int) -> NDArray[np.void]:
        """Draw names of entities that have never been before, `UUID[n]`."""
        return np.frombuffer(self._entropy(16 * count), UUID, count)

    def create(
        self,
        records: NDArray[np.void],
        tick: int,
        ids: NDArray[np.int64] | None = None,
        uuid: NDArray[np.void] | None = None,
    ) -> NDArray[np.int64]:
        """Enter entities that have never been before.

        Args:
            records: `Schema.full_record[n]`.
            tick: the current one.
            ids: int64[n], that a shard has given them; None for new ones.
            uuid: their names, if the database knows those that are kept by these already.

        Returns:
            int64[n], their rows.
        """
        count = len(records)
        names = self.names(count) if uuid is None else uuid
        rows = self._world.enter(records, names, np.full(count, ACCOUNT_NONE), tick, ids)
        self._world.stored[rows] = self._world.is_kept(rows) & (uuid is not None)
        self.created += count if ids is None else 0
        return rows

    def end(self, rows: NDArray[np.int64], tick: int, *, by_owner: bool = False) -> None:
        """Take entities out of the world for good: what the database has of them goes, too.

        Their children end with them.

        Args:
            rows: int64[n], each once.
            tick: the current one.
            by_owner: whether their shards have said so, and need not be told.
        """
        world = self._world
        said, rows = rows, world.families.whole(rows)
        records = world.columns.store(rows, world.schema.full_record)
        x, y, _ = world.locate(rows, tick)
        for at, row in enumerate(rows.tolist()):  # 5 µs each
            self._saving.depart(records[[at]], row, tick, removed=True)
            self._ended[int(records["id"][at])] = float(x[at]), float(y[at])
        self.ended += len(rows) - (len(said) if by_owner else 0)
        children = np.setdiff1d(rows, said) if by_owner else rows[:0]
        self._mesh.withdraw(children, tick)
        self.withdraw(rows, tick, by_owner=by_owner)

    def undo(self, rows: NDArray[np.int64], tick: int) -> None:
        """Take out again what was let in a moment ago, and nobody has heard of."""
        self.created -= len(rows)
        self.withdraw(rows, tick)

    def take_ended(self) -> dict[int, tuple[float, float]]:
        """Give up the ids of what has ended since the last call, each with its last place."""
        ended, self._ended = self._ended, {}
        return ended

    def withdraw(self, rows: NDArray[np.int64], tick: int, *, by_owner: bool = False) -> None:
        """Take entities out of the world, with their children, everywhere."""
        rows = self._world.families.whole(rows)
        columns = self._world.columns
        net_id, group = columns.net_id[rows], self._world.group[rows]
        known = group >= 0
        self._edge.remove(net_id[known], group[known], tick)
        self._mesh.withdraw(rows, tick, tell=not by_owner)
        self._world.remove(rows, tick)

    def take_back(self, rows: NDArray[np.int64], tick: int) -> None:
        """Take entities from their shards, with their children: others get them, or the same."""
        self._mesh.take_back(self._world.families.whole(rows), tick)
