"""How much of a shard is listened to: all that its game can have it say, and not much more."""

from __future__ import annotations

from collections import deque
from typing import Any, cast

import msgspec
import numpy as np

from sidereal.game import SYSTEMS, Body, Game, Motion, Transaction
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerOpened, Received
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.protocol.limits import ASKED_PER_TICK_MAX, ASKED_TOGETHER
from sidereal.protocol.message.codec import ASKED_ROW, encode_message
from sidereal.protocol.message.shard import Asked, ShardChannel, ShardHello
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.proposals import encode_proposals
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.links.limits import ShardLinkLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import NUMBERS_MAX
from sidereal.replication.links.volume import Volume

RULES = Rules()
ACTIONS = 8
PEER = 5
STALL_TICKS = int(1.5 * RULES.tick_hz)


def make_game() -> Game:
    game = Game("mines")
    game.kind("rock", Motion(), Body())
    for number in range(ACTIONS):

        def collect(tx: Transaction, ore: int) -> None:
            """Nobody runs it here."""

        collect.__name__ = f"collect_{number}"
        game.action(asked_by=SYSTEMS)(collect)
    return game


GAME = declare(make_game())
SCHEMA = schema_of(GAME)


class Line:
    """In the place of the shard endpoint: what has come, and whom it closes."""

    def __init__(self) -> None:
        self.events: deque[Any] = deque()
        self.closed: list[CloseReason] = []

    def next_event(self) -> Any:
        return self.events.popleft() if self.events else None

    def send(self, peer: int, channel: int, message: bytes) -> None:
        """Nobody listens."""

    def close_peer(self, peer: int, reason: CloseReason, now: float) -> None:
        self.closed.append(reason)


class Rig:
    """A shard that simulates one rock, and what comes of it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.line = Line()
        endpoint = cast(ServerEndpoint, self.line)
        self.link = ShardLink(
            endpoint, SCHEMA, RULES, 0.0, spawning=False, actions=ACTIONS, limits=limits
        )
        self.tick, self.now = 100, 0.0
        self.taken = 0
        self.line.events.append(PeerOpened(PEER, 1, bytes(256), Address("192.0.2.1", 1)))
        self.say(ShardHello(SCHEMA.hash, "one", bytes(16), 1, 1, bytes(16), spare=False))
        self.turn()

    def say(self, message: Any) -> None:
        self.line.events.append(Received(PEER, ShardChannel.LEASE, encode_message(message)))

    def simulate(self, times: int = 1) -> None:
        """Let a tick pass at the shard, whose systems ask so often for every action in it."""
        self.now += RULES.tick_s
        proposal = encode_proposals(self.tick, [])[0].message
        self.line.events.append(Received(PEER, ShardChannel.PROPOSAL, proposal))
        row = np.zeros(1, ASKED_ROW).tobytes()
        for number in range(times * ACTIONS):
            name = f"mines.collect_{number % ACTIONS}"
            self.say(Asked(name, row, msgspec.msgpack.encode([[1]])))
        self.link.pump(self.now)

    def turn(self) -> None:
        """Let a tick pass at the authority."""
        self.tick += 1
        self.link.notice_stall(self.tick, self.now)
        self.link.pump(self.now)
        self.link.attend(self.tick, self.now)
        owned = np.zeros(NUMBERS_MAX + 1)
        owned[1] = 1
        self.link.allow(owned)
        self.taken += len(self.link.take_asked())


def test_a_shard_may_ask_for_every_action_in_every_tick() -> None:
    rig = Rig()
    for _ in range(20 * RULES.tick_hz):
        rig.simulate()
        rig.turn()
    assert rig.link.dropped == {}
    assert (rig.taken, rig.line.closed) == (20 * RULES.tick_hz * ACTIONS, [])


def test_what_it_asks_while_we_stand_still_waits() -> None:
    rig = Rig()
    for _ in range(STALL_TICKS):  # of every action more than one message holds
        rig.simulate(times=2)
    rig.turn()
    assert rig.link.dropped == {}
    assert (rig.taken, rig.line.closed) == (STALL_TICKS * 2 * ACTIONS, [])


def test_a_shard_that_asks_far_too_often_is_fenced() -> None:
    rig = Rig()
    for _ in range(20 * RULES.tick_hz):
        rig.simulate(times=40)
        rig.turn()
        if rig.line.closed:
            break
    assert rig.link.dropped["too_many"] > 0
    assert rig.line.closed == [CloseReason.FENCED]


def test_no_proposal_that_was_acked_is_left_out_and_who_sends_too_many_is_fenced() -> None:
    rig = Rig(Limits(shards=ShardLinkLimits(proposals=4)))
    for _ in range(4):
        rig.simulate(times=0)
    shard = rig.link.shards.of_peer(PEER)
    assert shard is not None
    assert (len(shard.proposals), rig.line.closed) == (4, [])
    rig.simulate(times=0)
    assert rig.line.closed == [CloseReason.CHANNEL_OVERFLOW]
    assert rig.link.dropped == {"too_many": 1}


def test_room_is_made_for_as_many_messages_as_calls_can_take() -> None:
    volume = Volume(SCHEMA, LIMITS.shards, spawning=False, actions=ACTIONS)
    uneven = [1] * (ACTIONS - 1) + [ASKED_PER_TICK_MAX - ACTIONS + 1]
    most = max(sum(-(-calls // ASKED_TOGETHER) for calls in each) for each in (uneven, [512]))
    assert volume.asks >= most
    assert Volume(SCHEMA, LIMITS.shards, spawning=False, actions=0).asks == 0
