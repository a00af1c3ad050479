"""Whatever the number of rows, every message that carries them can be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.statistics import ConnectionStatistics
from sidereal.protocol.limits import INPUTS_UNANSWERED_MAX
from sidereal.protocol.links import SHARD_BUDGET, SHARD_CHANNELS
from sidereal.protocol.message.codec import (
    INPUT_ROW,
    LEASE_ROW,
    decode_authority_untrusted,
)
from sidereal.protocol.message.shard import ShardChannel, ShardHello
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.records import RecordSender, decode_record_message_untrusted
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.limits import LIMITS, Limits, OwnershipLimits
from sidereal.replication.links.limits import ShardLinkLimits
from sidereal.replication.links.shards import Shard, Shards
from sidereal.replication.links.shardsender import ShardSender
from sidereal.replication.ownership.leases import LeaseChange

COUNTS = st.integers(0, 1500) | st.sampled_from([9_999, 10_000, 10_001, 131_072, 131_073])


class Wire:
    """In the place of the endpoint: it takes what a channel takes, and its queue is empty."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, peer: int, channel: int, message: bytes, tag: int | None = None) -> None:
        assert len(message) <= SHARD_CHANNELS[channel].message_size_max
        self.sent.append(message)

    def connection_statistics(self, peer: int) -> ConnectionStatistics | None:
        return None


