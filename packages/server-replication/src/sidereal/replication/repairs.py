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

To look at one entity takes longer the more its shard has, and the more it was given lately. So of
each shard no more pairs are looked at in a tick than the limits allow; who is left is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

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
        ("net_id", "<u4"),
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
        # Pairs looked at in one tick, by shard.
        self._looked_at: dict[int, int] = {}
        self._looked_tick = 0

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
        given["net_id"], given["shard"] = columns.net_id[rows], columns["shard"][rows]
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
                more than `REPAIRED_BODIES_MAX`, or than may be looked at, the first ones count.
            missing: float64[n], in how many ticks more they could have.

        Mutates:
            what is used up of the handovers.

        Returns:
            int64[k], those of `at` that are believed.
        """
        given = self._given_lately(proposed)
        if not len(given.tick):
            return at[:0]
        columns = proposed.columns
        others = np.flatnonzero(columns.alive & (columns["shard"] == proposed.shard))
        pairs = len(given.tick) + len(others)
        at = at[: self._look(proposed, min(len(at), REPAIRED_BODIES_MAX), pairs)]
        rows, crowd = proposed.rows[at], None
        net_id, since = columns.net_id[rows], columns.tick[rows]
        used = -self._used.since(rows, net_id, 0)
        first = np.full(len(at), _NONE)
        for nth in range(len(at)):  # 0.3 ms each in a shard of 10,000
            may = missing[nth] <= np.minimum(2 * (since[nth] - given.begin), REPAIRED_TICKS_MAX)
            may &= (given.tick > used[nth]) & (given.net_id != net_id[nth])
            if may.any():
                crowd = crowd or _Crowd(proposed, others, self._tick_s)
                record = proposed.records[at[nth]]
                flown = (int(record["tick"]) - given.begin) * self._step
                reach = flown + given.radius + crowd.pass_on(rows[nth], float(flown[may].max()))
                may &= _distance(given.x - record["x"], given.y - record["y"]) <= reach
                first[nth] = given.tick[may].min(initial=_NONE)
        believed = np.flatnonzero(first < _NONE)
        self._used.note(rows[believed], net_id[believed], first[believed])
        return at[believed]

    def _given_lately(self, proposed: Proposed) -> _Given:
        """Select what the shard that proposes was given lately."""
        lately = self._given["tick"] >= proposed.tick - proposed.limits.superseded_ticks
        rows = np.flatnonzero(lately & (self._given["shard"] == proposed.shard))
        return _Given(*(self._given[name][rows] for name in _Given._fields))

    def _look(self, proposed: Proposed, count: int, pairs: int) -> int:
        """Tell how many of so many rows may be looked at, each of which makes so many pairs."""
        if proposed.tick != self._looked_tick:
            self._looked_at, self._looked_tick = {}, proposed.tick
        looked_at = self._looked_at.get(proposed.shard, 0)
        count = min(count, (proposed.limits.repair_pairs - looked_at) // pairs)
        self._looked_at[proposed.shard] = looked_at + count * pairs
        return count


class _Given(NamedTuple):
    """Columns of `GIVEN[n]`, of one shard."""

    net_id: np.ndarray
    radius: np.ndarray
    tick: np.ndarray
    begin: np.ndarray
    x: np.ndarray
    y: np.ndarray


class _Crowd:
    """The entities of a shard, each of which may pass on a push."""

    def __init__(self, proposed: Proposed, rows: np.ndarray, tick_s: float) -> None:
        """Look where they are.

        Args:
            proposed: by the shard that simulates all these.
            rows: int64[n], of all that it has.
            tick_s: length of a tick in seconds.
        """
        self._columns, self._tick, self._tick_s = proposed.columns, proposed.tick, tick_s
        self._x, self._y = _locate(self._columns, rows, self._tick, tick_s)
        self._radius = self._columns["radius"][rows].astype(np.float64)
        # No line of as many as take part in a repair is longer than that of the largest ones.
        largest = _smallest(-self._radius, REPAIRED_BODIES_MAX)
        self._line = float((2.0 * self._radius[largest] + GAP).sum())
        self._radius_max = float(self._radius.max(initial=0.0))

    def pass_on(self, row: int, flown: float) -> float:
        """Work out how far others may have passed on a push, as if all stood in one line.

        Args:
            row: the world's, of whom it came to.
            flown: world units that something gets in the time.

        Returns:
            world units: the sizes of itself and of the nearest others, as long as something gets
            from those before to the next one.
        """
        here_x, here_y = _locate(self._columns, np.array([row]), self._tick, self._tick_s)
        off_x, off_y = self._x - here_x, self._y - here_y
        far = flown + self._line + self._radius_max
        near = np.flatnonzero((np.abs(off_x) <= far) & (np.abs(off_y) <= far))
        radius = self._radius[near]
        apart = _distance(off_x[near], off_y[near]) - radius - flown
        nearest = _smallest(apart, REPAIRED_BODIES_MAX)
        nearest = nearest[np.argsort(apart[nearest])]
        sizes = 2.0 * radius[nearest] + GAP
        linked = apart[nearest] <= np.cumsum(sizes) - sizes
        return float(sizes[np.logical_and.accumulate(linked)].sum())


def _distance(off_x: np.ndarray, off_y: np.ndarray) -> np.ndarray:
    """Tell how long these are; all are within a world, so a square root will do."""
    return np.asarray(np.sqrt(off_x * off_x + off_y * off_y))


def _smallest(values: np.ndarray, count: int) -> np.ndarray:
    """Find the smallest ones in any order, int64[k]; all if there are no more than `count`."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(values, count)[:count]


def _locate(
    columns: Columns, rows: np.ndarray, ticks: np.ndarray | int, tick_s: float
) -> tuple[np.ndarray, np.ndarray]:
    motion = Motion(*(columns[name][rows] for name in Motion._fields))
    x, y, _ = extrapolate(*motion, columns.tick[rows], ticks, tick_s)
    return x, y
