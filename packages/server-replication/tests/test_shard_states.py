"""How far a shard has come: every pair of a state and a signal, and what follows from states."""

from __future__ import annotations

from itertools import product

import pytest

from sidereal.replication.links.shards import Shard
from sidereal.replication.links.states import TRANSITIONS, ShardSignal, ShardState

LEADS: dict[ShardState, dict[ShardSignal, ShardState]] = {
    ShardState.JOINING: {
        ShardSignal.WAITS: ShardState.SPARE,
        ShardSignal.PROPOSES: ShardState.SERVING,
        ShardSignal.DRAINS: ShardState.DRAINING,
        ShardSignal.LEAVES: ShardState.GONE,
    },
    ShardState.SPARE: {
        ShardSignal.CALLED: ShardState.JOINING,
        ShardSignal.DRAINS: ShardState.DRAINING,
        ShardSignal.LEAVES: ShardState.GONE,
    },
    ShardState.SERVING: {
        ShardSignal.DRAINS: ShardState.DRAINING,
        ShardSignal.LEAVES: ShardState.GONE,
    },
    ShardState.DRAINING: {ShardSignal.LEAVES: ShardState.GONE},
    ShardState.GONE: {},
}
"""What is to be, state by state; all else changes nothing."""


def shard(state: ShardState = ShardState.JOINING) -> Shard:
    return Shard(1, 1, "shard-1", heard_at=0.0, state=state)


@pytest.mark.parametrize(("state", "signal"), [*product(ShardState, ShardSignal)])
def test_every_signal_does_in_every_state_what_it_should(
    state: ShardState, signal: ShardSignal
) -> None:
    one = shard(state)
    after = LEADS[state].get(signal, state)
    assert one.apply(signal) == (after is not state)
    assert one.state is after


def test_every_state_but_the_last_can_be_reached_and_left() -> None:
    assert {state for state, _ in TRANSITIONS} == {*ShardState} - {ShardState.GONE}
    assert {*TRANSITIONS.values()} == {*ShardState}


def test_a_shard_serves_when_it_has_proposed_something() -> None:
    one = shard()
    one.receive_proposal([], 5, 1.0)
    assert one.state is ShardState.SERVING


def test_a_tick_that_no_clock_has_reached_is_not_believed() -> None:
    one, newest = shard(), []
    one.note_beat(5, 0.25, 0.05)
    for tick, said in [(6, 9), (7, 0xFFFF_FFFF), (8, 10), (9, 19)]:
        one.receive_proposal([], said, tick * 0.05)
        one.note_late(tick, tick * 0.05, 0.25, 0.05)
        newest.append(one.newest_tick)
    assert newest == [9, 17, 17, 19]


def test_a_shard_that_is_to_leave_goes_on_proposing_and_stays_so() -> None:
    one = shard()
    one.apply(ShardSignal.DRAINS)
    one.receive_proposal([], 5, 1.0)
    assert one.state is ShardState.DRAINING
    assert one.serves(1.0, 0.5)


def test_a_spare_proposes_and_does_not_serve_until_it_is_called() -> None:
    one = shard()
    states, serves = [], []
    for signal in (ShardSignal.WAITS, ShardSignal.CALLED):
        one.apply(signal)
        one.receive_proposal([], 5, 1.0)
        states.append(one.state)
        serves.append(one.serves(1.0, 0.5))
    assert states == [ShardState.SPARE, ShardState.SERVING]
    assert serves == [False, True]