class QueueingWire(Wire):
    """What it takes waits in a connection to leave."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = Connection(SHARD_CHANNELS, 0.0, SHARD_BUDGET)

    def send(self, peer: int, channel: int, message: bytes, tag: int | None = None) -> None:
        super().send(peer, channel, message, tag)
        self.connection.send(channel, message, tag)

    def connection_statistics(self, peer: int) -> ConnectionStatistics:
        return self.connection.statistics()


class Sender(ShardSender):
    def __init__(self, limits: Limits = LIMITS, wire: Wire | None = None) -> None:
        self.wire = wire or Wire()
        super().__init__(cast(ServerEndpoint, self.wire), BASE_SCHEMA, Rules(), limits)
        self.shard = self.shards.add(
            1, ShardHello(bytes(16), "one", bytes(16), 1, 1, bytes(16), spare=False), 0.0
        )

    def messages(self) -> Iterator[Any]:
        while self.shard.outbox:
            self.flush(0.0)
        return (decode_authority_untrusted(ShardChannel.LEASE, body) for body in self.wire.sent)


def leases(sender: Sender, shard: Shard, count: int, gain: bool) -> bytes:
    changes = [LeaseChange((n, -n), not gain, gain, n) for n in range(count)]
    sender.send_leases(changes, 7)
    return np.array([(n, -n, gain, n) for n in range(count)], LEASE_ROW).tobytes()


def grant(sender: Sender, shard: Shard, count: int) -> bytes:
    return leases(sender, shard, count, gain=True)


def revoke(sender: Sender, shard: Shard, count: int) -> bytes:
    return leases(sender, shard, count, gain=False)


def release(sender: Sender, shard: Shard, count: int) -> bytes:
    net_id = np.arange(count)
    sender.send_release(shard, net_id, net_id + 1, 7)
    return np.stack([net_id, net_id + 1], axis=1).astype("<u4").tobytes()


def adopt(sender: Sender, shard: Shard, count: int) -> bytes:
    records = np.zeros(count, BASE_SCHEMA.full_record)
    records["id"] = np.arange(count)
    sender.send_adopt(shard, records, np.zeros(0, INPUT_ROW), 7)
    return records.tobytes()


@pytest.mark.parametrize("send", [grant, revoke, release, adopt])
def test_rows_to_a_shard_arrive_whatever_their_number(
    send: Callable[[Sender, Shard, int], bytes],
) -> None:
    @settings(derandomize=True, deadline=None, max_examples=10)
    @given(COUNTS)
    @example(131_073)
    @example(0)
    def check(count: int) -> None:
        sender = Sender()
        rows = send(sender, sender.shard, count)
        messages = list(sender.messages())
        assert b"".join(message.rows for message in messages) == rows
        assert all(message.rows for message in messages)

    check()


def test_of_a_sector_that_changes_hands_twice_in_a_tick_only_the_last_is_told_it_has_it() -> None:
    sender = Sender()
    other = ShardHello(bytes(16), "two", bytes(16), 1, 1, bytes(16), spare=False)
    taker = sender.shards.add(2, other, 0.0)
    there, back = (3, 0), (4, 0)
    sender.send_leases(
        [
            LeaseChange(there, 0, 1, 5),
            LeaseChange(back, 1, 2, 6),
            LeaseChange(there, 1, 2, 7),
            LeaseChange(back, 2, 1, 8),
        ],
        7,
    )
    heard = {shard.name: [*map(_lease_of, shard.outbox)] for shard in (sender.shard, taker)}
    assert heard == {
        "one": [("Revoke", [(4, 0, 2, 6), (3, 0, 2, 7)]), ("Grant", [(4, 0, 1, 8)])],
        "two": [("Revoke", [(4, 0, 1, 8)]), ("Grant", [(3, 0, 2, 7)])],
    }


def _lease_of(body: bytes) -> tuple[str, list[tuple[int, ...]]]:
    message: Any = decode_authority_untrusted(ShardChannel.LEASE, body)
    return type(message).__name__, np.frombuffer(message.rows, LEASE_ROW).tolist()


def test_ships_are_given_with_all_inputs_of_all_pilots() -> None:
    sender, count = Sender(), 1100
    records = np.zeros(count, BASE_SCHEMA.full_record)
    records["id"] = np.arange(count)
    inputs = np.zeros(count * INPUTS_UNANSWERED_MAX, INPUT_ROW)
    inputs["id"] = np.repeat(records["id"], INPUTS_UNANSWERED_MAX)
    inputs["seq"] = np.tile(np.arange(INPUTS_UNANSWERED_MAX), count)
    sender.send_adopt(sender.shard, records, inputs, 7)
    messages = list(sender.messages())
    assert b"".join(message.rows for message in messages) == records.tobytes()
    assert b"".join(message.inputs for message in messages) == inputs.tobytes()
    for message in messages:
        given = np.frombuffer(message.inputs, INPUT_ROW)["id"]
        assert np.isin(given, np.frombuffer(message.rows, BASE_SCHEMA.full_record)["id"]).all()


def test_ghosts_fit_their_channel_whatever_their_number() -> None:
    dtype = BASE_SCHEMA.full_record

    @settings(derandomize=True, deadline=None, max_examples=10)
    @given(st.integers(0, 3000))
    def check(count: int) -> None:
        records = np.zeros(count, dtype)
        records["id"] = np.arange(count)
        rows, changed = np.arange(count), np.full(count, 5)
        messages = RecordSender(dtype, Rules().streams.reorder_ticks).collect(
            7, rows, changed, records
        )
        size_max = SHARD_CHANNELS[ShardChannel.GHOST].message_size_max
        assert all(len(message) <= size_max for message, _ in messages)
        found = [decode_record_message_untrusted(dtype, message)[1] for message, _ in messages]
        assert b"".join(part.tobytes() for part in found) == records.tobytes()

    check()


def test_an_outbox_waits_until_the_link_has_room() -> None:
    sender, messages = Sender(), 40
    release(sender, sender.shard, messages * LIMITS.shards.rows_per_message)
    sender.flush(0.0)
    assert 0 < len(sender.wire.sent) < messages
    assert sum(map(len, sender.wire.sent)) < 3 << 20
    assert sum(1 for _ in sender.messages()) == messages


def test_an_outbox_waits_for_no_ghosts_only_for_what_it_has_sent() -> None:
    wire = QueueingWire()
    sender = Sender(Limits(shards=ShardLinkLimits(queued_size=4096)), wire)
    ghosts = [(bytes(1000), tag) for tag in range(10)]
    sender.send_ghosts(sender.shard, ghosts)
    release(sender, sender.shard, 1)
    sender.flush(0.0)
    assert not sender.shard.outbox
    release(sender, sender.shard, 1000)
    release(sender, sender.shard, 1)
    sender.flush(0.0)
    sender.flush(0.0)
    assert len(sender.shard.outbox) == 1
    assert len(wire.sent) == len(ghosts) + 2


def test_a_shard_is_given_so_many_a_tick_and_no_more_than_it_adopts() -> None:
    sender = Sender()
    limits = LIMITS.ownership
    per_tick = int(limits.adopt_records_per_s * Rules().tick_s)
    for adopting, room in (
        (0, per_tick),
        (limits.adopting_records - per_tick - 1, per_tick),
        (limits.adopting_records - 3, 3),
        (limits.adopting_records, 0),
        (limits.adopting_records + 5, 0),
    ):
        sender.shard.adopting = adopting
        assert sender.room_of(sender.shard, 7) == room


@pytest.mark.parametrize("per_s", [1, 13, 24, 25, 30, 8000])
def test_a_shard_is_given_as_many_a_second_although_no_whole_number_a_tick(per_s: int) -> None:
    sender = Sender(Limits(ownership=OwnershipLimits(adopt_records_per_s=per_s)))
    tick_hz = Rules().tick_hz
    rooms = [sender.room_of(sender.shard, 5 + tick) for tick in range(tick_hz)]
    assert sum(rooms) == per_s
    assert max(rooms) - min(rooms) <= 1


def test_shards_are_numbered_as_they_are_named_or_with_the_lowest_number_that_is_free() -> None:
    shards = Shards()
    names = ("alpha", "shard-3", "beta", "shard-2", "shard-0", "shard-77")
    numbers = [
        shards.add(
            peer, ShardHello(bytes(16), name, bytes(16), 1, 1, bytes(16), spare=False), 0.0
        ).shard
        for peer, name in enumerate(names)
    ]
    assert numbers == [1, 3, 2, 4, 5, 77]
