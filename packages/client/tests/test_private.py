"""What a client alone is told, in whatever order it comes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from sidereal.client.private import PrivateState
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.private import Flown, InputApplied, OwnMotion, Private
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema

RULES = Rules()
FUEL = Component("fuel", (Field("left", "f4", "t", 0, 100),), Replication.PILOT)
SCHEMA = Schema((*BASE_COMPONENTS, FUEL))
FUELLED = SCHEMA.numbers["fuel"]
MOVES = 1 << SCHEMA.numbers["motion"]
FULL = MOVES | 1 << FUELLED


def fuel(left: float) -> dict[int, np.void]:
    return {FUELLED: np.array([(left,)], SCHEMA.own_rows[FUELLED])[0]}


def motion(tick: int, x: float = 0.0, vx: float = 0.0) -> OwnMotion:
    return OwnMotion(tick, x, 0.0, vx, 0.0, 0.0, 0.0)


def section(
    from_tick: int,
    to_tick: int,
    *,
    flight: int = 1,
    flown: Flown | None = None,
    motion: OwnMotion | None = None,
    seq: int | None = None,
    components: dict[int, np.void] | None = None,
) -> Private:
    inputs = None if seq is None else InputApplied(to_tick, seq, 0)
    replace = from_tick < 0
    return Private(replace, from_tick, to_tick, flight, flown, motion, inputs, components or {})


WHOLE = section(
    -1, 10, flown=Flown(5, 3, FULL), motion=motion(10, 100.0, 20.0), seq=1, components=fuel(9.0)
)


@pytest.fixture
def state() -> PrivateState:
    return PrivateState(SCHEMA, RULES)


def test_all_that_there_is_makes_a_state(state: PrivateState) -> None:
    answer = state.apply(WHOLE)
    assert answer is not None
    assert (answer.net_id, answer.control_epoch, answer.input, answer.tick) == (5, 3, 1, 10)
    assert answer.state.x == 100.0
    assert state.values == {"left": 9.0}


def test_a_state_without_new_motion_goes_on_along_its_line(state: PrivateState) -> None:
    state.apply(WHOLE)
    answer = state.apply(section(10, 14, seq=5))
    assert answer is not None
    assert (answer.tick, answer.input) == (14, 5)
    assert answer.state.x == pytest.approx(100.0 + 20.0 * 4 * RULES.tick_s)


def test_of_two_motions_the_one_of_the_later_snapshot_counts(state: PrivateState) -> None:
    state.apply(WHOLE)
    answer = state.apply(section(12, 13, motion=motion(13, 7.0), seq=4))
    assert answer is not None
    assert (answer.tick, answer.state.x) == (13, 7.0)
    assert state.apply(section(10, 12, motion=motion(12, 1.0), seq=3)) is None
    assert state.answer() == answer


def test_a_motion_without_inputs_is_a_state_of_its_own_tick(state: PrivateState) -> None:
    state.apply(WHOLE)
    answer = state.apply(section(10, 14, motion=motion(13, 7.0, 20.0)))
    assert answer is not None
    assert (answer.tick, answer.input, answer.state.x) == (13, 1, 7.0)


def test_components_of_a_section_behind_a_gap_are_known(state: PrivateState) -> None:
    state.apply(WHOLE)
    state.apply(section(12, 13, components=fuel(3.0)))
    assert state.values == {"left": 3.0}
    state.apply(section(10, 12, components=fuel(6.0)))
    assert state.values == {"left": 3.0}, "what is older comes too late"


SHIP, BARE = Flown(6, 1, FULL), Flown(6, 1, MOVES)
AWAY = motion(12, 50.0)
HISTORY = (
    WHOLE,
    section(10, 11, motion=motion(11, 101.0), seq=2),
    section(11, 12, flight=2, flown=SHIP, motion=AWAY, seq=0, components=fuel(1.0)),
    section(12, 13, flight=2, flown=SHIP, motion=AWAY, seq=1, components=fuel(2.0)),
    section(13, 14, flight=2, flown=BARE, motion=AWAY),
    section(14, 15, flight=2, flown=SHIP, motion=AWAY, components=fuel(4.0)),
)
"""Nothing is acked: which entity it is, and its motion, are in every section."""


def test_in_whatever_order_sections_come_all_is_known_in_the_end() -> None:
    for order in permutations(HISTORY):
        state = PrivateState(SCHEMA, RULES)
        for section in order:
            state.apply(section)
        answer = state.answer()
        assert answer is not None
        assert (answer.net_id, answer.control_epoch, answer.input) == (6, 1, 1)
        assert answer.state.x == 50.0
        assert state.values == {"left": 4.0}


def test_a_row_of_another_entity_is_not_taken_for_the_one_that_is_flown(
    state: PrivateState,
) -> None:
    state.apply(WHOLE)
    assert state.apply(section(12, 13, flight=2, motion=motion(13, 7.0), seq=1)) is None
    answer = state.answer()
    assert answer is not None
    assert (answer.net_id, answer.state.x) == (5, 100.0)


def test_what_was_taken_stays_away_whatever_comes_late(state: PrivateState) -> None:
    state.apply(WHOLE)
    state.apply(section(11, 12, flown=Flown(5, 3, MOVES)))
    assert state.values == {}
    state.apply(section(10, 11, components=fuel(5.0)))
    assert state.values == {}


def test_who_flies_nothing_any_more_has_no_state(state: PrivateState) -> None:
    state.apply(WHOLE)
    state.apply(section(10, 11, flight=2, flown=Flown(0, 0, 0)))
    assert state.answer() is None
    assert (state.flown.net_id, state.values) == (0, {})
