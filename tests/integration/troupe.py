"""A replicator with shards and pilots that do only what a test tells them, in virtual time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.channel.spec import ChannelSpec
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import (
    PLAYER_CHANNELS,
    SHARD_CHANNELS,
    UserData,
    encode_user_data,
)
from sidereal.protocol.message.codec import (
    INPUT_ROW,
    LEASE_ROW,
    decode_authority_untrusted,
    decode_server_untrusted,
    encode_message,
)
from sidereal.protocol.message.inputs import (
    Input,
    decode_routed_input_untrusted,
    encode_input,
)
from sidereal.protocol.message.player import Assigned, Hello, PlayerChannel, Role
from sidereal.protocol.message.shard import (
    Adopt,
    Adopted,
    Beat,
    Farewell,
    Grant,
    Release,
    Revoke,
    ShardChannel,
    ShardHello,
    ShardWelcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.state.proposals import encode_proposals
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.replicator import Keys, Outgoing, Replicator
from sidereal.shard.shard import ShardCore

from ..flying import FLYING

SCHEMA = schema_of(FLYING)

RULES = Rules()
SIZE = RULES.sector_size
WALL = 1_700_000_000.0
CLIENTS = Address("192.0.2.1", 4000)
SHARDS = Address("192.0.2.1", 4001)
MOTION = SCHEMA.numbers["motion"]


def rocks(count: int, sectors: int = 1) -> np.ndarray:
    """Rocks at rest, spread along x over so many sectors; a crowd lies in layers."""
    rows = np.zeros(count, SCHEMA.full_record)
    rows["kind"], rows["radius"], rows["mass"] = FLYING.kind_number("asteroid"), 4.0, 10.0
    rows["x"] = np.linspace(50.0, sectors * SIZE - 50.0, count)
    layers = min(max(1, int(10.0 * count / (sectors * SIZE - 100.0))), 100)
    rows["y"] = SIZE / 2 + 9.0 * (np.arange(count) % layers - layers // 2)
    return rows


class Peer:
    """Somebody with a session."""

    def __init__(
        self,
        troupe: Troupe,
        protocol_id: int,
        key: bytes,
        server: Address,
        channels: tuple[ChannelSpec, ...],
        user_data: bytes,
        address: Address,
    ) -> None:
        self.troupe = troupe
        self.address, self.server = address, server
        token = generate_connect_token(
            protocol_id=protocol_id,
            private_key=key,
            client_id=int.from_bytes(troupe.entropy(8), "little"),
            server_addresses=[server],
            user_data=user_data,
            expire_s=-1,
            timeout_s=3,
            wall_now=WALL,
            entropy=troupe.entropy,
        )
        self.endpoint = ClientEndpoint(token, channels, troupe.entropy, troupe.now)
        self.silent = False

    @property
    def closed(self) -> CloseReason | None:
        return self.endpoint.close_reason

    def act(self) -> None:
        """Do what it does every tick."""

    def take(self, event: Received) -> None:
        """Read what it is sent."""


class ScriptedShard(Peer):
    """A shard: it beats, adopts what it is given, and answers inputs if it is told to.

    Attributes:
        answers: whether rows of its ships show their pilots' inputs.
        adopts: whether it says that it has adopted what it was given.
        bodies: what it was given and not released: full records by id.
        given: rows of every `Adopt`, with the tick they came at.
        inputs: rows of all `Adopt` messages' inputs.
        heard: messages by kind.
    """

    def __init__(self, troupe: Troupe, name: str, *, answers: bool = True, **hello: Any) -> None:
        number = len(troupe.peers)
        super().__init__(
            troupe,
            SHARD_PROTOCOL_ID,
            troupe.shard_key,
            SHARDS,
            SHARD_CHANNELS,
            bytes(256),
            Address("198.51.100.1", 5000 + number),
        )
        self.name = name
        self.number = 0
        self.answers, self.adopts = answers, True
        self.bodies: dict[int, np.void] = {}
        self.given: list[tuple[int, int]] = []
        self.inputs: list[tuple[int, int, int]] = []
        self.sectors: set[tuple[int, int]] = set()
        self.heard: Counter[str] = Counter()
        self.words = ""
        self.beats: list[Beat] = []
        self._newest: dict[int, int] = {}
        self._adopted = 0
        incarnation = hello.get("incarnation", troupe.entropy(16))
        session, code = hello.get("session", 1), hello.get("code", bytes(16))
        spare = hello.get("spare", False)
        greeting = ShardHello(SCHEMA.hash, name, incarnation, session, 4711, code, spare)
        self.endpoint.send(ShardChannel.LEASE, encode_message(greeting))

    def act(self) -> None:
        tick = self.troupe.core.tick + 1
        rows = [self.bodies[net_id] for net_id in self._newest if net_id in self.bodies]
        self.propose(rows if self.answers else [], tick)

    def propose(self, rows: list[np.void], tick: int) -> None:
        """Send rows as of a tick, their newest inputs in them."""
        records = np.zeros(len(rows), SCHEMA.exact_record)
        for at, row in enumerate(rows):
            for name in records.dtype.names or ():
                records[name][at] = row[name]
            records["input_seq"][at] = self._newest.get(int(row["id"]), row["input_seq"])
        records["tick"] = tick
        self.send_rows(MOTION, records, tick)

    def send_rows(self, number: int, rows: np.ndarray, tick: int) -> None:
        """Propose rows of a component."""
        for message, _ in encode_proposals(tick, [(number, rows)]):
            self.endpoint.send(ShardChannel.PROPOSAL, message, 0)

    def say_farewell(self, what: str = "", why: str = "") -> None:
        self.endpoint.send(ShardChannel.LEASE, encode_message(Farewell(what, why)))
        self.endpoint.close(self.troupe.now)

    def take(self, event: Received) -> None:
        if event.channel == ShardChannel.GHOST:
            return
        if event.channel == ShardChannel.CONTROLS:
            routed = decode_routed_input_untrusted(event.message, SCHEMA.controls)
            self._newest[routed.net_id] = routed.input.newest_seq
            return
        message = decode_authority_untrusted(event.channel, event.message)
        self.heard[type(message).__name__] += 1
        match message:
            case ShardWelcome(shard=number):
                self.number = number
            case Beat():
                self.beats.append(message)
            case Adopt(rows=body, inputs=inputs, tick=tick):
                rows = np.frombuffer(body, SCHEMA.full_record)
                self.bodies |= dict(zip(rows["id"].tolist(), rows, strict=True))
                self.given.append((tick, len(rows)))
                self.inputs += np.frombuffer(inputs, INPUT_ROW).tolist()
                self._adopted += len(rows)
                if self.adopts:
                    self.endpoint.send(ShardChannel.LEASE, encode_message(Adopted(self._adopted)))
            case Release(rows=body):
                for net_id, epoch in np.frombuffer(body, "<u4").reshape(-1, 2).tolist():
                    if net_id in self.bodies and self.bodies[net_id]["epoch"] < epoch:
                        del self.bodies[net_id]
            case Grant(rows=body) | Revoke(rows=body):
                rows = np.frombuffer(body, LEASE_ROW)
                sectors = set(
                    zip(rows["sector_x"].tolist(), rows["sector_y"].tolist(), strict=True)
                )
                if isinstance(message, Grant):
                    self.sectors |= sectors
                else:
                    self.sectors -= sectors
            case _:
                self.words = getattr(message, "text", self.words)


class RealShard:
    """The shard of the product, as a peer: it simulates."""

    def __init__(self, troupe: Troupe, name: str) -> None:
        self.address = Address("198.51.100.1", 5000 + len(troupe.peers))
        self.server, self.silent = SHARDS, False
        self.core = ShardCore(
            key=troupe.shard_key,
            server=SHARDS,
            name=name,
            incarnation=troupe.entropy(16),
            game=FLYING,
            entropy=troupe.entropy,
            now=troupe.now,
            wall_now=WALL,
            seed=1,
        )

    @property
    def closed(self) -> CloseReason | None:
        return self.core.closed

    @property
    def endpoint(self) -> RealShard:
        return self

    def act(self) -> None:
        """Its core does what it does when it sends."""

    def take(self, event: Received) -> None:
        """Its core does that as well."""

    def handle_timer(self, now: float) -> None:
        """That, too."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        return self.core.turn(now)

    def receive_datagram(self, datagram: bytes, server: Address, now: float) -> None:
        self.core.receive_datagram(datagram, server, now)

    def next_event(self) -> None:
        """Events stay inside."""


