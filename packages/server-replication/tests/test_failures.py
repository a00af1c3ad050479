"""Which sectors are withheld: by how often, how soon after each other, and under which code."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.limits import OwnershipLimits
from sidereal.replication.ownership.failures import Failure, Failures

LIMITS = OwnershipLimits(failures=3, failures_within_s=10.0)
A, B, C = (letter * 16 for letter in (b"a", b"b", b"c"))
HERE, THERE = (0, 0), (-3, 7)


def failure(code: bytes = A) -> Failure:
    return Failure("system mine.mend", "it raised", code)


def test_the_third_failure_withholds() -> None:
    failures = Failures(LIMITS)
    assert [failures.note(failure(), [HERE], tick, float(tick)) for tick in range(4)] == [
        [],
        [],
        [HERE],
        [],
    ]
    assert failures.withheld[HERE].tick == 2
    assert failures.withheld[HERE].last == failure()


@pytest.mark.parametrize(("last_at", "withheld"), [(10.0, [HERE]), (10.001, [])])
def test_failures_count_for_ten_seconds(last_at: float, withheld: list[tuple[int, int]]) -> None:
    failures = Failures(LIMITS)
    for now in (0.0, 5.0):
        failures.note(failure(), [HERE], 1, now)
    assert failures.note(failure(), [HERE], 1, last_at) == withheld


def test_only_where_all_of_them_were_is_withheld() -> None:
    failures = Failures(LIMITS)
    failures.note(failure(), [HERE, THERE], 1, 0.0)
    failures.note(failure(), [HERE, (1, 1)], 1, 1.0)
    assert failures.note(failure(), [(2, 2), THERE, HERE], 1, 2.0) == [HERE]
    assert failures.note(failure(), [THERE], 1, 3.0) == [THERE]
    keys = np.array([HERE, THERE])
    assert failures.keys.tolist() == sorted(pack_sector(keys[:, 0], keys[:, 1]).tolist())


def test_a_sector_is_free_when_nobody_runs_code_that_failed_there() -> None:
    failures = Failures(LIMITS)
    for code in (A, B, A):
        failures.note(failure(code), [HERE], 1, 0.0)
    for _ in range(3):
        failures.note(failure(C), [THERE], 1, 0.0)
    assert failures.free([A, C]) == []
    assert failures.free([B, C]) == []
    assert failures.free([C]) == [HERE]
    assert list(failures.withheld) == [THERE]
    assert failures.free([]) == [THERE]


def test_what_was_freed_begins_anew() -> None:
    failures = Failures(LIMITS)
    for _ in range(3):
        failures.note(failure(), [HERE], 1, 0.0)
    failures.free([B])
    assert [failures.note(failure(B), [HERE], 1, 1.0) for _ in range(3)] == [[], [], [HERE]]


def test_what_is_empty_is_forgotten() -> None:
    failures = Failures(LIMITS)
    for _ in range(3):
        failures.note(failure(), [HERE, THERE], 1, 0.0)
    failures.forget([HERE, (9, 9)])
    assert list(failures.withheld) == [THERE]
    assert len(failures.keys) == 1
