"""How much state a connection lets its owner write: what the link carries, without a queue."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from sidereal.protocol.channel.allowance import Allowance
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.limits import LIMITS, AllowanceLimits
from sidereal.protocol.channel.spec import Budget, ChannelSpec, Delivery
from sidereal.protocol.limits import DATAGRAM_OVERHEAD_SIZE
from sidereal.protocol.testing.link import Link, LinkConfig

TICK_S = 0.05
ALLOWANCE = LIMITS.allowance
BUDGET = Budget(rate=4e6, rate_min=2e3)


class Flow:
    """An allowance that is used, and what becomes of it."""

    def __init__(self, budget: Budget = BUDGET, limits: AllowanceLimits = ALLOWANCE) -> None:
        self.now = 0.0
        self.allowance = Allowance(budget, 0.0, limits)

    @property
    def rate(self) -> float:
        return self.allowance.rate

    def tick(self, wait_s: float = 0.0, *, used: float = 1.0, carries: float = 1e9) -> None:
        """Write a share of what may be written, and hear of it."""
        size = int(self.allowance.available(self.now) * used)
        self.allowance.spend(size, self.now)
        self.allowance.note_arrived(min(size, int(carries * TICK_S)), self.now + TICK_S / 2)
        self.allowance.note_wait(wait_s, self.now, self.now + TICK_S / 2)
        self.now += TICK_S

    def run(self, ticks: int, wait_s: float = 0.0, **how: float) -> None:
        for _ in range(ticks):
            self.tick(wait_s, **how)


def test_a_new_link_is_tried_with_twice_as_much_while_nothing_waits() -> None:
    flow = Flow()
    assert flow.rate == ALLOWANCE.rate_initial
    assert flow.allowance.available(0.0) == ALLOWANCE.rate_initial * ALLOWANCE.burst_s / 2
    rates = []
    for _ in range(4):
        rates.append(flow.rate)
        flow.run(ALLOWANCE.trips)
    assert np.array(rates) / rates[0] == pytest.approx([1, 2, 4, 8])


def test_what_is_not_used_does_not_grow() -> None:
    flow = Flow()
    flow.run(100, used=0.2)
    assert flow.rate == ALLOWANCE.rate_initial


def test_a_new_rate_that_makes_packets_wait_grows_by_less() -> None:
    flow = Flow()
    for _ in range(10):
        before = flow.rate
        flow.run(ALLOWANCE.trips, ALLOWANCE.queue_s * 0.4)
        assert flow.rate == pytest.approx(1.2 * before)


def test_a_queue_makes_it_fall_below_what_arrives() -> None:
    flow = Flow()
    flow.run(12, carries=30e3)
    flow.run(ALLOWANCE.trips + 1, 0.2, carries=30e3)
    assert flow.rate < 30e3
    flow = Flow()
    flow.run(40, ALLOWANCE.queue_s, carries=30e3)
    assert flow.rate >= ALLOWANCE.rate_initial, "not yet"


def test_one_late_packet_is_no_queue() -> None:
    flow = Flow()
    for _ in range(20):
        flow.run(2, 0.5)
        flow.run(1, 0.0)
    assert flow.rate >= ALLOWANCE.rate_initial


def test_it_grows_slowly_up_to_what_was_too_much_and_faster_beyond() -> None:
    flow = Flow()
    flow.run(ALLOWANCE.trips, 0.2, carries=30e3)
    fallen = flow.rate
    steps = []
    for _ in range(60):
        before = flow.rate
        flow.run(ALLOWANCE.trips)
        steps.append(flow.rate / before)
    grown = [step for step in steps if step > 1.0]
    assert min(grown) == pytest.approx(ALLOWANCE.growth)
    assert max(grown) == pytest.approx(ALLOWANCE.growth_beyond)
    assert np.diff(grown).min() > -1e-9
    assert flow.rate > 2 * fallen


def test_a_wait_that_does_not_end_when_less_is_sent_is_of_others_and_is_accepted() -> None:
    flow = Flow()
    flow.run(250, 0.3, used=0.3)
    rate = flow.rate
    assert rate > 0.99 * ALLOWANCE.rate_initial / 2**ALLOWANCE.falls
    flow.run(100, 0.3)
    assert flow.rate > rate


def test_losses_make_it_fall_but_not_below_what_a_new_link_is_tried_with() -> None:
    flow = Flow()
    flow.run(20, carries=200e3)
    flow.allowance.note_trouble(flow.now)
    assert ALLOWANCE.rate_initial < flow.rate < 200e3
    for _ in range(20):
        flow.run(1, carries=1e3)
        flow.allowance.note_trouble(flow.now)
    assert flow.rate == ALLOWANCE.rate_initial


def test_it_stays_within_its_owner_s_budget() -> None:
    flow = Flow(Budget(rate=100e3, rate_min=5e3))
    flow.run(40)
    assert flow.rate == 100e3
    for _ in range(50):
        flow.run(ALLOWANCE.trips, 1.0, carries=10.0)
        flow.now += 2.0
    assert flow.rate == 5e3


def test_it_may_be_bounded_further_but_not_below_the_least_rate() -> None:
    flow = Flow()
    flow.run(20)
    flow.allowance.bound(50e3)
    assert flow.rate == 50e3
    flow.run(40)
    assert flow.rate == 50e3
    flow.allowance.bound(1.0)
    assert flow.rate == BUDGET.rate_min


def test_what_is_not_used_is_not_saved_up_for_long() -> None:
    allowance = Allowance(BUDGET, 0.0)
    assert allowance.available(10.0) == int(ALLOWANCE.rate_initial * ALLOWANCE.burst_s)


STATE = 0
CHANNELS = (ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20),)


def play(config: LinkConfig, seconds: float, wanted: int) -> tuple[float, float, float]:
    """Write as much as may be written in every tick; the second half counts.

    Returns:
        Share of the link that is used, the longest wait for it, and the median age of messages.
    """
    ends = Connection(CHANNELS, 0.0, BUDGET), Connection(CHANNELS, 0.0, BUDGET)
    rng = np.random.default_rng(1)
    links = Link(config, rng), Link(LinkConfig(delay_s=config.delay_s), rng)
    heap: list[tuple[float, int, int, bytes]] = []
    sizes: list[int] = []
    waits: list[float] = []
    ages: list[float] = []
    for tick in range(round(seconds / TICK_S)):
        now = tick * TICK_S
        while heap and heap[0][0] <= now:
            at, _, end, payload = heapq.heappop(heap)
            for _, messages in ends[end].receive_payload(payload, at):
                ages += [at - float(np.frombuffer(one[:8])[0]) for one in messages]
            ends[end].take_acked()
            ends[end].take_lost()
        left = min(wanted, ends[0].allowance(now))
        while left > DATAGRAM_OVERHEAD_SIZE + 60:
            size = min(1150, left - DATAGRAM_OVERHEAD_SIZE)
            ends[0].send(STATE, np.float64(now).tobytes().ljust(size, b"\0"), tag=tick)
            left -= size + DATAGRAM_OVERHEAD_SIZE
        for number, link in enumerate(links):
            for payload in ends[number].payloads_to_send(now + 0.001):
                size = len(payload) + 50
                arrivals = link.transmit(size, now)
                if not number and now > seconds / 2:
                    sizes.append(size)
                for at in arrivals:
                    heapq.heappush(heap, (at, len(heap) + tick * 1000, 1 - number, payload))
                    if not number and now > seconds / 2:
                        waits.append(at - now - config.delay_s - size / config.bytes_per_s)
        assert ends[0].statistics().queued_size == 0, "nothing waits in the channel"
    half = len(ages) // 2
    used = sum(sizes) / (seconds / 2) / config.bytes_per_s
    return used, max(waits), float(np.median(ages[half:]))


@pytest.mark.parametrize("rate_kb", [400, 64, 8])
def test_a_link_is_used_without_a_queue(rate_kb: int) -> None:
    config = LinkConfig(delay_s=0.025, bytes_per_s=rate_kb * 1e3)
    used, wait_s, _ = play(config, 40.0, wanted=1 << 20)
    assert used > 0.7
    assert wait_s < 2.5 * TICK_S


def test_a_wide_link_is_not_held_back_by_anything() -> None:
    config = LinkConfig(delay_s=0.025, bytes_per_s=10e6)
    used, wait_s, age_s = play(config, 20.0, wanted=10_000)
    assert used == pytest.approx(10_000 / TICK_S / 10e6, rel=0.1)
    assert wait_s < 0.01
    assert age_s < 0.03
