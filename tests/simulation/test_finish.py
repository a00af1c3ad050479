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
SESSION = (bytes(16), 1)


def client(back_at: float = 0.2, calls_waiting: int = 0, *, away: bool = False) -> ClientHost:
    """Somebody of whom only this is known."""
    returning = None if away else object()
    known: Any = SimpleNamespace(back_at=back_at, calls_waiting=calls_waiting, returning=returning)
    return cast(ClientHost, known)


def shard(
    back_at: float = 0.0, name: str = "one", *, serves: bool = True, honest: bool = True
) -> ShardHost:
    """Likewise."""
    known: Any = SimpleNamespace(
        back_at=back_at, name=name, serves=serves, honest=honest, running=True, session=SESSION
    )
    return cast(ShardHost, known)


def core_with(deferred: int, *sessions: tuple[bytes, int]) -> Replicator:
    """Make an authority that has put off so many cells, and has these sessions of shards."""
    statistics = SimpleNamespace(deferred=deferred)
    fanout = SimpleNamespace(statistics=lambda: statistics)
    shards = [SimpleNamespace(incarnation=of, session=number) for of, number in sessions]
    known: Any = SimpleNamespace(
        edge=SimpleNamespace(fanout=fanout), shards=SimpleNamespace(shards=shards)
    )
    return cast(Replicator, known)


def finish_of(clients: list[ClientHost], shards: list[ShardHost]) -> Finish:
    """Make it, with an authority that has run a step long ago, in which all had their sessions."""
    finish = Finish(PLAN, clients, shards)
    finish.note_tick(core_with(0, SESSION), 0.0)
    return finish


def is_reached(finish: Finish, at: float) -> bool:
    return finish.is_reached(at, ticks=True)


def test_run_ends_when_everybody_has_had_time_to_agree() -> None:
    finish = finish_of([client()], [shard()])
    assert not is_reached(finish, PLAN.end_at_s - 0.01)
    assert is_reached(finish, PLAN.end_at_s)


def test_what_the_last_tick_sent_arrives_before_the_end() -> None:
    finish = finish_of([client()], [shard()])
    finish.note_tick(core_with(0, SESSION), PLAN.end_at_s)
    assert not finish.is_reached(PLAN.end_at_s + 0.01, ticks=False)
    assert finish.is_reached(PLAN.end_at_s + 0.04, ticks=False)


def test_client_that_comes_back_late_has_as_much_time_as_others() -> None:
    back_at = PLAN.end_at_s - 0.1
    finish = finish_of([client(), client(back_at)], [shard()])
    assert not is_reached(finish, back_at + AGREES_WITHIN_S - 0.01)
    assert is_reached(finish, back_at + AGREES_WITHIN_S)


def test_client_that_never_comes_back_is_not_waited_for_for_ever() -> None:
    finish = finish_of([client(math.inf)], [shard()])
    assert not is_reached(finish, PLAN.end_at_s + 1.0)
    assert is_reached(finish, PLAN.end_at_s + 60.0)


def test_shard_that_comes_back_late_has_as_much_time_as_others() -> None:
    back_at = PLAN.end_at_s - 0.1
    finish = finish_of([], [shard(), shard(back_at, "two")])
    assert not is_reached(finish, back_at + AGREES_WITHIN_S - 0.01)
    assert is_reached(finish, back_at + AGREES_WITHIN_S)


@pytest.mark.parametrize(("name", "is_over"), [("one", True), ("two", False)])
def test_nobody_waits_for_a_shard_of_which_another_has_the_name(name: str, is_over: bool) -> None:
    finish = finish_of([], [shard(), shard(math.inf, name, serves=False)])
    assert is_reached(finish, PLAN.end_at_s) is is_over
    assert is_reached(finish, PLAN.end_at_s + 60.0)


@pytest.mark.parametrize("honest", [True, False])
def test_end_waits_for_a_shard_that_has_not_heard_that_its_session_is_closed(honest: bool) -> None:
    one = shard(honest=honest)
    finish = finish_of([], [one])
    assert is_reached(finish, PLAN.end_at_s)
    finish.note_tick(core_with(0), PLAN.end_at_s - 0.1)
    assert not is_reached(finish, PLAN.end_at_s)
    assert is_reached(finish, PLAN.end_at_s + 60.0)


def test_nobody_waits_for_a_liar_that_is_kept_out() -> None:
    liar = shard(math.inf, "liar", serves=False, honest=False)
    assert is_reached(finish_of([], [shard(), liar]), PLAN.end_at_s)


def test_nobody_waits_for_a_client_that_has_left() -> None:
    assert is_reached(finish_of([client(math.inf, away=True)], [shard()]), PLAN.end_at_s)


@pytest.mark.parametrize(("ticks", "is_over"), [([3], False), ([3, 3], True), ([3, 4], False)])
def test_end_waits_for_who_was_put_off_in_the_last_tick(ticks: list[int], is_over: bool) -> None:
    finish = finish_of([client()], [shard()])
    for deferred in ticks:
        finish.note_tick(core_with(deferred, SESSION), PLAN.end_at_s - 0.1)
    assert is_reached(finish, PLAN.end_at_s) is is_over
    assert is_reached(finish, PLAN.end_at_s + AGREES_WITHIN_S)


def test_end_waits_for_answers_as_long_as_there_are_calls() -> None:
    finish = finish_of([client(calls_waiting=2)], [shard()])
    assert not is_reached(finish, PLAN.end_at_s)
    assert is_reached(finish, PLAN.end_at_s + 2 * PLAN.answer_s)
