"""Who is near whom, against a second way of finding out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.shard.neighbours import COMPARED_MAX, find_pairs


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_pairs_are_those_within_the_reach_of_the_second(
    seed: int, count_a: int, count_b: int, alike: bool
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-100.0, 100.0, (2, 60)) + 1e6
    a, b = np.sort(rng.permutation(60)[:count_a]), np.sort(rng.permutation(60)[:count_b])
    reach = np.full(60, 35.0) if alike else rng.uniform(0.0, 80.0, 60)
    found = find_pairs(x, y, a, b, 35.0 if alike else reach)
    distance = np.hypot(x[a][:, None] - x[b], y[a][:, None] - y[b])
    near = (distance <= reach[b]) & (a[:, None] != b)
    wanted = [(a[i], b[j]) for i, j in np.argwhere(near)]
    assert list(zip(found.a.tolist(), found.b.tolist(), strict=True)) == wanted
    np.testing.assert_allclose(found.distance, distance[near])


def test_the_nearest_of_each_is_kept_and_of_two_alike_the_first() -> None:
    x, y = np.array([0.0, 3.0, -3.0, 10.0]), np.zeros(4)
    rows = np.arange(4)
    nearest = find_pairs(x, y, rows, rows, 100.0).nearest()
    assert nearest.a.tolist() == [0, 1, 2, 3]
    assert nearest.b.tolist() == [1, 0, 0, 1]
    assert nearest.distance.tolist() == [3.0, 3.0, 3.0, 7.0]


def test_pairs_can_be_filtered() -> None:
    x, y = np.array([0.0, 3.0, 10.0]), np.zeros(3)
    rows = np.arange(3)
    pairs = find_pairs(x, y, rows, rows, 100.0)
    assert len(pairs) == 6
    kept = pairs.where(pairs.distance < 5.0)
    assert (kept.a.tolist(), kept.b.tolist()) == ([0, 1], [1, 0])


def test_nobody_has_no_neighbours() -> None:
    nobody = np.empty(0, np.int64)
    assert len(find_pairs(np.zeros(1), np.zeros(1), nobody, np.zeros(1, np.int64), 1.0)) == 0
    assert len(find_pairs(np.zeros(1), np.zeros(1), np.zeros(1, np.int64), nobody, 1.0)) == 0
    assert len(find_pairs(np.zeros(1), np.zeros(1), nobody, nobody, 1.0).nearest()) == 0


def test_among_many_are_the_same_pairs_as_among_few_of_them() -> None:
    rng = np.random.default_rng(3)
    x, y = np.round(rng.uniform(0.0, 300.0, (2, 260)))  # many are exactly at the edge
    rows, reach = np.arange(260), np.repeat([5.0, 13.0], 130)
    assert len(rows) ** 2 > COMPARED_MAX > 20 * len(rows)
    many = find_pairs(x, y, rows, rows, reach)
    few = [find_pairs(x, y, some, rows, reach) for some in np.split(rows, 13)]
    assert len(many) > 200
    for name in ("a", "b", "distance"):
        parts = np.concatenate([getattr(part, name) for part in few])
        np.testing.assert_array_equal(getattr(many, name), parts)
