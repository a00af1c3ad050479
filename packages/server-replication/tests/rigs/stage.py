"""A replicator and clients that speak only when a test lets them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from drifters import GAME, SCHEMA, drifter

from sidereal.game.declarations import Declarations
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import PLAYER_CHANNELS, SHARD_CHANNELS, UserData, encode_user_data
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import Hello, PlayerChannel, Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.limits import LIMITS, EdgeLimits, Limits, WorldLimits
from sidereal.replication.links.limits import PlayerLinkLimits, ShardLinkLimits
from sidereal.replication.replicator import Keys, Replicator

WALL = 1_700_000_000.0
SERVER = Address("192.0.2.1", 4000)
SHARDS = Address("192.0.2.1", 4001)
TIMEOUT_S = 5
RULES = Rules()


class Cast:
    """A world with a wreck in it, and its clients; no shard simulates it.

    Attributes:
        store: what accounts have left, by account.
        store_answers: whether the core is given it when it asks.
    """

    def __init__(
        self,
        clients_max: int = 4,
        players: PlayerLinkLimits = LIMITS.players,
        game: Declarations = GAME,
        later_calls: int = LIMITS.later_calls,
        actions: ActionLimits = LIMITS.actions,
        shards: ShardLinkLimits = LIMITS.shards,
        edge: EdgeLimits = LIMITS.edge,
        world: WorldLimits = LIMITS.world,
        standstill_after_s: float = 1e6,
    ) -> None:
        self.clients_max = clients_max
        rng = np.random.default_rng(1)
        self.entropy = rng.bytes
        self.now = 100.0
        self.core = Replicator(
            game=game,
            rules=RULES,
            keys=Keys(bytes(32), bytes(range(32))),
            client_addresses=[SERVER],
            shard_addresses=[SHARDS],
            clients_max=clients_max,
            entropy=self.entropy,
            rng=rng,
            now=self.now,
            limits=Limits(
                standstill_after_s=standstill_after_s,
                players=players,
                later_calls=later_calls,
                actions=actions,
                shards=shards,
                edge=edge,
                world=world,
            ),
        )
        # Who is new begins beside it, far from where nobody looks.
        self.core.create(drifter("wreck", 5000.0, 5000.0))
        self.clients: dict[Address, ClientEndpoint] = {}
        self._port = 5000
        self.shards: dict[Address, ClientEndpoint] = {}
        self.store: dict[int, Berth] = {}
        self.store_answers = True

    def connect(self, account: int, role: Role, ticks: int = 10) -> ClientEndpoint:
        user = UserData(account, role, f"pilot {account}", self.entropy(16))
        token = generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=bytes(32),
            client_id=int.from_bytes(self.entropy(8), "little"),
            server_addresses=[SERVER],
            user_data=encode_user_data(user),
            expire_s=30,
            timeout_s=TIMEOUT_S,
            wall_now=WALL,
            entropy=self.entropy,
        )
        client = ClientEndpoint(token, PLAYER_CHANNELS, self.entropy, self.now)
        self._port += 1
        self.clients[Address("198.51.100.1", self._port)] = client
        self.run(ticks)
        return client

    def connect_shard(self) -> ClientEndpoint:
        token = generate_connect_token(
            protocol_id=SHARD_PROTOCOL_ID,
            private_key=bytes(range(32)),
            client_id=1,
            server_addresses=[SHARDS],
            user_data=bytes(256),
            expire_s=30,
            timeout_s=5,
            wall_now=WALL,
            entropy=self.entropy,
        )
        shard = ClientEndpoint(token, SHARD_CHANNELS, self.entropy, self.now)
        self.shards[Address("198.51.100.2", 5000)] = shard
        self.run(10)
        return shard

    def run(self, ticks: int) -> None:
        core = self.core
        for _ in range(ticks):
            self.now += RULES.tick_s
            core.receive_clients(self._said_by(self.clients), self.now, WALL)
            core.receive_shards(self._said_by(self.shards), self.now, WALL)
            outgoing = core.turn(self.now, WALL)
            if self.store_answers:
                self.fetch_berths()
            for datagram, address in outgoing.clients:
                if address in self.clients:
                    self.clients[address].receive_datagram(datagram, SERVER, self.now)
            for datagram, address in outgoing.shards:
                self.shards[address].receive_datagram(datagram, SHARDS, self.now)

    def fetch_berths(self) -> None:
        """Answer what the core asks of the database: what was put there, if anything."""
        for request in self.core.berths.take_requests():
            self.core.berths.deliver(request, self.store.get(request.account))

    def _said_by(self, peers: dict[Address, ClientEndpoint]) -> Iterator[tuple[bytes, Address]]:
        for address, peer in peers.items():
            peer.handle_timer(self.now)
            for datagram, _ in peer.datagrams_to_send(self.now):
                yield datagram, address


def say_hello(client: ClientEndpoint, schema_hash: bytes = SCHEMA.hash) -> None:
    client.send(PlayerChannel.COMMAND, encode_message(Hello(schema_hash, "test")))


def messages(client: ClientEndpoint, channel: PlayerChannel) -> int:
    count = 0
    while (event := client.next_event()) is not None:
        count += isinstance(event, Received) and event.channel == channel
    return count


def snapshots(client: ClientEndpoint) -> int:
    return messages(client, PlayerChannel.SNAPSHOT)
