"""What the authority decides of entities that shards simulate: components that it writes.

It gives and takes those components alone, as shards give and take theirs: so neither undoes what
the other has done. The owner of an entity is told with its messages about entities, in their order:
what was decided before an entity changed hands is in the row that its new owner gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sidereal.protocol.state.component import Component
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.world import World


class Gift(NamedTuple):
    """A component that an entity which is kept was given, or that was taken from it.

    Attributes:
        component: its name in the schema.
        entity: its id; `name` is the one that it has for life.
        values: by column, as they were given; empty if it was taken.
    """

    component: str
    entity: int
    name: bytes
    values: dict[str, Any]


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
        self._amended: set[int] = set()
        self._gifts: list[Gift] = []

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
        rows = np.array(sorted(self._amended), np.int64)
        self._amended.clear()
        rows = rows[columns.alive[rows]]
        for shard in self._shards.shards:
            mine = rows[columns["shard"][rows] == shard.shard]
            if len(mine):
                records = columns.store(mine, self._world.schema.full_record)
                self._shards.send_amend(shard, records, tick)

    def note(self, rows: np.ndarray) -> None:
        """Let the owners of entities be told what they have by now, int64[n].

        While the world stands still nobody is told: each is noted once.
        """
        self._amended.update(rows.tolist())

    def take_gifts(self) -> list[Gift]:
        """Give up what was given and taken since the last call, in order."""
        gifts, self._gifts = self._gifts, []
        return gifts

    def _note_gifts(self, rows: np.ndarray, component: Component) -> None:
        """Take down what the database has to know, in the state that it has now.

        That who has a component by its kind has lost it is saved with the entity.
        """
        world, number = self._world, self._world.schema.numbers[component.name]
        by_kind = world.schema.masks[world.columns["kind"][rows]] & np.uint64(1 << number) != 0
        has = world.columns.has(rows, number)
        for row in rows[world.is_kept(rows) & (has | ~by_kind)].tolist():
            names = [field.name for field in component.fields]
            values = {name: world.columns[name][row].item() for name in names}
            if not world.columns.has(np.array([row]), number)[0]:
                values = {}
            uuid, net_id = world.uuid[row].tobytes(), int(world.columns.net_id[row])
            self._gifts.append(Gift(component.name, net_id, uuid, values))

    def _set(self, rows: np.ndarray, number: int, values: Mapping[str, Any]) -> None:
        for field in self._world.schema.component(number).fields:
            self._world.columns[field.name][rows] = values[field.name]

    def _note(self, rows: np.ndarray, number: int, tick: int) -> None:
        component = self._world.schema.component(number)
        has = rows[self._world.columns.has(rows, number)]
        self._world.mark_changed(component.name, has, tick)
        self._world.mark(rows, tick)
        self.note(rows)
        if component.persisted:
            self._note_gifts(rows, component)
