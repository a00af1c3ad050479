"""The authority: one tick of the world, as its list of stages.

Packets fill the links' inboxes (`receive_clients`, `receive_shards`). `advance` does what is due.
When a tick is due, it empties the inboxes, changes the world, and marks what is to be saved.
Nothing else changes the world. `collect` gives the datagrams to send. Players' controls do not wait
for a tick: they go to the shard of what they fly as they come.

A tick takes time. Who measures round trips counts from when a datagram left to when its ack came.
So whoever runs the ticks takes in what has come meanwhile before it collects, tells when each
datagram came, and at what time those that are collected leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from sidereal.game.component import SHARD
from sidereal.game.declarations import Declarations
from sidereal.game.logic import SYSTEMS
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.limits import SHARD_SLOTS_MAX
from sidereal.protocol.links import (
    PLAYER_BUDGET,
    PLAYER_CHANNELS,
    SHARD_BUDGET,
    SHARD_CHANNELS,
)
from sidereal.protocol.rules import Rules, check_rules
from sidereal.replication.actions.books import Books
from sidereal.replication.actions.desk import Desk
from sidereal.replication.births import Births
from sidereal.replication.edge.changelog import ChangeLog
from sidereal.replication.edge.edge import Edge
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.leaseviews import LeaseViews
from sidereal.replication.edge.private import PrivateLog
from sidereal.replication.events import Events
from sidereal.replication.gamerules import GameRules
from sidereal.replication.ingest import Ingest
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.references import enter_saved
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.amendments import Amendments
from sidereal.replication.ownership.candidates import touching_of
from sidereal.replication.ownership.ghosts import GhostStreams
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.ownership.mesh import Mesh
from sidereal.replication.play.arrivals import Arrivals
from sidereal.replication.play.berths import Berths
from sidereal.replication.play.entities import Entities
from sidereal.replication.play.hooks import HookWorld
from sidereal.replication.play.lingering import Lingering
from sidereal.replication.standstill import WorldClock
from sidereal.replication.ticks import Ticks
from sidereal.replication.world import ACCOUNT_NONE, Present, World


@dataclass(frozen=True, slots=True)
class Keys:
    """The private keys of the two endpoints, 32 bytes each."""

    clients: bytes
    shards: bytes


Datagrams = list[tuple[bytes, Address]]
"""Each with its destination or its source."""


class Outgoing(NamedTuple):
    """What a turn leaves to be sent.

    Attributes:
        stepped: whether a step was due and was run, be it one in which the world stood still.
    """

    clients: Datagrams
    shards: Datagrams
    stepped: bool = False


class Replicator:
    """The world and everybody connected to it.

    Attributes:
        tick: of the newest finished step.
        clock: whether the world's ticks go on.
        ticks: when they are due.
        world: the committed truth.
        clients: the client endpoint.
        shards: the shard endpoint.
        notes: what happened, for logs and monitors.
        saving: what is not saved yet.
        events: what happens in the world.
        births: what shards bring into the world, and what they have.
        ingest: turns proposals into commits.
        mesh: who simulates what.
        amendments: what the authority decides of what shards simulate.
        ghosts: what shards see of each other's entities.
        edge: what each client is sent.
        entities: the world's door.
        berths: what accounts have left.
        arrivals: players, from their join to their leaving.
        actions: what players and shards ask the game for.
    """

    def __init__(
        self,
        *,
        game: Declarations,
        rules: Rules,
        keys: Keys,
        client_addresses: list[Address],
        shard_addresses: list[Address],
        clients_max: int,
        entropy: Callable[[int], bytes],
        rng: np.random.Generator,
        now: float,
        tick: int = 0,
        limits: Limits = LIMITS,
    ) -> None:
        check_rules(rules)
        self.schema = schema = schema_of(game)
        self.rules, self.limits, self.tick = rules, limits, tick
        self.ticks = Ticks(rules.tick_s, limits.ticks_catch_up)
        self.world = World(schema, rules, limits=limits.world)
        leases = LeaseTable(limits.ownership.lease_changes)
        self.events = Events(game, self.world, limits)
        changes = ChangeLog(schema, rules, limits.world.prune_every_ticks, self.events.log)
        private = PrivateLog(schema, rules, clients_max, self.events.private)
        fanout = Fanout(schema, rules, changes, clients_max, limits.edge, private)
        lease_views = LeaseViews(rules, clients_max, limits=limits.edge)
        endpoint = partial(ServerEndpoint, entropy=entropy, now=now, limits=limits.transport)
        for_clients = endpoint(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=keys.clients,
            public_addresses=client_addresses,
            slots_max=limits.players.sessions(clients_max),
            channels=PLAYER_CHANNELS,
            budget=PLAYER_BUDGET,
        )
        for_shards = endpoint(
            protocol_id=SHARD_PROTOCOL_ID,
            private_key=keys.shards,
            public_addresses=shard_addresses,
            slots_max=SHARD_SLOTS_MAX,
            channels=SHARD_CHANNELS,
            budget=SHARD_BUDGET,
        )
        self.clients = PlayerLink(
            for_clients, fanout, lease_views, schema, rules, clients_max, limits.players
        )
        spawning = any(kind.spawned_by is SHARD for kind in game.kinds)
        asked = sum(SYSTEMS in action.asked_by for action in game.actions)
        self.shards = ShardLink(
            for_shards, schema, rules, now, limits, spawning=spawning, actions=asked
        )
        self.edge = Edge(
            self.world, changes, fanout, lease_views, self.clients, clients_max, limits.edge
        )
        self.notes = Notes(limits.notes)
        self.clock = WorldClock(self.clients, self.notes, rules, limits)
        kinds = touching_of(game.kinds)
        self.mesh = Mesh(self.world, leases, self.shards, self.clients, self.notes, kinds, limits)
        self.ghosts = GhostStreams(
            self.world, leases, self.shards, game.ghost_range, limits.ownership
        )
        self.saving = WriteBehind(self.world)
        self.entities = Entities(self.world, self.edge, self.mesh, self.saving, entropy)
        self._play(game, leases, rng)

    def _play(self, game: Declarations, leases: LeaseTable, rng: np.random.Generator) -> None:
        """What the game's rules and hooks, and shards' proposals, go through."""
        limits = self.limits
        self.births = Births(game, self.world, self.entities, self.shards, leases, limits)
        self.ingest = Ingest(
            self.world,
            self.shards,
            self.mesh.inputs,
            self.births,
            GameRules(game.rules, self.schema, self.notes),
            self.events,
            limits.proposals,
        )
        self.berths = Berths(self.world, self.saving, limits.keeping)
        seats = self.clients.players.seats
        lingering = Lingering(self.world, self.entities, self.berths, seats)
        self.amendments = Amendments(self.world, self.shards)
        hooks = HookWorld(
            game,
            self.world,
            self.entities,
            self.berths,
            lingering,
            self.events,
            self.amendments,
            rng,
            limits.later_calls,
        )
        self.arrivals = Arrivals(
            hooks,
            self.world,
            self.entities,
            self.berths,
            lingering,
            self.clients,
            self.clock,
            self.notes,
        )
        self.actions = self._make_desk(game)

    def _make_desk(self, game: Declarations) -> Desk:
        return Desk(
            game,
            self.world,
            Books(game, self.world, self.berths, self.amendments),
            self.entities,
            self.saving,
            self.events,
            self.clients,
            self.shards,
            self.notes,
            self.limits.actions,
        )

    # -- before the first tick ----------------------------------------------------------------

    def populate(self, records: np.ndarray, uuid: np.ndarray) -> None:
        """Enter what was saved and is nobody's; what accounts left comes when they do.

        Args:
            records: saved records, [n], none further ahead of the clock than shards may run.
            uuid: `UUID[n]`.
        """
        # Shards run ahead: a record may be newer than the clock. One that is older is refused.
        self.tick = int(records["tick"].max(initial=self.tick))
        account = np.full(len(records), ACCOUNT_NONE)
        rows = enter_saved(self.world, records, uuid, account, self.tick)
        self.world.columns.epoch[rows] += np.uint32(1)
        self.world.dirty[rows] = False
        self.world.stored[rows] = True
        orphans = self.world.families.orphans(rows)
        if len(orphans):
            self.notes.add(self.tick, "orphans_ended", count=len(orphans))
            self.entities.end(orphans, self.tick)

    def create(self, records: np.ndarray) -> None:
        """Enter entities that have never been before, `Schema.full_record[n]`."""
        self.entities.create(records, self.tick)

    # -- packets ------------------------------------------------------------------------------

    def receive_clients(
        self, datagrams: Iterable[tuple[bytes, Address]], now: float, wall_now: float
    ) -> None:
        """Take in what clients sent and came at `now`; players' inputs are routed at once."""
        for datagram, address in datagrams:
            self.clients.receive_datagram(datagram, address, now, wall_now)
            # One by one: a client that floods is closed before the rest of its flood is deciphered.
            self._pump_clients(now)

    def receive_shards(
        self, datagrams: Iterable[tuple[bytes, Address]], now: float, wall_now: float
    ) -> None:
        """Take in what shards sent and came at `now`."""
        for datagram, address in datagrams:
            self.shards.receive_datagram(datagram, address, now, wall_now)
            self.shards.pump(now)

    def note_death(self, name: str, pid: int, now: float) -> None:
        """Take a shard's process for dead: its supervisor has seen it end."""
        shard = self.shards.shards.named(name)
        if shard is not None and shard.pid == pid:
            # Who was dismissed was to end; its farewell may come later than that.
            why = "" if shard.dismissed else "its process has ended"
            self.shards.fence(shard, CloseReason.CLOSED_BY_PEER, now, why)

    def _pump_clients(self, now: float) -> None:
        """Sort what clients' sessions delivered; route players' inputs."""
        for player, message in self.clients.pump(now):
            self.mesh.route(player.net_id, message)

    # -- the turn -----------------------------------------------------------------------------

    def next_timer(self) -> float:
        """When `turn` has something to do that no datagram brings, monotonic seconds."""
        return self.ticks.due_at

    def turn(self, now: float, wall_now: float) -> Outgoing:
        """Advance and collect at once, where a tick takes no time."""
        return self.collect(now, wall_now, stepped=self.advance(now))

    def advance(self, now: float) -> bool:
        """Do what is due: sort what has come, and one tick.

        To be called after datagrams and when `next_timer` says so; `collect` follows. Returns
        whether a step was run. Sessions that a timer has ended have left before it.
        """
        self.shards.pump(now)
        self._pump_clients(now)
        if self.ticks.take(now) is None:
            return False
        self._step(now)
        return True

    def collect(self, now: float, wall_now: float, *, stepped: bool) -> Outgoing:
        """Do what sessions' timers ask for after a step, and collect what is to be sent.

        Args:
            now: monotonic seconds, when the datagrams leave.
            wall_now: Unix seconds.
            stepped: whether a step was run. Between steps nothing leaves for clients: what they are
                to hear travels with the next snapshot.
        """
        if not stepped:
            return Outgoing([], self.shards.endpoint.datagrams_to_send(now))
        return self._finish(now, wall_now)._replace(stepped=True)

    def _finish(self, now: float, wall_now: float) -> Outgoing:
        self.shards.endpoint.handle_timer(now, wall_now)
        self.clients.endpoint.handle_timer(now, wall_now)
        return Outgoing(
            self.clients.endpoint.datagrams_to_send(now),
            self.shards.endpoint.datagrams_to_send(now),
        )

    # -- the tick -----------------------------------------------------------------------------

    def _step(self, now: float) -> None:
        """Advance the world by one tick."""
        self.tick += 1
        self.shards.notice_stall(self.tick, now)
        # Before anybody leaves: the last records of a shard that said farewell count.
        self.mesh.give_anew(self.ingest.commit(self.tick))
        self.mesh.change_shards(self.tick, now)
        self.births.grant_ids(self.tick)
        self.arrivals.change(self.tick, now)
        self.actions.act(self.tick, now)
        self.world.follow(self.tick)
        if self.clock.watch(self.tick, served=self._is_served(now)):
            # A shard that has come is given what it is to simulate. It hears nothing of a tick that
            # does not end: it would wait for the next one, and the world for its proposals.
            self.mesh.hand_over(self.world.present(self.tick))
            self.shards.flush(now)
            self.tick -= 1
            return
        present = self.world.present(self.tick)
        self._forget_empty_space(present)
        self.mesh.hand_over(present)
        self.amendments.send(self.tick)
        self.ghosts.send(present, self.mesh.grouping.shadows, self.mesh.inputs)
        self.edge.publish(present, self.tick)
        self.edge.send(present, self.mesh.leases, self.tick, now)
        self.shards.send_beats(self.tick, now)
        self.shards.flush(now)

    def _is_served(self, now: float) -> bool:
        """Tell whether somebody simulates the world."""
        within_s = self.limits.served_within_s
        return any(shard.serves(now, within_s) for shard in self.shards.shards)

    def close(self, now: float, wall_now: float) -> Outgoing:
        """Tell everybody that the world is closing, and take what players fly out of it."""
        text = "the server is shutting down; the world is being saved"
        self.clients.refuse_all(CloseReason.SHUTTING_DOWN, text, now)
        # What is saved now is newer than what was under way to the database at the last tick.
        self.tick += 1
        self.arrivals.close(self.tick, now)
        return self._finish(now, wall_now)

    def end_sessions(self, now: float, wall_now: float) -> Outgoing:
        """End all sessions; nobody is answered from here on."""
        self.clients.endpoint.close(now)
        self.shards.endpoint.close(now)
        return self._finish(now, wall_now)

    def remove(self, rows: np.ndarray) -> None:
        """Take entities out of the world for good: what the database has of them goes, too."""
        self.entities.end(rows, self.tick)

    def _forget_empty_space(self, present: Present) -> None:
        """Let go of sectors long empty; else whatever was ever visited would cost for ever."""
        self.world.occupancy.note(present.group, present.tick)
        empty = self.world.occupancy.forget_empty(present.tick)
        if len(empty.sector):
            self.mesh.vacate(empty.sector, self.tick)
            self.edge.forget(empty.group)
