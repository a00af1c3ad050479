"""Shards that have not proven themselves take no pilot from one that has, for an island's sake.

A shard is proven in a session as soon as an input of a pilot has come back in a row of it. Until
then a pilot that a proven shard simulates goes to it only for the leases: when it is outside of its
owner's sectors, by the margin. And they go one by one: none while another one waits there for an
answer, and no two of them in one tick but with one island.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.replication.replicator import Replicator
from sidereal.replication.world import ACCOUNT_NONE
from sidereal.tools.simulate.checks.borders import EDGE_SLACK, is_clear
from sidereal.tools.simulate.checks.meetings import find_meetings
from sidereal.tools.simulate.cluster import Cluster


class Proven:
    """Looks at every pilot that changes hands."""

    def __init__(self) -> None:
        self._incarnation = 0
        self._proven: set[int] = set()
        self._sessions: dict[int, int] = {}
        # By id of what pilots fly: its owner, and the newest input in its row.
        self._flown: dict[int, tuple[int, int]] = {}
        # Of these, whose newest input is not in it.
        self._waiting: set[int] = set()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Note who has answered a pilot, and look at who was given one."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._proven.clear()
            self._sessions.clear()
            self._flown.clear()
            self._waiting.clear()
        columns, rows = core.world.columns, core.world.columns.rows()
        rows = rows[core.world.account[rows] != ACCOUNT_NONE]
        ids, owners = columns.net_id[rows].tolist(), columns["shard"][rows].tolist()
        before, inputs = self._flown, columns["input_seq"][rows].tolist()
        self._flown = dict(zip(ids, zip(owners, inputs, strict=True), strict=True))
        # Whoever owned it when the tick began has said so; in this tick that need not count yet.
        proven = self._proven.copy()
        self._proven |= {
            self._sessions[owner]
            for net_id, (owner, newest) in before.items()
            if owner in self._sessions and self._flown.get(net_id, (owner, -1))[1] > newest
        }
        sessions = {shard.shard: shard.peer for shard in core.shards.shards}
        living = {shard for shard, peer in sessions.items() if self._sessions.get(shard) == peer}
        living &= set(core.mesh.leases.shards)
        self._sessions = sessions
        waits = self._note_waiting(core, before)
        given: dict[int, list[int]] = {}
        for row, net_id, after in zip(rows.tolist(), ids, owners, strict=True):
            owner = before.get(net_id, (SHARD_NONE, 0))[0]
            if after in (owner, SHARD_NONE) or owner not in living:
                continue
            if sessions[owner] not in proven or sessions.get(after) in self._proven:
                continue
            cluster.exercised["pilots of unproven shards judged"] += 1
            if not is_clear(core, row, owner, EDGE_SLACK):
                yield f"{net_id} was taken from shard {owner} for {after}, which has proven nothing"
            if after in waits & living:
                yield f"{net_id} was given to shard {after}, where another one waits for an answer"
            given.setdefault(after, []).append(row)
        for after, some in given.items():
            if len(some) > 1 and not _are_together(some, cluster, core):
                yield f"{columns.net_id[some].tolist()} were given to shard {after} at once"

    def _note_waiting(self, core: Replicator, before: dict[int, tuple[int, int]]) -> set[int]:
        """Note who waits for an answer, and tell where somebody has done so for a tick."""
        newest = {player.net_id: player.newest_seq for player in core.clients.players}
        waited = self._waiting
        self._waiting = {
            net_id for net_id, (_, seq) in self._flown.items() if seq < newest.get(net_id, -1)
        }
        return {before[net_id][0] for net_id in waited & self._waiting if net_id in before}

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


def _are_together(some: list[int], cluster: Cluster, core: Replicator) -> bool:
    """Tell whether a few may be of one island, whoever is between."""
    meetings = find_meetings(cluster, core)
    first = int(np.searchsorted(meetings.rows, some[0]))
    return all(meetings.reaches(first, meetings.rows == other) for other in some[1:])
