from __future__ import annotations

import math

import pytest

from sidereal.protocol import limits
from sidereal.protocol.channel.congestion import CongestionWindow, SendBudget
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.redundancy import copies_for
from sidereal.protocol.channel.roundtrip import RoundTrip
from sidereal.protocol.channel.spec import Budget, ChannelSpec, Delivery, check_channels
from sidereal.protocol.errors import ConfigError


def test_the_round_trip_is_smoothed_and_leaves_out_the_peers_wait() -> None:
    trip = RoundTrip()
    for _ in range(100):
        trip.add_sample(0.15, ack_delay_s=0.05)
    assert trip.rtt_s == pytest.approx(0.1)
    assert trip.rto_s == pytest.approx(0.15)
    assert trip.jitter_s == pytest.approx(0.0, abs=1e-6)


def test_the_time_out_starts_at_three_times_the_first_sample() -> None:
    trip = RoundTrip()
    assert trip.rto_s == LIMITS.timeouts.initial_s
    trip.add_sample(0.2, 0.0)
    assert trip.rto_s == pytest.approx(0.6)


def test_the_time_out_stays_within_its_limits() -> None:
    trip = RoundTrip()
    trip.add_sample(0.0, 0.0)
    assert trip.rto_s == LIMITS.timeouts.min_s
    for _ in range(20):
        trip.back_off()
    assert trip.rto_s == LIMITS.timeouts.max_s
    trip.add_sample(0.001, 0.0)
    assert trip.rto_s == LIMITS.timeouts.min_s


def test_an_overstated_wait_makes_no_negative_round_trip() -> None:
    trip = RoundTrip()
    trip.add_sample(0.1, ack_delay_s=6.5)
    assert trip.rtt_s == 0.0


class Flight:
    """A window and the packets under it, a round trip at a time."""

    def __init__(self, trip_s: float = 0.05) -> None:
        self.window = CongestionWindow()
        self.trip_s = trip_s
        self.now = 0.0

    def round(self, *, lost: float = 0.0, queue_s: float = 0.0, packets: int | None = None) -> None:
        """Fill the window (or send some packets) and settle them.

        A round is judged when the first packet of the next one is acked.

        Args:
            lost: share of the packets that do not arrive.
            queue_s: how long each of them waits on its way.
            packets: how many, in place of a full window.
        """
        window, size = self.window, limits.PAYLOAD_SIZE_MAX
        count = max(1, int(window.size / size)) if packets is None else packets
        sent_at = self.now
        self.now += self.trip_s + queue_s
        for number in range(count):
            window.sent(size, size)
            window.settled(size, size)
            if number >= count - round(lost * count):
                window.lost(sent_at)
                continue
            window.add_round_trip(self.trip_s + queue_s, sent_at, self.now)
            window.acked(1, sent_at, self.now)
            if packets is None:
                window.held_back()

    def after(self, **round_of: float) -> float:
        """Size of the window once such a round is judged."""
        self.round(**round_of)  # type: ignore[arg-type]
        window = self.window
        window.sent(100, 100)
        window.settled(100, 100)
        self.now += self.trip_s
        window.acked(1, self.now, self.now)
        return window.size


INITIAL = LIMITS.congestion.size_initial


def test_the_window_doubles_each_round_trip_while_it_is_used() -> None:
    flight = Flight()
    assert flight.after() == 2 * INITIAL
    assert flight.after() == 4 * INITIAL
    for _ in range(20):
        flight.round()
    assert flight.window.size == LIMITS.congestion.size_max
    assert flight.window.in_flight_size == 0


@pytest.mark.parametrize("packets", [1, 8, 30])
def test_a_window_that_is_not_used_does_not_grow(packets: int) -> None:
    flight = Flight()
    for _ in range(50):
        assert flight.after(packets=packets) == INITIAL


def test_a_few_losses_are_no_trouble() -> None:
    flight = Flight()
    for _ in range(20):
        flight.round(lost=0.05)
    assert flight.window.size == LIMITS.congestion.size_max


