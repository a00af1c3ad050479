"""Targets of the client: snapshots, what is made of them, and the whole of one session."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby
from typing import Final

import numpy as np
from authority import RULES, record_snapshots
from ends import CLIENT, PRIVATE_KEY, SERVER, WALL, End, exchange, issue_token
from played import GAME, SCHEMA
from target import Target, join, split
from targets_message import server_messages

from sidereal.client.client import Client
from sidereal.client.endings import Endings
from sidereal.client.glance import Glance
from sidereal.client.inputs import Inputs, Keys
from sidereal.client.leases import LeaseMap
from sidereal.client.limits import LIMITS
from sidereal.client.placeless import Placeless
from sidereal.client.replica import Replica
from sidereal.client.smoothing import Smoothing
from sidereal.client.timeline import Moment
from sidereal.client.view import NOTHING, View, compose_view
from sidereal.game import AUTHORITY, F4, Component, Game, Motion, Text, field
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerOpened
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_NONE
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.links import PLAYER_CHANNELS
from sidereal.protocol.message.codec import HOLDER_ROW, decode_server_untrusted, encode_message
from sidereal.protocol.message.player import Leases, PlayerChannel, Values
from sidereal.protocol.state.snapshot import (
    gather,
    glance_untrusted,
    read_snapshot_untrusted,
)

WAIT: Final = 7
"""An act whose low three bits name no channel."""


def read_snapshot(body: bytes) -> None:
    snapshot = read_snapshot_untrusted(SCHEMA, RULES, body)
    every = gather(SCHEMA, [snapshot])
    sections = len(snapshot.sections)
    assert (every.from_tick <= every.to_tick).all()
    assert (every.to_tick <= snapshot.tick).all()
    assert (every.part < every.parts).all()
    assert sum(rows for _, _, rows, *_ in snapshot.spans) == sum(map(len, every.rows.values()))
    for of in every.section.values():
        assert ((of >= 0) & (of < sections)).all()
    tick, private = glance_untrusted(SCHEMA, RULES, body)
    assert tick == snapshot.tick
    assert private == snapshot.private


def read_private(body: bytes) -> None:
    tick, private = glance_untrusted(SCHEMA, RULES, body)
    assert 0 <= tick < 1 << 32
    assert private is None or private.from_tick <= private.to_tick == tick


def glance(body: bytes) -> None:
    reader = Glance(SCHEMA, RULES)
    reader.apply_untrusted(record_snapshots()[0][:1], 1.0)
    for applied in reader.apply_untrusted([body], 1.05):
        assert applied.own is None or np.isfinite(applied.own.state).all()


def answer_inputs(body: bytes) -> None:
    """Answer inputs, some of which were made."""
    inputs, keys = Inputs(RULES.tick_s, first_at=0.0), Keys(SCHEMA.controls)
    keys.hold(1)
    for tick in range(5):
        inputs.press(keys, tick * RULES.tick_s)
    inputs.message(1)
    for at in range(0, len(body), 4):
        number = int.from_bytes(body[at : at + 4], "little")
        inputs.answer_untrusted(number, 1.0)
        left = inputs.message(1)
        assert number > inputs.made or left is None or left.first_seq > number


def input_seeds() -> Iterator[bytes]:
    yield b"".join(number.to_bytes(4, "little") for number in (1, 3, 2, 9, LIMITS.inputs))


def run_replica(body: bytes) -> None:
    """Apply several snapshots, as many at once as was said; what is refused changes nothing."""
    replica, now = Replica(SCHEMA, RULES, 8), 0.0
    for _, group in groupby(split(body), lambda part: part[0]):
        messages = [message for _, message in group]
        now += RULES.tick_s
        before = _picture(replica)
        if not replica.apply_untrusted(messages, now):
            assert _picture(replica) == before
        replica.expire(replica.newest_tick)
        assert (replica.have <= replica.newest_tick).all()
        _check_view(draw(replica))


def draw(replica: Replica) -> View:
    now = replica.newest_tick + 2.5
    moment, ends = Moment(now, now - 2.0, 1.5), Endings(GAME)
    return compose_view(replica, RULES, moment, 1, None, NOTHING, Smoothing(), ends)


def _picture(replica: Replica) -> tuple[bytes, ...]:
    rows = replica.columns.rows()
    records = replica.columns.store(rows, SCHEMA.full_record)
    return rows.tobytes(), records.tobytes(), replica.have.tobytes(), replica.stamp.tobytes()


def _check_view(view: View) -> None:
    for column in (view.x, view.y, view.vx, view.vy, view.heading, view.authority_x):
        assert len(column) == len(view)
        assert np.isfinite(column).all()


def snapshot_seeds() -> list[bytes]:
    """Give one snapshot of every size."""
    return list({len(message): message for told in record_snapshots() for message in told}.values())


def replica_seeds() -> Iterator[bytes]:
    observed, piloted = record_snapshots()
    yield join(*((at % 2, message) for at, message in enumerate(observed[:12])))
    yield join(*((at // 3, message) for at, message in enumerate(reversed(observed[12:]))))
    yield join(*((0, message) for message in piloted[:7]))


def read_leases(body: bytes) -> None:
    """Apply one message after another; what is known stays within the newest one's square."""
    leases = LeaseMap()
    for _, content in split(body):
        message = decode_server_untrusted(PlayerChannel.LEASES, content)
        assert isinstance(message, Leases)
        leases.apply_untrusted(message)
        off_x = np.abs(leases.rows["sector_x"].astype(np.int64) - message.sector_x)
        off_y = np.abs(leases.rows["sector_y"].astype(np.int64) - message.sector_y)
        assert np.maximum(off_x, off_y).max(initial=0) <= message.radius
        assert (leases.rows["shard"] != SHARD_NONE).all()


