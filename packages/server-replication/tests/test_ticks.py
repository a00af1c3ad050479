"""When ticks are due, on time, late and after a stall."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidereal.replication.ticks import Ticks

TICK_S = 0.05
CATCH_UP = 5


def begun(now: float = 100.0) -> Ticks:
    ticks = Ticks(TICK_S, CATCH_UP)
    assert ticks.take(now) == now
    return ticks


def take_all(ticks: Ticks, now: float) -> int:
    count = 0
    while ticks.take(now) is not None:
        count += 1
    return count


def test_the_first_tick_is_due_at_once_whenever_that_is() -> None:
    ticks = Ticks(TICK_S, CATCH_UP)
    assert ticks.due_at == -math.inf
    assert ticks.take(1e6) == 1e6


def test_nothing_is_due_before_its_time() -> None:
    ticks = begun()
    assert ticks.take(100.0 + 0.9 * TICK_S) is None
    assert ticks.take(100.0 + TICK_S) == pytest.approx(100.0 + TICK_S)


def test_a_late_tick_does_not_move_those_after_it() -> None:
    ticks = begun()
    assert ticks.take(100.0 + 1.7 * TICK_S) == pytest.approx(100.0 + TICK_S)
    assert ticks.due_at == pytest.approx(100.0 + 2 * TICK_S)


def test_a_million_ticks_do_not_drift() -> None:
    ticks = begun(0.0)
    for number in range(1, 1_000_001):
        assert ticks.take(number * TICK_S) is not None
    assert ticks.due_at == pytest.approx(1_000_001 * TICK_S, abs=1e-6)


def test_seconds_that_are_added_up_lose_no_tick() -> None:
    ticks, now = begun(0.0), 0.0
    for _ in range(10_000):
        now += TICK_S
        assert ticks.take(now) is not None
    assert ticks.dropped == 0


@given(st.floats(0.0, 1000.0))
def test_after_a_stall_a_few_ticks_follow_and_the_rest_is_counted(stalled_s: float) -> None:
    ticks = begun()
    ran = take_all(ticks, 100.0 + stalled_s)
    assert ran <= CATCH_UP + 1
    assert ran + ticks.dropped == pytest.approx(stalled_s / TICK_S, abs=1)
    assert 0 < ticks.due_at - (100.0 + stalled_s) <= TICK_S + 1e-5


def test_a_tick_that_is_held_back_comes_afterwards_and_the_grid_stays() -> None:
    ticks = begun()
    ticks.hold(100.0 + 1.5 * TICK_S)
    assert ticks.due_at == pytest.approx(100.0 + 1.5 * TICK_S)
    assert ticks.take(100.0 + 1.4 * TICK_S) is None
    assert ticks.take(100.0 + 1.5 * TICK_S) == pytest.approx(100.0 + TICK_S)
    assert ticks.due_at == pytest.approx(100.0 + 2 * TICK_S)
    assert ticks.dropped == 0


def test_a_tick_that_is_not_due_yet_is_not_held_back_further() -> None:
    ticks = begun()
    ticks.hold(100.0 + 0.5 * TICK_S)
    assert ticks.due_at == pytest.approx(100.0 + TICK_S)
