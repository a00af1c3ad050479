"""The world: the committed truth about every entity, as columns.

Theory of operation. The world holds one *reference* per entity: where it was at a tick, and how it
moved. The truth at any later tick is the straight line from there; a new reference is committed
only when a shard proposes one. What clients are sent is a second, quantised reference. It is
replaced when the truth strays from it by more than the tolerance, when the entity changes its cell,
or when the reference grows too old for its 16-bit tick. So one array of rows serves all clients,
and what drifts in a straight line costs nothing.

An entity has some of the components; its `mask` says which. `changed` says at which tick each of
them last changed, and `entered` when the entity came into its cell. What clients are sent follows
from these. Rows of components other than motion are committed as they are, and ordered by
`versions`, whatever their order of arrival.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.protocol.space.sectors import SectorTable, pack_sector
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.proposals import version_of
from sidereal.protocol.state.quantize import encode_rows, quantised
from sidereal.protocol.state.reckoning import Motion, extrapolate, strayed
from sidereal.protocol.state.schema import MOTION, Schema
from sidereal.protocol.state.stream import PRESENCE
from sidereal.replication.families import Families
from sidereal.replication.ids import IdBlocks
from sidereal.replication.limits import LIMITS, WorldLimits
from sidereal.replication.occupancy import Occupancy
from sidereal.replication.repairs import Repairs

POSITION_TOLERANCE: Final = 0.05
"""How far the position that clients extrapolate may be off the truth, world units."""

HEADING_TOLERANCE: Final = 0.02
"""How far the heading that clients extrapolate may be off the truth, radians."""

ACCOUNT_NONE: Final = 0
NEVER: Final = -1

UUID: Final = np.dtype("V16")
"""An entity's name for life."""


class Present(NamedTuple):
    """Every living entity at one tick; all arrays have one length.

    Attributes:
        rows: int64[n], ascending.
        x: float64[n], world units; likewise `y`.
        heading: float64[n], radians.
        group: int32[n], the cell.
        sector: int64[n], the packed sector.
    """

    tick: int
    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    group: np.ndarray
    sector: np.ndarray


class Moved(NamedTuple):
    """Entities that left a cell for another."""

    net_id: np.ndarray
    group: np.ndarray
    """int32[n], the cell they left."""


