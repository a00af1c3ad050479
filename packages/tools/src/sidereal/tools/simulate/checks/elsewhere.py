"""Who is elsewhere than it can have flown: something that its shard was given explains that.

A shard simulates ticks again when it is given something that has touched others meanwhile. So rows
of these others may be farther off than they can have flown since the row before. Every such jump
that the authority has committed must be explained by a handover of something else to that shard:

* **in the time**: the entity was where it was said to be until what was given had its row, and at
  most `REPAIRED_TICKS_MAX` before the handover. It is off by what flies the one way and the other;
* **near**: no farther from where that row was than something flies in the time, and as far more as
  the largest entities of the shard are in a line;
* **once**: for what was given in one tick an entity jumps once. The oldest explains before others.

The authority may ask for more, as of who can really have passed a push on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.limits import REPAIRED_BODIES_MAX, REPAIRED_TICKS_MAX
from sidereal.protocol.state.families import are_followers
from sidereal.replication.replicator import Replicator
from sidereal.replication.validate import DISPLACEMENT_SLACK, EPOCH_FIRST
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan

ROUNDING: Final = 1e-6
"""World units or ticks that two ways to compute the same may differ."""

GAP: Final = 1.0
"""World units between two that pass on a push."""


class _Given(NamedTuple):
    """What a shard was given.

    Attributes:
        net_id: of the entity.
        shard: whom it was given to.
        tick: of the handover.
        begin: from when on it may have touched others.
        x: where it was then, world units; likewise `y`.
        radius: world units.
    """

    net_id: int
    shard: int
    tick: int
    begin: int
    x: float
    y: float
    radius: float


class _Seen(NamedTuple):
    """The world after a tick, by row; `session` is its shard's, -1 where there is none."""

    net_id: np.ndarray
    tick: np.ndarray
    x: np.ndarray
    y: np.ndarray
    shard: np.ndarray
    session: np.ndarray
    pilot: np.ndarray


class Elsewhere:
    """Looks at every two rows of an entity that follow each other."""

    def __init__(self, plan: Plan) -> None:
        self._kept_ticks = plan.limits.proposals.superseded_ticks + 1
        self._incarnation = 0
        self._seen: _Seen | None = None
        self._given: list[_Given] = []
        # The tick of the handover for which each has jumped last, by id.
        self._used: dict[int, int] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge who has jumped, and note who was given to whom, which comes later in a tick."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._seen = None
            self._given.clear()
            self._used.clear()
        before, self._seen = self._seen, _look_at(core)
        if before is None:
            return
        columns, rows = core.world.columns, core.world.columns.rows()
        known = rows[rows < len(before.net_id)]
        same = known[before.net_id[known] == self._seen.net_id[known]]
        for row in _jumped(core, same, before, self._seen).tolist():
            cluster.exercised["entities elsewhere judged"] += 1
            used = self._find_reason(core, row, before)
            if used is None:
                yield f"nothing explains that {columns.net_id[row]} is elsewhere"
            else:
                self._used[int(columns.net_id[row])] = used
        self._note_given(core, same, before)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _find_reason(self, core: Replicator, row: int, before: _Seen) -> int | None:
        """Find the oldest handover that explains a jump, and has not explained one before."""
        columns, step = core.world.columns, core.rules.speed_max * core.rules.tick_s
        net_id, shard = int(columns.net_id[row]), int(before.shard[row])
        since, tick = int(before.tick[row]), int(columns.tick[row])
        x, y = float(columns["x"][row]), float(columns["y"][row])
        jump = math.hypot(x - before.x[row], y - before.y[row]) - DISPLACEMENT_SLACK
        missing = jump / step - (tick - since) - ROUNDING
        line = _line_of(core, shard, before)
        ticks = [
            given.tick
            for given in self._given
            if given.shard == shard
            and given.net_id != net_id
            and given.tick > self._used.get(net_id, -1)
            and missing <= min(2 * (since - given.begin), REPAIRED_TICKS_MAX)
            and math.hypot(x - given.x, y - given.y)
            <= (tick - given.begin) * step + given.radius + line + ROUNDING
        ]
        return min(ticks, default=None)

    def _note_given(self, core: Replicator, same: np.ndarray, before: _Seen) -> None:
        """Note who has another owner, or its owner another session; not who was spawned."""
        assert self._seen is not None
        columns, rows, now = core.world.columns, core.world.columns.rows(), self._seen
        stays = same[
            (before.session[same] == now.session[same]) & (before.pilot[same] == now.pilot[same])
        ]
        new = np.setdiff1d(rows, same)
        for net_id in columns.net_id[new].tolist():
            self._used.pop(net_id, None)
        given = np.setdiff1d(rows, np.union1d(stays, new[columns.epoch[new] == EPOCH_FIRST]))
        given = given[columns["shard"][given] != SHARD_NONE]
        ticks = core.world.handover_tick[given]
        begins = np.maximum(columns.tick[given], ticks - REPAIRED_TICKS_MAX)
        passed_s = (begins - columns.tick[given]) * core.rules.tick_s
        self._given = [one for one in self._given if one.tick >= core.tick - self._kept_ticks]
        self._given += map(
            _Given._make,
            zip(
                columns.net_id[given].tolist(),
                columns["shard"][given].tolist(),
                ticks.tolist(),
                begins.tolist(),
                (columns["x"][given] + columns["vx"][given] * passed_s).tolist(),
                (columns["y"][given] + columns["vy"][given] * passed_s).tolist(),
                columns["radius"][given].tolist(),
                strict=True,
            ),
        )


def _look_at(core: Replicator) -> _Seen:
    columns = core.world.columns
    sessions = np.full(1 + int(columns["shard"].max(initial=0)), -1)
    for shard in core.shards.shards:
        if shard.shard < len(sessions):
            sessions[shard.shard] = shard.peer
    return _Seen(
        columns.net_id.copy(),
        columns.tick.copy(),
        columns["x"].copy(),
        columns["y"].copy(),
        columns["shard"].copy(),
        sessions[columns["shard"]],
        columns["control_epoch"].copy(),
    )


def _jumped(core: Replicator, rows: np.ndarray, before: _Seen, now: _Seen) -> np.ndarray:
    """Find who is farther from its row before than anything flies, int64[n] rows."""
    rows = rows[~are_followers(core.world.columns.mask[rows])]
    rows = rows[before.pilot[rows] == now.pilot[rows]]
    flown = (now.tick[rows] - before.tick[rows]) * core.rules.tick_s * core.rules.speed_max
    off = np.hypot(now.x[rows] - before.x[rows], now.y[rows] - before.y[rows])
    jumped: np.ndarray = rows[off > flown + DISPLACEMENT_SLACK + ROUNDING]
    return jumped


def _line_of(core: Replicator, shard: int, before: _Seen) -> float:
    """Tell how long the line is in which the largest that a shard has, or had, touch each other."""
    columns, rows = core.world.columns, core.world.columns.rows()
    theirs = columns["shard"][rows] == shard
    known = rows < len(before.shard)
    theirs[known] |= before.shard[rows[known]] == shard
    sizes = np.sort(2.0 * columns["radius"][rows[theirs]] + GAP)[-REPAIRED_BODIES_MAX:]
    return float(sizes.sum())
