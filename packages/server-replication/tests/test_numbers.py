"""Each number counts once, however it comes; and so many may come in a tick."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.replication.links.numbers import Numbers, Quota

SPAN = 64


def take(numbers: Numbers, *values: int) -> list[bool]:
    fresh: list[bool] = numbers.take(np.array(values, np.uint32)).tolist()
    return fresh


def test_a_number_counts_once_in_whatever_order_they_come() -> None:
    numbers = Numbers(SPAN)
    assert take(numbers, 2, 0, 2) == [True, True, False]
    assert take(numbers, 1, 0) == [True, False]
    assert take(numbers) == []


def test_far_behind_the_newest_a_number_is_taken_for_known() -> None:
    numbers = Numbers(SPAN)
    assert take(numbers, 500) == [True]
    assert take(numbers, 499 - SPAN, 500 - SPAN, 501 - SPAN) == [False, False, True]


def test_numbers_go_on_after_the_last_one() -> None:
    numbers = Numbers(SPAN)
    last = (1 << 32) - 1
    for number in (1 << 30, 1 << 31, 3 << 30, last - 1):
        assert take(numbers, number) == [True]
    assert take(numbers, last, 0, 1, last, 0) == [True, True, True, False, False]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=20))
def test_it_agrees_with_a_set_of_all_that_came(batches: list[list[int]]) -> None:
    numbers, come = Numbers(SPAN), set[int]()
    for batch in batches:
        expected = []
        for number in batch:
            expected.append(number not in come)
            come.add(number)
        assert take(numbers, *batch) == expected


def test_what_is_not_used_of_a_quota_is_saved_up_for_a_while() -> None:
    quota = Quota(per_tick=3, ticks=2)
    assert quota.take(10) == 6
    assert quota.take(1) == 0
    quota.renew()
    assert quota.take(2) == 2
    for _ in range(5):
        quota.renew()
    assert quota.take(10) == 6
