"""Several connections on one narrow link: what each gets, and how long packets wait."""

from __future__ import annotations

import dataclasses
import heapq

import numpy as np
import pytest

from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.testing.link import Link, LinkConfig

STATE, BULK = 0, 1
CHANNELS = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=512 << 10, priority=2),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=4 << 20),
)
BYTES_PER_S = 500e3
NARROW = LinkConfig(delay_s=0.025, bytes_per_s=BYTES_PER_S, queue_s_max=0.25)
HEADERS_SIZE = 50
"""Of UDP, IP and the session."""
MESSAGE_SIZE = 1000
TICK_S = 0.05


@dataclasses.dataclass
class Flow:
    """A connection of which one end sends.

    Attributes:
        begins_at: when it starts to.
        is_bulk: it always has a large message queued.
        state_per_s: bytes of state it sends in every tick, per second.
    """

    begins_at: float = 0.0
    is_bulk: bool = False
    state_per_s: float = 0.0

    def __post_init__(self) -> None:
        self.ends = (Connection(CHANNELS, 0.0), Connection(CHANNELS, 0.0))
        self.next_tick = self.begins_at
        self.bulk: list[tuple[float, int]] = []
        self.state: list[tuple[float, float]] = []

    def speak(self, now: float) -> None:
        sender = self.ends[0]
        if now >= self.begins_at and self.is_bulk and sender.statistics().queued_size < 400_000:
            sender.send(BULK, bytes(100_000))
        while self.state_per_s and self.next_tick <= now:
            self.next_tick += TICK_S
            for _ in range(round(self.state_per_s * TICK_S / MESSAGE_SIZE)):
                sender.send(STATE, np.float64(now).tobytes().ljust(MESSAGE_SIZE, b"\0"), tag=0)

    def hear(self, number: int, payload: bytes, now: float) -> None:
        for channel, messages in self.ends[number].receive_payload(payload, now):
            for message in messages:
                if channel == BULK:
                    self.bulk.append((now, len(message)))
                else:
                    self.state.append((now, now - float(np.frombuffer(message[:8])[0])))
        self.ends[number].take_acked()

    def bulk_rate(self, since: float, until: float) -> float:
        return sum(size for at, size in self.bulk if since <= at) / (until - since)


def share(flows: list[Flow], config: LinkConfig, seconds: float) -> None:
    """Let the flows send over the same link; the way back is wide."""
    rng = np.random.default_rng(1)
    there = Link(config, rng)
    back = Link(dataclasses.replace(config, bytes_per_s=0.0), rng)
    heap: list[tuple[float, int, Flow, int, bytes]] = []
    now, serial = 0.0, 0
    while now < seconds:
        for flow in flows:
            flow.speak(now)
            for number, link in ((0, there), (1, back)):
                for payload in flow.ends[number].payloads_to_send(now):
                    for at in link.transmit(len(payload) + HEADERS_SIZE, now):
                        serial += 1
                        heapq.heappush(heap, (at, serial, flow, 1 - number, payload))
        timers = [end.next_timer() for flow in flows for end in flow.ends]
        times = [max(timer, now + 1e-4) for timer in timers if timer is not None]
        now = min([now + 0.01, *times, *(entry[0] for entry in heap[:1])])
        while heap and heap[0][0] <= now:
            _, _, flow, number, payload = heapq.heappop(heap)
            flow.hear(number, payload, now)


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_bulk_fills_a_link_without_filling_its_queue(loss: float) -> None:
    bulk, probe = Flow(is_bulk=True), Flow(state_per_s=20e3)
    share([bulk, probe], dataclasses.replace(NARROW, loss=loss), 20.0)
    assert bulk.bulk_rate(10.0, 20.0) > 0.75 * BYTES_PER_S
    waits_s = [wait_s - NARROW.delay_s for at, wait_s in probe.state if at > 10.0]
    assert np.percentile(waits_s, 90) < 0.1


def test_two_bulk_transfers_share_a_link_evenly() -> None:
    first, second = Flow(is_bulk=True), Flow(begins_at=5.0, is_bulk=True)
    share([first, second], NARROW, 40.0)
    rates = [flow.bulk_rate(20.0, 40.0) for flow in (first, second)]
    assert sum(rates) > 0.75 * BYTES_PER_S
    assert min(rates) > 0.6 * max(rates)


def test_state_keeps_its_rate_beside_a_bulk_transfer_of_the_same_connection() -> None:
    flow = Flow(is_bulk=True, state_per_s=100e3)
    share([flow], NARROW, 20.0)
    late_s = [late_s for at, late_s in flow.state if at > 10.0]
    assert len(late_s) * MESSAGE_SIZE > 0.9 * 100e3 * 10.0
    assert np.percentile(late_s, 90) < 0.15
    assert flow.bulk_rate(10.0, 20.0) > 0.5 * BYTES_PER_S


def test_more_state_than_the_link_carries_is_thinned_out_and_bulk_goes_on() -> None:
    flow = Flow(is_bulk=True, state_per_s=800e3)
    share([flow], NARROW, 20.0)
    statistics = flow.ends[0].statistics()
    assert statistics.messages_dropped > 1000
    assert statistics.loss < 0.15
    assert flow.bulk_rate(10.0, 20.0) > 0.1 * BYTES_PER_S
    late_s = [late_s for at, late_s in flow.state if at > 10.0]
    assert len(late_s) * MESSAGE_SIZE > 0.5 * BYTES_PER_S * 10.0
    assert np.percentile(late_s, 90) < 0.5
