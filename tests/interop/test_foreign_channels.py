"""A foreign end of a link and a real one exchange all kinds of messages over a bad one."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from sidereal.protocol.channel.connection import Connection as RealConnection
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.testing.link import Link, LinkConfig

from .foreign.connection import Connection
from .foreign.packets import Channel, Guarantee

MEMORY_SIZE = 256 << 10
SPECS = tuple(ChannelSpec(delivery, memory_max=MEMORY_SIZE) for delivery in Delivery)
CHANNELS = tuple(
    Channel(guarantee.name, guarantee, MEMORY_SIZE)
    for guarantee in (
        Guarantee.UNRELIABLE,
        Guarantee.SEQUENCED,
        Guarantee.UNORDERED,
        Guarantee.ORDERED,
    )
)
UNRELIABLE, SEQUENCED, UNORDERED, ORDERED = range(4)
BAD = LinkConfig(delay_s=0.03, loss=0.2, duplication=0.1, reordering=0.3, reordering_s=0.08)

Heard = dict[int, list[bytes]]


class Pair:
    """The two ends, what they said, and what they heard by channel."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.rng = np.random.default_rng(seed)
        self.real, self.foreign = RealConnection(SPECS, 0.0), Connection(CHANNELS)
        self.said: tuple[Heard, Heard] = (defaultdict(list), defaultdict(list))
        self.heard: tuple[Heard, Heard] = (defaultdict(list), defaultdict(list))
        self._links = [Link(BAD, rng) for rng in self.rng.spawn(2)]
        self._on_its_way: list[tuple[float, int, bytes]] = []

    def say(self) -> None:
        """Let both say something on every channel."""
        for channel, spec in enumerate(SPECS):
            for end in (self.real.send, self.foreign.say):
                size = int(self.rng.integers(0, 60))
                if spec.delivery.is_reliable and self.rng.random() < 0.1:
                    size = int(self.rng.integers(1000, 20_000))
                message = self.rng.bytes(size)
                end(channel, message)
                self.said[end == self.foreign.say][channel].append(message)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            self.now += 0.005
            due = sorted(entry for entry in self._on_its_way if entry[0] <= self.now)
            self._on_its_way = [entry for entry in self._on_its_way if entry[0] > self.now]
            for _, source, payload in due:
                self._deliver(source, payload)
            for source, end in enumerate((self.real.payloads_to_send, self.foreign.payloads)):
                for payload in end(self.now):
                    for at in self._links[source].transmit(len(payload), self.now):
                        self._on_its_way.append((at, source, payload))

    def _deliver(self, source: int, payload: bytes) -> None:
        if source == 0:
            for channel, message in self.foreign.take(payload, self.now):
                self.heard[0][channel].append(message)
        else:
            for channel, messages in self.real.receive_payload(payload, self.now):
                self.heard[1][channel] += messages


@pytest.mark.parametrize("seed", range(3))
def test_every_guarantee_is_kept_both_ways(seed: int) -> None:
    pair = Pair(seed)
    for _ in range(60):
        pair.say()
        pair.run(0.05)
    pair.run(10.0)
    assert pair.foreign.is_idle
    assert pair.real.statistics().queued_size == 0
    assert pair.real.close_reason is None
    for said, heard in zip(pair.said, pair.heard, strict=True):
        assert heard[ORDERED] == said[ORDERED]
        assert sorted(heard[UNORDERED]) == sorted(said[UNORDERED])
        assert heard[UNORDERED] != said[UNORDERED]
        assert 20 < len(heard[UNRELIABLE]) < len(said[UNRELIABLE])
        places = [
            said[SEQUENCED].index(message) for message in heard[SEQUENCED] if len(message) > 3
        ]
        assert places == sorted(places)
        assert 20 < len(places) < len(said[SEQUENCED])
    statistics = pair.real.statistics()
    assert statistics.resends > 0
    assert statistics.acks_invalid == 0
