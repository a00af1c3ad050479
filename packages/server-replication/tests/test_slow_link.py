"""A plain link carries a client, however large the world is and whoever explores it."""

from __future__ import annotations

import heapq
from itertools import count

import numpy as np

from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.channel.spec import ChannelSpec
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import (
    PLAYER_CHANNELS,
    SHARD_CHANNELS,
    UserData,
    encode_user_data,
)
from sidereal.protocol.message.codec import (
    decode_authority_untrusted,
    decode_server_untrusted,
    encode_message,
)
from sidereal.protocol.message.player import Assigned, Hello, PlayerChannel, Role
from sidereal.protocol.message.shard import Adopt, Adopted, ShardChannel, ShardHello
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.state.records import RECORDS_HEADER, RECORDS_VERSION
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.protocol.testing.link import Link, LinkConfig
from sidereal.replication.genesis import make_ship
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.replicator import Keys, Replicator
from sidereal.replication.world import UUID

WALL = 1_700_000_000.0
SERVER = Address("192.0.2.1", 4000)
PEER = Address("198.51.100.1", 5000)
RULES = Rules()
PLAIN = LinkConfig(delay_s=0.04, bytes_per_s=256_000 / 8)
CORNER = -60_500.0
DATAGRAM_OVERHEAD = 28
"""Bytes of IP and UDP headers."""

SETTLED, EXPLORERS = 1_200, 60
SECONDS = 5.0


class Corner:
    """A wide world with explorers; far from all of it a pilot on a plain link."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.now = 100.0
        self.core = Replicator(
            schema=BASE_SCHEMA,
            rules=RULES,
            keys=Keys(bytes(32), bytes(32)),
            client_addresses=[SERVER],
            shard_addresses=[SERVER],
            clients_max=4,
            entropy=rng.bytes,
            rng=rng,
            now=self.now,
        )
        records = np.concatenate([make_ship(BASE_SCHEMA, "", 0.0, 0.0, 0.0, 0)] * SETTLED)
        column, row = np.divmod(np.arange(SETTLED), 40)
        records["x"], records["y"] = column * 1000.0 + 500.0, row * 1000.0 + 500.0
        course = rng.uniform(-0.7, 2.2, EXPLORERS)
        records["vx"][-EXPLORERS:] = RULES.speed_max * np.cos(course)
        records["vy"][-EXPLORERS:] = RULES.speed_max * np.sin(course)
        self.core.populate(records, np.frombuffer(rng.bytes(16 * SETTLED), UUID))
        self._ship = make_ship(BASE_SCHEMA, "Ada", CORNER, CORNER, 0.0, 0)
        user = encode_user_data(UserData(7, Role.PLAYER, "Ada", bytes(16)))
        self._entropy = rng.bytes
        self.shard = self._connect(SHARD_PROTOCOL_ID, SHARD_CHANNELS, bytes(256))
        self.shard.send(
            ShardChannel.LEASE, encode_message(ShardHello(BASE_SCHEMA.hash, "one", bytes(16), 1, 1))
        )
        self.pilot = self._connect(CLIENT_PROTOCOL_ID, PLAYER_CHANNELS, user)
        self.pilot.send(PlayerChannel.COMMAND, encode_message(Hello(BASE_SCHEMA.hash, "test")))
        self.assigned: Assigned | None = None
        self.snapshots = self.bytes = self._adopted = 0
        self._ways = {end: Link(PLAIN, np.random.default_rng(2)) for end in (SERVER, PEER)}
        self._on_way: list[tuple[float, int, Address, bytes]] = []
        self._order = count()

    def _connect(
        self, protocol_id: int, channels: tuple[ChannelSpec, ...], user_data: bytes
    ) -> ClientEndpoint:
        token = generate_connect_token(
            protocol_id=protocol_id,
            private_key=bytes(32),
            client_id=1,
            server_addresses=[SERVER],
            user_data=user_data,
            expire_s=30,
            timeout_s=5,
            wall_now=WALL,
            entropy=self._entropy,
        )
        return ClientEndpoint(token, channels, self._entropy, self.now)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * RULES.tick_hz)):
            self.now += RULES.tick_s
            self._deliver()
            self.pilot.handle_timer(self.now)
            for datagram, _ in self.pilot.datagrams_to_send(self.now):
                self._send(SERVER, datagram)
            outgoing = self.core.turn(self.now, WALL)
            for request in self.core.fleet.take_requests():
                self.core.fleet.deliver(request, Berth(self._ship, np.zeros(1, UUID)))
            for datagram, _ in outgoing.clients:
                self.bytes += len(datagram) + DATAGRAM_OVERHEAD
                self._send(PEER, datagram)
            for datagram, _ in outgoing.shards:
                self.shard.receive_datagram(datagram, SERVER, self.now)
            self._beat()

    def _beat(self) -> None:
        alive = np.zeros((), RECORDS_HEADER)
        alive["version"], alive["tick"] = RECORDS_VERSION, self.core.tick
        self.shard.send(ShardChannel.PROPOSAL, alive.tobytes(), 0)
        self.shard.handle_timer(self.now)
        said = [(datagram, PEER) for datagram, _ in self.shard.datagrams_to_send(self.now)]
        self.core.receive_shards(said, self.now, WALL)
        while (event := self.shard.next_event()) is not None:
            if isinstance(event, Received) and event.channel == ShardChannel.LEASE:
                message = decode_authority_untrusted(event.channel, event.message)
                if isinstance(message, Adopt):
                    self._adopted += len(message.rows) // BASE_SCHEMA.full_record.itemsize
                    self.shard.send(ShardChannel.LEASE, encode_message(Adopted(self._adopted)))

    def _send(self, to: Address, datagram: bytes) -> None:
        for at in self._ways[to].transmit(len(datagram) + DATAGRAM_OVERHEAD, self.now):
            heapq.heappush(self._on_way, (at, next(self._order), to, datagram))

    def _deliver(self) -> None:
        while self._on_way and self._on_way[0][0] <= self.now:
            at, _, to, datagram = heapq.heappop(self._on_way)
            if to == SERVER:
                self.core.receive_clients([(datagram, PEER)], at, WALL)
            else:
                self.pilot.receive_datagram(datagram, SERVER, at)
        while (event := self.pilot.next_event()) is not None:
            if not isinstance(event, Received):
                continue
            self.snapshots += event.channel == PlayerChannel.SNAPSHOT
            if event.channel == PlayerChannel.COMMAND:
                message = decode_server_untrusted(event.channel, event.message)
                self.assigned = message if isinstance(message, Assigned) else self.assigned


def test_an_empty_corner_costs_little_and_stays_open_while_others_explore() -> None:
    corner = Corner()
    corner.run(5.0)
    assert corner.assigned is not None
    epoch, corner.bytes, corner.snapshots = corner.core.mesh.leases.epoch, 0, 0
    corner.run(SECONDS)
    # They explore and leave behind; the world is wide all the time.
    assert corner.core.mesh.leases.epoch - epoch > 10 * SECONDS
    assert len(corner.core.mesh.leases.rows()) > 1_000
    assert corner.pilot.close_reason is None
    assert corner.snapshots == SECONDS * RULES.tick_hz
    assert corner.bytes / SECONDS < 4_000
    (player,) = corner.core.clients.players
    link = corner.core.clients.endpoint.connection_statistics(player.peer)
    assert link is not None
    assert link.queued_size == 0
