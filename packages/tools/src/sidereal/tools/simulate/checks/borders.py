"""What happens along borders: who is handed over, and who is seen from the other side.

An entity changes its owner only when it is well inside another shard's space, when it may touch
something of the other owner, or when its owner is gone.
Once the faults have stopped, every shard sees what others simulate near its sectors, where it is;
and what it has shadows of, wherever that is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.families import PARENT_NUMBER
from sidereal.protocol.state.records import RECORDS_HEADER
from sidereal.replication.ownership.handover import HANDOVER_MARGIN
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.meetings import Meetings, find_meetings
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.flights import STATE
from sidereal.tools.simulate.shards import ShardProcess

MARGIN: Final = HANDOVER_MARGIN

EDGE_SLACK: Final = 0.5
"""World units around a limit in which both answers are right."""

SETTLED_TICKS: Final = 4
"""Rows replaced so lately may still be on their way."""

SEEN_LATE_TICKS: Final = 2
"""Ticks after which a shard sees what has come near: it looks when it begins its own next tick."""

PUT_OFF_TICKS_MAX: Final = 12
"""The longest that any of the plans drawn lets a ghost wait for others: see `put_off_ticks`."""

GHOST_OFF_MAX: Final = 0.01
"""World units a ghost may be off the authority's row."""

Sector = tuple[int, int]


