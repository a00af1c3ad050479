"""When a process that died is started again."""

from __future__ import annotations

import signal

import pytest

from sidereal.tools.up.children import was_told_to_end
from sidereal.tools.up.restarts import (
    FOR_BOTS,
    FOR_SHARDS,
    FOR_THE_AUTHORITY,
    FOR_TRIALS,
    STEADY_S,
    RestartLimits,
    Restarts,
)

KILLED = -signal.SIGKILL
CRASHED = 1
AWAY = 69
PAUSES_S = FOR_SHARDS.pauses_s
AT_ONCE = PAUSES_S[0]


def died(restarts: Restarts, status: int, *, served_s: float | None) -> float | None:
    return restarts.died(status, served_s=served_s, stopped=was_told_to_end(status))


@pytest.mark.parametrize("status", [KILLED, -signal.SIGTERM, 0])
def test_what_others_end_while_it_serves_is_started_again_at_once_however_often(
    status: int,
) -> None:
    for limits in (FOR_THE_AUTHORITY, FOR_SHARDS, FOR_BOTS):
        restarts = Restarts(limits)
        assert {died(restarts, status, served_s=0.1) for _ in range(1000)} == {AT_ONCE}


@pytest.mark.parametrize("status", [KILLED, CRASHED, AWAY, -signal.SIGSEGV])
def test_what_was_steady_is_started_again_at_once_however_it_ended(status: int) -> None:
    restarts = Restarts(FOR_THE_AUTHORITY)
    assert {died(restarts, status, served_s=STEADY_S) for _ in range(1000)} == {AT_ONCE}


@pytest.mark.parametrize("status", [CRASHED, 2, 3, -signal.SIGSEGV, -signal.SIGABRT])
def test_pauses_grow_while_it_ends_itself_soon_after_it_serves(status: int) -> None:
    restarts = Restarts(FOR_SHARDS)
    failed = [died(restarts, status, served_s=0.9 * STEADY_S) for _ in range(6)]
    assert failed == [*PAUSES_S[1:], PAUSES_S[-1], PAUSES_S[-1]]


def test_a_server_that_announces_and_crashes_ends_the_world() -> None:
    restarts = Restarts(FOR_THE_AUTHORITY)
    answers = [died(restarts, CRASHED, served_s=0.1) for _ in range(5)]
    assert answers == [*PAUSES_S[1:], None]


def test_only_a_steady_life_makes_failures_forgotten() -> None:
    restarts = Restarts(FOR_THE_AUTHORITY)
    died(restarts, CRASHED, served_s=0.0)
    assert died(restarts, KILLED, served_s=3.0) == AT_ONCE
    assert died(restarts, CRASHED, served_s=0.0) == PAUSES_S[2]
    assert died(restarts, KILLED, served_s=STEADY_S) == AT_ONCE
    answers = [died(restarts, CRASHED, served_s=None) for _ in range(5)]
    assert answers == [*PAUSES_S[1:], None]


@pytest.mark.parametrize("status", [CRASHED, 2, AWAY])
def test_what_says_why_it_cannot_start_is_given_up(status: int) -> None:
    assert died(Restarts(FOR_THE_AUTHORITY), status, served_s=None) is None
    assert died(Restarts(FOR_SHARDS), status, served_s=None) is None


def test_a_server_waits_for_a_database_that_is_away_as_long_as_it_takes() -> None:
    restarts = Restarts(FOR_THE_AUTHORITY)
    died(restarts, KILLED, served_s=0.1)
    answers = [died(restarts, AWAY, served_s=None) for _ in range(1000)]
    assert answers[:5] == [*PAUSES_S[1:], PAUSES_S[-1]]
    assert set(answers[5:]) == {PAUSES_S[-1]}


def test_what_fails_for_reasons_of_its_own_meanwhile_has_a_budget() -> None:
    restarts = Restarts(FOR_THE_AUTHORITY)
    died(restarts, KILLED, served_s=0.1)
    answers = [died(restarts, status, served_s=None) for status in 5 * (AWAY, CRASHED)]
    assert None not in answers[:-1]
    assert answers[-1] is None


def test_what_is_killed_before_it_ever_served_is_tried_again() -> None:
    assert died(Restarts(FOR_THE_AUTHORITY), KILLED, served_s=None) == PAUSES_S[1]


def test_bots_whose_server_is_away_are_started_again() -> None:
    assert died(Restarts(FOR_BOTS), AWAY, served_s=None) == PAUSES_S[1]
    assert died(Restarts(FOR_BOTS), 2, served_s=None) is None


@pytest.mark.parametrize("served_s", [None, 0.1, 10 * STEADY_S])
def test_what_fails_on_trial_is_not_started_again_however_long_it_served(
    served_s: float | None,
) -> None:
    for status in (CRASHED, AWAY, -signal.SIGSEGV):
        assert died(Restarts(FOR_TRIALS), status, served_s=served_s) is None
    assert died(Restarts(FOR_TRIALS), KILLED, served_s=0.1) is not None


def test_what_is_not_wanted_any_more_is_not_started_again_until_it_is() -> None:
    restarts = Restarts(FOR_SHARDS)
    restarts.wanted = False
    assert died(restarts, KILLED, served_s=10 * STEADY_S) is None
    restarts.wanted = True
    assert died(restarts, KILLED, served_s=10 * STEADY_S) == AT_ONCE


@pytest.mark.parametrize("wrong", [{"pauses_s": ()}, {"pauses_s": (2.0, 1.0)}, {"failures_max": 0}])
def test_limits_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        RestartLimits(**wrong)  # type: ignore[arg-type]
