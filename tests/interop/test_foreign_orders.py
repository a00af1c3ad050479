"""Foreign and real receivers come to the same, whatever is lost, repeated or late."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Final

import msgspec
import pytest

from sidereal.client.replica import Replica as RealReplica
from sidereal.protocol.channel.connection import Connection as RealConnection
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.rules import Rules, StreamLimits

from .foreign.connection import Connection
from .foreign.packets import (
    WHOLE_SIZE_MAX,
    Channel,
    Fragment,
    Guarantee,
    Packet,
    Part,
    Run,
    Unreliable,
    write_packet,
)
from .foreign.receiving import Violation
from .foreign.replica import Replica
from .foreign.sealed import PAYLOAD_SIZE_MAX
from .foreign.snapshots import Grid, read_snapshot
from .listener import Listener
from .recorder.happening import RULES, SCHEMA

RECORDING: Final = Path(__file__).parent / "recordings" / "client.jsonl"
RELIABLE: Final = (2, 3)
GUARANTEES: Final = tuple(Guarantee)


def sent() -> tuple[list[bytes], Listener]:
    """All snapshots that were sent, in their order, also those that were lost."""
    listener = Listener(RECORDING.read_text())
    listener.finish()
    heard = (message for one in listener.heard.values() for message in one.messages)
    # A client sends nothing on this channel.
    return [body for channel, body in heard if channel == 0], listener


def late(bodies: list[bytes], rng: random.Random) -> list[bytes]:
    """Lose some, repeat some, and let them overtake each other."""
    loss, spread = rng.choice((0.0, 0.1, 0.3, 0.6)), rng.choice((0, 2, 8, 30, 120))
    there = [(at + rng.random() * spread, body) for at, body in enumerate(bodies)]
    there = [entry for entry in there if rng.random() >= loss]
    again = [(at + rng.random() * spread, body) for at, body in there if rng.random() < 0.1]
    return [body for _, body in sorted([*there, *again])]


def under(reorder: int, tombstones: int) -> Rules:
    return msgspec.structs.replace(RULES, streams=StreamLimits(reorder, tombstones, 16_384))


@pytest.mark.parametrize(
    "rules", [RULES, under(4, 12), under(30, 40)], ids=["long", "short", "mid"]
)
def test_of_snapshots_in_any_order_both_make_the_same(rules: Rules) -> None:
    bodies, listener = sent()
    grid = Grid(rules.cell_size, rules.cells_per_side, rules.view_radius_cells)
    ages = rules.streams.reorder_ticks, rules.streams.tombstone_ticks
    for seed in range(8):
        mine, other = Replica(grid, *ages, rules.tick_hz), RealReplica(SCHEMA, rules)
        for body in late(bodies, random.Random(seed)):
            mine.take(read_snapshot(body, grid, listener.world))
            other.apply_untrusted([body], 0.0)
            other.expire(other.newest_tick)
            seen = mine.visible()
            rows = other.rows()
            ids = other.columns.net_id[rows].tolist()
            ticks = dict(zip(ids, other.columns.tick[rows].tolist(), strict=True))
            assert {n: e.reference and e.reference.tick for n, e in seen.items()} == ticks, seed
            assert told(mine) == due(other), seed


def told(replica: Replica) -> list[list[int]]:
    """Events that are new."""
    taken, replica.happened = replica.happened, []
    return sorted([each.tick, each.id, each.sort] for each in taken)


def due(replica: RealReplica) -> list[list[int]]:
    return sorted(
        [tick, subject, each.number]
        for each in replica.happenings.due(math.inf)
        for tick, subject in zip(each.tick.tolist(), each.subject.tolist(), strict=True)
    )


class Babble:
    """Packets of somebody who now and then breaks a rule."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.oldest = dict.fromkeys(RELIABLE, 0)
        self._sequence = -1

    def packet(self) -> bytes:
        rng = self.rng
        self._sequence += rng.choice((1, 1, 1, 2, 5))
        if rng.random() < 0.1:
            self._sequence += rng.choice((-1, -3, 0, 40, 2047, -2047, -2048, 32767, 32768))
        while True:
            parts = tuple(self._part() for _ in range(rng.randint(0, 3)))
            payload = write_packet(Packet(self._sequence & 0xFFFF, False, None, parts))
            if len(payload) <= PAYLOAD_SIZE_MAX:
                return payload

    def _part(self) -> Part:
        rng = self.rng
        channel = rng.choice((0, 1, *RELIABLE, *RELIABLE))
        if channel not in RELIABLE:
            return Unreliable(channel, rng.randbytes(rng.randint(0, 5)))
        number = self.oldest[channel] + rng.choice((0, 0, 0, 1, 2, 3, 4, 5, 8, -1))
        if rng.random() < 0.003:
            number += rng.choice((4095, 4096, -4096, 1 << 31, -(1 << 31)))
        low, form = number & 0xFFFF_FFFF, number % 5
        if (form < 3) != (rng.random() < 0.004):
            count = max(1, min(rng.randint(1, 3), 3 - form))
            size = rng.choice((0, 3, 1000))
            return Run(channel, low, tuple(rng.randbytes(size) for _ in range(count)))
        count = 2 + (form == 4) + (rng.random() < 0.004)
        index = rng.randrange(count)
        size = WHOLE_SIZE_MAX if index < count - 1 else rng.choice((1, 7))
        return Fragment(channel, low, index, count, rng.randbytes(size))


@pytest.mark.parametrize("memory", [2500, 6000, 20_000])
def test_of_packets_of_any_sort_both_make_the_same(memory: int) -> None:
    violations = 0
    for seed in range(100):
        real = RealConnection([ChannelSpec(each, memory_max=memory) for each in Delivery], 0.0)
        mine = Connection([Channel(each.name, each, memory) for each in GUARANTEES])
        babble = Babble(seed)
        for step in range(120):
            payload, now = babble.packet(), step * 0.01
            got = real.receive_payload(payload, now)
            heard = sorted((channel, message) for channel, bodies in got for message in bodies)
            try:
                said = sorted(mine.take(payload, now))
            except Violation:
                assert real.close_reason is CloseReason.PROTOCOL_VIOLATION, seed
                violations += 1
                break
            assert (said, None) == (heard, real.close_reason), seed
            for channel, stream in mine.inbound.reliable.items():
                babble.oldest[channel] = stream.next_id
    assert violations > 20
