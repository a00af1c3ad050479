"""Who may be elsewhere than it can have flown: its shard has simulated ticks gone by again.

A shard hears of what it is given some ticks later. What that has run into meanwhile it simulates
again (decision 32). Then entities of that shard are not where it had said that they go. It is
believed of an entity as far as it can have come of something that the shard was given lately:

* **In the time.** A repair begins no earlier than the row that was given, and no more than
  `REPAIRED_TICKS_MAX` before the handover. Until then the entity was where it was said to be. So it
  is off by what it has flown since, the one way and the other: at most as far as something flies in
  `REPAIRED_TICKS_MAX`.
* **Near enough.** What is pushed flies on, no faster than anything may, and touches the next one.
  So a repair reaches as far as something flies in the time, and by the sizes of those that may have
  passed it on. At most `REPAIRED_BODIES_MAX` take part in one.
* **Once.** An entity is put elsewhere once for what was given in one tick. As long as there is an
  older handover that explains it, that one is used up.

The entity that was given needs nothing of this: all that it does follows from its row. What a shard
has spawned counts as little as what it is given anew after it has proposed it wrongly. Else it
could make itself as many handovers as it likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from sidereal.protocol.limits import REPAIRED_BODIES_MAX, REPAIRED_TICKS_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.replication.ownership.held import Held

if TYPE_CHECKING:
    from sidereal.replication.validate import Proposed

GIVEN: Final = np.dtype(
    [
        ("id", "<u4"),
        ("shard", "<u2"),
        ("radius", "<f8"),
        ("tick", "<i8"),
        ("begin", "<i8"),
        ("x", "<f8"),
        ("y", "<f8"),
    ]
)
"""What was given to which shard, in which tick, and where it was when a repair can begin."""

GAP: Final = 1.0
"""World units between the surfaces of two that are taken to touch."""

_NONE: Final = 1 << 40
"""A tick that never comes."""


class Repairs:
    """What shards were given lately, and who was put elsewhere for it."""

    def __init__(self, rules: Rules) -> None:
        self._tick_s = rules.tick_s
        self._step = rules.speed_max * rules.tick_s
        self._given = np.zeros(0, GIVEN)
        # For which handover each was put elsewhere last.
        self._used = Held()

    def note_given(
        self, columns: Columns, rows: np.ndarray, before: np.ndarray, tick: int, lately_ticks: int
    ) -> None:
        """Note that entities were given to their owners.

        Args:
            columns: the committed world, with these owners.
            rows: int64[n], of the entities.
            before: uint16[n], who owned them until now; who gets one anew was not given it.
            tick: the current one.
            lately_ticks: what was given longer ago is forgotten.
        """
        rows = rows[columns["shard"][rows] != before]
        given = np.zeros(len(rows), GIVEN)
        given["id"], given["shard"] = columns.net_id[rows], columns["shard"][rows]
        given["radius"], given["tick"] = columns["radius"][rows], tick
        given["begin"] = np.maximum(columns.tick[rows], tick - REPAIRED_TICKS_MAX)
        given["x"], given["y"] = _locate(columns, rows, given["begin"], self._tick_s)
        lately = self._given["tick"] >= tick - lately_ticks
        self._given = np.concatenate([self._given[lately], given])

    def believe(self, proposed: Proposed, at: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Find rows that say what may have come of a repair.

        Args:
            proposed: by an owner, of entities under their current epochs.
            at: int64[n], which of the rows are farther off than their entities can have flown. Of
                more than `REPAIRED_BODIES_MAX` the first ones count.
            missing: float64[n], in how many ticks more they could have.

        Mutates:
            what is used up of the handovers.

        Returns:
            int64[k], those of `at` that are believed.
        """
        at, missing = at[:REPAIRED_BODIES_MAX], missing[:REPAIRED_BODIES_MAX]
        lately = self._given["tick"] >= proposed.tick - proposed.limits.superseded_ticks
        given = self._given[lately & (self._given["shard"] == proposed.shard)]
        columns, rows, records = proposed.columns, proposed.rows[at], proposed.records[at]
        net_id = columns.net_id[rows]
        gone_ticks = columns.tick[rows][:, None] - given["begin"]
        may = missing[:, None] <= np.minimum(2 * gone_ticks, REPAIRED_TICKS_MAX)
        may &= given["id"] != net_id[:, None]
        may &= given["tick"] > -self._used.since(rows, net_id, 0)[:, None]
        if not may.any():
            return at[:0]
        ticks = records["tick"].astype(np.int64)[:, None] - given["begin"]
        flown = np.where(may, ticks, 0) * self._step
        off_x, off_y = (records[axis][:, None] - given[axis] for axis in ("x", "y"))
        reach = flown + given["radius"]
        reach += _passed_on(proposed, rows, flown.max(axis=1), self._tick_s)[:, None]
        may &= np.hypot(off_x, off_y) <= reach
        first = np.where(may, given["tick"], _NONE).min(axis=1)
        believed = np.flatnonzero(first < _NONE)
        self._used.note(rows[believed], net_id[believed], first[believed])
        return at[believed]


def _passed_on(
    proposed: Proposed, rows: np.ndarray, flown: np.ndarray, tick_s: float
) -> np.ndarray:
    """Work out how far others may have passed on a push, as if all stood in one line.

    Args:
        proposed: by the shard that simulates all these.
        rows: int64[n], of those to whom it came.
        flown: float64[n], world units that something gets in the time.
        tick_s: length of a tick in seconds.

    Returns:
        float64[n], world units: the sizes of each one itself and of the nearest others, as long as
        something gets from those before to the next one.
    """
    columns = proposed.columns
    others = np.flatnonzero(columns.alive & (columns["shard"] == proposed.shard))
    x, y = _locate(columns, others, proposed.tick, tick_s)
    here_x, here_y = _locate(columns, rows, proposed.tick, tick_s)
    radius = columns["radius"][others].astype(np.float64)
    apart = np.hypot(here_x[:, None] - x, here_y[:, None] - y) - radius - flown[:, None]
    nearest = np.argsort(apart, axis=1)[:, :REPAIRED_BODIES_MAX]
    sizes = 2.0 * radius[nearest] + GAP
    reached = np.cumsum(sizes, axis=1) - sizes
    linked = np.take_along_axis(apart, nearest, axis=1) <= reached
    return np.asarray(np.where(np.logical_and.accumulate(linked, axis=1), sizes, 0.0).sum(axis=1))


def _locate(
    columns: Columns, rows: np.ndarray, ticks: np.ndarray | int, tick_s: float
) -> tuple[np.ndarray, np.ndarray]:
    motion = Motion(*(columns[name][rows] for name in Motion._fields))
    x, y, _ = extrapolate(*motion, columns.tick[rows], ticks, tick_s)
    return x, y
