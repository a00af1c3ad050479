"""Where others are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client.interpolation import References, interpolate, reckon

TICK_S = 0.05


def reference(
    tick: int, x: float, y: float, vx: float, vy: float, heading: float = 0.0, spin: float = 0.0
) -> References:
    return References(
        np.array([tick], np.int64), *(np.array([value]) for value in (x, y, vx, vy, heading, spin))
    )


def between(*oldest_first: References) -> References:
    """References of the same entities, as `interpolate` takes them."""
    newest_first = oldest_first[::-1]
    return References(*(np.stack(columns) for columns in zip(*newest_first, strict=True)))


def test_two_references_on_one_line_give_that_line() -> None:
    older = reference(10, 100.0, -50.0, 20.0, 8.0, 1.0, 0.5)
    later = reckon(older, 14, TICK_S)
    newer = reference(14, later.x[0], later.y[0], 20.0, 8.0, later.heading[0], 0.5)
    for tick in np.linspace(8.0, 20.0, 49):
        poses = interpolate(between(older, newer), float(tick), TICK_S, blend_ticks=2.0)
        line = reckon(older, float(tick), TICK_S)
        assert poses.x[0] == pytest.approx(line.x[0], abs=1e-9)
        assert poses.y[0] == pytest.approx(line.y[0], abs=1e-9)
        assert poses.heading[0] == pytest.approx(line.heading[0], abs=1e-9)


def test_the_path_passes_through_both_ends_with_their_velocities() -> None:
    older = reference(10, 0.0, 0.0, 10.0, 0.0)
    newer = reference(12, 1.5, 0.4, 0.0, 9.0)
    at_end = interpolate(between(older, newer), 12.0 - 1e-9, TICK_S, blend_ticks=2.0)
    at_begin = interpolate(between(older, newer), 10.0 + 1e-9, TICK_S, blend_ticks=2.0)
    assert (at_begin.x[0], at_begin.y[0]) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert (at_begin.vx[0], at_begin.vy[0]) == pytest.approx((10.0, 0.0), abs=1e-6)
    assert (at_end.x[0], at_end.y[0]) == pytest.approx((1.5, 0.4), abs=1e-6)
    assert (at_end.vx[0], at_end.vy[0]) == pytest.approx((0.0, 9.0), abs=1e-6)


def test_velocity_is_the_derivative_of_position() -> None:
    older = reference(0, 0.0, 0.0, 30.0, -4.0)
    newer = reference(4, 9.0, 3.0, -10.0, 25.0)
    step = 1e-5
    for tick in (2.1, 2.9, 3.7):
        a = interpolate(between(older, newer), tick, TICK_S, blend_ticks=2.0)
        b = interpolate(between(older, newer), tick + step, TICK_S, blend_ticks=2.0)
        assert (b.x[0] - a.x[0]) / (step * TICK_S) == pytest.approx(a.vx[0], abs=0.02)
        assert (b.y[0] - a.y[0]) / (step * TICK_S) == pytest.approx(a.vy[0], abs=0.02)


def test_a_long_drift_bends_only_just_before_the_newer_reference() -> None:
    older = reference(0, 0.0, 0.0, 10.0, 0.0)
    newer = reference(100, 50.0, 0.0, -10.0, 0.0)
    poses = interpolate(between(older, newer), 50.0, TICK_S, blend_ticks=2.0)
    assert poses.x[0] == pytest.approx(25.0)
    poses = interpolate(between(older, newer), 98.0, TICK_S, blend_ticks=2.0)
    assert poses.x[0] == pytest.approx(49.0)


def test_after_the_newest_reference_it_is_dead_reckoned() -> None:
    older = reference(0, 0.0, 0.0, 1.0, 0.0)
    newer = reference(2, 5.0, 5.0, 10.0, -10.0)
    poses = interpolate(between(older, newer), 6.0, TICK_S, blend_ticks=2.0)
    assert (poses.x[0], poses.y[0]) == pytest.approx((7.0, 3.0))


def test_a_single_reference_is_reckoned_both_ways() -> None:
    only = reference(5, 0.0, 0.0, 20.0, 0.0)
    assert interpolate(between(only, only), 3.0, TICK_S, blend_ticks=2.0).x[0] == pytest.approx(
        -2.0
    )
    assert interpolate(between(only, only), 7.0, TICK_S, blend_ticks=2.0).x[0] == pytest.approx(2.0)


def test_heading_takes_the_short_way_across_pi() -> None:
    older = reference(0, 0.0, 0.0, 0.0, 0.0, heading=3.1)
    newer = reference(2, 0.0, 0.0, 0.0, 0.0, heading=-3.1)
    heading = interpolate(between(older, newer), 1.0, TICK_S, blend_ticks=2.0).heading[0]
    assert abs(abs(heading) - math.pi) < 1e-9


def test_the_heading_bends_from_one_spin_into_the_other() -> None:
    older = reference(0, 0.0, 0.0, 0.0, 0.0, heading=0.5, spin=1.0)
    newer = reference(8, 0.0, 0.0, 0.0, 0.0, heading=0.3, spin=-2.0)

    def heading(tick: float) -> float:
        return float(interpolate(between(older, newer), tick, TICK_S, blend_ticks=4.0).heading[0])

    def spin(tick: float) -> float:
        return (heading(tick + 1e-4) - heading(tick - 1e-4)) / (2e-4 * TICK_S)

    assert heading(3.0) == pytest.approx(0.5 + 3 * TICK_S)
    assert (heading(4.0), spin(4.001)) == pytest.approx((0.5 + 4 * TICK_S, 1.0), abs=0.01)
    assert (heading(8.0), spin(7.999)) == pytest.approx((0.3, -2.0), abs=0.01)
    # Half way it has turned as the curve with these ends does.
    assert heading(6.0) == pytest.approx((0.7 + 0.3) / 2 + 4 * TICK_S * (1.0 - -2.0) / 8)


@pytest.mark.parametrize("at", [np.full(50, 8.3), np.linspace(0.0, 18.0, 50)])
def test_rows_do_not_influence_each_other(at: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    n = 50
    older = References(rng.integers(0, 10, n), *(rng.normal(0, 10, n) for _ in range(6)))
    newer = References(
        older.tick + rng.integers(0, 8, n), *(rng.normal(0, 10, n) for _ in range(6))
    )
    both = between(older, newer)
    together = interpolate(both, at, TICK_S, blend_ticks=2.0)
    for row in range(n):
        rows = np.array([row])
        alone = interpolate(both.take(rows), float(at[row]), TICK_S, blend_ticks=2.0)
        for column, single in zip(together, alone, strict=True):
            assert column[row] == single[0]


def test_no_rows_are_fine() -> None:
    none = References(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(6)))
    assert len(interpolate(between(none, none), 1.0, TICK_S, blend_ticks=2.0).x) == 0


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    gap=st.integers(1, 40),
    jump=st.floats(-5.0, 5.0),
    turn=st.floats(-100.0, 100.0),
    blend=st.floats(1.0, 4.0),
)
def test_the_path_is_continuous(gap: int, jump: float, turn: float, blend: float) -> None:
    older = reference(0, 0.0, 0.0, 50.0, 0.0)
    newer = reference(gap, 50.0 * gap * TICK_S + jump, jump, 50.0 + turn, turn)
    ticks = np.linspace(-1.0, gap + 1.0, 90)
    x = np.array([interpolate(between(older, newer), float(t), TICK_S, blend).x[0] for t in ticks])
    step_s = (ticks[1] - ticks[0]) * TICK_S
    # No faster than both lines' speed plus what the jump needs within the blend.
    fastest = 50.0 + 2 * abs(turn) + 1.5 * abs(jump) / (min(gap, blend) * TICK_S)
    assert np.abs(np.diff(x)).max() <= fastest * step_s + 1e-6


def test_the_path_goes_through_every_reference_of_the_ring() -> None:
    """What steers has one at every tick: each is where it was, and is drawn there."""
    steering = [reference(tick, tick**2 / 10, -tick, tick, 1.0 - tick) for tick in (7, 8, 9, 10)]
    known = between(*steering)
    for one in steering:
        poses = interpolate(known, float(one.tick[0]), TICK_S, blend_ticks=2.0)
        assert (poses.x[0], poses.y[0]) == (one.x[0], one.y[0])
        assert (poses.vx[0], poses.vy[0]) == (one.vx[0], one.vy[0])
    before = interpolate(known, 6.0, TICK_S, blend_ticks=2.0)
    assert before.x[0] == pytest.approx(4.9 - 7 * TICK_S)


def test_a_hit_that_is_followed_by_another_reference_does_not_jump() -> None:
    """It bounces at 60 units a second; a tick later its spin has settled."""
    hit = [reference(0, 0.0, 0.0, 60.0, 0.0), reference(100, 300.0, 0.0, -60.0, 0.0, spin=2.0)]
    settled = reference(101, 297.0, 0.0, -60.0, 0.0, spin=1.0)
    frames = np.arange(60) / 60
    first, second = between(hit[0], *hit), between(*hit, settled)
    drawn = [interpolate(first, 99.0 + n, TICK_S, blend_ticks=2.0) for n in frames]
    drawn += [interpolate(second, 100.0 + n, TICK_S, blend_ticks=2.0) for n in frames]
    x = np.array([poses.x[0] for poses in drawn])
    # It comes back to where it was hit: for that it runs a little ahead before.
    assert np.abs(np.diff(x)).max() <= 100.0 * TICK_S / 60 * 1.01


def test_where_references_are_missing_nothing_is_drawn_much_faster_than_it_flew() -> None:
    """Something slow begins to thrust at tick 6; the words of ticks 7, 8 and 9 are lost."""
    push, slow = 60.0, 2.7
    x = np.cumsum([0.0, *(slow + push * TICK_S * n for n in range(1, 5))]) * TICK_S
    older, newer = (
        References(np.array([t]), *(np.array([v]) for v in (at, 0.0, speed, 0.0, 0.0, 0.0)))
        for t, at, speed in ((6, x[0], slow), (10, x[4], slow + push * TICK_S * 4))
    )
    at = np.linspace(6.0, 10.0, 81)
    drawn = [float(interpolate(between(older, newer), t, TICK_S, 2.0).x[0]) for t in at.tolist()]
    fastest = np.diff(drawn).max() / (0.05 * TICK_S)
    assert fastest <= 1.3 * newer.vx[0]
    assert drawn[-1] == pytest.approx(x[4])
    speed = [float(interpolate(between(older, newer), t, TICK_S, 2.0).vx[0]) for t in at.tolist()]
    assert max(speed) == pytest.approx(fastest, rel=0.01)
