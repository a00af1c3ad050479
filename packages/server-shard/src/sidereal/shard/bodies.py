"""The shard's bodies: what it simulates, and what it last proposed of each.

`columns` hold the truth of the shard's current tick. `proposed` holds references: the rows that
the replication server has, or will have once it has acked them. A reference is replaced only when
the truth has strayed from its straight continuation, or when a pilot's newer input is in it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.reckoning import Motion, extrapolate, strayed
from sidereal.protocol.state.schema import Schema

DISTANCE_MAX: Final = 1e-3
"""World units the truth may be off its reference before that is replaced."""
ANGLE_MAX: Final = 1e-4
"""Likewise for the heading, rad."""

_MOTION: Final = Motion._fields

Slots = NDArray[np.int64]


class Bodies:
    """Entities this shard owns.

    Attributes:
        columns: the truth at the shard's tick, by slot.
        proposed: `Schema.exact_record[capacity]`, references by slot.
        changed: int64[capacity], tick at which a reference was last replaced here; -1: as adopted.
        refused: rows that were not adopted because they were invalid.
    """

    def __init__(self, schema: Schema, rules: Rules) -> None:
        self.columns = Columns(schema)
        self.proposed: NDArray[np.void] = np.zeros(self.columns.capacity, schema.exact_record)
        self.changed: Slots = np.full(self.columns.capacity, -1, dtype=np.int64)
        self.refused = 0
        self._schema = schema
        self._rules = rules

    def __len__(self) -> int:
        return len(self.columns)

    def news(self, records: NDArray[np.void]) -> NDArray[np.void]:
        """Choose the rows to adopt: valid, one per entity, and of a newer epoch than is held.

        Args:
            records: `Schema.full_record[n]` from the wire.

        Returns:
            `Schema.full_record[m]`
        """
        valid = self._schema.valid_rows(records) & (records["id"] != NET_ID_NONE)
        self.refused += int(len(records) - valid.sum())
        records = records[valid]
        last = len(records) - 1 - np.unique(records["id"][::-1], return_index=True)[1]
        records = records[np.sort(last)]
        slots = self.columns.slots_of(records["id"])
        held = np.where(slots >= 0, self.columns.epoch[slots].astype(np.int64), -1)
        return records[records["epoch"] > held]

    def adopt(self, records: NDArray[np.void], tick: NDArray[np.int64]) -> Slots:
        """Take entities in, moved in straight lines from their rows' ticks.

        Args:
            records: `Schema.full_record[n]`, from `news`, none of them held.
            tick: int64[n], to which each is moved.

        Returns:
            int64[n] slots.
        """
        slots = self.columns.load(records)
        self._reserve()
        exact = np.empty(len(records), dtype=self.proposed.dtype)
        for name in exact.dtype.names or ():
            exact[name] = records[name]
        self.proposed[slots] = exact
        self.changed[slots] = -1
        reference = Motion(*(records[name].astype(np.float64) for name in _MOTION))
        x, y, heading = extrapolate(*reference, records["tick"], tick, self._rules.tick_s)
        self.columns["x"][slots] = x
        self.columns["y"][slots] = y
        self.columns["heading"][slots] = heading
        self.columns.tick[slots] = tick
        return slots

    def fenced(self, net_ids: NDArray[np.uint32], epochs: NDArray[np.uint32]) -> Slots:
        """Find the held entities that are not ours from an epoch on.

        Args:
            net_ids: uint32[n]
            epochs: uint32[n], from which the entity is not ours; an older body stays.

        Returns:
            int64[m] slots, each once.
        """
        slots = self.columns.slots_of(net_ids)
        known = slots >= 0
        slots, epochs = slots[known], epochs[known]
        return np.unique(slots[self.columns.epoch[slots] < epochs])

    def release(self, slots: Slots) -> None:
        """Forget entities."""
        self.columns.free(slots)

    def coast(self, seconds: float) -> None:
        """Move everything along its straight line, for ticks that are skipped.

        Mutates:
            x, y and heading of the columns.
        """
        rows, columns = self.columns.rows(), self.columns
        truth = Motion(*(columns[name][rows] for name in _MOTION))
        x, y, heading = extrapolate(*truth, 0, 1, seconds)
        columns["x"][rows], columns["y"][rows], columns["heading"][rows] = x, y, heading

    def bound_speeds(self) -> int:
        """Slow down what a contact made faster than anything may be.

        Mutates:
            vx and vy of the columns.

        Returns:
            How many.
        """
        columns = self.columns
        speed = np.hypot(columns["vx"], columns["vy"])
        fast = np.flatnonzero(speed > self._rules.speed_max)
        if len(fast):
            # A hair below, so that rounding never proposes a speed beyond the limit.
            shrink = self._rules.speed_max * (1.0 - 1e-12) / speed[fast]
            columns["vx"][fast] *= shrink
            columns["vy"][fast] *= shrink
        return len(fast)

    def collect_changes(self, tick: int) -> Slots:
        """Replace the references from which the truth has strayed.

        Args:
            tick: the shard's.

        Mutates:
            proposed, changed, and the columns' ticks.

        Returns:
            int64[n] slots of the replaced ones.
        """
        columns, held = self.columns, self.columns.rows()
        columns.tick[held] = tick
        before = self.proposed[held]
        reference = Motion(*(before[name] for name in _MOTION))
        truth = Motion(*(columns[name][held] for name in _MOTION))
        changed = strayed(
            reference, before["tick"], truth, tick, self._rules.tick_s, DISTANCE_MAX, ANGLE_MAX
        )
        # A new velocity shows in the position only a tick later; it is news at once.
        speed_off = np.hypot(truth.vx - reference.vx, truth.vy - reference.vy)
        changed |= speed_off * self._rules.tick_s > DISTANCE_MAX
        changed |= np.abs(truth.spin - reference.spin) * self._rules.tick_s > ANGLE_MAX
        for field in self._schema.link_fields:
            changed |= columns[field.name][held] != before[field.name]
        # The former owner may have been ahead of us. A state no newer than its record is no news to
        # the server, and must not become the reference here either.
        changed &= before["tick"] < tick
        slots = held[changed]
        self.proposed[slots] = columns.store(slots, self.proposed.dtype)
        self.changed[slots] = tick
        return slots

    def _reserve(self) -> None:
        more = self.columns.capacity - len(self.changed)
        if more > 0:
            self.proposed = np.concatenate(
                [self.proposed, np.zeros(more, dtype=self.proposed.dtype)]
            )
            self.changed = np.concatenate([self.changed, np.full(more, -1, dtype=np.int64)])