def test_many_losses_shrink_the_window_in_proportion_and_end_its_doubling() -> None:
    flight = Flight()
    before = flight.after()
    shrunk = flight.after(lost=0.4)
    assert 0.8 * before <= shrunk < 0.9 * before
    assert flight.after() == shrunk + limits.PAYLOAD_SIZE_MAX


def test_losses_that_turn_out_to_be_late_are_taken_back() -> None:
    flight = Flight()
    flight.round(lost=0.4)
    for _ in range(13):
        flight.window.late(0.0)
    assert flight.after() >= 2 * INITIAL


def test_what_was_under_way_is_not_held_against_the_smaller_window() -> None:
    flight = Flight()
    flight.round(lost=0.4)
    shrunk = flight.after()
    for _ in range(30):
        flight.window.lost(flight.now - flight.trip_s)
        flight.window.acked(1, flight.now - flight.trip_s, flight.now)
    assert flight.after() >= shrunk


@pytest.mark.parametrize("early_s", [0.0, 1e-6])
def test_a_smaller_window_is_judged_by_what_is_sent_once_its_queue_is_gone(early_s: float) -> None:
    flight = Flight()
    flight.round(lost=0.4)
    shrunk = flight.after()
    drained_at = flight.now - early_s
    for _ in range(30):
        flight.window.lost(drained_at)
    flight.now += 2 * flight.trip_s
    flight.window.acked(1, flight.now, flight.now)
    assert (flight.window.size < shrunk) is (early_s == 0.0)


def test_a_queue_shrinks_the_window_to_what_the_link_carries_without_one() -> None:
    flight = Flight(trip_s=0.1)
    before = flight.after()
    assert flight.after(queue_s=0.04) == 2 * before
    assert flight.after(queue_s=0.1) == pytest.approx(before)


def test_a_slow_link_may_wait_longer_before_it_counts_as_a_queue() -> None:
    flight = Flight(trip_s=0.25)
    before = flight.after()
    assert flight.after(queue_s=0.12) == 2 * before
    assert flight.after(queue_s=0.13) == pytest.approx(2 * before * 0.25 / 0.38)


def test_a_longer_way_is_no_queue_after_a_while() -> None:
    flight = Flight(trip_s=0.1)
    flight.round()
    flight.trip_s = 0.3
    sizes = [flight.after() for _ in range(300)]
    assert min(sizes) < INITIAL
    assert sizes[-1] > 4 * INITIAL


def test_the_window_keeps_its_least_size() -> None:
    flight = Flight()
    for _ in range(50):
        flight.round(lost=0.9, packets=30)
    assert flight.window.size == LIMITS.congestion.size_min


def test_after_ten_calm_seconds_a_sender_starts_like_a_new_one() -> None:
    flight = Flight()
    for _ in range(10):
        flight.round(lost=0.9, packets=30)
    assert flight.after(packets=5) < INITIAL
    flight.now += 10.0
    for _ in range(3):
        flight.round(packets=5)
    assert flight.window.size == INITIAL
    assert flight.after() == 2 * INITIAL


def test_silence_starts_over_and_doubles_up_to_half_of_what_was() -> None:
    flight = Flight()
    before = flight.after()
    flight.window.collapse(flight.now)
    assert flight.window.size == LIMITS.congestion.size_min
    sizes = [flight.after() for _ in range(6)]
    assert sizes[0] == 2 * LIMITS.congestion.size_min
    assert before / 2 <= sizes[-1] < before / 2 + 6 * limits.PAYLOAD_SIZE_MAX


