"""The authority: one tick of the world, as its list of stages.

Packets fill the links' inboxes (`receive_from_*`, then `pump`); `step` empties them, changes the
world, and leaves datagrams to send and rows to save. Nothing else changes the world. Players'
controls do not wait for a tick: `pump` routes them to the shard of their ship as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import (
    CLIENT_PROTOCOL_ID,
    NET_ID_NONE,
    SHARD_PROTOCOL_ID,
    Address,
)
from sidereal.protocol.limits import SHARD_SLOTS_MAX
from sidereal.protocol.links import (
    PLAYER_BUDGET,
    PLAYER_CHANNELS,
    SHARD_BUDGET,
    SHARD_CHANNELS,
)
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import PlayerChannel, Role
from sidereal.protocol.rules import Rules, check_rules
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.stream import OWN_BLOCK, CellStream
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.interest import left_centre
from sidereal.replication.edge.leaseviews import LeaseViews
from sidereal.replication.fleet import Fleet
from sidereal.replication.ingest import Ingest
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Phase, Player
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.ghosts import GhostStreams
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.ownership.mesh import Mesh
from sidereal.replication.world import ACCOUNT_NONE, UUID, Present, World

SAVE_EVERY_S: Final = 0.5
"""How often changed rows are handed to persistence."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The private keys of the two endpoints, 32 bytes each."""

    clients: bytes
    shards: bytes


