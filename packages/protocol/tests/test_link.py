from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.testing.link import Link, LinkConfig

SEEDS = range(5)


def link(seed: int = 1, **config: float) -> Link:
    return Link(LinkConfig(**config), np.random.default_rng(seed))


def transmit_many(of: Link, count: int, every_s: float = 0.01) -> list[list[float]]:
    return [of.transmit(100, n * every_s) for n in range(count)]


def losses(of: Link, count: int) -> np.ndarray:
    """Which datagrams are lost, as bool[count]."""
    return np.array([not times for times in transmit_many(of, count)])


def waits(of: Link, count: int) -> np.ndarray:
    """How long datagrams take that are too far apart to wait for each other, as float64[count]."""
    return np.array([at - n for n, (at,) in enumerate(transmit_many(of, count, every_s=1.0))])


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


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.9])
def test_jitter_is_as_correlated_as_asked_and_uniform_all_the_same(
    correlation: float, seed: int
) -> None:
    shares = (waits(link(seed, jitter_s=0.02, jitter_correlation=correlation), 20_000)) / 0.02
    assert 0.0 <= shares.min() < 0.01
    assert 0.99 < shares.max() < 1.0 + 1e-6
    assert np.corrcoef(shares[1:], shares[:-1])[0, 1] == pytest.approx(correlation, abs=0.03)
    assert np.quantile(shares, (0.25, 0.5, 0.75)) == pytest.approx((0.25, 0.5, 0.75), abs=0.05)


def test_fully_correlated_jitter_stays_where_it_began() -> None:
    shares = waits(link(jitter_s=0.02, jitter_correlation=1.0), 100)
    assert np.ptp(shares) < 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_loss_and_duplication_happen_as_often_as_asked(seed: int) -> None:
    of = link(seed, loss=0.2, duplication=0.1)
    deliveries = transmit_many(of, 10_000)
    assert sum(not times for times in deliveries) == of.lost
    assert sum(len(times) == 2 for times in deliveries) == of.duplicated
    assert of.lost / of.sent == pytest.approx(0.2, abs=0.02)
    assert of.duplicated / 8000 == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_without_bursts_do_not_depend_on_each_other(seed: int) -> None:
    lost = losses(link(seed, loss=0.2), 20_000)
    assert lost[1:][lost[:-1]].mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_bursts_come_as_often_and_last_as_long_as_asked(seed: int) -> None:
    lost = losses(link(seed, burst_start=0.02, burst_end=0.2), 50_000)
    assert lost.mean() == pytest.approx(0.02 / 0.22, abs=0.015)
    lengths = np.array([len(list(run)) for is_lost, run in groupby(lost) if is_lost])
    assert lengths.mean() == pytest.approx(5.0, abs=0.6)
    assert (lengths == 1).mean() == pytest.approx(0.2, abs=0.04)
    assert lengths.max() > 15


@pytest.mark.parametrize("seed", SEEDS)
def test_a_burst_need_not_lose_everything_nor_peace_nothing(seed: int) -> None:
    config = {"loss": 0.01, "burst_start": 0.01, "burst_end": 0.1, "burst_loss": 0.5}
    lost = losses(link(seed, **config), 50_000)
    bursting = 0.01 / 0.11
    assert lost.mean() == pytest.approx(bursting * 0.5 + (1 - bursting) * 0.01, abs=0.01)
    after_a_loss = lost[1:][lost[:-1]].mean()
    # Most losses are in a burst, which goes on with 0.9 and then takes every second one.
    assert after_a_loss == pytest.approx(0.38, abs=0.05)


def test_a_link_can_be_cut_and_healed() -> None:
    of = link(loss=1.0)
    assert transmit_many(of, 10) == [[]] * 10
    of.config = LinkConfig()
    assert [len(times) for times in transmit_many(of, 10)] == [1] * 10


def test_a_healed_link_is_out_of_its_burst() -> None:
    of = link(burst_start=1.0, burst_end=0.0)
    assert transmit_many(of, 10) == [[]] * 10
    of.config = LinkConfig()
    assert [len(times) for times in transmit_many(of, 10)] == [1] * 10


def test_reordering_holds_some_up_while_others_pass() -> None:
    deliveries = transmit_many(link(reordering=0.1, reordering_s=0.1), 1000)
    times = [at for (at,) in deliveries]
    overtaken = sum(later < earlier for earlier, later in pairwise(times))
    assert 50 < overtaken < 120
    held_s = [at - n * 0.01 for n, at in enumerate(times)]
    assert 0.09 < max(held_s) <= 0.1


def test_the_second_copy_is_held_up_by_itself() -> None:
    of = link(duplication=1.0, reordering=0.5, reordering_s=0.1)
    apart = [second - first for first, second in transmit_many(of, 1000)]
    assert min(apart) < -0.05
    assert max(apart) > 0.05
    assert sum(gap == 0.0 for gap in apart) == pytest.approx(250, abs=50)


