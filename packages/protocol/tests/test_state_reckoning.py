from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.state.reckoning import Motion, extrapolate, strayed
from sidereal.protocol.state.schema import MOTION

TICK_S = 0.05


def motion(*rows: tuple[float, float, float, float, float, float]) -> Motion:
    return Motion(*np.array(rows, dtype=np.float64).T)


def test_motion_has_the_fields_of_its_component() -> None:
    assert Motion._fields == tuple(field.name for field in MOTION.fields)


def test_references_continue_in_a_straight_line() -> None:
    reference = motion((1.0, 2.0, 10.0, -20.0, 0.5, 1.0), (0.0, 0.0, 0.0, 0.0, 3.0, 4.0))
    x, y, heading = extrapolate(*reference, np.array([100, 110]), 120, TICK_S)
    assert x.tolist() == [11.0, 0.0]
    assert y.tolist() == [-18.0, 0.0]
    assert heading == pytest.approx([1.5, 5.0 - math.tau])


def test_its_own_tick_leaves_a_reference_unchanged() -> None:
    reference = motion((2.0**41, -(2.0**41), 250.0, 250.0, -math.pi, 31.0))
    x, y, heading = extrapolate(*reference, 7, 7, TICK_S)
    assert (x, y, heading) == (reference.x, reference.y, reference.heading)


def test_references_continue_backwards_and_by_parts_of_a_tick() -> None:
    x, _, _ = extrapolate(*motion((0.0, 0.0, 20.0, 0.0, 0.0, 0.0)), 10, np.array([9.5]), TICK_S)
    assert x == pytest.approx([-0.5])


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        ((0.0, 0.0, 0.0), False),
        ((0.0009, 0.0, 0.0), False),
        ((0.0011, 0.0, 0.0), True),
        ((0.0008, -0.0008, 0.0), True),
        ((0.0, 0.0, 0.9e-4), False),
        ((0.0, 0.0, -1.1e-4), True),
    ],
)
def test_truth_strays_beyond_the_tolerance(off: tuple[float, float, float], expected: bool) -> None:
    reference = motion((100.0, 50.0, 8.0, 4.0, 1.0, 0.0))
    truth = motion((104.0 + off[0], 52.0 + off[1], 8.0, 4.0, 1.0 + off[2], 0.0))
    assert strayed(reference, 0, truth, 10, TICK_S, 1e-3, 1e-4).tolist() == [expected]


def test_headings_on_both_sides_of_the_seam_are_close() -> None:
    reference = motion((0.0, 0.0, 0.0, 0.0, math.pi - 1e-6, 0.0))
    truth = motion((0.0, 0.0, 0.0, 0.0, -math.pi + 1e-6, 0.0))
    assert strayed(reference, 0, truth, 5, TICK_S, 1e-3, 1e-4).tolist() == [False]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.tuples(
        *[st.floats(-2e12, 2e12)] * 2,
        *[st.floats(-250, 250)] * 2,
        st.floats(-math.pi, math.pi, exclude_max=True),
        st.floats(-31, 31),
    ),
    st.integers(0, 2**32 - 1),
)
def test_a_fresh_reference_has_not_strayed(
    row: tuple[float, float, float, float, float, float], tick: int
) -> None:
    assert not strayed(motion(row), tick, motion(row), tick, TICK_S, 0.0, 0.0).any()