class ScriptedPilot(Peer):
    """A pilot that makes an input per tick while `presses` is set, and sends the newest 16."""

    def __init__(self, troupe: Troupe) -> None:
        number = len(troupe.peers)
        # An anonymous player: its ship is asked of no database.
        user = UserData(0, Role.PLAYER, f"pilot {number}", troupe.entropy(16))
        super().__init__(
            troupe,
            CLIENT_PROTOCOL_ID,
            bytes(32),
            CLIENTS,
            PLAYER_CHANNELS,
            encode_user_data(user),
            Address(f"203.0.113.{1 + number}", 5000),
        )
        self.presses = True
        self.net_id = self.control_epoch = 0
        self.held: list[int] = []
        self.endpoint.send(PlayerChannel.COMMAND, encode_message(Hello(SCHEMA.hash, "test")))

    def act(self) -> None:
        if not self.net_id or not self.presses:
            return
        self.held.append(len(self.held) % 3)
        newest = self.held[-16:]
        first = len(self.held) - len(newest) + 1
        self.press(Input(self.control_epoch, first, tuple(newest)))

    def press(self, message: Input) -> None:
        """Send an input."""
        self.endpoint.send(PlayerChannel.CONTROLS, encode_input(message, SCHEMA.controls))

    def take(self, event: Received) -> None:
        if event.channel == PlayerChannel.COMMAND:
            message = decode_server_untrusted(event.channel, event.message)
            if isinstance(message, Assigned):
                self.net_id, self.control_epoch = message.net_id, message.control_epoch