class World:
    """Columns of all entities and what the replication server alone knows of them.

    Attributes:
        columns: the references and all other components, by row.
        sectors: the active sectors; its groups are the cells.
        occupancy: where something is, or was lately.
        account: int64 by row, who flies it, `ACCOUNT_NONE` for the rest.
        families: whose child everybody is.
        group: int32 by row, the cell as of the last `present`.
        handover_tick: int64 by row, when it last changed hands or was adopted anew.
        dirty: bool by row, whether the database has not been given it as it is; what is not
            kept at all never is.
        dirty_since: int64 by row, tick of the oldest change that it has not been given.
        stored: bool by row, whether the database may know the entity.
        entered: int64 by row, tick at which it came into its cell, -1 before.
        changed: int64[numbers, rows], tick of the newest change by number of the component, 0 for
            the presence; -1 where there is no such component.
        described: int64 by row, tick of the newest change of any component but the motion.
        latest: int64 by number, the newest of all these.
        rows: `Schema.rows` by number and row, what clients are sent.
        versions: int64 by row, by number of all but motion that shards propose, 0 for the presence.
        ids: who may give which network id.
        repairs: what shards were given lately, and who was put elsewhere for it.
    """

    def __init__(
        self,
        schema: Schema,
        rules: Rules,
        capacity: int = 4096,
        limits: WorldLimits = LIMITS.world,
    ) -> None:
        self.schema = schema
        self.rules = rules
        self.columns = Columns(schema, capacity)
        self.sectors = SectorTable(rules, limits.sector_changes)
        self.occupancy = Occupancy(self.sectors, limits)
        self.ids = IdBlocks(limits, rules.streams)
        self.repairs = Repairs(rules)
        self.uuid = np.zeros(capacity, UUID)
        self.account = np.zeros(capacity, np.int64)
        self.families = Families(self.columns)
        self.group = np.full(capacity, -1, np.int32)
        self.handover_tick = np.zeros(capacity, np.int64)
        self.dirty = np.zeros(capacity, np.bool_)
        self.dirty_since = np.zeros(capacity, np.int64)
        self.stored = np.zeros(capacity, np.bool_)
        self.entered = np.full(capacity, NEVER, np.int64)
        numbers = len(schema.components) + 1
        self.changed = np.full((numbers, capacity), NEVER, np.int64)
        self.described = np.full(capacity, NEVER, np.int64)
        self.latest = np.full(numbers, NEVER, np.int64)
        self.rows = {n: np.zeros(capacity, schema.rows[n]) for n in (PRESENCE, *schema.sent)}
        self._motion_number = schema.numbers[MOTION.name]
        others = [n for n in (PRESENCE, *schema.proposed) if n != self._motion_number]
        self.versions = {number: np.zeros(capacity, np.int64) for number in others}
        self._sent = {name: np.zeros(capacity) for name in Motion._fields}

    def enter(
        self,
        records: np.ndarray,
        uuid: np.ndarray,
        account: np.ndarray,
        tick: int,
        ids: np.ndarray | None = None,
    ) -> np.ndarray:
        """Put entities into the world, owned by nobody yet.

        Args:
            records: `Schema.full_record[n]`; their ids are ignored.
            uuid: `UUID[n]`.
            account: int64[n].
            tick: the current one.
            ids: int64[n], that a shard has given them; None for new ones.

        Returns:
            int64[n], their rows.
        """
        fresh = records.copy()
        fresh["id"] = self.ids.take(len(records), tick) if ids is None else ids
        fresh["shard"] = 0
        rows = self.columns.load(fresh)
        self._grow()
        self.uuid[rows] = uuid
        self.account[rows] = account
        self.families.relate(rows)
        self.group[rows] = -1
        self.handover_tick[rows] = tick
        self.stored[rows] = False
        for versions in self.versions.values():
            versions[rows] = tick
        self.columns.mask[rows] = 0
        self.equip(rows, self.schema.masks_of(records), tick)
        self.mark(rows, tick)
        return rows

    def remove(self, rows: np.ndarray, tick: int) -> None:
        """Forget entities."""
        self.ids.leave(self.columns.net_id[rows], tick)
        self.columns.free(rows)
        self.families.forget(rows)
        self.dirty[rows] = False
        self.account[rows] = ACCOUNT_NONE
        self.group[rows] = self.entered[rows] = NEVER
        self.changed[:, rows] = self.described[rows] = NEVER

    def commit(self, rows: np.ndarray, records: np.ndarray, tick: int) -> None:
        """Accept new references.

        Args:
            rows: int64[n], each once.
            records: `Schema.exact_record[n]`.
            tick: the current one.
        """
        self.columns.update(rows, records)
        self.mark(rows, tick)

    def commit_component(
        self, number: int, rows: np.ndarray, records: np.ndarray, tick: int
    ) -> None:
        """Accept new rows of a component other than motion.

        Args:
            number: of the component.
            rows: int64[n], each once.
            records: `Schema.proposed_rows[number]`[n].
            tick: the current one.
        """
        component = self.schema.component(number)
        for field in component.fields:
            self.columns[field.name][rows] = records[field.name]
        self.versions[number][rows] = version_of(records)
        self.mark_changed(component.name, rows, tick)
        if component.persisted:
            self.mark(rows, tick)

    def halt(self, rows: np.ndarray, tick: int) -> None:
        """Let entities stand still where they are at a tick.

        Args:
            rows: int64[n].
            tick: the current one.
        """
        x, y, heading = self.locate(rows, tick)
        columns = self.columns
        columns["x"][rows], columns["y"][rows], columns["heading"][rows] = x, y, heading
        for name in ("vx", "vy", "spin"):
            columns[name][rows] = 0.0
        columns.tick[rows] = tick
        self.mark(rows, tick)

    def mark(self, rows: np.ndarray, tick: int) -> None:
        """Note that rows differ from what the database has, as far as they are kept."""
        kept = rows[self.is_kept(rows)]
        self.dirty_since[kept[~self.dirty[kept]]] = tick
        self.dirty[kept] = True

    def is_kept(self, rows: np.ndarray) -> np.ndarray:
        """Tell what the database keeps, bool[n]: not what the anonymous fly, nor all kinds.

        A child is kept if all of its ancestors are.
        """
        saved, kind = self.schema.saved, self.columns["kind"]
        kept = saved[kind[rows]] & (self.account[self.families.root[rows]] >= ACCOUNT_NONE)
        for above in self.families.above(rows):
            kept &= saved[kind[above]]
        return np.asarray(kept)

    def accounts_of(self, rows: np.ndarray) -> np.ndarray:
        """Tell whose each is to the database, int64[n]: of what an account flies a child is -it."""
        root = self.families.root[rows]
        return np.asarray(np.where(root == rows, self.account[rows], -self.account[root]))

    def follow(self, tick: int) -> None:
        """Give followers the references of those whom they follow."""
        self.mark(self.families.follow(), tick)

    def locate(self, rows: np.ndarray, tick: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Work out where some entities are at a tick: x, y and heading, float64[n] each."""
        return extrapolate(*self._motion(rows), self.columns.tick[rows], tick, self.rules.tick_s)

    def present(self, tick: int) -> Present:
        """Work out where everything is at a tick."""
        rows = self.columns.rows()
        x, y, heading = self.locate(rows, tick)
        cells = absolute_cell_of(x, y, self.rules)
        group = self.sectors.groups_of_cells(*cells, create=True)
        sector = pack_sector(*(axis // self.rules.cells_per_side for axis in cells))
        return Present(tick, rows, x, y, heading, group, sector)

    def refresh(self, present: Present) -> Moved:
        """Bring what clients are sent up to a tick.

        Mutates:
            group, entered, changed, latest, rows, the references that are sent.

        Returns:
            which entities left which cell.
        """
        rows, tick = present.rows, present.tick
        left = (self.group[rows] != present.group) & (self.group[rows] >= 0)
        moved = Moved(self.columns.net_id[rows[left]], self.group[rows[left]])
        entered = self.group[rows] != present.group
        self.group[rows] = present.group
        self.entered[rows[entered]] = tick
        self._note(PRESENCE, rows[entered], tick)
        changed = self.changed[self._motion_number]
        off = strayed(
            Motion(*(self._sent[name][rows] for name in Motion._fields)),
            changed[rows],
            self._motion(rows)._replace(x=present.x, y=present.y, heading=present.heading),
            tick,
            self.rules.tick_s,
            distance_max=POSITION_TOLERANCE,
            angle_max=HEADING_TOLERANCE,
        )
        aged = tick - changed[rows] >= self.rules.streams.record_age_ticks
        self._encode_motion(present, np.flatnonzero(entered | off | aged))
        return moved

    def equip(self, rows: np.ndarray, mask: np.ndarray, tick: int) -> None:
        """Say which components entities have; what they had besides, they no longer have.

        Args:
            rows: int64[n], each once.
            mask: uint64[n], a bit for each number.
            tick: the one about to be published.
        """
        gained, lost = mask & ~self.columns.mask[rows], self.columns.mask[rows] & ~mask
        self.columns.mask[rows] = mask
        presence = self.rows[PRESENCE]
        presence["id"][rows] = self.columns.net_id[rows]
        presence["kind"][rows] = self.columns["kind"][rows]
        presence["mask"][rows] = mask & np.uint64(self.schema.mask_sent)
        self._note(PRESENCE, rows[(gained | lost) & np.uint64(self.schema.mask_sent) != 0], tick)
        for name, number in self.schema.numbers.items():
            bit = np.uint64(1 << number)
            self.changed[number, rows[(lost & bit) != 0]] = NEVER
            self.mark_changed(name, rows[(gained & bit) != 0], tick)

    def mark_changed(self, component: str, rows: np.ndarray, tick: int) -> None:
        """Note that a component of some entities, which have it, is new as of a tick.

        Args:
            component: its name.
            rows: int64[n], each once.
            tick: the one about to be published.
        """
        number = self.schema.numbers[component]
        self._note(number, rows, tick)
        if number in self.rows and number != self._motion_number:
            fields = self.schema.component(number).fields
            values = {field.name: self.columns[field.name][rows] for field in fields}
            net_id = self.columns.net_id[rows]
            self.rows[number][rows] = encode_rows(self.schema, number, values, net_id, self.rules)

    def _note(self, number: int, rows: np.ndarray, tick: int) -> None:
        if len(rows):
            self.changed[number, rows] = tick
            if number != self._motion_number:
                self.described[rows] = tick
            self.latest[number] = max(self.latest[number], tick)

    def _encode_motion(self, present: Present, at: np.ndarray) -> None:
        rows, number = present.rows[at], self._motion_number
        values: dict[str, Any] = {
            field.name: self.columns[field.name][rows] for field in MOTION.fields
        }
        values |= {"x": present.x[at], "y": present.y[at], "heading": present.heading[at]}
        origin_x, origin_y = self._cell_origins(present.x[at], present.y[at])
        self.rows[number][rows] = encode_rows(
            self.schema,
            number,
            values,
            self.columns.net_id[rows],
            self.rules,
            origin_x=origin_x,
            origin_y=origin_y,
            tick=present.tick,
        )
        sent = quantised(
            self.schema, number, values, self.rules, origin_x=origin_x, origin_y=origin_y
        )
        for name in Motion._fields:
            self._sent[name][rows] = sent[name]
        self._note(number, rows, present.tick)

    def _cell_origins(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = self.rules.cell_size
        return np.floor_divide(x, size) * size, np.floor_divide(y, size) * size

    def _motion(self, rows: np.ndarray) -> Motion:
        return Motion(*(self.columns[name][rows] for name in Motion._fields))

    def _grow(self) -> None:
        capacity = self.columns.capacity
        if len(self.uuid) == capacity:
            return
        self.uuid = _grown(self.uuid, capacity)
        self.account = _grown(self.account, capacity)
        self.group = _grown(self.group, capacity, NEVER)
        self.handover_tick = _grown(self.handover_tick, capacity)
        self.dirty = _grown(self.dirty, capacity)
        self.dirty_since = _grown(self.dirty_since, capacity)
        self.stored = _grown(self.stored, capacity)
        self.entered = _grown(self.entered, capacity, NEVER)
        self.described = _grown(self.described, capacity, NEVER)
        self.rows = {number: _grown(array, capacity) for number, array in self.rows.items()}
        changed = np.full((len(self.changed), capacity), NEVER, np.int64)
        changed[:, : self.changed.shape[1]] = self.changed
        self.changed = changed
        self.versions = {number: _grown(array, capacity) for number, array in self.versions.items()}
        self._sent = {name: _grown(array, capacity) for name, array in self._sent.items()}


def _grown(array: np.ndarray, capacity: int, fill: int = 0) -> np.ndarray:
    grown = np.full(capacity, fill, array.dtype)
    grown[: len(array)] = array
    return grown
