"""Records of controls: each once, in order, whatever the network does to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.state.controls import ControlsField, ControlsLayout
from sidereal.protocol.state.earliness import decode_early
from sidereal.shard.controls import ControlQueues
from sidereal.shard.limits import LIMITS

SHIP = np.array([2], dtype=np.int64)


PRESS = 1 << 16
LAYOUT = ControlsLayout([ControlsField("held", PRESS, "angle"), ControlsField("fire", 16, "press")])


def said(first_seq: int, *records: int, control_epoch: int = 1) -> Input:
    return Input(control_epoch, first_seq, records)


def adopted(input_seq: int = 0, control_epoch: int = 1) -> ControlQueues:
    queues = ControlQueues(4, LAYOUT)
    queues.reset(SHIP, np.array([control_epoch], np.uint32), np.array([input_seq], np.uint32))
    return queues


def take(queues: ControlQueues) -> tuple[int, int]:
    records, _, seq = queues.take(SHIP)
    return int(records[0]), int(seq[0])


def test_one_entry_is_taken_per_tick_in_order() -> None:
    queues = adopted()
    queues.receive(2, said(1, 8, 4, 2))
    assert [take(queues) for _ in range(3)] == [(8, 1), (4, 2), (2, 3)]


def test_entry_that_comes_again_is_not_taken_again() -> None:
    queues = adopted()
    queues.receive(2, said(1, 1, 2))
    queues.receive(2, said(1, 1, 2))
    assert [take(queues) for _ in range(2)] == [(1, 1), (2, 2)]
    queues.receive(2, said(1, 1, 2, 4))
    assert take(queues) == (4, 3)
    assert queues.accepted == 3
    assert queues.stale == 4


def test_adopted_ship_goes_on_after_the_newest_input_in_its_state() -> None:
    queues = adopted(input_seq=10)
    queues.receive(2, said(9, 1, 1, 8))
    assert take(queues) == (8, 11)
    assert (queues.accepted, queues.stale) == (1, 2)


def test_newer_control_epoch_starts_over() -> None:
    queues = adopted(input_seq=500)
    queues.receive(2, said(1, 8, control_epoch=2))
    records, epoch, seq = queues.take(SHIP)
    assert (int(records[0]), int(epoch[0]), int(seq[0])) == (8, 2, 1)


def test_older_control_epoch_is_dropped() -> None:
    queues = adopted(control_epoch=5)
    queues.receive(2, said(1, 1, 1, control_epoch=4))
    assert take(queues) == (0, 0)
    assert queues.stale == 2


def test_dry_queue_takes_the_last_record_for_what_is_missing_and_then_lets_go() -> None:
    queues = adopted()
    queues.receive(2, said(1, 9))
    taken = [take(queues) for _ in range(LIMITS.guesses + 4)]
    assert taken[: LIMITS.guesses + 1] == [(9, 1 + tick) for tick in range(LIMITS.guesses + 1)]
    assert taken[LIMITS.guesses + 1 :] == [(0, LIMITS.guesses + 1)] * 3
    assert queues.guessed == LIMITS.guesses


def test_queue_that_has_let_go_takes_up_again() -> None:
    queues = adopted()
    queues.receive(2, said(1, 9))
    for _ in range(20):
        take(queues)
    queues.receive(2, said(21, 3))
    assert take(queues)[1] > LIMITS.guesses
    assert 3 in [take(queues)[0] for _ in range(20)]


def test_one_late_entry_does_not_make_ticks_slip() -> None:
    queues = adopted()
    queues.receive(2, said(1, 1))
    assert [take(queues) for _ in range(2)] == [(1, 1), (1, 2)]
    queues.receive(2, said(2, 4, 8))
    assert take(queues) == (8, 3)


def test_entries_that_are_all_late_do_not_slip_and_the_newest_counts() -> None:
    queues = adopted()
    queues.receive(2, said(1, 1))
    take(queues)
    for seq in range(2, 30):  # every entry comes just after the tick it was due
        assert take(queues) == (seq - 1, seq)
        queues.receive(2, said(seq, seq))
    queues.receive(2, said(30, 30))
    assert take(queues) == (30, 30)
    assert (queues.guessed, queues.skipped) == (28, 0)


def test_copy_of_an_entry_that_was_taken_says_nothing_of_the_path() -> None:
    queues = adopted()
    queues.receive(2, said(1, 9))
    assert [take(queues) for _ in range(2)] == [(9, 1), (9, 2)]
    queues.receive(2, said(1, 9))
    assert take(queues) == (9, 3)


@pytest.mark.parametrize("late", [2, 3])
def test_entry_that_was_guessed_and_comes_after_all_makes_nothing_slip(late: int) -> None:
    queues = adopted()
    queues.receive(2, said(1, 9))
    assert [take(queues) for _ in range(3)] == [(9, 1), (9, 2), (9, 3)]
    queues.receive(2, said(late, 8))
    assert take(queues) == (8, 4)


def test_the_next_body_of_a_pilot_is_flown_from_its_first_entry_on() -> None:
    queues = adopted()
    assert take(queues) == (0, 0)
    queues.receive(2, said(113, 6, 7), early=0.5)
    assert early(queues) == 0.5
    assert [take(queues) for _ in range(2)] == [(7, 114), (7, 115)]


def test_what_waited_for_the_next_body_of_a_pilot_is_flown_from_the_first_entry_on() -> None:
    queues = adopted()
    queues.resume(2, [(113, 6), (114, 7)])
    assert [take(queues) for _ in range(2)] == [(6, 113), (7, 114)]


def test_reserve_is_left_as_it_is() -> None:
    queues = adopted()
    queues.receive(2, said(1, *[0] * (LIMITS.controls_reserve - 1)))
    for seq in range(LIMITS.controls_reserve, 500):
        queues.receive(2, said(seq, 0))
        take(queues)
    assert (queues.skipped, queues.guessed) == (0, 0)


@pytest.mark.parametrize("missed", [2, 7])
def test_entries_that_were_due_while_the_queue_had_let_go_are_jumped_over(missed: int) -> None:
    queues = adopted()
    queues.receive(2, said(1, 1))
    ticks = 1 + LIMITS.guesses + missed
    for _ in range(ticks):
        take(queues)
    presses = [PRESS if seq == ticks else 0 for seq in range(2, ticks + 2)]
    queues.receive(2, said(2, *presses))
    assert take(queues) == (PRESS, ticks + 1)
    queues.receive(2, said(ticks + 2, 5))
    assert take(queues) == (5, ticks + 2)
    assert queues.skipped == missed


@pytest.mark.parametrize("missed", [2, 7, 40, 400])
def test_numbers_left_out_were_due_while_the_queue_had_let_go(missed: int) -> None:
    queues = adopted()
    queues.receive(2, said(1, 1))
    ticks = 1 + LIMITS.guesses + missed
    for _ in range(ticks):
        take(queues)
    queues.receive(2, said(ticks - 1, *range(ticks - 1, ticks + 4)))
    assert [take(queues) for _ in range(2)] == [(ticks + 1, ticks + 1), (ticks + 2, ticks + 2)]


def test_entries_that_were_due_while_ticks_passed_unsimulated_are_jumped_over() -> None:
    queues = adopted()
    queues.receive(2, said(1, 1, 2, 3, 4, 5))
    assert take(queues) == (1, 1)
    queues.miss(SHIP, 3)
    assert take(queues) == (5, 5)


def test_entries_that_were_never_made_make_nothing_be_jumped_over() -> None:
    queues = adopted()
    queues.receive(2, said(1, 1))
    for _ in range(20):
        take(queues)
    newest = LIMITS.guesses + 1
    queues.receive(2, said(2, *range(2, newest + 1)))  # a client that stood still makes a few
    queues.receive(2, said(newest + 1, 70))
    assert take(queues) == (70, newest + 1)
    assert queues.skipped == 0


def early(queues: ControlQueues) -> float | None:
    return decode_early(int(queues.take_early(SHIP)[0]))


def test_how_early_entries_come_is_told_once() -> None:
    queues = adopted()
    queues.receive(2, said(1, 1), early=0.5)
    take(queues)
    assert early(queues) == 0.5
    queues.receive(2, said(1, 1), early=0.25)  # a copy
    take(queues)
    assert early(queues) is None


@pytest.mark.parametrize(
    ("came", "known"),
    [
        ([(said(3, 0), 0.5), (said(4, 0), 0.25)], 0.5),  # the latest of them is for this tick
        ([(said(2, 0, 0), 0.5)], -0.5),  # 2 was guessed
        ([(said(2, 0, 0), -0.3)], -1.0),  # the shard is late itself: it was in time for nothing
        ([(said(3, 0, 0), -0.3)], None),  # and this may have been
        ([(said(5, 0), 0.0)], 2.0),  # of a burst
    ],
)
def test_how_early_the_latest_came(came: list[tuple[Input, float]], known: float | None) -> None:
    queues = adopted()
    queues.receive(2, said(1, 1), early=0.5)
    assert [take(queues)[1] for _ in range(2)] == [1, 2]
    assert early(queues) == 0.5
    for message, before in came:
        queues.receive(2, message, early=before)
    take(queues)
    assert early(queues) == known


def test_an_entry_that_is_in_the_state_already_says_nothing_of_the_path() -> None:
    queues = adopted(input_seq=10)
    queues.receive(2, said(9, 0, 0), early=0.5)
    assert early(queues) is None
    queues.receive(2, said(9, 0, 0, 0), early=0.25)
    assert early(queues) == 0.25


def test_a_body_that_changes_hands_is_flown_by_the_newest_that_has_come() -> None:
    queues = adopted(input_seq=10)
    queues.resume(2, [(8, 6)])  # 9 and 10 were guessed
    assert [take(queues) for _ in range(3)] == [(6, 11), (6, 12), (6, 13)]
    assert take(queues) == (0, 13)


def test_nothing_is_held_before_the_first_entry() -> None:
    assert take(adopted()) == (0, 0)


def test_entry_lost_in_every_copy_is_bridged_by_the_one_before() -> None:
    queues = adopted()
    queues.receive(2, said(1, 4))
    queues.receive(2, said(3, 8))
    assert [take(queues) for _ in range(3)] == [(4, 1), (4, 2), (8, 3)]


def test_long_queue_takes_two_per_tick_until_it_is_short() -> None:
    queues = adopted()
    queues.receive(2, said(1, *range(1, LIMITS.controls_reserve + 3)))
    assert [take(queues) for _ in range(3)] == [(2, 2), (3, 3), (4, 4)]
    assert queues.skipped == 1


def test_entries_far_ahead_push_the_oldest_out() -> None:
    queues = adopted()
    queues.receive(2, said(1, 1))
    queues.receive(2, said(1000, 7))
    assert queues.skipped == 1000 - LIMITS.controls_queue
    taken = [take(queues) for _ in range(LIMITS.controls_queue)]
    assert (7, 1000) in taken
    assert min(seq for _, seq in taken) > 1000 - LIMITS.controls_queue


def test_what_is_taken_for_a_missing_entry_presses_nothing() -> None:
    queues = adopted()
    queues.receive(2, said(1, 9 | PRESS))
    queues.receive(2, said(3, 8))
    assert [take(queues) for _ in range(3)] == [(9 | PRESS, 1), (9, 2), (8, 3)]
    assert take(queues) == (8, 4)


def test_press_that_comes_too_late_counts_with_the_next_entry_and_once() -> None:
    queues = adopted()
    queues.receive(2, said(1, 9))
    assert [take(queues) for _ in range(2)] == [(9, 1), (9, 2)]
    for _ in range(2):
        queues.receive(2, said(1, 9, 9 | 2 * PRESS))
    queues.receive(2, said(3, 8 | PRESS))
    assert [take(queues) for _ in range(2)] == [(8 | 3 * PRESS, 3), (8, 4)]


def test_press_of_an_entry_that_is_jumped_over_counts_with_the_next_one() -> None:
    queues = adopted()
    waiting = [PRESS, 15 * PRESS, *[7] * LIMITS.controls_reserve]
    queues.receive(2, said(1, *waiting))
    assert take(queues) == (15 * PRESS, 2)
    assert take(queues)[0] == 7


def test_press_that_is_in_the_state_already_is_not_carried() -> None:
    queues = adopted(input_seq=10)
    queues.receive(2, said(9, PRESS, PRESS, 8))
    assert take(queues) == (8, 11)


def test_largest_numbers_are_no_harm() -> None:
    queues = adopted()
    queues.receive(2, said(0xFFFF_FFFF, 1, control_epoch=0xFFFF_FFFF))
    assert take(queues) == (1, 0xFFFF_FFFF)


def test_queues_grow_and_keep_what_they_hold() -> None:
    queues = adopted()
    queues.receive(2, said(1, 6))
    queues.reserve(1000)
    assert queues.capacity == 1000
    assert take(queues) == (6, 1)


def test_ships_do_not_share_a_queue() -> None:
    queues = ControlQueues(4, LAYOUT)
    ships = np.arange(4)
    queues.reset(ships, np.ones(4, np.uint32), np.zeros(4, np.uint32))
    queues.receive(1, said(1, 5))
    queues.receive(3, said(1, 7))
    assert queues.take(ships)[0].tolist() == [0, 5, 0, 7]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(st.integers(1, 60), st.integers(1, CONTROLS_PER_MESSAGE_MAX)),
        ),
        max_size=80,
    )
)
def test_each_entry_is_taken_at_most_once_and_never_backwards(
    events: list[tuple[int, int] | None],
) -> None:
    queues = adopted()
    passed = 0
    for event in events:
        if event is not None:
            first, count = event
            queues.receive(2, said(first, *range(first, first + count)))
            continue
        records, seq = take(queues)
        assert passed <= seq <= passed + LIMITS.controls_queue + 60
        # Every entry's records are its number: what is held is what was taken, or nothing.
        assert records <= seq
        passed = seq
