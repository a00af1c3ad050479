"""The foreign client plays with a real authority and a real shard, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game.schema import schema_of
from sidereal.protocol.channel.events import PeerClosed
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, derive_shard_key, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.protocol.testing.link import Link, LinkConfig
from sidereal.replication.replicator import Keys, Replicator
from sidereal.shard.shard import ShardCore

from ..flying import FLYING
from .foreign.client import Client, strange_client
from .foreign.described import control_codes, event_sorts
from .foreign.description import read_description, schema_hash
from .foreign.handshake import State
from .foreign.inputs import THAT_SHIPS
from .foreign.messages import Message
from .recorder.transcript import STEP_S, WALL_START, overheard

SCHEMA_HASH = schema_of(FLYING).hash
"""As the answer to the request for a session has it."""
CLIENTS, SHARDS = Address("192.0.2.1", 4000), Address("192.0.2.1", 4001)
NOBODY = Address("192.0.2.2", 4000)
AT, SHARD_AT = Address("203.0.113.1", 50_000), Address("198.51.100.1", 50_001)
RULES = Rules(tick_hz=16)
GOOD = LinkConfig(delay_s=0.02)
BAD = LinkConfig(delay_s=0.03, loss=0.15, duplication=0.1, reordering=0.2, reordering_s=0.06)
THRUST, LEFT = 1, 4
KEY = bytes(range(16))
"""Of a call."""


def foreign(address: Address) -> tuple[bytes, int]:
    return bytes(map(int, address.host.split("."))), address.port


class Stage:
    """A world with one shard, next to which foreign clients come and go.

    Attributes:
        clients: foreign ones, by their addresses.
        closed: why their sessions ended, as the server has it.
    """

    def __init__(self, config: LinkConfig, clients_max: int = 4, seed: int = 1) -> None:
        self.now = 0.0
        self.rng = np.random.default_rng(seed)
        self.key = self.rng.bytes(32)
        self.clients: dict[Address, Client] = {}
        self.closed: list[CloseReason] = []
        self.core = Replicator(
            game=FLYING,
            rules=RULES,
            keys=Keys(self.key, derive_shard_key("5e" * 16)),
            client_addresses=[CLIENTS],
            shard_addresses=[SHARDS],
            clients_max=clients_max,
            entropy=self.rng.bytes,
            rng=self.rng,
            now=0.0,
        )
        self.core.create(make_rocks())
        self.shard = ShardCore(
            key=derive_shard_key("5e" * 16),
            server=SHARDS,
            name="staged",
            incarnation=bytes(16),
            game=FLYING,
            entropy=self.rng.bytes,
            now=0.0,
            wall_now=WALL_START,
            seed=1,
        )
        self.silent = False
        self._config = config
        self._links: dict[tuple[Address, Address], Link] = {}
        self._on_its_way: list[tuple[float, Address, Address, bytes]] = []

    def issue_token(
        self,
        *servers: Address,
        role: Role = Role.PLAYER,
        account: int = 7,
        expire_s: int = 30,
        timeout_s: int = 2,
    ) -> bytes:
        user = UserData(account, role, "Grace", self.rng.bytes(16))
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=self.key,
            client_id=int.from_bytes(self.rng.bytes(8), "little"),
            server_addresses=servers or [CLIENTS],
            user_data=encode_user_data(user),
            expire_s=expire_s,
            timeout_s=timeout_s,
            wall_now=WALL_START + self.now,
            entropy=self.rng.bytes,
        )

    def enter(self, token: bytes, at: Address = AT, schema_hash: bytes = SCHEMA_HASH) -> Client:
        """Let a foreign client begin to connect."""
        self.clients[at] = Client(token, schema_hash, 1 << 20, self.now)
        return self.clients[at]

    def come_again(self, token: bytes, at: Address, description: bytes) -> Client:
        """Let a foreign client begin to connect that knows the world by its description."""
        self.clients[at] = strange_client(token, description, 1 << 20, self.now)
        return self.clients[at]

    def run(self, seconds: float, per_tick: Callable[[], None] = lambda: None) -> None:
        """Let time pass."""
        with overheard(self._listen):
            for _ in range(round(seconds / STEP_S)):
                self.now += STEP_S
                if round(self.now / STEP_S) % 16 == 0:
                    per_tick()
                self._turn()

    def said(self, client: Client, name: str) -> list[Message]:
        return [message for message in client.messages if message["message"] == name]

    def _turn(self) -> None:
        now, wall_now, core = self.now, WALL_START + self.now, self.core
        self._deliver()
        outgoing = core.turn(now, wall_now)
        for request in core.berths.take_requests():
            core.berths.deliver(request, None)  # nobody has flown before
        self._send(SHARDS, outgoing.shards)
        self._send(CLIENTS, [] if self.silent else outgoing.clients)
        self._send(SHARD_AT, self.shard.turn(now))
        for at, client in self.clients.items():
            for datagram, (host, port) in client.datagrams(now):
                self._send(at, [(datagram, Address(".".join(map(str, host)), port))])

    def _deliver(self) -> None:
        now, wall_now = self.now, WALL_START + self.now
        due = sorted(entry for entry in self._on_its_way if entry[0] <= now)
        self._on_its_way = [entry for entry in self._on_its_way if entry[0] > now]
        for _, source, destination, datagram in due:
            if destination == CLIENTS:
                self.core.receive_clients([(datagram, source)], now, wall_now)
            elif destination == SHARDS:
                self.core.receive_shards([(datagram, source)], now, wall_now)
            elif destination == SHARD_AT:
                self.shard.receive_datagram(datagram, source, now)
            elif destination in self.clients:
                self.clients[destination].receive(datagram, foreign(source), now)

    def _send(self, source: Address, datagrams: list[tuple[bytes, Address]]) -> None:
        for datagram, destination in datagrams:
            near = SHARDS in (source, destination)
            link = self._links.setdefault(
                (source, destination),
                Link(GOOD if near else self._config, np.random.default_rng(len(self._links))),
            )
            for at in link.transmit(len(datagram), self.now):
                self._on_its_way.append((at, source, destination, datagram))

    def _listen(self, endpoint: object, event: object) -> None:
        if endpoint is self.core.clients.endpoint and isinstance(event, PeerClosed):
            self.closed.append(event.reason)


def make_rocks() -> np.ndarray:
    """Strew rocks, drifting at all speeds, over a few sectors."""
    row, column = np.divmod(np.arange(144), 12)
    rocks = np.zeros(144, BASE_SCHEMA.full_record)
    rocks["x"], rocks["y"] = column * 150.0 - 700.0, row * 150.0 - 700.0
    rocks["vx"], rocks["vy"] = row - 5.0, 5.0 - column
    rocks["heading"], rocks["spin"] = row / 4 - 1.0, column / 8
    rocks["kind"], rocks["radius"], rocks["mass"] = FLYING.kind_number("asteroid"), 4.0, 9.0
    rocks["name"] = [f"rock {number}".encode() for number in range(144)]
    return rocks


def check_picture(stage: Stage, client: Client, least: int) -> None:
    """Everything in the window is where the server has it, and nothing else is there."""
    replica = client.content.replica
    assert replica is not None
    present = stage.core.world.present(stage.core.tick)
    ids = stage.core.world.columns.net_id[present.rows].tolist()
    truth = {
        number: (x, y)
        for number, x, y in zip(ids, present.x.tolist(), present.y.tolist(), strict=True)
    }
    seen = replica.visible()
    for number, entity in seen.items():
        reference = entity.reference
        assert reference is not None
        elapsed_s = (stage.core.tick - reference.tick) / RULES.tick_hz
        x = reference.x + reference.vx * elapsed_s
        y = reference.y + reference.vy * elapsed_s
        # What clients are told may be off by 0.05, and what was lost is not told yet.
        assert math.dist((x, y), truth[number]) < 1.0
    cell_size, side = RULES.cell_size, RULES.view_radius_cells
    centre = replica.centre
    inside = {
        number
        for number, (x, y) in truth.items()
        if abs(x // cell_size - centre[0]) < side and abs(y // cell_size - centre[1]) < side
    }
    assert inside <= seen.keys()
    assert len(seen) >= least
    leases = stage.core.mesh.leases.rows()[["sector_x", "sector_y", "shard"]].tolist()
    assert client.content.holders == {(x, y): shard for x, y, shard in leases}


@pytest.mark.parametrize("config", [GOOD, BAD], ids=["good", "bad"])
def test_client_joins_flies_talks_and_leaves(config: LinkConfig) -> None:
    stage = Stage(config)
    client = stage.enter(stage.issue_token())
    stage.run(2.0)
    assert client.session.state is State.CONNECTED
    assert client.session.slot == (0, 8)
    (welcome,) = stage.said(client, "Welcome")
    assert (welcome["account"], welcome["role"], welcome["name"]) == (7, 1, "Grace")
    (assigned,) = stage.said(client, "Assigned")
    check_picture(stage, client, 10)

    replica = client.content.replica
    assert replica is not None
    begin = replica.pilot.own
    assert begin is not None
    assert (begin.id, begin.control_epoch) == (assigned["id"], assigned["control_epoch"])
    stage.run(2.0, lambda: client.hold(THRUST | LEFT))
    client.call(KEY, "talk.say", "hello from abroad")
    stage.run(1.0, lambda: client.hold(THRUST))
    stage.run(1.0, lambda: client.hold(0))
    check_picture(stage, client, 10)
    own = replica.pilot.own
    assert own is not None
    assert own.newest_input > 55
    assert math.hypot(own.vx, own.vy) > 20
    assert math.dist((own.x, own.y), (begin.x, begin.y)) > 20
    (line,) = stage.said(client, "Told")
    assert line["text"] == "Grace: hello from abroad"
    (receipt,) = stage.said(client, "Receipt")
    assert (receipt["key"], receipt["outcome"], receipt["text"]) == (KEY, 0, "")

    client.close(stage.now)
    stage.run(0.25)
    assert stage.closed == [CloseReason.CLOSED_BY_PEER]
    statistics = stage.core.clients.endpoint.statistics()
    assert statistics.payloads_malformed == 0
    assert stage.core.clients.dropped.total() == 0


def test_what_the_client_acks_is_not_told_again() -> None:
    stage = Stage(GOOD)
    client = stage.enter(stage.issue_token())
    stage.run(2.0)
    told = stage.core.edge.fanout.statistics().replaced
    stage.run(2.0)
    assert stage.core.edge.fanout.statistics().replaced == told
    assert client.session.state is State.CONNECTED


def test_observer_looks_elsewhere() -> None:
    stage = Stage(BAD)
    client = stage.enter(stage.issue_token(role=Role.OBSERVER))
    stage.run(1.0)
    client.look_at(600.0, 600.0)
    stage.run(2.0)
    assert client.content.replica is not None
    assert client.content.replica.centre == (2, 2)
    check_picture(stage, client, 10)


def test_anonymous_player_has_an_account_below_zero() -> None:
    stage = Stage(GOOD)
    client = stage.enter(stage.issue_token(account=0))
    stage.run(1.0)
    (welcome,) = stage.said(client, "Welcome")
    assert welcome["account"] == -1


def test_client_of_another_schema_is_told_why_it_is_refused() -> None:
    stage = Stage(BAD)
    client = stage.enter(stage.issue_token(), schema_hash=bytes(16))
    stage.run(3.0)
    assert client.content.refused == CloseReason.SCHEMA_MISMATCH
    assert client.session.state is State.DISCONNECTED
    assert schema_hash(client.content.description) == SCHEMA_HASH
    world = read_description(client.content.description)
    motion = [field.name for field in world.components[0].fields]
    assert motion == ["x", "y", "vx", "vy", "heading", "spin"]
    begin = {
        kind.name: [world.components[n - 1].name for n in kind.components] for kind in world.kinds
    }
    assert begin["asteroid"] == ["motion", "body", "owner"]
    assert control_codes(world) == THAT_SHIPS
    assert [sort.is_private for sort in event_sorts(world).values()] == [False]


def test_a_client_that_knows_no_world_learns_it_from_its_refusal() -> None:
    stage = Stage(GOOD)
    stranger = stage.enter(stage.issue_token(), schema_hash=bytes(16))
    stage.run(1.5)
    described = stranger.content.description
    client = stage.come_again(stage.issue_token(), Address("203.0.113.2", 50_000), described)
    stage.run(2.0, lambda: client.hold(THRUST))
    assert stage.said(client, "Welcome")[0]["schema_hash"] == schema_hash(described)
    check_picture(stage, client, 10)
    assert client.applied > 10
    assert client.malformed == 0


def test_newest_login_wins() -> None:
    stage = Stage(GOOD)
    first = stage.enter(stage.issue_token())
    stage.run(1.0)
    second = stage.enter(stage.issue_token(), Address("203.0.113.2", 50_000))
    stage.run(3.0)
    assert first.content.refused == CloseReason.LOGGED_IN_ELSEWHERE
    assert second.session.state is State.CONNECTED


def test_client_is_told_that_the_world_is_full_and_denied_when_all_slots_are_taken() -> None:
    stage = Stage(GOOD, clients_max=1)
    stage.enter(stage.issue_token())
    stage.run(1.0)
    late = [
        stage.enter(stage.issue_token(account=account), Address("203.0.113.2", 50_000 + account))
        for account in (8, 9)
    ]
    stage.run(2.0)
    assert {client.content.refused for client in late} == {None, CloseReason.WORLD_FULL}
    states = {client.session.state for client in late}
    assert states == {State.DISCONNECTED, State.CONNECTION_DENIED}


def test_client_goes_on_to_the_next_server() -> None:
    stage = Stage(BAD)
    client = stage.enter(stage.issue_token(NOBODY, CLIENTS))
    stage.run(5.0)
    assert client.session.state is State.CONNECTED
    assert client.session.address == foreign(CLIENTS)


def test_client_notices_silence_before_and_after_it_connects() -> None:
    stage = Stage(GOOD)
    early = stage.enter(stage.issue_token(NOBODY))
    late = stage.enter(stage.issue_token(), Address("203.0.113.2", 50_000))
    stage.run(1.0)
    stage.silent = True
    stage.run(2.5)
    assert early.session.state is State.CONNECTION_REQUEST_TIMED_OUT
    assert late.session.state is State.CONNECTION_TIMED_OUT


def test_client_notices_silence_after_the_challenge() -> None:
    stage = Stage(GOOD)
    client = stage.enter(stage.issue_token())
    for _ in range(60):
        if client.session.state is State.SENDING_CONNECTION_REQUEST:
            stage.run(STEP_S)
    assert client.session.state is State.SENDING_CONNECTION_RESPONSE
    stage.silent = True
    stage.run(2.5)
    assert client.session.state is State.CONNECTION_RESPONSE_TIMED_OUT


def test_attempt_does_not_outlast_the_token() -> None:
    stage = Stage(GOOD)
    client = stage.enter(stage.issue_token(NOBODY, CLIENTS, expire_s=1))
    stage.run(1.5)
    assert client.session.state is State.CONNECT_TOKEN_EXPIRED


def test_token_that_is_no_good_ends_the_attempt_at_once() -> None:
    stage = Stage(GOOD)
    token = stage.issue_token()
    assert stage.enter(token[:-1]).session.state is State.INVALID_CONNECT_TOKEN
    assert stage.enter(b"?" + token[1:]).session.state is State.INVALID_CONNECT_TOKEN
    stage.run(0.5)
    assert stage.core.clients.endpoint.statistics().session.datagrams_in == 0


def test_token_that_was_tampered_with_is_answered_by_nobody() -> None:
    stage = Stage(GOOD)
    token = bytearray(stage.issue_token())
    token[100] ^= 1
    client = stage.enter(bytes(token))
    stage.run(2.5)
    assert client.session.state is State.CONNECTION_REQUEST_TIMED_OUT
