"""Targets of the two servers: what clients and shards tell the authority, and it tells a shard."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Final

import numpy as np
from authority import RULES, Authority, ships
from ends import CLIENT, PRIVATE_KEY, SERVER, WALL, End, exchange
from played import GAME, SCHEMA
from target import Target, join, split
from targets_message import (
    BURST,
    authority_messages,
    client_messages,
    ghost_messages,
    lease_rows,
    proposals,
    routed_inputs,
    shard_messages,
)

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerOpened
from sidereal.protocol.ids import SHARD_PROTOCOL_ID
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.links import PLAYER_CHANNELS, SHARD_CHANNELS
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.inputs import Input, encode_input
from sidereal.protocol.message.player import Hello, PlayerChannel, Role
from sidereal.protocol.message.shard import Adopt, Grant, ShardChannel, ShardHello, ShardWelcome
from sidereal.shard.shard import ShardCore

WAIT: Final = 7
"""What the low three bits of an act say when they name no channel."""

EPOCH_GRANTED: Final = 2
"""Of what the only shard simulates."""


def run_playerlink(body: bytes) -> None:
    """Let a pilot and an observer say what the input says; bit 3 of an act chooses who."""
    authority = Authority(ships(2))
    pilot, observer = (authority.connect_client(role) for role in (Role.PLAYER, Role.OBSERVER))
    hello = encode_message(Hello(SCHEMA.hash, "fuzz"))
    pilot.endpoint.send(PlayerChannel.COMMAND, hello)
    authority.run(1)
    for act, content in split(body):
        channel = act & 7
        if channel >= len(PLAYER_CHANNELS):
            authority.run(1 + len(content) % 4)
        elif channel == PlayerChannel.COMMAND or len(content) <= UNRELIABLE_SIZE_MAX:
            (observer if act & 8 else pilot).endpoint.send(channel, content)
            authority.carry()
    authority.run(2)
    check_authority(authority)


def run_shardlink(body: bytes) -> None:
    """Let a shard that owns what there is, and one that has not said hello, say it."""
    authority = Authority(ships(2))
    owner, stranger = authority.connect_shard(), authority.connect_shard()
    hello = encode_message(ShardHello(SCHEMA.hash, "one", bytes(16), 1, 1, bytes(16), spare=False))
    owner.endpoint.send(ShardChannel.LEASE, hello)
    authority.run(2)
    for act, content in split(body):
        channel = act & 7
        if channel >= len(SHARD_CHANNELS):
            authority.run(1 + len(content) % 4)
        elif channel == ShardChannel.LEASE or len(content) <= UNRELIABLE_SIZE_MAX:
            (stranger if act & 8 else owner).endpoint.send(channel, content)
            authority.carry()
    authority.run(2)
    check_authority(authority)


def check_authority(authority: Authority) -> None:
    """Check that nothing a peer said has spoilt the world."""
    columns = authority.core.world.columns
    rows = columns.rows()
    assert len(rows) >= 2
    assert SCHEMA.valid_rows(columns.store(rows, SCHEMA.full_record)).all()
    assert (columns.tick[rows] <= authority.core.tick + RULES.tick_hz).all()


def player_seeds() -> Iterator[bytes]:
    hello, look, call = ((PlayerChannel.COMMAND, message) for message in client_messages())
    controls = [
        (PlayerChannel.CONTROLS, encode_input(Input(epoch, seq, (1, 2)), SCHEMA.controls))
        for epoch, seq in ((1, 1), (1, 2), (0, 3), (1, 9000))
    ]
    watched = [(8 | channel, message) for channel, message in (hello, look, call)]
    yield join(*controls, (WAIT, b""), call, look, (WAIT, b""))
    yield join(*watched, (WAIT, b"1"), hello)
    yield join(*([call] * 9), (8 | PlayerChannel.COMMAND, hello[1][:-1]), (WAIT, bytes(3)))


def shard_seeds() -> Iterator[bytes]:
    hello, load, farewell, _, asked, more_ids, drain = (
        (ShardChannel.LEASE, message) for message in shard_messages()
    )
    proposed = [
        (ShardChannel.PROPOSAL, message)
        for tick in (3, 4, 2, 60)
        for message in proposals((1, 2), 2, tick, EPOCH_GRANTED)
    ]
    # Of a component that shards do not write.
    proposed += [(ShardChannel.PROPOSAL, *proposals((3,), 1, 61, EPOCH_GRANTED))]
    burst = (ShardChannel.PROPOSAL, *proposals((BURST,), 3, 5, EPOCH_GRANTED))
    yield join(
        *proposed[:2], (WAIT, b""), (ShardChannel.BEAT, load[1]), *proposed[2:], burst, burst
    )
    yield join(*((8 | channel, message) for channel, message in (hello, *proposed[:2])))
    yield join(more_ids, farewell, (WAIT, b""), proposed[0], more_ids)
    yield join(proposed[0], drain, (WAIT, b"12"), proposed[1], drain, farewell)
    yield join(asked, (WAIT, b""), proposed[0], asked, (ShardChannel.LEASE, asked[1][:-1]))


# -- a shard --------------------------------------------------------------------------------------


def run_shard(body: bytes) -> None:
    """Tell a shard what the input says, on its five channels; it has a ship and ticks on."""
    now = 0.0
    server = ServerEndpoint(
        protocol_id=SHARD_PROTOCOL_ID,
        private_key=PRIVATE_KEY,
        public_addresses=[SERVER],
        slots_max=1,
        channels=SHARD_CHANNELS,
        entropy=random.Random(1).randbytes,
        now=now,
    )
    core = ShardCore(
        key=PRIVATE_KEY,
        server=SERVER,
        name="fuzz",
        incarnation=bytes(16),
        game=GAME,
        entropy=random.Random(2).randbytes,
        now=now,
        wall_now=WALL,
        seed=1,
    )
    there = End(
        lambda: server.datagrams_to_send(now),
        lambda datagram, address: server.receive_datagram(datagram, address, now, WALL),
    )
    here = End(
        lambda: core.turn(now),
        lambda datagram, address: core.receive_datagram(datagram, address, now),
    )
    exchange(there, {CLIENT: here})
    opened = server.next_event()
    assert isinstance(opened, PeerOpened)
    if body[:1] != b"\1":
        for message in (
            ShardWelcome(1, RULES, 5),
            Grant(5, lease_rows(2)),
            Adopt(5, ships(2).tobytes(), b""),
        ):
            server.send(opened.peer, ShardChannel.LEASE, encode_message(message))
    for act, content in split(body[1:]):
        channel = act & 7
        if channel >= len(SHARD_CHANNELS):
            now += len(content) / 100
        elif channel == ShardChannel.LEASE or len(content) <= UNRELIABLE_SIZE_MAX:
            server.send(opened.peer, channel, content)
        exchange(there, {CLIENT: here})
        if body[:1] == b"\2":
            core.drain(now)
        while server.next_event() is not None:
            pass
    exchange(there, {CLIENT: here})
    check_shard(core, now)


def check_shard(core: ShardCore, now: float) -> None:
    """Check that what a shard simulates is in order, and what it is told to is within reach."""
    numbers = core.statistics()
    assert math.isfinite(numbers.lead_s)
    if core.bodies is not None and core.ghosts is not None:
        columns = core.bodies.columns
        records = columns.store(columns.rows(), SCHEMA.full_record)
        assert SCHEMA.valid_rows(records).all()
        assert np.isfinite(core.ghosts.positions(core.tick)).all()
    due_at = core.next_tick_at()
    assert due_at is None or math.isfinite(due_at)
    core.close(now)
    assert core.closed is not None


def authority_seeds() -> Iterator[bytes]:
    welcome, refused, grant, revoke, adopt, release, ids, amend, *rest = authority_messages()
    dismiss, shadows, beat = rest
    (pressed,) = routed_inputs()
    wait = WAIT, bytes(5)
    ghosts = [
        (ShardChannel.GHOST, message) for tick in (5, 9) for message in ghost_messages(3, tick)
    ]
    told = grant, ids, adopt, amend, release, revoke, shadows
    bulk = [(ShardChannel.LEASE, message) for message in told]
    swift = [(ShardChannel.BEAT, beat), (ShardChannel.CONTROLS, pressed)]
    yield b"\0" + join(wait, *swift, wait, *ghosts[:1], wait, *bulk[4:], wait, *ghosts)
    yield b"\0" + join(*bulk, wait, wait, (WAIT, bytes(80)), (ShardChannel.LEASE, refused))
    yield b"\1" + join(*swift, *ghosts[:1], (ShardChannel.LEASE, welcome), *bulk[:4], wait)
    yield b"\1" + join((ShardChannel.LEASE, refused), (ShardChannel.LEASE, welcome))
    yield b"\2" + join(wait, *swift, (ShardChannel.LEASE, dismiss), wait, *bulk[:3])
    yield b"\3" + join(*ghosts, *bulk[-1:], wait, *bulk[2:3], wait, *bulk[4:], wait, *ghosts)


LINK: Final = "replication.links.{0}link.{1}Link._receive_untrusted"
TARGETS: Final = (
    Target(LINK.format("player", "Player"), run_playerlink, player_seeds, (), 4096, 24),
    Target(LINK.format("shard", "Shard"), run_shardlink, shard_seeds, (), 4096, 24),
    Target("shard.shard.ShardCore._receive_untrusted", run_shard, authority_seeds, (), 4096, 40),
)
