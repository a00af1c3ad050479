"""Who may touch whom, against a second way to find out, and the islands that follow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership.discs import COMPARISONS_MAX, find_close, meet_any
from sidereal.replication.ownership.islands import (
    KICK_MIN,
    KICK_SHARE,
    Bodies,
    find_pairs,
    label,
    slack_of,
)

HORIZON_S = 0.25


def draw_bodies(seed: int, count: int, side: float, radius_max: float) -> Bodies:
    rng = np.random.default_rng(seed)
    speed, course = rng.uniform(0, 250, count) * rng.integers(0, 2, count), rng.uniform(0, 7, count)
    return Bodies(
        node=np.arange(count),
        x=rng.uniform(-side, side, count),
        y=rng.uniform(-side, side, count),
        vx=speed * np.cos(course),
        vy=speed * np.sin(course),
        radius=np.exp(rng.uniform(0.0, math.log(radius_max), count)),
        mass=np.exp(rng.uniform(-3.0, 9.0, count)),
        slack=slack_of(rng.choice([0.0, 60.0, 480.0], count), np.zeros(count), HORIZON_S),
        category=rng.choice(np.array([1, 2, 3], np.uint32), count),
        mask=rng.choice(np.array([1, 2, 3, 3, 3], np.uint32), count),
        group=rng.integers(0, 2 * count, count),
    )


def touch(bodies: Bodies, a: int, b: int, slack: np.ndarray) -> float | None:
    """When two touch first, s; None if they do not, looked at in small steps and refined."""
    if not bodies.category[a] & bodies.mask[b] or not bodies.category[b] & bodies.mask[a]:
        return None
    if bodies.group[a] == bodies.group[b] or bodies.node[a] == bodies.node[b]:
        return None
    reach = bodies.radius[a] + bodies.radius[b] + slack[a] + slack[b]

    def apart(at_s: float) -> float:
        return math.hypot(
            bodies.x[b] + bodies.vx[b] * at_s - bodies.x[a] - bodies.vx[a] * at_s,
            bodies.y[b] + bodies.vy[b] * at_s - bodies.y[a] - bodies.vy[a] * at_s,
        )

    # The distance of two that go straight has one least value: thirds find it.
    low, high = 0.0, HORIZON_S
    for _ in range(80):
        third = (high - low) / 3.0
        low, high = (
            (low, high - third)
            if apart(low + third) < apart(high - third)
            else (
                low + third,
                high,
            )
        )
    if apart(low) > reach:
        return None
    first, last = 0.0, low
    if apart(0.0) <= reach:
        return 0.0
    for _ in range(60):
        middle = (first + last) / 2.0
        first, last = (first, middle) if apart(middle) <= reach else (middle, last)
    return last


def brute_pairs(bodies: Bodies, slack: np.ndarray) -> dict[tuple[int, int], float]:
    count = len(bodies.x)
    both = ((a, b) for a in range(count) for b in range(a + 1, count))
    found = {(a, b): touch(bodies, a, b, slack) for a, b in both}
    return {pair: at_s for pair, at_s in found.items() if at_s is not None}


def brute_kicks(bodies: Bodies, pairs: dict[tuple[int, int], float]) -> np.ndarray:
    kick = np.zeros(len(bodies.x))
    for (a, b), at_s in pairs.items():
        speed = math.hypot(bodies.vx[a] - bodies.vx[b], bodies.vy[a] - bodies.vy[b])
        for one, other in ((a, b), (b, a)):
            share = bodies.mass[other] / (bodies.mass[one] + bodies.mass[other])
            kick[one] = max(kick[one], KICK_SHARE * share * speed * (HORIZON_S - at_s))
    return np.where(kick > KICK_MIN, kick, 0.0)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 1 << 32),
    st.integers(0, 25),
    st.sampled_from([60.0, 300.0, 1e9]),
    st.sampled_from([8.0, 500.0]),
)
def test_pairs_are_those_that_may_touch_and_those_that_a_hit_may_make_touch(
    seed: int, count: int, side: float, radius_max: float
) -> None:
    bodies = draw_bodies(seed, count, side, radius_max)
    first = brute_pairs(bodies, bodies.slack)
    wanted = first | brute_pairs(bodies, bodies.slack + brute_kicks(bodies, first))
    found, _, left_out = find_pairs(bodies, HORIZON_S)
    assert left_out == 0
    names = [
        (min(a, b), max(a, b)) for a, b in zip(found.a.tolist(), found.b.tolist(), strict=True)
    ]
    assert sorted(names) == sorted(wanted)
    for name, touch_s, overlaps in zip(names, found.touch_s, found.overlaps, strict=True):
        if name in first:
            assert touch_s == pytest.approx(first[name], abs=1e-5)
        a, b = name
        apart = math.hypot(bodies.x[a] - bodies.x[b], bodies.y[a] - bodies.y[b])
        assert overlaps == (apart < bodies.radius[a] + bodies.radius[b])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 1 << 32),
    st.sampled_from([0, 1, 20, 400]),
    st.sampled_from([0, 1, 20, 400]),
    st.sampled_from([1.0, 30.0, 1000.0]),
    st.sampled_from([300.0, 1e9]),
)
def test_who_meets_any_of_others_however_large_some_are(
    seed: int, some: int, others: int, ratio: float, side: float
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-side, side, (2, some + others))
    half = np.where(rng.random(some + others) < 0.1, ratio, 1.0) * rng.uniform(0.5, 2.0)
    assert meet_any(x, y, half, some).tolist() == _meet(x, y, half, some).tolist()


@pytest.mark.parametrize("side", [1e3, 1e9])
def test_who_meets_any_of_a_heap(side: float) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-150.0, 150.0, (2, 6000))
    x[::100] += side
    half = rng.uniform(9.0, 60.0, 6000)
    meets = meet_any(x, y, half, 3000)
    assert not (_meet(x, y, half, 3000) & ~meets).any()


def _meet(x: np.ndarray, y: np.ndarray, half: np.ndarray, some: int) -> np.ndarray:
    apart = np.hypot(x[:some, None] - x[some:], y[:some, None] - y[some:])
    return np.asarray((apart <= half[:some, None] + half[some:]).any(axis=1))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 32), st.integers(0, 300), st.sampled_from([1.0, 30.0, 1000.0]))
def test_close_discs_are_found_once_however_large_some_are(
    seed: int, count: int, ratio: float
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1000, 1000, (2, count))
    half = np.exp(rng.uniform(0.0, math.log(ratio), count)) * 10.0
    a, b, _ = find_close(x, y, half)
    found = {(min(p), max(p)) for p in zip(a.tolist(), b.tolist(), strict=True)}
    assert len(found) == len(a)
    apart = np.hypot(x[:, None] - x, y[:, None] - y) <= half[:, None] + half
    assert found == {(i, j) for i, j in np.argwhere(np.triu(apart, 1)).tolist()}


def test_bodies_at_the_ends_of_the_world_are_told_apart_and_neighbours_found() -> None:
    x = np.array([-2e12, -2e12 + 5.0, 0.0, 8.0, 2e12, 2e12 - 3.0])
    a, b, _ = find_close(x, -x, np.full(6, 6.0))
    assert sorted(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 1), (2, 3), (4, 5)] or sorted(
        (min(p), max(p)) for p in zip(a.tolist(), b.tolist(), strict=True)
    ) == [(0, 1), (2, 3), (4, 5)]


def test_a_heap_as_large_as_an_island_may_be_is_compared_wholly() -> None:
    count = LIMITS.ownership.island_members
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0.0, 0.5, (2, count))
    a, b, left_out = find_close(x, y, np.ones(count))
    assert (len(a), left_out) == (count * (count - 1) // 2, 0)
    assert (a != b).all()


def test_of_a_larger_heap_some_are_compared_and_it_is_told_how_many_are_not() -> None:
    count = 3000
    a, b, left_out = find_close(np.zeros(count), np.zeros(count), np.ones(count))
    assert len(a) <= COMPARISONS_MAX
    assert len(a) + left_out == count * (count - 1) // 2
    assert not label(count, a, b).any()


@settings(deadline=None)
@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=80))
def test_islands_are_what_pairs_connect(count: int, pairs: list[tuple[int, int]]) -> None:
    pairs = [(a % count, b % count) for a, b in pairs]
    island = list(range(count))
    for _ in range(count):
        for a, b in pairs:
            island[a] = island[b] = min(island[a], island[b])
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    assert label(count, ends[:, 0], ends[:, 1]).tolist() == island


def test_nothing_makes_no_islands() -> None:
    bodies = draw_bodies(1, 0, 10.0, 8.0)
    assert not len(find_pairs(bodies, HORIZON_S)[0].a)
    assert not len(label(0, np.empty(0, np.int64), np.empty(0, np.int64)))
