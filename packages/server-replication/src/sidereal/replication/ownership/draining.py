"""Shards that are to leave: what they have goes to others before they go.

Theory of operation. A shard that says that it is to leave (`Drain`) loses its leases at once, to
those that would get them if it were gone. What is inside follows as fast as its new owners take it;
until then the shard simulates it, so no tick of it is missed. When nothing is the shard's any more
it is dismissed. So it is when nobody is left who could take what it has: waiting helps nobody then.
Whoever waits for too long leaves by itself.
"""

from __future__ import annotations

from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.links.states import ShardState
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable, count_by_sector
from sidereal.replication.ownership.spares import Spares
from sidereal.replication.world import World


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
        """Take the leases of shards that have just said that they are to leave; once per tick."""
        holders = self._leases.shards
        leaving = [shard for shard in self._leaving() if shard.shard in holders]
        if not leaving:
            return []
        loads = count_by_sector(self._world.present(tick).sector)
        changes: list[LeaseChange] = []
        for shard in leaving:
            changes += self._spares.succeed(shard.shard, loads, tick, returns=True, drains=True)
            self._notes.add(tick, "shard_drains", shard=shard.shard, name=shard.name)
        return changes

    def dismiss(self) -> None:
        """Let those go that have nothing any more, or that nobody can take it from."""
        for shard in self._leaving():
            if shard.dismissed:
                continue
            owns = self._world.columns["shard"] == shard.shard
            if not self._leases.shards or not (owns & self._world.columns.alive).any():
                self._shards.send_dismiss(shard)

    def _leaving(self) -> list[Shard]:
        return [s for s in self._shards.shards if s.state is ShardState.DRAINING]
