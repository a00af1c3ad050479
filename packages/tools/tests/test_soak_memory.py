"""What counts as growth."""

from __future__ import annotations

import pytest

from sidereal.tools.soak.memory import (
    GROWTH_MAX,
    JUDGED_S_MIN,
    MemorySample,
    growth,
    quarters,
    take_sample,
)


def samples(*highest: float, count: int = 10, quarter_s: float = 100.0) -> list[MemorySample]:
    """Quarters that each reach a number of objects, and as many kilobytes, once."""
    made = []
    for quarter, value in enumerate(highest):
        for place in range(count):
            held = value if place == 3 else value / 2
            at_s = quarter * quarter_s + place * quarter_s / count
            made.append(MemorySample(at_s, held / 1e3, int(held)))
    return made


def test_quarters_are_told_by_what_they_reached() -> None:
    told = quarters(samples(1000, 2000, 3000, 4000))
    assert told is not None
    assert [sample.objects for sample in told] == [1000, 2000, 3000, 4000]
    assert [sample.at_s for sample in told] == [90, 190, 290, 390]


def test_filling_up_at_first_is_no_growth() -> None:
    assert growth(samples(1000, 9000, 9000, 9000)) == []


def test_what_swings_within_a_few_percent_is_flat() -> None:
    assert growth(samples(1000, 9000, 12000, 9000 * (1 + min(GROWTH_MAX.values())))) == []


def test_growth_after_the_second_quarter_is_told_of_each_measure() -> None:
    assert growth(samples(9000, 9000, 9000, 9500)) == ["rss_mb grew from 9 to 9.5"]
    assert growth(samples(9000, 9000, 9000, 9950)) == [
        "rss_mb grew from 9 to 9.95",
        "objects grew from 9000 to 9950",
    ]


def test_a_short_run_is_not_judged() -> None:
    assert growth(samples(1, 1, 1, 2000, quarter_s=JUDGED_S_MIN / 3))
    assert growth(samples(1, 1, 1, 2000, quarter_s=JUDGED_S_MIN / 4)) == []
    assert growth([]) == []


def test_a_sample_counts_what_is_held_and_not_what_is_garbage() -> None:
    before = take_sample(0.0)
    held: list[list[object]] = [[] for _ in range(5000)]
    for one in held:
        one.append(one)
    between = take_sample(1.0)
    del held, one
    after = take_sample(2.0)
    assert between.objects - before.objects == pytest.approx(5000, abs=500)
    assert after.objects - before.objects == pytest.approx(0, abs=500)
    assert before.rss_mb > 1.0
