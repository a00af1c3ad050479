"""A replication server with whoever is connected to it, without loss and in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from ends import CLIENT, PRIVATE_KEY, SERVER, WALL, End, exchange, issue_token
from played import GAME, SCHEMA, Burst, Gong, Whisper

from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.channel.spec import ChannelSpec
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import PLAYER_CHANNELS, SHARD_CHANNELS, UserData, encode_user_data
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import Hello, LookAt, PlayerChannel, Role
from sidereal.protocol.rules import Rules
from sidereal.replication.replicator import Keys, Outgoing, Replicator

RULES: Final = Rules(view_radius_cells=1)


def ships(count: int, x: float = 10.0) -> np.ndarray:
    """Give rows of ships side by side, `Schema.full_record[n]`, flying to the right."""
    rows = np.zeros(count, SCHEMA.full_record)
    rows["id"] = np.arange(1, count + 1)
    rows["epoch"], rows["control_epoch"], rows["kind"] = 1, 1, GAME.kind_number("ship")
    rows["radius"], rows["mass"], rows["name"] = 4.0, 10.0, b"Ada"
    rows["x"], rows["y"] = x, 10.0 + np.arange(count)
    rows["vx"], rows["heading"] = 100.0, 1.0
    return rows


class Peer:
    """A client or a shard that says what it is told to, and keeps what it hears."""

    def __init__(self, endpoint: ClientEndpoint) -> None:
        self.endpoint = endpoint
        self.heard: list[Received] = []


class Authority:
    """A replication server that runs when it is let."""

    def __init__(self, records: np.ndarray) -> None:
        self.now = 100.0
        self.core = Replicator(
            game=GAME,
            rules=RULES,
            keys=Keys(PRIVATE_KEY, PRIVATE_KEY),
            client_addresses=[SERVER],
            shard_addresses=[SERVER],
            clients_max=4,
            entropy=random.Random(1).randbytes,
            rng=np.random.default_rng(1),
            now=self.now,
        )
        self.core.create(records)
        self._clients: dict[Address, Peer] = {}
        self._shards: dict[Address, Peer] = {}

    @property
    def pilot_id(self) -> int:
        """What the newest pilot flies."""
        return max(player.net_id for player in self.core.clients.players)

    def burst(self, rows: Iterable[int]) -> None:
        """Let something happen to entities in the next tick."""
        for row in rows:
            for event in (Burst(size=2.5, colour=row % 10), Whisper(loud=row % 10), Gong()):
                self.core.events.emit(event, row, self.core.tick)

    def connect_client(self, role: Role) -> Peer:
        """Connect a client that has not said hello."""
        number = len(self._clients) + 1
        user = encode_user_data(UserData(number, role, f"pilot {number}", bytes(16)))
        token = issue_token(CLIENT_PROTOCOL_ID, user, number)
        return self._connect(self._clients, token, PLAYER_CHANNELS)

    def connect_shard(self) -> Peer:
        """Connect a shard that has not said hello."""
        token = issue_token(SHARD_PROTOCOL_ID, client_id=len(self._shards) + 1)
        return self._connect(self._shards, token, SHARD_CHANNELS)

    def _connect(
        self, peers: dict[Address, Peer], token: bytes, channels: Sequence[ChannelSpec]
    ) -> Peer:
        entropy = random.Random(len(peers)).randbytes
        peer = Peer(ClientEndpoint(token, channels, entropy, self.now))
        peers[CLIENT._replace(port=CLIENT.port + len(peers))] = peer
        self.carry()
        return peer

    def run(self, ticks: int) -> None:
        """Let ticks pass."""
        for _ in range(ticks):
            self.now += RULES.tick_s
            self.carry()
            self._deliver(self.core.turn(self.now, WALL))
            for request in self.core.berths.take_requests():
                self.core.berths.deliver(request, None)  # everybody is new here
            self.carry()

    def carry(self) -> None:
        """Let everybody say what they have to say, at no cost of time."""
        for link, peers in ((self.core.clients, self._clients), (self.core.shards, self._shards)):
            link.endpoint.handle_timer(self.now, WALL)
            exchange(
                self._end(link.endpoint), {at: self._end(p.endpoint) for at, p in peers.items()}
            )
            for peer in peers.values():
                while (event := peer.endpoint.next_event()) is not None:
                    if isinstance(event, Received):
                        peer.heard.append(event)
        self._deliver(self.core.turn(self.now, WALL))

    def _deliver(self, outgoing: Outgoing) -> None:
        for datagrams, peers in (
            (outgoing.clients, self._clients),
            (outgoing.shards, self._shards),
        ):
            for datagram, address in datagrams:
                peers[address].endpoint.receive_datagram(datagram, SERVER, self.now)

    def _end(self, endpoint: ServerEndpoint | ClientEndpoint) -> End:
        clocks = (self.now, WALL) if isinstance(endpoint, ServerEndpoint) else (self.now,)
        endpoint.handle_timer(*clocks)
        return End(
            lambda: endpoint.datagrams_to_send(self.now),
            lambda datagram, address: endpoint.receive_datagram(datagram, address, *clocks),
        )


@lru_cache(1)
def record_snapshots() -> tuple[list[bytes], list[bytes]]:
    """Record what an observer, and what a pilot is told while a crowd crosses a border."""
    authority = Authority(ships(60, x=230.0))
    observer, pilot = (authority.connect_client(role) for role in (Role.OBSERVER, Role.PLAYER))
    hello = encode_message(Hello(SCHEMA.hash, "fuzz"))
    for peer in (observer, pilot):
        peer.endpoint.send(PlayerChannel.COMMAND, hello)
    authority.run(4)
    flown = int(authority.core.world.columns.rows_of(np.array([authority.pilot_id]))[0])
    authority.burst([*range(0, 60, 12), flown])
    authority.run(2)
    pilot.endpoint.close(authority.now)
    authority.run(4)
    observer.endpoint.send(PlayerChannel.COMMAND, encode_message(LookAt(600.0, 10.0)))
    authority.run(3)
    observed, piloted = (
        [event.message for event in peer.heard if event.channel == PlayerChannel.SNAPSHOT]
        for peer in (observer, pilot)
    )
    return observed, piloted
