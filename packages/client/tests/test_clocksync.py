"""The estimate of the server's tick."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client.clocksync import STEP_S, ClockSync
from sidereal.client.limits import LIMITS

TICK_S = 0.05


def feed(clock: ClockSync, ticks: range, delays: np.ndarray, zero: float) -> float:
    now = 0.0
    for tick, delay in zip(ticks, delays, strict=True):
        now = max(now, zero + tick * TICK_S + delay)
        clock.observe(tick, now)
    return now


def test_steady_snapshots_give_the_exact_tick() -> None:
    clock = ClockSync(TICK_S)
    now = feed(clock, range(1000, 1100), np.full(100, 0.02), zero=7.0)
    assert abs(clock.server_tick(now) - 1099) < 1e-6
    assert abs(clock.server_tick(now + 0.025) - 1099.5) < 1e-6
    assert clock.newest_tick == 1099


def test_jitter_does_not_pull_the_estimate_back() -> None:
    rng = np.random.default_rng(1)
    clock = ClockSync(TICK_S)
    arrival = 0.0
    errors = []
    for tick, delay in enumerate(0.02 + rng.exponential(0.015, 600)):
        arrival = max(arrival, tick * TICK_S + delay)
        clock.observe(tick, arrival)
        truth = (arrival - 0.02) / TICK_S
        errors.append(truth - clock.server_tick(arrival))
    # The fastest delivery of a window is within a millisecond of the path's own delay.
    assert max(errors[100:]) * TICK_S < 0.002
    assert min(errors) > -1e-6


def test_reordered_and_repeated_ticks_change_nothing() -> None:
    clock = ClockSync(TICK_S)
    feed(clock, range(50), np.full(50, 0.01), zero=0.0)
    before = clock.server_tick(10.0)
    clock.observe(49, 9.0)
    clock.observe(3, 9.5)
    assert clock.server_tick(10.0) == before


def test_a_longer_path_is_learnt_once_the_old_minimum_expires() -> None:
    clock = ClockSync(TICK_S)
    feed(clock, range(40), np.full(40, 0.01), zero=0.0)
    ticks = range(40, 40 + round(4 * LIMITS.clock_window_s / TICK_S))
    seen = clock.server_tick(40 * TICK_S)
    for tick in ticks:
        now = tick * TICK_S + 0.21
        clock.observe(tick, now)
        for moment in (now, now + 0.02, now + 0.04):
            assert clock.server_tick(moment) >= seen
            seen = clock.server_tick(moment)
    assert abs(clock.server_tick(now) - ticks[-1]) < 0.05


def test_a_jump_of_the_servers_clock_is_taken_at_once() -> None:
    clock = ClockSync(TICK_S)
    now = feed(clock, range(40), np.full(40, 0.01), zero=0.0)
    clock.observe(5000, now + 0.05)
    assert abs(clock.server_tick(now + 0.05) - 5000) < 1e-6


def feed_from(clock: ClockSync, ticks: range, late_s: float) -> float:
    """Let every tick of a server that is so late arrive in time."""
    for tick in ticks:
        clock.observe(tick, tick * TICK_S + late_s)
    return (ticks[-1]) * TICK_S + late_s


@pytest.mark.parametrize("stall_s", [0.55, 0.8, 2.0, 4.0])
def test_a_burst_after_a_stall_does_not_turn_the_clock_back(stall_s: float) -> None:
    clock = ClockSync(TICK_S)
    feed_from(clock, range(100), 0.0)
    stalled = range(100, 100 + round(stall_s / TICK_S))
    now = seen = stalled[-1] * TICK_S
    for tick in stalled:
        # What had waited comes at once, when this process or the network goes on.
        clock.observe(tick, now)
        assert clock.server_tick(now) * TICK_S >= seen - 1e-9
        seen = clock.server_tick(now) * TICK_S
    for tick in range(stalled[-1] + 1, stalled[-1] + 200):
        clock.observe(tick, tick * TICK_S)
        assert clock.server_tick(tick * TICK_S) == pytest.approx(tick, abs=1e-6)


def test_the_clock_is_turned_back_when_a_whole_window_agrees_and_not_before() -> None:
    clock = ClockSync(TICK_S)
    feed_from(clock, range(100), 0.0)
    late_s = 2 * STEP_S
    turned_at = None
    for tick in range(100, 100 + round(5 * LIMITS.clock_window_s / TICK_S)):
        now = tick * TICK_S + late_s
        before = clock.server_tick(now)
        clock.observe(tick, now)
        if turned_at is None and clock.server_tick(now) < before - STEP_S / TICK_S / 2:
            turned_at = now - 100 * TICK_S
            assert clock.server_tick(now) == pytest.approx(tick)
    assert turned_at is not None
    assert LIMITS.clock_window_s <= turned_at <= 2 * LIMITS.clock_window_s + late_s


def test_a_difference_of_one_step_is_slewed_and_a_greater_one_stepped_over() -> None:
    for early_s, steps in ((STEP_S, False), (STEP_S + 2**-10, True)):
        clock = ClockSync(2**-4)
        for tick in range(16):
            clock.observe(tick, tick / 16)
        clock.observe(16, 1.0 - early_s)
        ahead_s = clock.server_tick(1.0 - early_s) / 16 - (1.0 - early_s)
        assert ahead_s == (early_s if steps else 0.0)
    for late_s, steps in ((STEP_S, False), (STEP_S + 2**-10, True)):
        clock = ClockSync(2**-4)
        for tick in range(16):
            clock.observe(tick, tick / 16)
        fell = False
        for tick in range(16, 16 * 5):
            now = tick / 16 + late_s
            before = clock.server_tick(now)
            clock.observe(tick, now)
            fell |= clock.server_tick(now) < before
        assert fell is steps


def test_nothing_is_known_before_the_first_snapshot() -> None:
    clock = ClockSync(TICK_S)
    assert clock.newest_tick == -1
    assert clock.server_tick(123.0) == 0.0


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.floats(0.0, 0.2), min_size=2, max_size=200))
def test_time_never_runs_backwards(delays: list[float]) -> None:
    clock = ClockSync(TICK_S)
    seen = -1e9
    now = 0.0
    for tick, delay in enumerate(delays):
        arrival = max(now, tick * TICK_S + delay)
        for moment in np.linspace(now, arrival, 4):
            if tick:
                estimate = clock.server_tick(float(moment))
                assert estimate >= seen - 1e-6
                seen = estimate
        now = arrival
        clock.observe(tick, now)
        if not tick:
            seen = clock.server_tick(now)