def test_a_quarter_of_the_window_is_open_to_reliable_messages_whatever_else_is_under_way() -> None:
    window = CongestionWindow()
    window.sent(LIMITS.congestion.size_initial, 0)
    assert window.is_open
    window.sent(LIMITS.congestion.size_initial // 4, LIMITS.congestion.size_initial // 4)
    assert not window.is_open
    window.settled(LIMITS.congestion.size_initial, 0)
    assert window.is_open


@pytest.mark.parametrize(
    ("loss", "copies"),
    [(0.0, 0), (0.001, 0), (0.01, 1), (0.03, 1), (0.05, 2), (0.5, 2), (1.0, 2)],
)
def test_the_more_is_lost_the_more_copies_of_a_segment_are_sent(loss: float, copies: int) -> None:
    assert copies_for(loss) == copies


def test_neither_kind_of_traffic_starves_the_other() -> None:
    budget = SendBudget(Budget(rate=1000.0, burst=100.0, rate_min=1000.0), 0.0)
    sent = {"reliable": 0.0, "unreliable": 0.0}
    for step in range(1, 10_001):
        budget.refill(step * 0.01)
        if budget.unreliable > 0:
            budget.unreliable -= 10
            sent["unreliable"] += 10
        if budget.reliable > 0:
            budget.reliable -= 10
            sent["reliable"] += 10
    assert sent["unreliable"] == pytest.approx(75_000, rel=0.02)
    assert sent["reliable"] == pytest.approx(25_000, rel=0.02)


@pytest.mark.parametrize("kind", ["reliable", "unreliable"])
def test_one_kind_alone_gets_the_whole_rate(kind: str) -> None:
    budget = SendBudget(Budget(rate=1000.0, burst=100.0, rate_min=1000.0), 0.0)
    sent = 0.0
    for step in range(1, 10_001):
        budget.refill(step * 0.01)
        while getattr(budget, kind) > 0:
            setattr(budget, kind, getattr(budget, kind) - 10)
            sent += 10
    assert sent == pytest.approx(100_000, rel=0.02)


def test_a_spent_budget_says_when_there_is_more() -> None:
    budget = SendBudget(Budget(rate=1000.0, burst=100.0, rate_min=1000.0), 0.0)
    assert budget.reliable_ready_at == budget.unreliable_ready_at == -math.inf
    budget.reliable = -50.0
    ready_at = budget.reliable_ready_at
    assert ready_at == pytest.approx(0.2)
    budget.refill(ready_at + 1e-9)
    assert budget.reliable > 0


def test_a_clock_that_steps_back_gives_no_credit() -> None:
    budget = SendBudget(Budget(rate=1000.0, burst=100.0, rate_min=1000.0), 10.0)
    budget.unreliable = 0.0
    budget.refill(9.0)
    budget.refill(10.0)
    assert budget.unreliable == 0.0


def test_before_the_first_round_trip_the_budget_fills_as_over_an_assumed_one() -> None:
    budget = SendBudget(Budget(rate=1e9, burst=1e9, rate_min=1.0), 0.0)
    sizes = LIMITS.congestion
    assert budget.rate == pytest.approx(sizes.pace * INITIAL / sizes.rtt_assumed_s)


def test_the_budget_follows_the_window_within_its_limits() -> None:
    budget = SendBudget(Budget(rate=1e6, burst=1e6, rate_min=1e5), 0.0)
    budget.adapt(40_000, 0.1)
    assert budget.rate == pytest.approx(LIMITS.congestion.pace * 400_000)
    budget.refill(100.0)
    assert budget.reliable + budget.unreliable == pytest.approx(40_000)
    budget.adapt(4_000, 1.0)
    assert budget.rate == 1e5
    assert budget.reliable + budget.unreliable <= 10_000
    budget.adapt(4e6, 0.001)
    assert budget.rate == 1e6
    budget.refill(200.0)
    assert budget.reliable + budget.unreliable == pytest.approx(1e6)


def test_impossible_channels_are_named_all_at_once() -> None:
    small = ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=100)
    good = ChannelSpec(Delivery.UNRELIABLE, memory_max=2000)
    with pytest.raises(ConfigError, match=r"channel 0: .*channel 2: "):
        check_channels((small, good, small))
    with pytest.raises(ConfigError):
        check_channels(())
    with pytest.raises(ConfigError):
        check_channels((good,) * (limits.CHANNELS_MAX + 1))
    check_channels((good,) * limits.CHANNELS_MAX)
