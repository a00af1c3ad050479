"""How long ago the picture is, and that nothing in it jumps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sidereal.client.interpolation import RING, Poses, References, interpolate
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.smoothing import HASTE, HASTE_LEAST, PATIENCE, Smoothing
from sidereal.client.timeline import DECAY, GROWTH, Timeline

TICK_S = 0.05
QUICK = Limits(lateness_every=1)


def hear(
    timeline: Timeline, late_s: list[float], loss: float = 0.0, first: int = 100, zero: float = 7.0
) -> float:
    """Let snapshots come, each later than the fastest by so much; gives when the last one came."""
    newest = -1
    for now, tick in sorted(
        (zero + (first + n) * TICK_S + late_s[n], n) for n in range(len(late_s))
    ):
        if tick > newest:
            newest = tick
            timeline.observe(first + tick, now, loss)
    return now


def settled(timeline: Timeline, now: float) -> float:
    """The delay, once it has been slewed."""
    return timeline.delay_s(now + 60.0)


def test_on_a_good_link_the_picture_is_an_interval_old() -> None:
    timeline = Timeline(TICK_S, QUICK)
    now = hear(timeline, [0.0] * 100)
    assert settled(timeline, now) == pytest.approx(TICK_S)
    moment = timeline.moment(now + 60.0)
    assert moment.drawn_tick == pytest.approx(moment.server_tick - 1.0)
    assert moment.blend_ticks == pytest.approx(1.0)


def test_what_comes_late_and_what_gets_lost_make_it_older() -> None:
    late_s = [0.0] * 5 + [0.02, 0.0, 0.03, 0.01] * 40
    for loss, intervals in ((0.0, 1), (0.05, 2)):
        timeline = Timeline(TICK_S, QUICK)
        now = hear(timeline, late_s, loss)
        assert settled(timeline, now) == pytest.approx(intervals * TICK_S + 0.03, abs=0.002)
        # What is not lateness is there to bend paths in.
        assert timeline.moment(now + 60.0).blend_ticks == pytest.approx(intervals, abs=0.05)


def test_one_snapshot_in_twenty_may_be_later_than_that() -> None:
    timeline = Timeline(TICK_S, QUICK)
    now = hear(timeline, ([0.0] * 30 + [0.045]) * 8)
    assert settled(timeline, now) < TICK_S + 0.02


def test_it_is_no_older_than_the_ring_of_references() -> None:
    timeline = Timeline(TICK_S, QUICK)
    now = hear(timeline, [0.0, 0.0, 0.0, 0.0, 0.2, 0.15, 0.1, 0.05] * 20, loss=0.3)
    assert settled(timeline, now) == pytest.approx((RING - 1) * TICK_S)
    assert Timeline(1 / 120).delay_s(0.0) == pytest.approx((RING - 1) / 120)


def test_it_changes_slowly_and_time_never_runs_back() -> None:
    timeline, zero = Timeline(TICK_S, QUICK), 7.0
    late_s = [0.0] * 60 + [0.0, 0.045] * 60 + [0.0] * 300
    drawn, delays, now = [], [], zero + 100 * TICK_S
    for tick, late in enumerate(late_s, 100):
        at = zero + tick * TICK_S + late
        while now < at:
            drawn.append(timeline.moment(now).drawn_tick)
            delays.append(timeline.delay_s(now))
            now += 1 / 60
        timeline.observe(tick, at, 0.0)
    steps_s = np.diff(delays)
    assert steps_s.max() <= GROWTH / 60 * 1.01
    assert steps_s.min() >= -DECAY / 60 * 1.01
    least = int(np.argmin(delays[:180]))
    assert delays[least] == pytest.approx(TICK_S)
    assert max(delays[least:]) == pytest.approx(TICK_S + 0.045)
    assert (np.diff(drawn) >= 0).all()


def test_before_anything_is_measured_it_is_what_the_limits_say() -> None:
    assert Timeline(TICK_S).delay_s(3.0) == LIMITS.delay_s_first


# -- smoothing ------------------------------------------------------------------------------------


def moving(*references: tuple[int, float, float]) -> References:
    """One entity along x: ticks, places and speeds, the newest first."""
    tick, x, vx = (np.array(values).reshape(-1, 1) for values in zip(*references, strict=True))
    still = np.zeros(x.shape)
    return References(tick, x.astype(float), still, vx.astype(float), still, still, still)


IDS = np.array([7], np.uint32)


def draw(
    smoothing: Smoothing,
    known: References,
    tick: float,
    ids: np.ndarray = IDS,
    blend_ticks: float = 1.0,
) -> Poses:
    def path(at: np.ndarray, some: np.ndarray) -> Poses:
        return interpolate(known.take(some), at, TICK_S, blend_ticks)

    return smoothing.smooth(ids, known.tick[0], np.full(len(ids), tick), TICK_S, path)


def test_a_reference_that_comes_too_late_fades_in() -> None:
    smoothing = Smoothing()
    before, after = (
        moving((10, 0.0, 20.0), (10, 0.0, 20.0)),
        moving((12, 1.0, 0.0), (10, 0.0, 20.0)),
    )
    x = [float(draw(smoothing, before, 13.0 + n / 10).x[0]) for n in range(21)]  # on to 15
    x += [float(draw(smoothing, after, 15.0 + n / 10).x[0]) for n in range(1, 101)]
    steps = np.abs(np.diff(x))
    assert x[20] == pytest.approx(5.0)
    assert x[-1] == pytest.approx(1.0, abs=0.02)
    # No frame is farther from the one before than the error may fade in it.
    assert steps.max() <= HASTE_LEAST * 0.1 * TICK_S * 1.01
    assert (np.diff(x[21:]) <= 0).all()


@pytest.mark.parametrize("off", [(-4.0, 0.0), (4.0, 0.0), (0.0, 9.0), (-6.0, -6.0)])
def test_who_is_called_back_seems_to_move_no_more_than_a_bit_faster(
    off: tuple[float, float],
) -> None:
    smoothing, speed, frame_s = Smoothing(), 100.0, 1 / 60
    known = moving((10, 0.0, speed), (10, 0.0, speed))
    draw(smoothing, known, 12.0)
    elsewhere = moving((11, speed * TICK_S, speed), (10, 0.0, speed))
    away = np.array([[1.0], [0.0]])
    elsewhere = elsewhere._replace(x=elsewhere.x + off[0] * away, y=off[1] * away)
    before, shown = draw(smoothing, known, 12.0), []
    for frame in range(1, 50):
        drawn = draw(smoothing, elsewhere, 12.0 + frame * frame_s / TICK_S)
        shown.append(math.hypot(drawn.x[0] - before.x[0], drawn.y[0] - before.y[0]))
        before = drawn
    assert max(shown) <= HASTE * speed * frame_s * (1 + 1e-9)
    assert before.y[0] == pytest.approx(off[1], abs=0.05)
    assert before.x[0] == pytest.approx(elsewhere.x[0, 0] + (1.0 + 49 / 3) * 5.0, abs=0.05)


def test_a_large_error_shrinks_in_time_though_it_shows() -> None:
    smoothing, far = Smoothing(), LIMITS.snap_units - 1.0
    draw(smoothing, moving((10, far, 0.0), (10, far, 0.0)), 12.0)
    there = moving((11, 0.0, 0.0), (11, 0.0, 0.0))
    x = [float(draw(smoothing, there, 12.0 + n / 3).x[0]) for n in range(1, 70)]
    patient = PATIENCE * LIMITS.smooth_s / TICK_S
    assert x[0] > 0.9 * far
    assert x[int(3 * patient) + 1] < 0.06 * far
    assert x[-1] == pytest.approx(0.0, abs=0.02)


def test_what_comes_in_time_is_drawn_where_it_is() -> None:
    smoothing = Smoothing()
    known = moving((12, 2.0, 20.0), (10, 0.0, 20.0))
    for tick in np.linspace(10.0, 14.0, 30):
        drawn = draw(smoothing, known, float(tick))
        assert drawn.x[0] == pytest.approx((tick - 10.0) * 20.0 * TICK_S)


def test_what_was_moved_far_away_is_shown_there_at_once() -> None:
    smoothing = Smoothing()
    draw(smoothing, moving((10, 0.0, 0.0), (10, 0.0, 0.0)), 12.0)
    far = moving((11, 2 * LIMITS.snap_units, 0.0), (11, 2 * LIMITS.snap_units, 0.0))
    assert draw(smoothing, far, 12.1).x[0] == pytest.approx(2 * LIMITS.snap_units)


def test_who_comes_is_drawn_where_it_is_and_others_are_not_mistaken_for_it() -> None:
    smoothing = Smoothing()
    draw(smoothing, moving((10, 5.0, 0.0), (10, 5.0, 0.0)), 12.0)
    both = moving((11, 5.0, 0.0), (11, 5.0, 0.0))
    two = both.take(np.array([0, 0]))
    two.x[:, 1] += 3.0
    drawn = draw(smoothing, two, 12.1, np.array([3, 7], np.uint32))
    assert drawn.x[0] == pytest.approx(5.0)
    # It is taken to have been at 5 where the path has 8, and fades there.
    assert 5.0 < drawn.x[1] < 8.5
    assert math.isfinite(drawn.heading[1])


def test_steering_over_a_rough_link_is_drawn_without_visible_steps() -> None:
    """200 ms there and back, 30 ms jitter, one in twenty lost; something turns at 100 units/s."""
    rng, speed, spin = np.random.default_rng(5), 100.0, 2.5
    timeline, smoothing = Timeline(TICK_S), Smoothing()
    arrivals = sorted(
        (tick * TICK_S + 0.1 + rng.uniform(0.0, 0.03), tick)
        for tick in range(400)
        if rng.random() >= 0.05
    )
    known: list[tuple[int, float, float, float, float]] = []
    newest, shown, now = -1, [], 0.0

    def truth(tick: float) -> tuple[float, float, float, float]:
        turned = spin * tick * TICK_S
        radius = speed / spin
        return (
            radius * math.sin(turned),
            -radius * math.cos(turned),
            speed * math.cos(turned),
            speed * math.sin(turned),
        )

    while arrivals:
        while arrivals and arrivals[0][0] <= now:
            at, tick = arrivals.pop(0)
            if tick > newest:
                newest = tick
                timeline.observe(tick, at, 0.05)
                known = [(tick, *truth(tick)), *known][:RING]
        if len(known) == RING and now > 4.0:
            tick_of, x, y, vx, vy = np.array(known).T[:, :, None]
            still = np.zeros(x.shape)
            ring = References(tick_of.astype(np.int64), x, y, vx, vy, still, still)
            moment = timeline.moment(now)

            drawn = draw(smoothing, ring, moment.drawn_tick, blend_ticks=moment.blend_ticks)
            shown.append((drawn.x[0], drawn.y[0], *truth(moment.drawn_tick)[:2]))
        now += 1 / 60
    drawn_x, drawn_y, true_x, true_y = np.array(shown).T
    steps = np.hypot(np.diff(drawn_x), np.diff(drawn_y))
    assert len(steps) > 900
    assert steps.max() <= 1.5 * speed / 60
    assert np.quantile(np.hypot(drawn_x - true_x, drawn_y - true_y), 0.95) < 0.5
