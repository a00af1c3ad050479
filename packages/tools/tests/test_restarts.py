"""When a process that died is started again."""

from __future__ import annotations

import signal

import pytest

from sidereal.tools.up.restarts import (
    FOR_BOTS,
    FOR_SHARDS,
    FOR_THE_AUTHORITY,
    RestartLimits,
    Restarts,
)

KILLED = -signal.SIGKILL
PAUSES_S = FOR_SHARDS.pauses_s


def test_what_served_is_started_again_at_once_however_often_it_dies() -> None:
    restarts = Restarts(FOR_SHARDS)
    assert {restarts.died(KILLED, served=True) for _ in range(1000)} == {PAUSES_S[0]}


def test_pauses_grow_while_it_dies_before_it_serves_and_start_over_when_it_has() -> None:
    restarts = Restarts(FOR_SHARDS)
    restarts.died(KILLED, served=True)
    failed = [restarts.died(KILLED, served=False) for _ in range(6)]
    assert failed == [*PAUSES_S[1:], PAUSES_S[-1], PAUSES_S[-1]]
    assert restarts.died(KILLED, served=True) == PAUSES_S[0]
    assert restarts.died(KILLED, served=False) == PAUSES_S[1]


@pytest.mark.parametrize("status", [1, 2, 69])
def test_what_says_why_it_cannot_start_is_given_up(status: int) -> None:
    assert Restarts(FOR_THE_AUTHORITY).died(status, served=False) is None
    assert Restarts(FOR_SHARDS).died(status, served=False) is None


def test_what_has_served_before_may_fail_to_start_for_a_while() -> None:
    restarts = Restarts(FOR_THE_AUTHORITY)
    restarts.died(KILLED, served=True)
    answers = [restarts.died(69, served=False) for _ in range(5)]
    assert answers == [*PAUSES_S[1:], None]


def test_what_is_killed_before_it_ever_served_is_tried_again() -> None:
    assert Restarts(FOR_THE_AUTHORITY).died(KILLED, served=False) == PAUSES_S[1]


def test_bots_whose_server_is_away_are_started_again() -> None:
    assert Restarts(FOR_BOTS).died(69, served=False) == PAUSES_S[1]
    assert Restarts(FOR_BOTS).died(2, served=False) is None


@pytest.mark.parametrize("wrong", [{"pauses_s": ()}, {"pauses_s": (2.0, 1.0)}, {"failures_max": 0}])
def test_limits_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        RestartLimits(**wrong)  # type: ignore[arg-type]