def put_off_ticks(core: Replicator, ghosts: int) -> int:
    """Tell how long a ghost may have to wait for others: a tick has room for so many.

    Args:
        core: for that limit.
        ghosts: that a shard has, or is to have.
    """
    size = UNRELIABLE_SIZE_MAX - RECORDS_HEADER.itemsize
    room = core.limits.ownership.ghost_messages * (size // core.schema.full_record.itemsize)
    return max(0, math.ceil(ghosts / room) - 1)


class Margins:
    """Nobody changes hands for being a little beyond a border, unless its island does.

    Who comes back to what lingered begins with the shard that it is in. Who is to leave gives away
    all that is beyond its border.
    """

    def __init__(self) -> None:
        self._owners: dict[int, int] = {}
        self._pilots: dict[int, int] = {}
        self._sessions: dict[int, int] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at everybody whose owner has changed."""
        columns = core.world.columns
        rows = columns.rows()
        owners = dict(
            zip(columns.net_id[rows].tolist(), columns["shard"][rows].tolist(), strict=True)
        )
        before, self._owners = self._owners, owners
        epochs = columns["control_epoch"][rows].tolist()
        pilots, self._pilots = self._pilots, dict(zip(owners, epochs, strict=True))
        sessions = {shard.shard: shard.peer for shard in core.shards.shards}
        sessions_before, self._sessions = self._sessions, sessions
        moved = [
            row
            for row, (net_id, owner) in zip(rows.tolist(), owners.items(), strict=True)
            if before.get(net_id, SHARD_NONE) not in (SHARD_NONE, owner)
            and pilots.get(net_id) == self._pilots[net_id]
            # A child goes where its parent goes.
            and not int(columns.mask[row]) >> PARENT_NUMBER & 1
        ]
        if not moved:
            return
        leases = leases_of(core)
        # What returns under its number has lost what it had before.
        living = {shard for shard, peer in sessions.items() if sessions_before.get(shard) == peer}
        living -= set(core.mesh.leases.retiring)
        states = _present(core, np.array(moved))
        meetings: Meetings | None = None
        for row, state in zip(moved, states, strict=True):
            net_id = int(columns.net_id[row])
            owner = before[net_id]
            if owner not in living:
                continue
            cluster.exercised["handovers between the living"] += 1
            near = _sectors_within(state, MARGIN - EDGE_SLACK, core.rules.sector_size)
            if all(leases.get(sector) != owner for sector in near):
                continue
            cluster.exercised["handovers of islands judged"] += 1
            meetings = meetings or find_meetings(cluster, core)
            ids = columns.net_id[meetings.rows].tolist()
            theirs = np.array([before.get(other, SHARD_NONE) == owners[net_id] for other in ids])
            if net_id not in ids or not meetings.reaches(ids.index(net_id), theirs):
                yield f"{net_id} was taken from shard {owner}, which it has hardly left"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


class GhostsConverge:
    """Every shard sees what is near its sectors and simulated by others; nothing more or less.

    A shard learns of an end as late as of what comes near: what was there a moment ago it may see.
    One that has just come learns of all that is near, by and by.
    """

    def __init__(self) -> None:
        most = SEEN_LATE_TICKS + PUT_OFF_TICKS_MAX + 1
        self._leases: deque[dict[Sector, int]] = deque(maxlen=most)
        self._living: deque[set[int]] = deque(maxlen=SEEN_LATE_TICKS + 1)
        self._shadows: deque[set[tuple[int, int]]] = deque(maxlen=SEEN_LATE_TICKS + 1)

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Note who holds which sector, and who is there; all else is asked in the end."""
        self._leases.appendleft(leases_of(core))
        columns = core.world.columns
        self._living.appendleft(set(columns.net_id[columns.rows()].tolist()))
        shadows = core.mesh.grouping.shadows
        seen = zip(shadows.shard.tolist(), columns.net_id[shadows.rows].tolist(), strict=True)
        self._shadows.appendleft(set(seen))
        return iter(())

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare every shard's ghosts with the world, but for what happened just now."""
        columns = core.world.columns
        rows = columns.rows()
        changed = np.maximum(core.world.handover_tick[rows], columns.tick[rows])
        settled = changed < core.tick - SETTLED_TICKS
        ids = columns.net_id[rows]
        ended = set[int]().union(*self._living).difference(ids.tolist())
        for process in cluster.shards:
            if process.core is None or process.core.ghosts is None:
                continue
            shard = process.core.shard
            foreign = columns["shard"][rows] != shard
            reach = min(cluster.game.ghost_range, core.rules.sector_size)
            late = SEEN_LATE_TICKS + put_off_ticks(core, int(foreign.sum()) + len(ended))
            inside = self._is_near(core, rows, shard, reach - EDGE_SLACK, late).all(axis=0)
            inside &= changed < core.tick - max(late, SETTLED_TICKS)
            around = self._is_near(core, rows, shard, reach + EDGE_SLACK, SEEN_LATE_TICKS)
            around = around.any(axis=0) | ~settled
            cluster.exercised["ghosts judged"] += int((inside & foreign).sum())
            shadows = {id_ for seen in self._shadows for holder, id_ in seen if holder == shard}
            may_see = ended.union(ids[around].tolist(), shadows)
            yield from self._compare(process, core, set(ids[inside & foreign].tolist()), may_see)

    def _is_near(
        self, core: Replicator, rows: np.ndarray, shard: int, reach: float, ago: int
    ) -> np.ndarray:
        """Tell who is near a sector of a shard, and was up to so many ticks ago, bool[ticks, n]."""
        size = core.rules.sector_size
        remembered = list(self._leases)[: ago + 1]
        near = [
            [
                any(leases.get(sector) == shard for sector in _sectors_within(state, reach, size))
                for state in _present(core, rows, ticks_ago)
            ]
            for ticks_ago, leases in enumerate(remembered)
        ]
        return np.array(near, np.bool_).reshape(len(remembered), len(rows))

    def _compare(
        self, process: ShardProcess, core: Replicator, inside: set[int], around: set[int]
    ) -> Iterator[str]:
        assert process.core is not None
        ghosts = process.core.ghosts
        assert ghosts is not None
        net_id = ghosts.columns.net_id[ghosts.rows()]
        found = net_id.tolist()
        missing, extra = inside - set(found), set(found) - around
        if missing or extra:
            yield f"{process.name} does not see {sorted(missing)}, sees {sorted(extra)} besides"
        columns = core.world.columns
        rows = columns.rows_of(net_id)
        settled_ticks = SETTLED_TICKS + put_off_ticks(core, len(rows))
        known = (rows >= 0) & (columns.tick[rows] < core.tick - settled_ticks)
        states = _present(core, rows[known])
        x, y, _ = (axis[known] for axis in ghosts.positions(core.tick))
        off = np.hypot(x - states[:, 0], y - states[:, 1])
        if (off > GHOST_OFF_MAX).any():
            wrong = net_id[known][off > GHOST_OFF_MAX]
            yield f"{process.name} sees {wrong.tolist()} elsewhere, by {off.max():.2f} at most"


def leases_of(core: Replicator) -> dict[Sector, int]:
    """Give the holder of every sector that is leased."""
    rows = core.mesh.leases.rows()
    return {
        (x, y): shard
        for x, y, shard in zip(
            rows["sector_x"].tolist(),
            rows["sector_y"].tolist(),
            rows["shard"].tolist(),
            strict=True,
        )
    }


def is_clear(core: Replicator, row: int, owner: int, less: float) -> bool:
    """Tell whether an entity is outside its owner's sectors, by the margin but for some units.

    Args:
        core: of the world.
        row: of the entity.
        owner: whose sectors.
        less: by so much less than the margin.
    """
    near = _sectors_within(
        _present(core, np.array([row]))[0], MARGIN - less, core.rules.sector_size
    )
    return all(core.mesh.leases.holder_of(sector) != owner for sector in near)


def _present(core: Replicator, rows: np.ndarray, ticks_ago: int = 0) -> np.ndarray:
    """Work out where some entities are, or were a moment ago, float64[n, 6]."""
    columns = core.world.columns
    states = np.column_stack([columns[name][rows] for name in STATE])
    ticks = core.tick - ticks_ago - columns.tick[rows]
    return physics.coast(states, ticks * core.rules.tick_s)


def _sectors_within(state: np.ndarray, reach: float, size: float) -> set[tuple[int, int]]:
    """Give the sectors that begin within a reach of a place along both axes."""
    return {
        (int((state[0] + dx) // size), int((state[1] + dy) // size))
        for dx in (-reach, 0.0, reach)
        for dy in (-reach, 0.0, reach)
    }