def test_a_narrow_link_queues_and_then_drops() -> None:
    of = link(bytes_per_s=10_000.0, queue_s_max=0.5)
    deliveries = [of.transmit(1000, 0.0) for _ in range(10)]
    assert deliveries == [[pytest.approx(0.1 * n)] for n in range(1, 7)] + [[]] * 4
    assert (of.lost, of.overflowed) == (4, 4)
    assert of.transmit(1000, 1.0) == [pytest.approx(1.1)]


def test_a_narrow_link_carries_what_it_can_and_no_more() -> None:
    of = link(bytes_per_s=5000.0, queue_s_max=0.1)
    deliveries = transmit_many(of, 2000)  # 10,000 bytes per second, for 20 seconds
    arrived = [(n * 0.01, times[0]) for n, times in enumerate(deliveries) if times]
    assert len(arrived) * 100 / 20 == pytest.approx(5000, rel=0.02)
    assert max(at - sent_at for sent_at, at in arrived) <= 0.1 + 0.02 + 1e-9
    gaps = [later - earlier for (_, earlier), (_, later) in pairwise(arrived)]
    assert min(gaps) >= 0.02 - 1e-9


def test_what_is_lost_takes_no_room_in_the_queue() -> None:
    of = link(bytes_per_s=10_000.0, queue_s_max=0.5, loss=1.0)
    for _ in range(10):
        of.transmit(1000, 0.0)
    assert (of.lost, of.overflowed) == (10, 0)
    of.config = LinkConfig(bytes_per_s=10_000.0)
    assert of.transmit(1000, 0.0) == [pytest.approx(0.1)]


@pytest.mark.parametrize(
    "config",
    [
        {"loss": 0.3},
        {"burst_start": 0.1, "burst_end": 0.1},
        {"jitter_s": 0.01, "jitter_correlation": 0.5},
        {"duplication": 0.5, "reordering": 0.5},
        {"bytes_per_s": 1000.0, "queue_s_max": 0.1},
    ],
    ids=str,
)
def test_every_datagram_takes_as_many_draws_whatever_becomes_of_it(
    config: dict[str, float],
) -> None:
    plain, other = np.random.default_rng(1), np.random.default_rng(1)
    transmit_many(Link(LinkConfig(), plain), 200)
    transmit_many(Link(LinkConfig(**config), other), 200)
    assert plain.bit_generator.state == other.bit_generator.state


def test_a_changed_probability_does_not_reshuffle_the_rest() -> None:
    plain = transmit_many(link(jitter_s=0.001), 200)
    lossy = transmit_many(link(jitter_s=0.001, loss=0.3), 200)
    assert [a for a, b in zip(plain, lossy, strict=True) if b] == [b for b in lossy if b]


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        LinkConfig(
            delay_s=-0.1,
            jitter_correlation=1.5,
            loss=5.0,
            reordering=float("nan"),
            bytes_per_s=float("inf"),
        )
    assert str(caught.value) == (
        "delay_s is -0.1; it must be finite, and 0 or more; "
        "jitter_correlation is 1.5; it must be 0 to 1; "
        "loss is 5; it must be 0 to 1; "
        "reordering is nan; it must be 0 to 1; "
        "bytes_per_s is inf; it must be finite, and 0 or more"
    )


PROBABILITY = st.floats(0.0, 1.0)
SECONDS = st.floats(0.0, 0.1)
CONFIGS = st.builds(
    LinkConfig,
    delay_s=SECONDS,
    jitter_s=SECONDS,
    jitter_correlation=PROBABILITY,
    loss=PROBABILITY,
    burst_start=PROBABILITY,
    burst_end=PROBABILITY,
    burst_loss=PROBABILITY,
    duplication=PROBABILITY,
    reordering=PROBABILITY,
    reordering_s=SECONDS,
    bytes_per_s=st.sampled_from([0.0, 1e3, 1e5]),
    queue_s_max=SECONDS,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(0, 1 << 32), CONFIGS, st.lists(st.floats(0.0, 0.1), max_size=30))
def test_arrivals_are_in_their_bounds_and_the_seed_decides(
    seed: int, config: LinkConfig, gaps: list[float]
) -> None:
    sent_at = np.cumsum(gaps).tolist()
    of, again = (Link(config, np.random.default_rng(seed)) for _ in range(2))
    deliveries = [of.transmit(100, at) for at in sent_at]
    assert deliveries == [again.transmit(100, at) for at in sent_at]
    latest_s = config.delay_s + config.jitter_s + config.reordering_s
    if config.bytes_per_s:
        latest_s += config.queue_s_max + 100 / config.bytes_per_s
    for times, at in zip(deliveries, sent_at, strict=True):
        assert all(at + config.delay_s <= time <= at + latest_s + 1e-9 for time in times)
    assert sum(map(len, deliveries)) == of.sent - of.lost + of.duplicated
