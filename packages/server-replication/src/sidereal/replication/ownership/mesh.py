"""The mesh: which shard simulates which sector and, following from that, which entity.

Stages of the tick: shards come and go (`change_shards`); sectors that something has entered are
leased, and entities follow the leases (`hand_over`); the leases of sectors that have been empty for
a while end (`vacate`). A handover is one decision: in one tick the owner changes and the epoch is
bumped, so whatever the former owner still sends is fenced.
"""

from __future__ import annotations

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.space.sectors import unpack_sector
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.handover import Handovers, decide_handovers
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable, count_by_sector
from sidereal.replication.world import ACCOUNT_NONE, Present, World


class Mesh:
    """Leases and owners of one world.

    Attributes:
        leases: which shard simulates which sector.
        handovers: entities that crossed from one shard's space into another's.
        rebalanced: entities that changed their shard because their sector did.
    """

    def __init__(
        self,
        world: World,
        leases: LeaseTable,
        shards: ShardLink,
        notes: Notes,
    ) -> None:
        self.leases = leases
        self.handovers = 0
        self.rebalanced = 0
        self._world = world
        self._shards = shards
        self._notes = notes
        self._leases_moved_tick = -1
        self._pilots: dict[int, int] = {}

    def shard_of(self, net_id: int) -> Shard | None:
        """Find the shard that simulates a player's ship: one look-up, for every datagram."""
        return self._shards.shards.get(self._pilots.get(net_id, SHARD_NONE))

    def change_shards(self, tick: int, now: float) -> None:
        """Take in shards that joined, and give away the sectors of those that left."""
        attendance = self._shards.attend(tick, now)
        if not attendance.joined and not attendance.left:
            return
        loads = count_by_sector(self._world.present(tick).sector)
        changes: list[LeaseChange] = []
        for shard, reason in attendance.left:
            self._orphan_entities_of(shard, tick)
            changes += self.leases.leave(shard.shard, loads)
            self._notes.add(
                tick, "shard_left", shard=shard.shard, name=shard.name, reason=reason.name
            )
        for shard in attendance.joined:
            changes += self.leases.join(shard.shard, loads)
            self._notes.add(tick, "shard_joined", shard=shard.shard, name=shard.name)
        self._announce(changes, tick)

    def vacate(self, sector: np.ndarray, tick: int) -> None:
        """End the leases of sectors that are empty, int64[n], packed."""
        sector_x, sector_y = unpack_sector(sector)
        pairs = zip(sector_x.tolist(), sector_y.tolist(), strict=True)
        self._announce(self.leases.vacate(pairs), tick)

    def hand_over(self, present: Present) -> None:
        """Give entities that have left their owner's space to the shard whose space they are in."""
        columns = self._world.columns
        changes = decide_handovers(
            present.slots,
            present.x,
            present.y,
            self._lease_space(present),
            columns["shard"][present.slots],
            self.leases,
            self._world.rules,
        )
        if not len(changes.slots):
            return
        slots = changes.slots
        columns["shard"][slots] = changes.after
        columns.epoch[slots] += np.uint32(1)
        self._world.handover_tick[slots] = present.tick
        self._world.mark(slots, present.tick)
        self._world.flag_attributes(slots, present.tick)
        self._tell_shards(changes, present.tick)
        self._count(changes, present.tick)
        flown = np.flatnonzero(self._world.account[slots] != ACCOUNT_NONE)
        for at in flown.tolist():  # ships with a pilot that changed hands: a few per tick
            self._pilots[int(columns.net_id[slots[at]])] = int(changes.after[at])

    def withdraw(self, slots: np.ndarray, tick: int) -> None:
        """Take entities that leave the world from their shards."""
        columns = self._world.columns
        for net_id in columns.net_id[slots].tolist():
            self._pilots.pop(net_id, None)
        for shard in self._shards.shards:
            mine = slots[columns["shard"][slots] == shard.shard]
            if len(mine):
                epoch = columns.epoch[mine].astype(np.int64) + 1
                self._shards.send_release(shard, columns.net_id[mine], epoch, tick)

    def _lease_space(self, present: Present) -> np.ndarray:
        """Lease sectors that something has entered and nobody holds.

        Returns:
            uint16[n], who holds the sector that each entity is in.
        """
        holder = self.leases.holders_of(present.sector)
        vacant = holder == SHARD_NONE
        if not vacant.any() or not len(self._shards.shards):
            return holder
        wanted = count_by_sector(present.sector[vacant])
        entities = dict(enumerate(np.bincount(holder).tolist()))
        self._announce(self.leases.grow(wanted, entities), present.tick)
        holder[vacant] = self.leases.holders_of(present.sector[vacant])
        return holder

    def _orphan_entities_of(self, shard: Shard, tick: int) -> None:
        owner = self._world.columns["shard"]
        slots = np.flatnonzero((owner == shard.shard) & self._world.columns.alive)
        owner[slots] = SHARD_NONE
        self._world.flag_attributes(slots, tick)

    def _announce(self, changes: list[LeaseChange], tick: int) -> None:
        if changes:
            if any(SHARD_NONE not in (change.before, change.after) for change in changes):
                self._leases_moved_tick = tick
            self._shards.send_leases(changes, tick)

    def _tell_shards(self, changes: Handovers, tick: int) -> None:
        columns = self._world.columns
        for shard in self._shards.shards:
            lost = changes.slots[changes.before == shard.shard]
            if len(lost):
                self._shards.send_release(shard, columns.net_id[lost], columns.epoch[lost], tick)
            got = changes.slots[changes.after == shard.shard]
            if len(got):
                records = columns.store(got, self._world.schema.full_record)
                self._shards.send_adopt(shard, records, tick)

    def _count(self, changes: Handovers, tick: int) -> None:
        count = int((changes.before != SHARD_NONE).sum())
        if self._leases_moved_tick == tick:
            self.rebalanced += count
        elif count:
            self.handovers += count
            self._notes.add(tick, "handover", count=count)
