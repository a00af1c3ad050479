"""The edge: all that a tick does for clients, done once for all of them.

`publish` takes what has changed in the world, by cell. `send` sends each client what is new in its
window, and who simulates it. Acks come back through the client link, which hands them to the
fan-out as they arrive.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import PlayerChannel, Role
from sidereal.protocol.space.geometry import absolute_cell_of, sector_of
from sidereal.protocol.space.sectors import pack_sector
from sidereal.protocol.state.stream import MOVES
from sidereal.replication.edge.changelog import ChangeLog, State
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.interest import Gazes, left_centre
from sidereal.replication.edge.leaseviews import LeaseViews
from sidereal.replication.edge.private import Piloted
from sidereal.replication.edge.privateevents import NOBODY, Hearers
from sidereal.replication.limits import LIMITS, EdgeLimits
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Player, PlayerState
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import ACCOUNT_NONE, Present, World

OWN_AGE_TICKS: Final = 16
"""A state of what a client flies that is older than this is told as it is by now."""


class Edge:
    """What each client is sent.

    Attributes:
        changes: in the world, by cell.
        fanout: windows, acks and what is in flight, by client.
        lease_views: what clients are shown of the leases.
        snapshots_sent: snapshots, one per client and tick.
        datagrams_sent: datagrams they were cut into.
    """

    def __init__(
        self,
        world: World,
        changes: ChangeLog,
        fanout: Fanout,
        lease_views: LeaseViews,
        clients: PlayerLink,
        clients_max: int,
        limits: EdgeLimits = LIMITS.edge,
    ) -> None:
        self.fanout = fanout
        self.lease_views = lease_views
        self.snapshots_sent = 0
        self.datagrams_sent = 0
        self._world = world
        self.changes = changes
        self._clients = clients
        self._clients_max = clients_max
        self._gazes = Gazes(world.rules, clients_max, limits.gazes_per_s, limits.gazes_per_tick)

    def remove(self, net_id: np.ndarray, group: np.ndarray, tick: int) -> None:
        """Note entities that are gone from the world.

        Args:
            net_id: uint32[n].
            group: int32[n], the cell each was known in.
            tick: when.
        """
        self.changes.note_left(tick, net_id, group, np.zeros(len(net_id), np.bool_))

    def forget(self, group: np.ndarray) -> None:
        """Forget cells of sectors that are no more, int32[n]."""
        self.changes.reserve(self._world.sectors.group_count)
        self.changes.forget(group)

    def publish(self, present: Present, tick: int) -> None:
        """Note what changed in the world since the last tick, by cell, once for all clients."""
        moved = self._world.refresh(present)
        if len(moved.net_id):
            everyone = np.ones(len(moved.net_id), np.bool_)
            self.changes.note_left(tick, moved.net_id, moved.group, everyone)
        world = self._world
        self.changes.publish(
            tick,
            State(
                world.columns.net_id,
                world.group,
                world.entered,
                world.changed,
                world.latest,
                world.rows,
            ),
        )

    def send(self, present: Present, leases: LeaseTable, tick: int, now: float) -> None:
        """Let windows follow their clients, and send each client what it has to know.

        Nothing is written that would have to wait: neither of the world nor of leases.
        """
        self._move_interest(present, tick, now)
        endpoint = self._clients.endpoint
        allowance = np.zeros(self._clients_max, np.int64)
        # 2 µs each.
        for player in self._clients.players:
            allowance[player.row] = endpoint.allowance(player.peer, now)
        self._send_leases(leases, tick, allowance)
        self._send_snapshots(present, tick, allowance)

    def _send_leases(self, leases: LeaseTable, tick: int, allowance: NDArray[np.int64]) -> None:
        """Show clients that can be told what has changed of the leases around them.

        Mutates:
            allowance: less what they are told.
        """
        self.lease_views.follow(leases, tick)
        peers = {player.row: player.peer for player in self._clients.players}
        for client, message, tag in self.lease_views.collect(tick, leases, allowance > 0):
            body = encode_message(message)
            allowance[client] -= len(body)
            self._clients.endpoint.send(peers[client], PlayerChannel.LEASES, body, tag)

    def _send_snapshots(self, present: Present, tick: int, allowance: NDArray[np.int64]) -> None:
        players = {p.row: p for p in self._clients.players if p.centre is not None}
        flown, hearers = self._piloted(players, present), self._hearers(present)
        self.fanout.private.publish(tick, flown, hearers)
        endpoint = self._clients.endpoint
        sent_to = set()
        for row, message, tag in self.fanout.collect(tick, np.maximum(allowance, 0)):
            endpoint.send(players[row].peer, PlayerChannel.SNAPSHOT, message, tag)
            self.datagrams_sent += 1
            sent_to.add(row)
        self.snapshots_sent += len(sent_to)

    def _move_interest(self, present: Present, tick: int, now: float) -> None:
        players = [player for player in self._clients.players if _looks_somewhere(player)]
        if not players:
            return
        x, y = self._centres(players, present)
        cells = np.stack(absolute_cell_of(x, y, self._world.rules))
        unset = np.array([player.centre is None for player in players])
        centre = np.array([player.centre or (0, 0) for player in players]).T
        follow = unset | left_centre(x, y, centre[0], centre[1], self._world.rules)
        rows = np.array([player.row for player in players])
        self._gazes.join(rows[unset], now)
        looks = follow & ~unset & np.array([player.net_id == NET_ID_NONE for player in players])
        follow[looks] = self._gazes.admit(rows[looks], (cells - centre)[:, looks], now)
        for at in np.flatnonzero(follow).tolist():
            to_x, to_y = cells[:, at].tolist()
            players[at].centre = to_x, to_y
            self.fanout.move(players[at].row, tick, to_x, to_y)
            self.lease_views.move(players[at].row, tick, to_x, to_y)
        self.fanout.refresh(self._world.sectors)

    def _centres(self, players: list[Player], present: Present) -> tuple[np.ndarray, np.ndarray]:
        """Find where each client's interest is centred, float64[n] and float64[n]."""
        x, y = np.array([player.looks_at for player in players]).T.copy()
        rows = self._world.columns.rows_of(np.array([player.net_id for player in players]))
        flying = rows >= 0
        at = np.searchsorted(present.rows, rows[flying])
        x[flying], y[flying] = present.x[at], present.y[at]
        return x, y

    def _hearers(self, present: Present) -> Hearers:
        """Find who may be told of what has happened, and where each is, if anything has."""
        players = [p for p in self._clients.players if p.state is PlayerState.JOINED]
        if not players or not self.fanout.private.events.any_noted:
            return NOBODY
        x, y = self._centres(players, present)
        flies = [p.account if p.role is Role.PLAYER else ACCOUNT_NONE for p in players]
        return Hearers(
            np.array([player.row for player in players], np.int64),
            pack_sector(*sector_of(x, y, self._world.rules)),
            np.array([_looks_somewhere(player) for player in players], np.bool_),
            np.array(flies, np.int64),
        )

    def _piloted(self, players: dict[int, Player], present: Present) -> Piloted:
        """Collect what each pilot flies, exactly."""
        flying = [player for player in players.values() if player.net_id != NET_ID_NONE]
        rows = self._world.columns.rows_of(np.array([p.net_id for p in flying], np.int64))
        flying = [player for player, row in zip(flying, rows.tolist(), strict=True) if row >= 0]
        rows = rows[rows >= 0]
        columns, schema = self._world.columns, self._world.schema
        names = [f.name for number in schema.own for f in schema.component(number).fields]
        values = {name: columns[name][rows] for name in names}
        # What has drifted for long is told as it is by now: so its place is near the window.
        tick = columns.tick[rows]
        old = present.tick - tick > OWN_AGE_TICKS
        at = np.searchsorted(present.rows, rows[old])
        values["x"][old], values["y"][old] = present.x[at], present.y[at]
        values["heading"][old], tick[old] = present.heading[at], present.tick
        input_seq = columns["input_seq"][rows].astype(np.int64)
        return Piloted(
            np.array([player.row for player in flying], np.int64),
            rows,
            columns.net_id[rows],
            columns["control_epoch"][rows],
            self._world.columns.mask[rows] & np.uint64(schema.mask_own),
            input_seq,
            columns["input_early"][rows],
            tick,
            self._world.changed[MOVES][rows] == present.tick,
            values,
        )


def _looks_somewhere(player: Player) -> bool:
    """Tell whether it is known where a client looks: not so while its berth is read."""
    return player.state is PlayerState.JOINED and not player.waits
