"""How much state a connection lets its owner write: what the link carries, without a queue."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
import pytest

from sidereal.protocol.channel.allowance import Allowance, Carried
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.limits import LIMITS, AllowanceLimits
from sidereal.protocol.channel.spec import Budget, ChannelSpec, Delivery
from sidereal.protocol.limits import DATAGRAM_OVERHEAD_SIZE
from sidereal.protocol.testing.link import Link, LinkConfig

TICK_S = 0.05
TRIP_S = 0.05
ALLOWANCE = LIMITS.allowance
BUDGET = Budget(rate=4e6, rate_min=2e3)
SMALL = DATAGRAM_OVERHEAD_SIZE + 16


class Flow:
    """An allowance that is used, and what becomes of it."""

    def __init__(self, budget: Budget = BUDGET, limits: AllowanceLimits = ALLOWANCE) -> None:
        self.now = 0.0
        self.allowance = Allowance(budget, 0.0, limits)

    @property
    def rate(self) -> float:
        return self.allowance.rate

    def tick(
        self, queue_s: float = 0.0, *, used: float = 1.0, carries: float = 1e9, comes: float = 1.0
    ) -> None:
        """Write a share of what may be written, of which a share comes, and hear of it."""
        size = int(self.allowance.available(self.now) * used)
        burst_size = self.allowance.spend(size, self.now)
        came = min(int(size * comes), int(carries * TICK_S))
        self.allowance.note_arrived(came, self.now + TICK_S / 2)
        wait_s = queue_s + max(0, size - SMALL) / carries
        self.allowance.note_wait(
            wait_s, TRIP_S + wait_s, burst_size, self.now, self.now + TICK_S / 2
        )
        self.now += TICK_S

    def run(self, ticks: int, queue_s: float = 0.0, **how: float) -> None:
        for _ in range(ticks):
            self.tick(queue_s, **how)


def test_a_new_link_is_tried_with_twice_as_much_while_nothing_waits() -> None:
    flow = Flow()
    assert flow.rate == ALLOWANCE.rate_initial
    assert flow.allowance.available(0.0) == ALLOWANCE.rate_initial * ALLOWANCE.burst_s / 2
    rates = []
    for _ in range(4):
        rates.append(flow.rate)
        flow.run(ALLOWANCE.trips)
    assert np.array(rates) / rates[0] == pytest.approx([1, 2, 4, 8])


def test_a_new_link_is_tried_with_no_more_than_it_was_seen_to_carry() -> None:
    flow = Flow()
    flow.run(ALLOWANCE.trips, carries=30e3)
    assert flow.rate == pytest.approx(30e3 * (1 + ALLOWANCE.share) / 2)
    flow = Flow()
    flow.run(ALLOWANCE.trips, carries=8e3)
    assert flow.rate == pytest.approx(8e3 * ALLOWANCE.share)


def test_what_is_not_used_does_not_grow() -> None:
    flow = Flow()
    flow.run(100, used=0.2)
    assert flow.rate == ALLOWANCE.rate_initial


def test_a_new_rate_that_makes_packets_wait_grows_by_less() -> None:
    flow = Flow()
    flow.run(ALLOWANCE.trips)
    for _ in range(3):
        before = flow.rate
        flow.run(ALLOWANCE.trips, ALLOWANCE.queue_s * 0.4)
        # By 1.2 if all of the wait were a queue; what the packet takes is none of it.
        assert 1.2 < flow.rate / before < 1.5


def test_a_queue_makes_it_fall_below_what_arrives() -> None:
    flow = Flow()
    flow.run(12, carries=30e3)
    before = flow.rate
    flow.run(40, ALLOWANCE.queue_s * 0.99, carries=30e3)
    assert flow.rate >= before, "not yet"
    # The round trips of a judgement that has begun go first: the shortest wait of each counts.
    flow.run(2 * ALLOWANCE.trips, 0.2, carries=30e3)
    assert flow.rate < 30e3


def test_packets_that_leave_together_are_no_queue() -> None:
    flow = Flow()
    for _ in range(20):
        before = flow.rate
        flow.run(1, carries=30e3)
        assert flow.rate >= before
    assert flow.rate * TICK_S / 30e3 > ALLOWANCE.queue_s, "they wait for each other for longer"


def test_a_link_that_carries_far_less_than_before_is_noticed_at_once() -> None:
    flow = Flow()
    flow.run(40)
    flow.now += 60.0
    flow.run(ALLOWANCE.trips, carries=30e3)
    assert flow.rate < 30e3


def test_one_late_packet_is_no_queue() -> None:
    flow = Flow()
    for _ in range(20):
        flow.run(2, 0.5)
        flow.run(1, 0.0)
    assert flow.rate >= ALLOWANCE.rate_initial


def test_a_longer_queue_is_borne_while_not_all_is_used_that_may_leave() -> None:
    flow = Flow()
    flow.run(6)
    before = flow.rate
    flow.run(30, ALLOWANCE.queue_unused_s * 0.9, used=0.2)
    assert flow.rate == before
    flow.run(ALLOWANCE.trips, ALLOWANCE.queue_unused_s * 1.1, used=0.2)
    assert flow.rate == pytest.approx(before * ALLOWANCE.share), "what arrives says nothing"


def test_one_round_trip_in_which_a_process_stood_still_silences_nobody() -> None:
    flow = Flow()
    flow.tick()
    flow.tick(1.2)
    flow.now += 1.2
    granted = []
    for _ in range(20):
        granted.append(flow.allowance.available(flow.now))
        flow.tick()
    assert min(granted) >= ALLOWANCE.rate_initial * TICK_S / 2
    assert flow.rate >= ALLOWANCE.rate_initial


def test_a_rate_falls_far_only_when_several_packets_waited() -> None:
    for others_wait_s, falls in ((0.0, False), (1.0, True)):
        allowance = Allowance(BUDGET, 0.0)
        for number, wait_s in enumerate((1.2, others_wait_s, others_wait_s)):
            at = number * TICK_S
            # One burst that uses all there is; small packets after it say little of a link.
            burst_size = allowance.spend(SMALL if number else 1500, at)
            allowance.note_wait(wait_s, TRIP_S + wait_s, burst_size, at, at + TRIP_S + wait_s)
        assert (allowance.rate < ALLOWANCE.rate_initial / 2) == falls


def test_what_came_in_one_round_trip_is_carried_however_little_is_known_beside() -> None:
    carried = Carried(ALLOWANCE.carried_s)
    carried.note(SMALL + 1000, 0.5, 0.55, 0.0)
    assert carried.rate == 2000.0
    carried.note(SMALL + 1000, 0.0, 0.05, 0.1)
    assert carried.rate == pytest.approx(20e3), "the fastest of all took its round trip at most"


def test_what_others_take_from_the_link_is_made_up_for_within_a_bounded_time() -> None:
    flow = Flow()
    flow.allowance.spend(1 << 20, 0.0)
    assert flow.allowance.available(0.9 * ALLOWANCE.debt_s) == 0
    assert flow.allowance.available(1.1 * ALLOWANCE.debt_s) > 0


def test_a_bucket_always_holds_what_a_datagram_with_something_in_it_needs() -> None:
    allowance = Allowance(Budget(rate=2e3, rate_min=2e3), 0.0)
    assert allowance.available(10.0) == ALLOWANCE.burst_size
    assert BUDGET.rate_min * ALLOWANCE.burst_s < ALLOWANCE.burst_size


def test_a_rate_that_fell_far_below_what_was_too_much_comes_back_fast() -> None:
    flow = Flow()
    flow.run(40, carries=100e3)
    before = flow.rate
    for _ in range(60):
        flow.run(ALLOWANCE.trips, 0.2, carries=8e3)
        flow.now += 2.0
    assert flow.rate < 8e3
    flow.run(round(2.5 / TICK_S), carries=200e3)
    assert flow.rate > before / 2


def test_it_is_soon_where_it_was_and_tries_more_carefully() -> None:
    flow = Flow()
    flow.run(40, carries=30e3)
    flow.run(2 * ALLOWANCE.trips, 0.2, carries=30e3)
    fallen, rates = flow.rate, [flow.rate]
    for _ in range(80):
        flow.run(ALLOWANCE.trips)
        rates.append(flow.rate)
    at = np.array(sorted(set(rates)))
    steps = at[1:] / at[:-1]
    carried = fallen / ALLOWANCE.share
    assert np.isclose(at, carried).any(), "it is not overstepped"
    near = (at[:-1] >= carried * 0.999) & (at[:-1] < carried * ALLOWANCE.beyond * 0.999)
    assert near.sum() > 2
    assert steps[near].max() <= ALLOWANCE.growth_near + 1e-9
    assert steps[0] == pytest.approx(ALLOWANCE.growth)
    assert steps.max() == pytest.approx(ALLOWANCE.growth_beyond)
    assert flow.rate > 8 * fallen


def test_while_some_packets_wait_it_grows_in_small_steps() -> None:
    flow = Flow()
    flow.run(40, carries=30e3)
    flow.run(2 * ALLOWANCE.trips, 0.2, carries=30e3)
    for _ in range(40):
        before = flow.rate
        flow.run(1, ALLOWANCE.queue_s)
        flow.run(2)
        assert flow.rate <= before * ALLOWANCE.growth_near + 1e-9
    assert flow.rate > before * 0.99


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
        flow.run(1, comes=0.01)
        flow.allowance.note_trouble(flow.now)
    assert flow.rate == ALLOWANCE.rate_initial


def test_it_stays_within_its_owner_s_budget() -> None:
    flow = Flow(Budget(rate=100e3, rate_min=5e3))
    flow.run(40)
    assert flow.rate == 100e3
    for _ in range(50):
        flow.run(ALLOWANCE.trips, 1.0, comes=1e-3)
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
    for now in (10.0, 100.0):
        assert allowance.available(now) == int(ALLOWANCE.rate_initial * ALLOWANCE.burst_s / 2)
    flow = Flow()
    flow.run(ALLOWANCE.trips)
    assert flow.allowance.available(flow.now + 100.0) == int(flow.rate * ALLOWANCE.burst_s)


STATE = 0
CHANNELS = (ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20),)


class Played(NamedTuple):
    """What became of what was written, in the second half of a run.

    Attributes:
        size: bytes that left, with headers.
        wait_s: of a packet for the link at most.
        age_s: of messages when they came, median.
        granted: share of what was wanted that was allowed.
        granted_by_tick: the same of each tick, of the whole run.
        waits: when each packet left, and how long it waited for the link, of the whole run.
    """

    size: int
    wait_s: float
    age_s: float
    granted: float
    granted_by_tick: list[float]
    waits: list[tuple[float, float]]


def play(
    config: LinkConfig, seconds: float, wanted: int, later: tuple[float, LinkConfig] | None = None
) -> Played:
    """Write as much as may be written in every tick; the way back only takes as long and shakes.

    Args:
        config: of the link.
        seconds: of the run.
        wanted: bytes in every tick.
        later: from when on the link is another one.
    """
    ends = Connection(CHANNELS, 0.0, BUDGET), Connection(CHANNELS, 0.0, BUDGET)
    rng = np.random.default_rng(1)
    back = LinkConfig(config.delay_s, config.jitter_s, config.jitter_correlation)
    links = Link(config, rng), Link(back, rng)
    heap: list[tuple[float, int, int, bytes]] = []
    size_sent = 0
    waits: list[tuple[float, float]] = []
    ages: list[float] = []
    granted: list[float] = []
    for tick in range(round(seconds / TICK_S)):
        now = tick * TICK_S
        if later is not None and now >= later[0]:
            links[0].config = config = later[1]
            links[1].config = LinkConfig(config.delay_s, config.jitter_s)
        while heap and heap[0][0] <= now:
            at, _, end, payload = heapq.heappop(heap)
            for _, messages in ends[end].receive_payload(payload, at):
                ages += [at - float(np.frombuffer(one[:8])[0]) for one in messages]
            ends[end].take_acked()
            ends[end].take_lost()
        left = min(wanted, ends[0].allowance(now))
        granted.append(left / wanted)
        while left > DATAGRAM_OVERHEAD_SIZE + 60:
            size = min(1150, left - DATAGRAM_OVERHEAD_SIZE)
            ends[0].send(STATE, np.float64(now).tobytes().ljust(size, b"\0"), tag=tick)
            left -= size + DATAGRAM_OVERHEAD_SIZE
        for number, link in enumerate(links):
            for payload in ends[number].payloads_to_send(now + 0.001):
                size = len(payload) + 50
                arrivals = link.transmit(size, now)
                size_sent += size * (not number and now > seconds / 2)
                for at in arrivals:
                    heapq.heappush(heap, (at, len(heap) + tick * 1000, 1 - number, payload))
                    if not number and config.bytes_per_s:
                        least_s = config.delay_s + size / config.bytes_per_s
                        waits.append((now, at - now - least_s))
        assert ends[0].statistics().queued_size == 0, "nothing waits in the channel"
    age_s = float(np.median(ages[len(ages) // 2 :]))
    wait_s = max((wait_s for at, wait_s in waits if at > seconds / 2), default=0.0)
    half = float(np.mean(granted[len(granted) // 2 :]))
    return Played(size_sent, wait_s, age_s, half, granted, waits)


@pytest.mark.parametrize("rate_kb", [400, 64, 8])
@pytest.mark.parametrize("jitter_s", [0.0, 0.013])
def test_a_link_is_used_without_a_queue(rate_kb: int, jitter_s: float) -> None:
    config = LinkConfig(delay_s=0.025, jitter_s=jitter_s, bytes_per_s=rate_kb * 1e3)
    played = play(config, 40.0, wanted=1 << 20)
    assert played.size / 20.0 / config.bytes_per_s > 0.7
    assert played.wait_s < 2.5 * TICK_S + jitter_s


@pytest.mark.parametrize("wanted", [200, 600, 3000])
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_a_link_that_shakes_is_not_taken_for_a_full_one(wanted: int, correlation: float) -> None:
    config = LinkConfig(delay_s=0.025, jitter_s=0.02, jitter_correlation=correlation)
    assert play(config, 40.0, wanted).granted > 0.95


@pytest.mark.parametrize("wanted", [200, 1000])
def test_a_far_link_that_shakes_and_loses_is_not_taken_for_a_full_one(wanted: int) -> None:
    config = LinkConfig(delay_s=0.1, jitter_s=0.03, loss=0.05)
    assert play(config, 40.0, wanted).granted > 0.95


@pytest.mark.parametrize("wanted", [150, 600])
@pytest.mark.parametrize("tick_share", [0.3, 1.0])
def test_jitter_alone_never_allows_less_than_is_wanted(wanted: int, tick_share: float) -> None:
    config = LinkConfig(0.05, 0.03, jitter_correlation=1.0 - tick_share, loss=0.02, reordering=0.02)
    assert min(play(config, 40.0, wanted).granted_by_tick) == 1.0


def test_a_link_that_becomes_narrow_is_found_out_and_has_no_standing_queue() -> None:
    narrow = LinkConfig(0.025, bytes_per_s=40e3)
    played = play(LinkConfig(0.025), 40.0, 3000, later=(10.0, narrow))
    assert min(played.granted_by_tick[20:190]) == 1.0
    # The first packet of each tick waits for those of earlier ones only.
    late = list({at: wait_s for at, wait_s in reversed(played.waits) if at > 12.0}.values())
    assert np.median(late) < 0.03
    assert max(late) < 0.2, "nothing is lost for it"


@pytest.mark.parametrize(
    "spells",
    [
        [LinkConfig(0.1, 0.06, loss=0.3)],
        [LinkConfig(0.1, bytes_per_s=rate) for rate in (3.6e3, 3.8e3, 4e3, 4.2e3, 4.4e3)],
    ],
    ids=["jitter and loss", "narrow"],
)
def test_after_a_bad_spell_the_rate_is_soon_back(spells: list[LinkConfig]) -> None:
    """How soon that is depends on when in a round trip the spell ends: so there are several."""
    good_at = 10.0
    back_s = []
    for bad in spells:
        played = play(bad, 15.0, 1000, later=(good_at, LinkConfig(0.025)))
        ticks = np.flatnonzero(np.array(played.granted_by_tick) < 1.0)
        back_s.append((ticks[-1] + 1) * TICK_S - good_at)
    assert np.mean(back_s) < 2.3
    assert max(back_s) < 3.5


def test_a_wide_link_is_not_held_back_by_anything() -> None:
    config = LinkConfig(delay_s=0.025, bytes_per_s=10e6)
    played = play(config, 20.0, wanted=10_000)
    assert played.size / 10.0 == pytest.approx(10_000 / TICK_S, rel=0.1)
    assert played.wait_s < 0.01
    assert played.age_s < 0.03
