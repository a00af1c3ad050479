"""What the authority decides of entities that shards simulate: components that it writes.

It gives and takes those components alone, as shards give and take theirs: so neither undoes what
the other has done. The owner of an entity is told with its messages about entities, in their order:
what was decided before an entity changed hands is in the row that its new owner gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.world import World


class Amendments:
    """The components of one world that only the authority writes.

    Attributes:
        mask_given: those of them that it may give and take.
    """

    def __init__(self, world: World, shards: ShardLink) -> None:
        schema = world.schema
        others = {*schema.proposed, *schema.kept}
        self.mask_given = schema.mask_all & ~sum(1 << number for number in others)
        self._world = world
        self._shards = shards
        self._amended: list[np.ndarray] = []

    def give(self, rows: np.ndarray, number: int, values: Mapping[str, Any], tick: int) -> None:
        """Let entities have a component, or other values of one that they have.

        Args:
            rows: int64[n], each once.
            number: of the component.
            values: by column, one or [n].
            tick: the one about to be published.
        """
        self._set(rows, number, values)
        held = self._world.columns.mask[rows]
        self._world.equip(rows, held | np.uint64(1 << number), tick)
        self._note(rows, number, tick)

    def take(self, rows: np.ndarray, number: int, tick: int) -> None:
        """Take a component from entities, int64[n], each once; who has none keeps none."""
        first = self._world.schema.first[self._world.columns["kind"][rows]]
        self._set(rows, number, {name: first[name] for name in first.dtype.names or ()})
        held = self._world.columns.mask[rows]
        self._world.equip(rows, held & ~np.uint64(1 << number), tick)
        self._note(rows, number, tick)

    def send(self, tick: int) -> None:
        """Tell shards what was decided of their entities; once per tick, after the handovers."""
        if not self._amended:
            return
        columns = self._world.columns
        rows = np.unique(np.concatenate(self._amended))
        self._amended.clear()
        rows = rows[columns.alive[rows]]
        for shard in self._shards.shards:
            mine = rows[columns["shard"][rows] == shard.shard]
            if len(mine):
                records = columns.store(mine, self._world.schema.full_record)
                self._shards.send_amend(shard, records, tick)

    def _set(self, rows: np.ndarray, number: int, values: Mapping[str, Any]) -> None:
        for field in self._world.schema.component(number).fields:
            self._world.columns[field.name][rows] = values[field.name]

    def _note(self, rows: np.ndarray, number: int, tick: int) -> None:
        component = self._world.schema.component(number)
        has = rows[self._world.columns.has(rows, number)]
        self._world.mark_changed(component.name, has, tick)
        self._world.mark(rows, tick)
        self._amended.append(rows)
