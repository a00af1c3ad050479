from __future__ import annotations

import math

import pytest

from sidereal.protocol import limits
from sidereal.protocol.channel.recovery import CongestionWindow, RoundTrip, SendBudget
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
    assert trip.rto_s == limits.RTO_S_INITIAL
    trip.add_sample(0.2, 0.0)
    assert trip.rto_s == pytest.approx(0.6)


def test_the_time_out_stays_within_its_limits() -> None:
    trip = RoundTrip()
    trip.add_sample(0.0, 0.0)
    assert trip.rto_s == limits.RTO_S_MIN
    for _ in range(20):
        trip.back_off()
    assert trip.rto_s == limits.RTO_S_MAX
    trip.add_sample(0.001, 0.0)
    assert trip.rto_s == limits.RTO_S_MIN


def test_an_overstated_wait_makes_no_negative_round_trip() -> None:
    trip = RoundTrip()
    trip.add_sample(0.1, ack_delay_s=6.5)
    assert trip.rtt_s == 0.0


def fill(window: CongestionWindow) -> int:
    size = math.ceil(window.size - window.in_flight_size)
    window.sent(size)
    return size


def test_the_window_doubles_each_round_trip_until_the_first_loss() -> None:
    window = CongestionWindow()
    window.acked(fill(window), sent_at=0.0)
    assert window.size == pytest.approx(2 * limits.WINDOW_SIZE_INITIAL)
    size = fill(window)
    assert not window.is_open
    window.lost(1000, sent_at=0.1, now=0.2)
    shrunk = window.size
    assert shrunk == pytest.approx(1.4 * limits.WINDOW_SIZE_INITIAL)
    window.acked(size - 1000, sent_at=0.3)
    assert shrunk < window.size < shrunk + 2 * limits.PAYLOAD_SIZE_MAX


def test_the_window_shrinks_once_for_losses_of_one_round_trip() -> None:
    window = CongestionWindow()
    fill(window)
    window.lost(1000, sent_at=0.10, now=0.2)
    window.lost(1000, sent_at=0.15, now=0.2)
    assert window.size == pytest.approx(0.7 * limits.WINDOW_SIZE_INITIAL)
    window.lost(1000, sent_at=0.25, now=0.4)
    assert window.size == pytest.approx(0.49 * limits.WINDOW_SIZE_INITIAL)


def test_the_window_keeps_its_least_and_greatest_size() -> None:
    window = CongestionWindow()
    for step in range(50):
        window.sent(1000)
        window.lost(1000, sent_at=float(step), now=step + 0.5)
    assert window.size == limits.WINDOW_SIZE_MIN
    window = CongestionWindow()
    for step in range(50):
        window.acked(fill(window), sent_at=float(step))
    assert window.size == limits.WINDOW_SIZE_MAX


def test_an_idle_sender_does_not_grow_its_window() -> None:
    window = CongestionWindow()
    for step in range(50):
        window.sent(100)
        window.acked(100, sent_at=float(step))
    assert window.size == limits.WINDOW_SIZE_INITIAL


def test_neither_kind_of_traffic_starves_the_other() -> None:
    budget = SendBudget(Budget(rate=1000.0, burst=100.0), 0.0)
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
    budget = SendBudget(Budget(rate=1000.0, burst=100.0), 0.0)
    sent = 0.0
    for step in range(1, 10_001):
        budget.refill(step * 0.01)
        while getattr(budget, kind) > 0:
            setattr(budget, kind, getattr(budget, kind) - 10)
            sent += 10
    assert sent == pytest.approx(100_000, rel=0.02)


def test_a_spent_budget_says_when_there_is_more() -> None:
    budget = SendBudget(Budget(rate=1000.0, burst=100.0), 0.0)
    assert budget.reliable_ready_at == budget.unreliable_ready_at == -math.inf
    budget.reliable = -50.0
    ready_at = budget.reliable_ready_at
    assert ready_at == pytest.approx(0.2)
    budget.refill(ready_at + 1e-9)
    assert budget.reliable > 0


def test_a_clock_that_steps_back_gives_no_credit() -> None:
    budget = SendBudget(Budget(rate=1000.0, burst=100.0), 10.0)
    budget.unreliable = 0.0
    budget.refill(9.0)
    budget.refill(10.0)
    assert budget.unreliable == 0.0


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