def lease_seeds() -> Iterator[bytes]:
    first = server_messages()[3]
    rows = np.array([(-1, 0, 3), (1, 1, 0)], HOLDER_ROW).tobytes()
    yield join((0, first), *((0, encode_message(Leases(9, -2, 2, r, rows))) for r in (4, 4, 1)))
    yield join((0, encode_message(Leases(9, (1 << 31) - 1, -(1 << 31), 1, b""))))


# -- a session ------------------------------------------------------------------------------------


def run_client(body: bytes) -> None:
    """Tell a client, made as the first byte says, what the input says on its channels."""
    now = 0.0
    server = ServerEndpoint(
        protocol_id=CLIENT_PROTOCOL_ID,
        private_key=PRIVATE_KEY,
        public_addresses=[SERVER],
        slots_max=1,
        channels=PLAYER_CHANNELS,
        entropy=random.Random(1).randbytes,
        now=now,
    )
    client = Client(
        issue_token(CLIENT_PROTOCOL_ID),
        game=GAME,
        entropy=random.Random(2).randbytes,
        now=now,
        software="fuzz",
        mirror=body[:1] != b"\1",
    )
    client.hold(SCHEMA.controls.all_bits)
    there = End(
        lambda: server.datagrams_to_send(now),
        lambda datagram, address: server.receive_datagram(datagram, address, now, WALL),
    )
    here = End(
        lambda: client.turn(now),
        lambda datagram, address: client.receive_datagram(datagram, address, now),
    )
    exchange(there, {CLIENT: here})
    opened = server.next_event()
    assert isinstance(opened, PeerOpened)
    for act, content in split(body[1:]):
        channel = act & 7
        if channel >= len(PLAYER_CHANNELS):
            now += len(content) / 100
        elif channel == PlayerChannel.COMMAND or len(content) <= UNRELIABLE_SIZE_MAX:
            server.send(opened.peer, channel, content)
        server.handle_timer(now, WALL)
        exchange(there, {CLIENT: here})
        while server.next_event() is not None:
            pass
        while client.next_event() is not None:
            pass
        _check_view(client.view(now))
    client.statistics()
    client.leave(now)


def client_seeds() -> Iterator[bytes]:
    welcome, refused, assigned, leases, line, notice, _, receipt, values = (
        (PlayerChannel.COMMAND, message) for message in server_messages()
    )
    leases = (PlayerChannel.LEASES, leases[1])
    told = [(PlayerChannel.SNAPSHOT, message) for message in record_snapshots()[1][:7]]
    wait = WAIT, bytes(5)
    yield b"\0" + join(
        welcome, assigned, wait, *told, wait, leases, line, notice, receipt, values, wait
    )
    yield b"\0" + join(*told[:2], welcome, wait, wait, refused)
    yield b"\1" + join(welcome, assigned, wait, *told[::2], wait)
    yield b"\1" + join(assigned, welcome)
    yield b"\0" + join(leases, wait, welcome, wait, leases, (PlayerChannel.LEASES, line[1]))
    yield b"\0" + join(welcome, wait, (PlayerChannel.COMMAND, leases[1]), wait)


class Score(Component, writer=AUTHORITY, name="fuzz.score"):
    points: F4 = field(0, low=0, high=9)
    by: Text = field(b"", size=4)


def make_scored() -> Declarations:
    game = Game("scored")
    game.kind("craft", Motion())
    game.account(Score())
    return declare(game)


SCORED: Final = make_scored()


def read_values(body: bytes) -> None:
    """Take in values of an account: what is taken in can be."""
    schema = schema_of(SCORED)
    placeless = Placeless(SCORED, schema)
    number = body[0] if body else 0
    placeless.apply_untrusted(Values(bool(number & 128), number & 127, body[1:]))
    score = placeless.get(Score, shared=False)
    assert score is not None
    assert 0 <= score.points <= 9


def value_seeds() -> Iterator[bytes]:
    number = schema_of(SCORED).numbers["fuzz_score"]
    yield bytes([number]) + np.float32(3.5).tobytes() + b"Ada\0"


STATE: Final = "protocol.state."
TARGETS: Final = (
    Target(STATE + "snapshot.read_snapshot_untrusted", read_snapshot, snapshot_seeds),
    Target(STATE + "snapshot.glance_untrusted", read_private, snapshot_seeds),
    Target("client.glance.Glance.apply_untrusted", glance, snapshot_seeds),
    Target("client.inputs.Inputs.answer_untrusted", answer_inputs, input_seeds),
    Target("client.replica.Replica.apply_untrusted", run_replica, replica_seeds, (), 8192, 60),
    Target("client.leases.LeaseMap.apply_untrusted", read_leases, lease_seeds),
    Target("client.placeless.Placeless.apply_untrusted", read_values, value_seeds),
    Target("client.client.Client", run_client, client_seeds, (), 8192, 60),
)
