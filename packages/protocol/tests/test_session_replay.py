from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.limits import REPLAY_WINDOW_SIZE
from sidereal.protocol.session.replay import ReplayWindow

TOP = (1 << 64) - 1


def window_of(*sequences: int) -> ReplayWindow:
    window = ReplayWindow()
    for sequence in sequences:
        window.advance(sequence)
    return window


@pytest.mark.parametrize("sequence", [0, 1, 255, 256, 1 << 63, TOP])
def test_first_packet_is_accepted_whatever_its_number(sequence: int) -> None:
    assert not window_of().is_replay(sequence)


@pytest.mark.parametrize("sequence", [0, 1, 1 << 63, TOP])
def test_second_copy_is_a_replay(sequence: int) -> None:
    assert window_of(sequence).is_replay(sequence)


def test_late_packet_inside_the_window_is_accepted_once() -> None:
    window = window_of(1000)
    late = 1000 - REPLAY_WINDOW_SIZE + 1
    assert not window.is_replay(late)
    window.advance(late)
    assert window.is_replay(late)


def test_packet_just_outside_the_window_is_a_replay() -> None:
    assert window_of(1000).is_replay(1000 - REPLAY_WINDOW_SIZE)


def test_numbers_near_the_top_do_not_overflow() -> None:
    window = window_of()
    for sequence in range(TOP - 2 * REPLAY_WINDOW_SIZE, TOP + 1):
        assert not window.is_replay(sequence)
        window.advance(sequence)
        assert window.is_replay(sequence)


def test_leap_of_any_size_forgets_the_window_at_no_cost() -> None:
    window = window_of(7, 1 << 62)
    assert window.is_replay(7)
    assert window.is_replay(1 << 62)
    assert not window.is_replay((1 << 62) - 1)


def test_advance_to_a_number_before_the_window_changes_nothing() -> None:
    window = window_of(1000, 3)
    assert not window.is_replay(999)


class ReferenceWindow:
    """The array of the reference implementation, subtraction-side as IMPLEMENTERS.md says."""

    def __init__(self) -> None:
        self.newest = 0
        self.received: list[int | None] = [None] * REPLAY_WINDOW_SIZE

    def is_replay(self, sequence: int) -> bool:
        if self.newest >= REPLAY_WINDOW_SIZE and sequence <= self.newest - REPLAY_WINDOW_SIZE:
            return True
        entry = self.received[sequence % REPLAY_WINDOW_SIZE]
        return entry is not None and entry >= sequence

    def advance(self, sequence: int) -> None:
        self.newest = max(self.newest, sequence)
        self.received[sequence % REPLAY_WINDOW_SIZE] = sequence


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    start=st.sampled_from([0, 1, 300, (1 << 63) - 5, TOP - 700]),
    steps=st.lists(st.integers(-300, 300), max_size=120),
)
def test_it_decides_like_the_reference_implementation(start: int, steps: list[int]) -> None:
    window, reference = ReplayWindow(), ReferenceWindow()
    sequence = start
    for step in steps:
        sequence = min(max(sequence + step, 0), TOP)
        verdict = window.is_replay(sequence)
        assert verdict == reference.is_replay(sequence)
        if not verdict:
            window.advance(sequence)
            reference.advance(sequence)
