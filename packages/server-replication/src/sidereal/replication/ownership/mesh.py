"""The mesh: which shard simulates which sector and, following from that, which entity.

Stages of the tick: shards come and go (`change_shards`); sectors that something has entered are
leased, and entities follow the leases (`hand_over`); the leases of sectors long empty end
(`vacate`). A handover is one decision: in one tick the owner changes and the epoch is bumped, so
whatever the former owner still sends is fenced.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.player import LeaseMap
from sidereal.protocol.space.sectors import unpack_sector
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.handover import Handovers, decide_handovers
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable, count_by_sector
from sidereal.replication.world import ACCOUNT_NONE, Present, World

LEASE_MAP_EVERY_TICKS: Final = 10
"""Ticks between two lease maps: ships that explore change the leases all the time."""

LEASE_MAP_ROWS_MAX: Final = 16_384
"""Sectors in a lease map: 230 kB, well inside what a client's channel holds."""


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
        clients: PlayerLink,
        notes: Notes,
    ) -> None:
        self.leases = leases
        self.handovers = 0
        self.rebalanced = 0
        self._world = world
        self._shards = shards
        self._clients = clients
        self._notes = notes
        self._leases_changed_tick = -1
        self._map_tick = -LEASE_MAP_EVERY_TICKS
        self._map_is_old = False
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

    def lease_map(self, tick: int) -> LeaseMap:
        """Say who simulates what, for people; of a world of very many sectors not all."""
        return LeaseMap(tick, self.leases.rows()[:LEASE_MAP_ROWS_MAX].tobytes())

    def tell_clients(self, tick: int) -> None:
        """Show everybody the leases if they have changed, but not too often."""
        if self._map_is_old and tick - self._map_tick >= LEASE_MAP_EVERY_TICKS:
            self._clients.broadcast(self.lease_map(tick))
            self._map_tick, self._map_is_old = tick, False

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
        self._world.dirty[slots] = True
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
        loads = count_by_sector(present.sector)
        self._announce(self.leases.grow(wanted, loads), present.tick)
        return self.leases.holders_of(present.sector)

    def _orphan_entities_of(self, shard: Shard, tick: int) -> None:
        owner = self._world.columns["shard"]
        slots = np.flatnonzero((owner == shard.shard) & self._world.columns.alive)
        owner[slots] = SHARD_NONE
        self._world.flag_attributes(slots, tick)

    def _announce(self, changes: list[LeaseChange], tick: int) -> None:
        if changes:
            self._leases_changed_tick = tick
            self._shards.send_leases(changes, tick)
            self._map_is_old = True

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
        if self._leases_changed_tick == tick:
            self.rebalanced += count
        elif count:
            self.handovers += count
            self._notes.add(tick, "handover", count=count)