class Replicator:
    """The world and everybody connected to it.

    Attributes:
        tick: of the newest finished step.
        world: the committed truth.
        clients: the client endpoint.
        shards: the shard endpoint.
        notes: what happened, for logs and monitors.
        saving: rows on their way to the database.
        ingest: turns proposals into commits.
        fleet: the ships of accounts.
        mesh: who simulates what.
        lease_views: what clients are shown of the leases.
        ghosts: what shards see of each other's entities.
        snapshots_sent: snapshots, one per client and tick.
        snapshot_datagrams_sent: datagrams they were cut into.
    """

    def __init__(
        self,
        *,
        schema: Schema,
        rules: Rules,
        keys: Keys,
        client_addresses: list[Address],
        shard_addresses: list[Address],
        clients_max: int,
        entropy: Callable[[int], bytes],
        rng: np.random.Generator,
        now: float,
        tick: int = 0,
    ) -> None:
        check_rules(rules)
        self.schema = schema
        self.rules = rules
        self.tick = tick
        self.world = World(schema, rules)
        leases = LeaseTable()
        self.stream = CellStream(schema, rules)
        self.fanout = Fanout(schema, rules, self.stream, clients_max)
        self.lease_views = LeaseViews(rules, clients_max)
        self.clients = PlayerLink(
            ServerEndpoint(
                protocol_id=CLIENT_PROTOCOL_ID,
                private_key=keys.clients,
                public_addresses=client_addresses,
                slots_max=clients_max,
                channels=PLAYER_CHANNELS,
                entropy=entropy,
                now=now,
                budget=PLAYER_BUDGET,
            ),
            self.fanout,
            self.lease_views,
            schema,
            rules,
            clients_max,
        )
        self.shards = ShardLink(
            ServerEndpoint(
                protocol_id=SHARD_PROTOCOL_ID,
                private_key=keys.shards,
                public_addresses=shard_addresses,
                slots_max=SHARD_SLOTS_MAX,
                channels=SHARD_CHANNELS,
                entropy=entropy,
                now=now,
                budget=SHARD_BUDGET,
            ),
            schema,
            rules,
            now,
        )
        self.notes = Notes()
        self.mesh = Mesh(self.world, leases, self.shards, self.notes)
        self.ghosts = GhostStreams(self.world, leases, self.shards)
        self.ingest = Ingest(self.world, self.shards)
        self.saving = WriteBehind()
        self.snapshots_sent = self.snapshot_datagrams_sent = 0
        self.fleet = Fleet(self.world, entropy, rng)
        self._entropy = entropy
        self._saved_at_tick = tick

    # -- before the first tick ----------------------------------------------------------------

    def populate(
        self, records: np.ndarray, uuid: np.ndarray, account: np.ndarray, active: np.ndarray
    ) -> None:
        """Enter what was saved; ships wait in the hangar for their pilots.

        Args:
            records: `Schema.full_record[n]`.
            uuid: `UUID[n]`.
            account: int64[n], `ACCOUNT_NONE` for what is nobody's.
            active: bool[n], whether it was in the world.
        """
        # Shards run ahead: a row may be newer than the clock, but what is older than it is refused.
        self.tick = self._saved_at_tick = int(records["tick"].max(initial=self.tick))
        for row in np.flatnonzero(account != ACCOUNT_NONE):
            self.fleet.shelter(int(account[row]), records[[row]], uuid[[row]])
        there = active & (account == ACCOUNT_NONE)
        slots = self.world.enter(records[there], uuid[there], account[there], self.tick)
        self.world.columns.epoch[slots] += np.uint32(1)
        self.world.dirty[slots] = False

    def create(self, records: np.ndarray) -> None:
        """Enter entities that have never been before, `Schema.full_record[n]`."""
        count = len(records)
        uuid = np.frombuffer(self._entropy(16 * count), UUID, count)
        self.world.enter(records, uuid, np.zeros(count, np.int64), self.tick)

    # -- packets ------------------------------------------------------------------------------

    def pump(self, now: float) -> None:
        """Sort what both endpoints have received; route players' controls at once."""
        self.shards.pump(now)
        for player, controls in self.clients.pump(now):
            shard = self.mesh.shard_of(player.net_id)
            if shard is not None:
                self.shards.send_controls(shard, player.net_id, controls)

    # -- the tick -----------------------------------------------------------------------------

    def step(self, now: float) -> None:
        """Advance the world by one tick."""
        self.tick += 1
        self.mesh.change_shards(self.tick, now)
        self.ingest.commit(self.tick)
        self._change_players(now)
        present = self.world.present(self.tick)
        self._forget_empty_space(present)
        self.mesh.hand_over(present)
        self.ghosts.send(present)
        self._tell(present)
        self._move_interest(present)
        self._send_snapshots()
        self._send_leases()
        self.shards.send_beats(self.tick, now)
        self._save()

    def close(self, now: float) -> None:
        """Tell everybody that the world is closing, and hand all that changed to persistence."""
        text = "the server is shutting down; the world is saved"
        self.clients.refuse_all(CloseReason.SHUTTING_DOWN, text, now)
        self._change_players(now)
        self._save_dirty()

    def _change_players(self, now: float) -> None:
        attendance = self.clients.attend(self.tick, now)
        for player, reason in attendance.left:
            self._dock(player)
            self.notes.add(
                self.tick,
                "client_left",
                account=player.account,
                name=player.name,
                reason=reason.name,
            )
        for player in attendance.joined:
            if player.role is Role.PLAYER:
                self._launch(player)
            self.notes.add(
                self.tick,
                "client_joined",
                account=player.account,
                name=player.name,
                role=player.role.name,
            )

    def _launch(self, player: Player) -> None:
        slot = self.fleet.launch(player.account, player.name, self.tick)
        columns = self.world.columns
        control_epoch = int(columns["control_epoch"][slot])
        self.clients.assign(player, int(columns.net_id[slot]), control_epoch, self.tick)

    def _dock(self, player: Player) -> None:
        """Take a player's ship out of the world; an account's ship waits in the hangar."""
        slots = self.world.columns.slots_of(np.array([player.net_id]))
        if player.net_id == NET_ID_NONE or slots[0] < 0:
            return
        berth = self.fleet.at_rest(int(slots[0]), self.tick)
        self._remove(slots)
        if player.account > ACCOUNT_NONE:
            self.fleet.shelter(player.account, *berth)
            self.saving.mark(*berth, np.array([player.account]), False, self.tick)

    def _remove(self, slots: np.ndarray) -> None:
        """Take entities out of the world, everywhere."""
        columns = self.world.columns
        net_id, group = columns.net_id[slots], self.world.group[slots]
        known = group >= 0
        self.stream.bury(self.tick, net_id[known], group[known], np.zeros(known.sum(), np.bool_))
        self.mesh.withdraw(slots, self.tick)
        self.world.remove(slots, self.tick)

    def _forget_empty_space(self, present: Present) -> None:
        """Let go of sectors long empty; else whatever was ever visited would cost for ever."""
        empty = self.world.forget_empty_sectors(present)
        if len(empty.sector):
            self.mesh.vacate(empty.sector, self.tick)
            self.stream.reserve(self.world.sectors.group_count)
            self.stream.forget(empty.group)

    def _tell(self, present: Present) -> None:
        moved = self.world.tell(present)
        if len(moved.net_id):
            everyone = np.ones(len(moved.net_id), np.bool_)
            self.stream.bury(self.tick, moved.net_id, moved.group, everyone)
        slots = present.slots
        self.stream.publish(
            self.tick,
            self.world.columns.net_id[slots],
            present.group,
            self.world.changed[slots],
            self.world.attributes_changed[slots],
            self.world.wire[slots],
            self.world.attributes[slots],
        )

    def _move_interest(self, present: Present) -> None:
        players = [player for player in self.clients.players if player.phase is Phase.JOINED]
        if not players:
            return
        x, y = self._centres(players, present)
        cell_x, cell_y = absolute_cell_of(x, y, self.rules)
        unset = np.array([player.centre is None for player in players])
        centre = np.array([player.centre or (0, 0) for player in players])
        follow = unset | left_centre(x, y, centre[:, 0], centre[:, 1], self.rules)
        for row in np.flatnonzero(follow):
            to_x, to_y = int(cell_x[row]), int(cell_y[row])
            players[row].centre = to_x, to_y
            self.fanout.move(players[row].row, self.tick, to_x, to_y)
            self.lease_views.move(players[row].row, self.tick, to_x, to_y)
        self.fanout.refresh(self.world.sectors)

    def _centres(self, players: list[Player], present: Present) -> tuple[np.ndarray, np.ndarray]:
        """Find where each client's interest is centred, float64[n] and float64[n]."""
        x, y = np.array([player.looks_at for player in players]).T.copy()
        slots = self.world.columns.slots_of(np.array([player.net_id for player in players]))
        flying = slots >= 0
        at = np.searchsorted(present.slots, slots[flying])
        x[flying], y[flying] = present.x[at], present.y[at]
        return x, y

    def _send_snapshots(self) -> None:
        players = {p.row: p for p in self.clients.players if p.centre is not None}
        for row, message, tag in self.fanout.collect(self.tick, self._own_blocks(players)):
            self.clients.endpoint.send(players[row].peer, PlayerChannel.SNAPSHOT, message, tag)
            self.snapshot_datagrams_sent += 1
        self.snapshots_sent += len(players)

    def _send_leases(self) -> None:
        leases = self.mesh.leases
        self.lease_views.follow(leases, self.tick)
        peers = {player.row: player.peer for player in self.clients.players}
        for client, message, tag in self.lease_views.collect(self.tick, leases):
            body = encode_message(message)
            self.clients.endpoint.send(peers[client], PlayerChannel.LEASES, body, tag)

    def _own_blocks(self, players: dict[int, Player]) -> dict[int, np.void]:
        """Pack each pilot's own ship, exact: `OWN_BLOCK` by row of the fan-out."""
        flying = [player for player in players.values() if player.net_id != NET_ID_NONE]
        slots = self.world.columns.slots_of(np.array([p.net_id for p in flying], np.int64))
        there = slots >= 0
        blocks = np.zeros(int(there.sum()), OWN_BLOCK)
        records = self.world.columns.store(slots[there], self.schema.exact_record)
        for name in OWN_BLOCK.names or ():
            blocks[name] = records["id" if name == "net_id" else name]
        rows = [player.row for player, known in zip(flying, there, strict=True) if known]
        return dict(zip(rows, blocks, strict=True))

    # -- what leaves the tick -----------------------------------------------------------------

    def _save(self) -> None:
        if (self.tick - self._saved_at_tick) * self.rules.tick_s >= SAVE_EVERY_S:
            self._save_dirty()

    def _save_dirty(self) -> None:
        """Hand changed rows to persistence; guests' ships are not kept."""
        self._saved_at_tick = self.tick
        slots = np.flatnonzero(self.world.dirty & (self.world.account >= ACCOUNT_NONE))
        self.world.dirty[:] = False
        rows = self.world.columns.store(slots, self.schema.full_record)
        self.saving.mark(rows, self.world.uuid[slots], self.world.account[slots], True, self.tick)
