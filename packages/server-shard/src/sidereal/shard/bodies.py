"""The shard's bodies: what it simulates, and what it last proposed of each.

The references of bodies are the rows that the replication server has, or will have once it has
acked them. A reference is replaced only when the truth has strayed from its straight continuation,
or when a pilot's newer input is in it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.reckoning import Motion, extrapolate, strayed
from sidereal.protocol.state.schema import Schema
from sidereal.shard.population import Ints, Population

DISTANCE_MAX: Final = 1e-3
"""World units the truth may be off its reference before that is replaced."""
ANGLE_MAX: Final = 1e-4
"""Likewise for the heading, rad."""

_MOTION: Final = Motion._fields


class Bodies:
    """Entities this shard owns.

    Attributes:
        columns: the truth at the shard's tick, by row, of ghosts too.
        changed: int64[capacity], tick at which a reference was last replaced here; -1: as adopted.
        refused: rows that were not adopted because they were invalid.
    """

    def __init__(self, population: Population, schema: Schema, rules: Rules) -> None:
        self.columns = population.columns
        self.changed: Ints = np.full(self.columns.capacity, -1, dtype=np.int64)
        self.refused = 0
        self._population = population
        self._schema = schema
        self._rules = rules

    def __len__(self) -> int:
        return len(self.rows())

    @property
    def proposed(self) -> NDArray[np.void]:
        """`Schema.exact_record[capacity]`, what was proposed last, by row."""
        return self._population.reference

    def rows(self) -> Ints:
        """Rows of the bodies, ascending."""
        return self._population.own_rows()

    def rows_of(self, net_ids: ArrayLike) -> Ints:
        """Look bodies up by id: int64[n], -1 where this shard has none."""
        return self._population.rows_of(net_ids, own=True)

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
        rows = self.rows_of(records["id"])
        held = np.where(rows >= 0, self.columns.epoch[rows].astype(np.int64), -1)
        return records[records["epoch"] > held]

    def adopt(self, records: NDArray[np.void], tick: NDArray[np.int64]) -> Ints:
        """Take entities in, moved in straight lines from their rows' ticks.

        Args:
            records: `Schema.full_record[n]`, from `news`, none of them held.
            tick: int64[n], to which each is moved.

        Returns:
            int64[n] rows.
        """
        rows = self._population.load(records, own=True)
        self._reserve()
        self.changed[rows] = -1
        self._population.follow(rows, tick, self._rules.tick_s)
        self.columns.tick[rows] = tick
        return rows

    def fenced(self, net_ids: NDArray[np.uint32], epochs: NDArray[np.uint32]) -> Ints:
        """Find the held entities that are not ours from an epoch on.

        Args:
            net_ids: uint32[n]
            epochs: uint32[n], from which the entity is not ours; an older body stays.

        Returns:
            int64[m] rows, each once.
        """
        rows = self.rows_of(net_ids)
        known = rows >= 0
        rows, epochs = rows[known], epochs[known]
        return np.unique(rows[self.columns.epoch[rows] < epochs])

    def release(self, rows: Ints) -> None:
        """Forget entities."""
        self._population.free(rows)

    def coast(self, seconds: float) -> None:
        """Move everything along its straight line, for ticks that are skipped.

        Mutates:
            x, y and heading of the columns.
        """
        rows, columns = self.rows(), self.columns
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
        fast = np.flatnonzero((speed > self._rules.speed_max) & self._population.own)
        if len(fast):
            # A hair below, so that rounding never proposes a speed beyond the limit.
            shrink = self._rules.speed_max * (1.0 - 1e-12) / speed[fast]
            columns["vx"][fast] *= shrink
            columns["vy"][fast] *= shrink
        return len(fast)

    def collect_changes(self, tick: int) -> Ints:
        """Replace the references from which the truth has strayed.

        Args:
            tick: the shard's.

        Mutates:
            proposed, changed, and the columns' ticks.

        Returns:
            int64[n] rows of the replaced ones.
        """
        columns, held = self.columns, self.rows()
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
        rows = held[changed]
        self.proposed[rows] = columns.store(rows, self.proposed.dtype)
        self.changed[rows] = tick
        return rows

    def _reserve(self) -> None:
        more = self.columns.capacity - len(self.changed)
        if more > 0:
            self.changed = np.concatenate([self.changed, np.full(more, -1, dtype=np.int64)])
