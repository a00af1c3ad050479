"""The mesh: which shard simulates which sector and, following from that, which entity.

Stages of the tick: shards come and go (`change_shards`); sectors that something has entered are
leased, and entities follow their islands and the leases (`hand_over`), as fast as their new owners
take them. So do the sectors of shards that are to leave; the leases of sectors that have been empty
for a while end (`vacate`). Sectors in which the game's code goes wrong again and again are
withheld, and stand still (`failures`). A handover is one decision: in one tick the owner changes
and the epoch is bumped, so whatever the former owner still sends is fenced. A family is handed over
in one tick. With what a pilot flies go the inputs that it has sent since its record. What an owner
has proposed wrongly was taken from it, and is given to it anew (`give_anew`) in the same way, at
the same pace.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.space.sectors import pack_sector, unpack_sector
from sidereal.protocol.state.families import NOBODY
from sidereal.protocol.state.schema import OWNER
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.shardlink import Attendance, ShardLink
from sidereal.replication.links.shards import NUMBERS_MAX, Shard
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.answers import Answers
from sidereal.replication.ownership.balance import Balance
from sidereal.replication.ownership.candidates import Touching
from sidereal.replication.ownership.dividing import count_by_sector
from sidereal.replication.ownership.draining import Draining
from sidereal.replication.ownership.failures import Failure, Failures
from sidereal.replication.ownership.grouping import Grouped, Grouping
from sidereal.replication.ownership.handover import (
    Handovers,
    choose_affordable,
    decide_handovers,
    first_of_each,
    join_stray,
    take_along,
)
from sidereal.replication.ownership.inputs import InputLog
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable
from sidereal.replication.ownership.spares import Spares
from sidereal.replication.world import ACCOUNT_NONE, Present, World


class Mesh:
    """Leases and owners of one world.

    Attributes:
        leases: which shard simulates which sector.
        handovers: entities that crossed from one shard's space into another's.
        rebalanced: entities that changed their shard because their sector did.
        inputs: what pilots have sent lately.
        grouping: who may touch over borders.
        answers: what pilots wait for.
        failures: where game code goes wrong.
        balance: which sectors go to other shards, so that none has too much to do.
        waiting_rows: int64[n], of entities that are to change hands when their new owners have
            room.
    """

    def __init__(
        self,
        world: World,
        leases: LeaseTable,
        shards: ShardLink,
        clients: PlayerLink,
        notes: Notes,
        touching: Touching,
        limits: Limits = LIMITS,
    ) -> None:
        self.leases = leases
        self.handovers = 0
        self.rebalanced = 0
        self.inputs = InputLog()
        self.grouping = Grouping(world, leases, shards, touching, limits.ownership)
        self.answers = Answers(world, shards, clients, limits.ownership)
        self.failures = Failures(limits.ownership)
        self.balance = Balance(world, leases, shards, limits.ownership)
        self._spares = Spares(world, leases, shards, notes)
        self._draining = Draining(world, leases, shards, self._spares, notes)
        self._moved_from: dict[int, int] = {}
        self._anew = np.empty(0, np.int64)
        self.waiting_rows = np.empty(0, np.int64)
        self._world = world
        self._shards = shards
        self._notes = notes
        self._superseded_ticks = limits.proposals.superseded_ticks
        self._pilots: dict[int, int] = {}

    @property
    def waiting(self) -> int:
        """How many of these there are."""
        return len(self.waiting_rows)

    def route(self, net_id: int, message: Input) -> None:
        """Pass a player's input on to the shard of what it flies, if that is in the world."""
        if self._world.columns.rows_of([net_id])[0] < 0:  # 1 µs per datagram
            return
        self.inputs.note(net_id, message)
        shard = self._shards.shards.get(self._pilots.get(net_id, SHARD_NONE))
        if shard is not None:
            self._shards.send_input(shard, net_id, message)

    def change_shards(self, tick: int, now: float) -> None:
        """Take in shards that joined, and give away the sectors of those that left or are to."""
        self.answers.fence_idle(tick, now)
        attendance = self._shards.attend(tick, now)
        if attendance.joined or attendance.left:
            self._announce(self._admit_and_let_go(attendance, tick, now), tick)
        self._announce(self._draining.begin(tick), tick)
        self._announce(self._spares.serve(tick), tick)
        self._draining.dismiss()
        if attendance.joined:
            self._free_sectors(tick)

    def _admit_and_let_go(self, attendance: Attendance, tick: int, now: float) -> list[LeaseChange]:
        present = self._world.present(tick)
        loads = count_by_sector(present.sector)
        changes: list[LeaseChange] = []
        connected = {shard.shard for shard in self._shards.shards}
        for shard, reason in attendance.left:
            if shard.failed:
                changes += self._note_failure(shard, present, now)
            self._orphan_entities_of(shard, tick)
            if shard.shard not in connected:
                returns = reason is not CloseReason.FENCED
                changes += self._spares.succeed(shard.shard, loads, tick, returns=returns)
            self._notes.add(
                tick,
                "shard_left",
                shard=shard.shard,
                name=shard.name,
                reason=reason.name,
                why=shard.fenced_why or shard.failed_why or "-",
            )
        for shard in attendance.joined:
            changes += self._spares.admit(shard, loads)
            self._notes.add(tick, "shard_joined", shard=shard.shard, name=shard.name, pid=shard.pid)
        return changes

    def vacate(self, sector: np.ndarray, tick: int) -> None:
        """End the leases of sectors that are empty, int64[n], packed."""
        sector_x, sector_y = unpack_sector(sector)
        pairs = list(zip(sector_x.tolist(), sector_y.tolist(), strict=True))
        self._announce(self.leases.vacate(pairs), tick)
        if len(self.failures.keys):
            self.failures.forget(pairs)
            self.leases.withhold(self.failures.withheld)

    def assign(self, holders: Mapping[tuple[int, int], int], tick: int) -> None:
        """Let shards that are named simulate these sectors; what is inside follows."""
        self._announce(self.leases.assign(holders), tick)

    def give_anew(self, net_id: np.ndarray) -> None:
        """Note entities that their owners have lost, and get back as they take them, uint32[n]."""
        self._anew = np.union1d(self._anew, net_id)

    def hand_over(self, present: Present) -> None:
        """Give islands to one owner each, and all else to the shard whose space it has entered."""
        columns = self._world.columns
        owner = columns["shard"]
        self._shards.allow(np.bincount(owner[present.rows], minlength=NUMBERS_MAX + 1))
        self._halt_withheld(present)
        self._announce(self.balance.decide(present), present.tick)
        holder = self._lease_space(present)
        room = np.zeros(NUMBERS_MAX + 1, np.int64)
        for shard in self._shards.shards:
            room[shard.shard] = self._shards.room_of(shard, present.tick)
        # What nobody simulates meanwhile comes before what a shard has that is to leave.
        orphans = np.bincount(holder[owner[present.rows] == SHARD_NONE], minlength=len(room))
        left = np.maximum(room - orphans, 0)
        given_up = self._draining.give_up(present, holder, left.copy())
        if given_up:
            self._announce(given_up, present.tick)
            holder = self.leases.holders_of(present.sector)
        home = self._draining.hold(present, self.balance.hold(present, holder))
        grouped = self.grouping.group(present, holder, owner[present.rows], home, left)
        roots = np.flatnonzero(self._world.families.up[present.rows] == NOBODY)
        changes = decide_handovers(
            present.rows[roots],
            present.x[roots],
            present.y[roots],
            home[roots],
            owner[present.rows[roots]],
            self.leases,
            self._world.rules,
        )
        changes = join_stray(grouped.override(changes), self._world.families, owner)
        changes = self._wait_for_room(self._add_lost(changes), grouped, room)
        self._count(changes, present)
        if len(changes.rows):
            self._change_hands(changes, present)
        self.grouping.count_contacts(owner)
        self.grouping.cast_shadows(owner)

    def _change_hands(self, changes: Handovers, present: Present) -> None:
        columns = self._world.columns
        rows = changes.rows
        self._anew = np.setdiff1d(self._anew, columns.net_id[rows])
        columns["shard"][rows] = changes.after
        columns.epoch[rows] += np.uint32(1)
        self._world.handover_tick[rows] = present.tick
        self.balance.note(rows, present.tick)
        lately = self._superseded_ticks
        self._world.repairs.note_given(columns, rows, changes.before, present.tick, lately)
        self._world.mark(rows, present.tick)
        self._world.mark_changed(OWNER.name, rows, present.tick)
        self._tell_shards(changes, present.tick)
        flown = np.flatnonzero(self._world.account[rows] != ACCOUNT_NONE)
        for at in flown.tolist():  # those with a pilot that changed hands: a few per tick
            self._pilots[int(columns.net_id[rows[at]])] = int(changes.after[at])

    def withdraw(self, rows: np.ndarray, tick: int, *, tell: bool = True) -> None:
        """Take entities that leave the world from their shards, which are told if need be."""
        columns = self._world.columns
        for net_id in columns.net_id[rows].tolist():
            self._pilots.pop(net_id, None)
            self.inputs.forget(net_id)
        for shard in self._shards.shards if tell else ():
            mine = rows[columns["shard"][rows] == shard.shard]
            if len(mine):
                epoch = columns.epoch[mine].astype(np.int64) + 1
                self._shards.send_release(shard, columns.net_id[mine], epoch, tick)

    def take_back(self, rows: np.ndarray, tick: int) -> None:
        """Take entities from their shards for another pilot, to be given anew in this tick.

        What these shards say of them from now on is superseded.
        """
        columns = self._world.columns
        for net_id in columns.net_id[rows].tolist():
            self._pilots.pop(net_id, None)
            self.inputs.forget(net_id)
        columns.epoch[rows] += np.uint32(1)
        self._world.handover_tick[rows] = tick
        for shard in self._shards.shards:
            mine = rows[columns["shard"][rows] == shard.shard]
            if len(mine):
                shard.lost_at = tick
                self._shards.send_release(shard, columns.net_id[mine], columns.epoch[mine], tick)
        columns["shard"][rows] = SHARD_NONE
        self._world.mark(rows, tick)
        self._world.mark_changed(OWNER.name, rows, tick)

    def _lease_space(self, present: Present) -> np.ndarray:
        """Lease sectors that something has entered and nobody holds.

        Returns:
            uint16[n], who holds the sector that each entity is in.
        """
        holder = self.leases.holders_of(present.sector)
        vacant = (holder == SHARD_NONE) & ~np.isin(present.sector, self.failures.keys)
        if not vacant.any() or not len(self._shards.shards):
            return holder
        wanted = count_by_sector(present.sector[vacant])
        entities = dict(enumerate(np.bincount(holder).tolist()))
        self._announce(self.leases.grow(wanted, entities), present.tick)
        holder[vacant] = self.leases.holders_of(present.sector[vacant])
        return holder

    def _add_lost(self, changes: Handovers) -> Handovers:
        """Add to those who change hands the others that their owners have to get anew."""
        if not len(self._anew):
            return changes
        columns = self._world.columns
        rows = columns.rows_of(self._anew)
        rows = rows[(rows >= 0) & (columns["shard"][rows] != SHARD_NONE)]
        self._anew = np.sort(columns.net_id[rows])
        # With its root it gets another owner, who has not lost it.
        taken = np.isin(rows, changes.rows) | np.isin(self._world.families.root[rows], changes.rows)
        rows = rows[~taken]
        owner = columns["shard"][rows]
        return changes.and_(Handovers(rows, owner, owner))

    def _wait_for_room(self, changes: Handovers, grouped: Grouped, room: np.ndarray) -> Handovers:
        """Keep those who change hands now; the others are decided anew in the next tick."""
        later = grouped.later[changes.rows]
        later[~later] = self._are_too_many(changes.select(~later), grouped, room)
        self.waiting_rows = changes.rows[later]
        changes = changes.select(~later)
        if not len(changes.rows):
            return changes
        room_of_pilots = np.zeros(NUMBERS_MAX + 1, np.int64)
        for shard in self._shards.shards:
            room_of_pilots[shard.shard] = self.answers.room_of(shard)
        families = self._world.families
        moved = take_along(changes, families, self._world.columns["shard"])
        sizes = 1 + np.bincount(moved.heads, minlength=len(changes.rows))
        piloted = self._world.account[families.root[changes.rows]] != ACCOUNT_NONE
        units = grouped.units_of(changes.rows)
        chosen = choose_affordable(changes, sizes, piloted, room, room_of_pilots, units)
        waiting = (changes.rows[~chosen], moved.children.rows[~chosen[moved.heads]])
        self.waiting_rows = np.concatenate([self.waiting_rows, *waiting])
        return changes.select(chosen).and_(moved.children.select(chosen[moved.heads]))

    def _are_too_many(self, changes: Handovers, grouped: Grouped, room: np.ndarray) -> np.ndarray:
        """Tell whom there is no room for, of those that come last and alone: bool[n]."""
        flown = self._world.account[self._world.families.root[changes.rows]] != ACCOUNT_NONE
        alone = np.flatnonzero(~flown & ~grouped.goes_together(changes.rows))
        # Whom nobody simulates meanwhile comes before all else.
        alone = alone[np.argsort(changes.simulated[alone], kind="stable")]
        sizes = np.ones(len(alone), np.int64)
        too_many = np.zeros(len(changes.rows), np.bool_)
        too_many[alone] = ~first_of_each(changes.after[alone], sizes, room)
        return too_many

    def _note_failure(self, shard: Shard, present: Present, now: float) -> list[LeaseChange]:
        """Withhold the sectors in which this shard was one too many whose game went wrong."""
        mine = self._world.columns["shard"][present.rows] == shard.shard
        failure = Failure(shard.failed, shard.failed_why, shard.code)
        sectors = count_by_sector(present.sector[mine])
        withheld = self.failures.note(failure, sectors, present.tick, now)
        if not withheld:
            return []
        self._notes.add(
            present.tick,
            "sectors_withheld",
            count=len(withheld),
            what=failure.what,
            first=f"{withheld[0][0]},{withheld[0][1]}",
        )
        return self.leases.withhold(self.failures.withheld)

    def _free_sectors(self, tick: int) -> None:
        """Let sectors be leased again if no shard that may hold any runs what failed in them."""
        holders = self.leases.shards
        running = (shard.code for shard in self._shards.shards if shard.shard in holders)
        freed = self.failures.free(running)
        if freed:
            self.leases.withhold(self.failures.withheld)
            self._notes.add(tick, "sectors_free_again", count=len(freed))

    def _halt_withheld(self, present: Present) -> None:
        """Let what nobody simulates stand still in sectors that are withheld."""
        if not len(self.failures.keys):
            return
        columns, rows = self._world.columns, present.rows
        rows = rows[np.isin(present.sector, self.failures.keys)]
        rows = rows[columns["shard"][rows] == SHARD_NONE]
        moves = [columns[name][rows] != 0.0 for name in ("vx", "vy", "spin")]
        self._world.halt(rows[np.any(moves, axis=0)], present.tick)

    def _orphan_entities_of(self, shard: Shard, tick: int) -> None:
        owner = self._world.columns["shard"]
        rows = np.flatnonzero((owner == shard.shard) & self._world.columns.alive)
        owner[rows] = SHARD_NONE
        self._world.mark_changed(OWNER.name, rows, tick)

    def _announce(self, changes: list[LeaseChange], tick: int) -> None:
        if changes:
            sectors = np.array([change.sector for change in changes], np.int64)
            keys = pack_sector(sectors[:, 0], sectors[:, 1]).tolist()
            self._moved_from |= dict(zip(keys, (c.before for c in changes), strict=True))
            self._shards.send_leases(changes, tick)

    def _tell_shards(self, changes: Handovers, tick: int) -> None:
        columns = self._world.columns
        for shard in self._shards.shards:
            lost = changes.rows[changes.simulated & (changes.before == shard.shard)]
            if len(lost):
                shard.lost_at = tick
                self._shards.send_release(shard, columns.net_id[lost], columns.epoch[lost], tick)
            got = changes.rows[changes.after == shard.shard]
            if len(got):
                records = columns.store(got, self._world.schema.full_record)
                self._shards.send_adopt(shard, records, self.inputs.since(records), tick)

    def _count(self, changes: Handovers, present: Present) -> None:
        """Count who crossed a border, and who changed hands because its sector did."""
        moved = changes.select(changes.simulated)
        sector = present.sector[np.searchsorted(present.rows, moved.rows)]
        rebalanced = sum(
            self._moved_from.get(key) == before
            for key, before in zip(sector.tolist(), moved.before.tolist(), strict=True)
        )
        self.rebalanced += rebalanced
        crossed = len(moved.rows) - rebalanced
        if crossed:
            self.handovers += crossed
            self._notes.add(present.tick, "handover", count=crossed)
        if self._moved_from:
            waits = present.sector[np.searchsorted(present.rows, self.waiting_rows)]
            keys = np.array(list(self._moved_from), np.int64)
            kept = keys[np.isin(keys, waits)].tolist()
            self._moved_from = {key: self._moved_from[key] for key in kept}
