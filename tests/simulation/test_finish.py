"""When a run is over: not before everybody has had the time that the checkers give it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.clients import ClientHost
from sidereal.tools.simulate.faults import AGREES_WITHIN_S, Plan
from sidereal.tools.simulate.finish import Finish
from sidereal.tools.simulate.processes import ShardHost

PLAN = Plan(pilots=1)


def client(back_at: float = 0.2, calls_waiting: int = 0, *, away: bool = False) -> ClientHost:
    """Somebody of whom only this is known."""
    returning = None if away else object()
    known: Any = SimpleNamespace(back_at=back_at, calls_waiting=calls_waiting, returning=returning)
    return cast(ClientHost, known)


def shard(back_at: float = 0.0, name: str = "one", *, serves: bool = True) -> ShardHost:
    """Likewise."""
    known: Any = SimpleNamespace(
        back_at=back_at, name=name, serves=serves, honest=True, running=True
    )
    return cast(ShardHost, known)


def core_with(deferred: int) -> Replicator:
    """Make an authority that has put off so many cells."""
    statistics = SimpleNamespace(deferred=deferred)
    fanout = SimpleNamespace(statistics=lambda: statistics)
    return cast(Replicator, SimpleNamespace(edge=SimpleNamespace(fanout=fanout)))


def is_reached(finish: Finish, at: float) -> bool:
    return finish.is_reached(at, ticks=True)


def test_run_ends_when_everybody_has_had_time_to_agree() -> None:
    finish = Finish(PLAN, [client()], [shard()])
    assert not is_reached(finish, PLAN.end_at_s - 0.01)
    assert is_reached(finish, PLAN.end_at_s)


def test_what_the_last_tick_sent_arrives_before_the_end() -> None:
    finish = Finish(PLAN, [client()], [shard()])
    finish.note_tick(core_with(0), PLAN.end_at_s)
    assert not finish.is_reached(PLAN.end_at_s + 0.01, ticks=False)
    assert finish.is_reached(PLAN.end_at_s + 0.04, ticks=False)


def test_client_that_comes_back_late_has_as_much_time_as_others() -> None:
    back_at = PLAN.end_at_s - 0.1
    finish = Finish(PLAN, [client(), client(back_at)], [shard()])
    assert not is_reached(finish, back_at + AGREES_WITHIN_S - 0.01)
    assert is_reached(finish, back_at + AGREES_WITHIN_S)


def test_client_that_never_comes_back_is_not_waited_for_for_ever() -> None:
    finish = Finish(PLAN, [client(math.inf)], [shard()])
    assert not is_reached(finish, PLAN.end_at_s + 1.0)
    assert is_reached(finish, PLAN.end_at_s + 60.0)


def test_shard_that_comes_back_late_has_as_much_time_as_others() -> None:
    back_at = PLAN.end_at_s - 0.1
    finish = Finish(PLAN, [], [shard(), shard(back_at, "two")])
    assert not is_reached(finish, back_at + AGREES_WITHIN_S - 0.01)
    assert is_reached(finish, back_at + AGREES_WITHIN_S)


@pytest.mark.parametrize(("name", "is_over"), [("one", True), ("two", False)])
def test_nobody_waits_for_a_shard_of_which_another_has_the_name(name: str, is_over: bool) -> None:
    finish = Finish(PLAN, [], [shard(), shard(math.inf, name, serves=False)])
    assert is_reached(finish, PLAN.end_at_s) is is_over
    assert is_reached(finish, PLAN.end_at_s + 60.0)


def test_nobody_waits_for_a_client_that_has_left() -> None:
    assert is_reached(Finish(PLAN, [client(math.inf, away=True)], [shard()]), PLAN.end_at_s)


@pytest.mark.parametrize(("ticks", "is_over"), [([3], False), ([3, 3], True), ([3, 4], False)])
def test_end_waits_for_who_was_put_off_in_the_last_tick(ticks: list[int], is_over: bool) -> None:
    finish = Finish(PLAN, [client()], [shard()])
    for deferred in ticks:
        finish.note_tick(core_with(deferred), PLAN.end_at_s - 0.1)
    assert is_reached(finish, PLAN.end_at_s) is is_over
    assert is_reached(finish, PLAN.end_at_s + AGREES_WITHIN_S)


def test_end_waits_for_answers_as_long_as_there_are_calls() -> None:
    finish = Finish(PLAN, [client(calls_waiting=2)], [shard()])
    assert not is_reached(finish, PLAN.end_at_s)
    assert is_reached(finish, PLAN.end_at_s + 2 * PLAN.answer_s)
