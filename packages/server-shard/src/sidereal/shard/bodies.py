"""The shard's bodies: what it simulates."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.game.touching import Filters
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import take_rows
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.reckoning import Motion, extrapolate, slowing
from sidereal.protocol.state.schema import Schema
from sidereal.shard.handover.ring import Ring
from sidereal.shard.population import Ints, Population
from sidereal.shard.space import Shapes

_MOTION: Final = Motion._fields


class Bodies:
    """Entities this shard owns.

    Attributes:
        columns: the truth at the shard's tick, by row, of ghosts too.
        ring: where they have been in the last ticks, `ticks_back` of them.
        refused: rows that were not adopted because they were invalid.
    """

    def __init__(
        self, population: Population, schema: Schema, rules: Rules, ticks_back: int
    ) -> None:
        self.columns = population.columns
        self.ring = Ring(self.columns.capacity, ticks_back)
        self.refused = 0
        self._population = population
        self._schema = schema
        self._rules = rules

    def __len__(self) -> int:
        return len(self.rows())

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
        records = self.valid(records)
        last = len(records) - 1 - np.unique(records["id"][::-1], return_index=True)[1]
        records = take_rows(records, np.sort(last))
        rows = self.rows_of(records["id"])
        held = np.where(rows >= 0, self.columns.epoch[rows].astype(np.int64), -1)
        return take_rows(records, records["epoch"] > held)

    def valid(self, records: NDArray[np.void]) -> NDArray[np.void]:
        """Choose the rows whose values are declared, `Schema.full_record[m]`."""
        valid = self._schema.valid_rows(records) & (records["id"] != NET_ID_NONE)
        self.refused += int(len(records) - valid.sum())
        return take_rows(records, valid)

    def adopt(self, records: NDArray[np.void], tick: NDArray[np.int64]) -> Ints:
        """Take entities in, moved in straight lines from their rows' ticks.

        Args:
            records: `Schema.full_record[n]`, from `news`, none of them held.
            tick: int64[n], to which each is moved.

        Returns:
            int64[n] rows.
        """
        rows = self._population.load(records, own=True)
        self.move_on(rows, tick)
        return rows

    def move_on(self, rows: Ints, tick: ArrayLike) -> None:
        """Move bodies that have just been adopted along straight lines to a tick, or one each."""
        self._population.follow(rows, tick, self._rules.tick_s)
        self.columns.tick[rows] = tick

    def trace(self, rows: Ints, tick: int) -> None:
        """Tell the ring how bodies have come that have moved evenly since it knows of them.

        Args:
            rows: int64[n]
            tick: at which they are.
        """
        reference = self._population.reference[rows]
        motion = Motion(*(reference[name].astype(np.float64) for name in _MOTION))
        as_of = reference["tick"].astype(np.int64)
        self.ring.note_lines(rows, motion, as_of, tick, self._rules.tick_s)

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
        shrink = slowing(columns["vx"], columns["vy"], self._rules.speed_max)
        fast = np.flatnonzero((shrink < 1.0) & self._population.own)
        columns["vx"][fast] *= shrink[fast]
        columns["vy"][fast] *= shrink[fast]
        return len(fast)


def shapes_of(columns: Columns, filters: Filters, rows: Ints) -> Shapes:
    """Give what bodies are to others.

    Args:
        columns: of the population.
        filters: of the game.
        rows: int64[n]
    """
    kinds = columns["kind"][rows]
    return Shapes(
        columns["radius"][rows].astype(np.float64),
        columns["mass"][rows].astype(np.float64),
        filters.category[kinds],
        filters.mask[kinds],
        filters.sensor[kinds],
        filters.bounce[kinds],
        np.where(columns["group"][rows] > 0, columns["group"][rows], columns.net_id[rows]),
    )
