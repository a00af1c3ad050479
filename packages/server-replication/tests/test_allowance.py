"""How often a peer may do something."""

from __future__ import annotations

import pytest

from sidereal.replication.links.allowance import Allowance


def taken(allowance: Allowance, now: float, times: int) -> list[float]:
    return [allowance.take(now) for _ in range(times)]


def test_what_was_saved_up_may_be_taken_at_once_and_the_rest_as_it_comes() -> None:
    allowance = Allowance(per_s=10.0, burst=3.0, left=3.0, at=5.0)
    assert taken(allowance, 5.0, 4) == [2.0, 1.0, 0.0, -1.0]
    assert taken(allowance, 5.3, 2) == pytest.approx([1.0, 0.0])


def test_no_more_is_saved_up_than_a_burst() -> None:
    allowance = Allowance(per_s=10.0, burst=3.0, left=0.0)
    assert taken(allowance, 1000.0, 1) == [2.0]


def test_who_takes_on_owes_as_much_as_could_be_saved_and_one() -> None:
    allowance = Allowance(per_s=10.0, burst=3.0, left=0.0)
    assert taken(allowance, 0.0, 6) == [-1.0, -2.0, -3.0, -4.0, -4.0, -4.0]
    assert taken(allowance, 0.5, 1) == [0.0]


def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    allowance = Allowance(per_s=10.0, burst=3.0, left=3.0, at=5.0)
    assert taken(allowance, 4.0, 1) == [2.0]
