"""Shards that are to leave: what they have goes to others before they go.

Theory of operation. A shard that says that it is to leave (`Drain`) gets no leases any more. Its
sectors go to those that would get them if it were gone, one after another: the next one when what
waits in those before is less than these can adopt now. So most of what there is stays in sectors of
the shard that simulates it, which go on as ever, but are given nothing of others. What is inside
follows as fast as its new owners take it; until then the shard simulates it, so no tick of it is
missed. What pilots fly has turns of its own, and keeps no sector waiting.

When nothing is the shard's any more it is dismissed. So it is when nobody is left who could take
what it has: waiting helps nobody then. Whoever waits for too long leaves by itself.
"""

from __future__ import annotations

import numpy as np

from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.links.states import ShardState
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.dividing import count_by_sector
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable
from sidereal.replication.ownership.spares import Spares
from sidereal.replication.world import ACCOUNT_NONE, Present, World


class Draining:
    """The shards of one world that are to leave."""

    def __init__(
        self,
        world: World,
        leases: LeaseTable,
        shards: ShardLink,
        spares: Spares,
        notes: Notes,
    ) -> None:
        self._world = world
        self._leases = leases
        self._shards = shards
        self._spares = spares
        self._notes = notes

    def begin(self, tick: int) -> list[LeaseChange]:
        """Let shards retire that have just said that they are to leave; once per tick.

        Returns:
            what those still held that have nothing any more.
        """
        loads: dict[tuple[int, int], float] = {}
        changes: list[LeaseChange] = []
        for shard in self._leaving():
            if shard.shard in self._leases.shards:
                loads = loads or count_by_sector(self._world.present(tick).sector)
                self._spares.retire(shard.shard, loads, tick)
                self._notes.add(tick, "shard_drains", shard=shard.shard, name=shard.name)
            elif shard.shard in self._leases.retiring and not self._has_any(shard):
                changes += self._leases.leave(shard.shard, loads)
        return changes

    def give_up(self, present: Present, holder: np.ndarray, room: np.ndarray) -> list[LeaseChange]:
        """Give sectors of shards that are to leave to others that have room; once per tick.

        Args:
            present: everything that is.
            holder: uint16[n], who holds the sector that each is in.
            room: int64[s], by the id of a shard, how many entities it may be given.
        """
        takers, retiring = self._leases.shards, self._leases.retiring
        changes: list[LeaseChange] = []
        if not takers or not retiring:
            return changes
        owner = self._world.columns["shard"][present.rows]
        theirs = {shard: np.flatnonzero(owner == shard) for shard in retiring}
        waits = np.concatenate(list(theirs.values()))
        # A child goes where its root goes.
        roots = self._world.families.root[present.rows[waits]]
        roots = np.searchsorted(present.rows, roots[self._world.account[roots] == ACCOUNT_NONE])
        left = room - np.bincount(holder[roots], minlength=len(room))
        if left[list(takers)].max() > 0:
            for shard in retiring:
                loads = self._weigh(shard, present.group[theirs[shard]])
                changes += self._leases.give_up(shard, loads, left)
        return changes

    def hold(self, present: Present, holder: np.ndarray) -> np.ndarray:
        """Let entities of others stay theirs where they come into sectors of one that is to leave.

        Args:
            present: everything that is.
            holder: uint16[n], who holds the sector that each is in.

        Returns:
            uint16[n], the same, but of those that stay their owner.
        """
        retiring = self._leases.retiring
        if not retiring:
            return holder
        owner = self._world.columns["shard"][present.rows]
        stays = np.isin(holder, retiring) & np.isin(owner, self._leases.shards)
        return np.where(stays, owner, holder)

    def _weigh(self, shard: int, group: np.ndarray) -> dict[tuple[int, int], int]:
        """Count what is in the sectors that a shard still has.

        Args:
            shard: its id.
            group: int32[n], the cell of each that it simulates.
        """
        sectors, held = self._world.sectors, sorted(self._leases.sectors_of(shard))
        inside = np.bincount(group // sectors.cells_per_sector, minlength=sectors.row_count)
        keys = pack_sector(*np.array(held, np.int64).reshape(-1, 2).T)
        counts = np.append(inside, 0)[sectors.rows_of(keys)]
        return dict(zip(held, counts.tolist(), strict=True))

    def dismiss(self) -> None:
        """Let those go that have nothing any more, or that nobody can take it from."""
        retiring = self._leases.retiring
        for shard in self._leaving():
            if shard.dismissed:
                continue
            has_any = shard.shard in retiring or self._has_any(shard)
            if not self._leases.shards or not has_any:
                self._shards.send_dismiss(shard)

    def _has_any(self, shard: Shard) -> bool:
        owns = self._world.columns["shard"] == shard.shard
        return bool((owns & self._world.columns.alive).any())

    def _leaving(self) -> list[Shard]:
        return [s for s in self._shards.shards if s.state is ShardState.DRAINING]
