from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.testing.link import Link, LinkConfig


def link(seed: int = 1, **config: float) -> Link:
    return Link(LinkConfig(**config), np.random.default_rng(seed))


def transmit_many(of: Link, count: int, every_s: float = 0.01) -> list[list[float]]:
    return [of.transmit(100, n * every_s) for n in range(count)]


def test_a_perfect_link_only_delays() -> None:
    deliveries = transmit_many(link(delay_s=0.03), 100)
    assert deliveries == [[pytest.approx(n * 0.01 + 0.03)] for n in range(100)]


def test_jitter_stays_in_its_bounds_and_keeps_the_order() -> None:
    deliveries = transmit_many(link(delay_s=0.03, jitter_s=0.02), 1000)
    times = [at for (at,) in deliveries]
    assert times == sorted(times)
    waits = [at - n * 0.01 for n, at in enumerate(times)]
    assert 0.03 <= min(waits) < 0.032
    assert 0.048 < max(waits) <= 0.05


def test_loss_and_duplication_happen_as_often_as_asked() -> None:
    of = link(loss=0.2, duplication=0.1)
    deliveries = transmit_many(of, 10_000)
    assert sum(not times for times in deliveries) == of.lost
    assert of.lost / of.sent == pytest.approx(0.2, abs=0.02)
    assert sum(len(times) == 2 for times in deliveries) / 8000 == pytest.approx(0.1, abs=0.02)


def test_reordering_holds_some_up_while_others_pass() -> None:
    deliveries = transmit_many(link(reordering=0.1, reordering_s=0.1), 1000)
    times = [at for (at,) in deliveries]
    overtaken = sum(later < earlier for earlier, later in pairwise(times))
    assert 50 < overtaken < 120


def test_a_narrow_link_queues_and_then_drops() -> None:
    of = link(bytes_per_s=10_000.0, queue_s_max=0.5)
    deliveries = [of.transmit(1000, 0.0) for _ in range(10)]
    assert deliveries == [[pytest.approx(0.1 * n)] for n in range(1, 7)] + [[]] * 4
    assert of.transmit(1000, 1.0) == [pytest.approx(1.1)]


def test_a_changed_probability_does_not_reshuffle_the_rest() -> None:
    plain = transmit_many(link(jitter_s=0.001), 200)
    lossy = transmit_many(link(jitter_s=0.001, loss=0.3), 200)
    assert [a for a, b in zip(plain, lossy, strict=True) if b] == [b for b in lossy if b]


def test_a_link_can_be_cut_and_healed() -> None:
    of = link(loss=1.0)
    assert transmit_many(of, 10) == [[]] * 10
    of.config = LinkConfig()
    assert transmit_many(of, 10) != [[]] * 10


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.integers(0, 1 << 32),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.lists(st.floats(0.0, 0.1), max_size=30),
)
def test_nothing_arrives_before_it_was_sent_and_the_seed_decides(
    seed: int, loss: float, duplication: float, reordering: float, gaps: list[float]
) -> None:
    def run() -> list[list[float]]:
        of = link(seed, delay_s=0.01, loss=loss, duplication=duplication, reordering=reordering)
        return [of.transmit(100, at) for at in np.cumsum(gaps).tolist()]

    deliveries = run()
    assert deliveries == run()
    for times, at in zip(deliveries, np.cumsum(gaps).tolist(), strict=True):
        assert len(times) <= 2
        assert all(time >= at + 0.01 for time in times)