class Troupe:
    """Everybody, and the network, which takes no time and loses nothing."""

    def __init__(self, records: np.ndarray, limits: Limits = LIMITS) -> None:
        rng = np.random.default_rng(1)
        self.entropy = rng.bytes
        self.shard_key = bytes(range(32))
        self.now = 100.0
        self.core = Replicator(
            game=FLYING,
            rules=RULES,
            keys=Keys(bytes(32), self.shard_key),
            client_addresses=[CLIENTS],
            shard_addresses=[SHARDS],
            clients_max=32,
            entropy=self.entropy,
            rng=rng,
            now=self.now,
            limits=limits,
        )
        self.core.create(records)
        self.peers: list[Peer | RealShard] = []

    def shard(self, name: str, ticks: int = 4, **more: Any) -> ScriptedShard:
        """Connect a shard."""
        shard = ScriptedShard(self, name, **more)
        self.peers.append(shard)
        self.run(ticks)
        return shard

    def real_shard(self, name: str, ticks: int = 8) -> RealShard:
        """Connect one that simulates."""
        shard = RealShard(self, name)
        self.peers.append(shard)
        self.run(ticks)
        return shard

    def pilot(self, ticks: int = 4) -> ScriptedPilot:
        """Connect a pilot."""
        pilot = ScriptedPilot(self)
        self.peers.append(pilot)
        self.run(ticks)
        return pilot

    def owner_of(self, net_id: int) -> int:
        row = self.core.world.columns.rows_of(np.array([net_id]))[0]
        return int(self.core.world.columns["shard"][row])

    def owners(self) -> dict[int, int]:
        """How many entities each shard simulates."""
        columns = self.core.world.columns
        return dict(Counter(columns["shard"][columns.rows()].tolist()))

    def put(self, net_id: int, x: float, y: float = SIZE / 2) -> None:
        """Move an entity, as if it had always been there."""
        row = self.core.world.columns.rows_of(np.array([net_id]))
        self.core.world.columns["x"][row], self.core.world.columns["y"][row] = x, y

    def run(self, ticks: int, tick_s: float = RULES.tick_s) -> None:
        """Let so many ticks pass."""
        for _ in range(ticks):
            self.now += tick_s
            for peer in self.peers:
                if not peer.silent:
                    if peer.closed is None:
                        peer.act()
                    self._hear(peer)
            self._speak(self.core.turn(self.now, WALL))

    def _hear(self, peer: Peer | RealShard) -> None:
        core = self.core
        receive = core.receive_shards if peer.server == SHARDS else core.receive_clients
        peer.endpoint.handle_timer(self.now)
        datagrams = [
            (datagram, peer.address) for datagram, _ in peer.endpoint.datagrams_to_send(self.now)
        ]
        receive(datagrams, self.now, WALL)

    def _speak(self, outgoing: Outgoing) -> None:
        by_address = {peer.address: peer for peer in self.peers}
        for datagrams, server in ((outgoing.shards, SHARDS), (outgoing.clients, CLIENTS)):
            for datagram, address in datagrams:
                peer = by_address[address]
                if not peer.silent:
                    peer.endpoint.receive_datagram(datagram, server, self.now)
        for peer in self.peers:
            while (event := peer.endpoint.next_event()) is not None:
                if isinstance(event, Received):
                    peer.take(event)
