"""When a client's window follows."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.rules import Rules
from sidereal.replication.edge.interest import CENTRE_MARGIN, Gazes, left_centre

RULES = Rules()


@pytest.mark.parametrize("cell", [(0, 0), (-3, 2)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_window_follows_who_has_left_its_centre_by_the_margin(
    cell: tuple[int, int], axis: int
) -> None:
    size, margin = RULES.cell_size, CENTRE_MARGIN
    off = np.array([-margin - 0.1, -margin, 0.0, size, size + margin - 0.1, size + margin])
    there = [np.full(len(off), cell[n] * size + size / 2) for n in (0, 1)]
    there[axis] = cell[axis] * size + off
    centre = [np.full(len(off), number) for number in cell]
    (x, y), (centre_x, centre_y) = there, centre
    left = left_centre(x, y, centre_x, centre_y, RULES)
    assert left.tolist() == [True, False, False, False, False, True]


# -- who only looks -------------------------------------------------------------------------------

SIDE = RULES.window_side


def admit(gazes: Gazes, now: float, *moves: tuple[int, int]) -> list[bool]:
    """Ask for clients 0 to n."""
    clients, off = np.arange(len(moves)), np.array(moves).T
    return list(gazes.admit(clients, off, now).tolist())


def test_what_a_move_costs_is_the_share_of_new_cells() -> None:
    gazes = Gazes(RULES, 1, 1.0, 10)
    gazes.join(np.array([0]), 0.0)
    assert admit(gazes, 0.0, (1, 0)) == [True]
    rest = SIDE - 1
    assert admit(gazes, 0.0, (SIDE, 0)) == [False]
    assert admit(gazes, 0.0, (rest, 0)) == [True]
    assert admit(gazes, 0.0, (0, 1)) == [False]
    assert admit(gazes, 1.0 / SIDE + 1e-9, (0, 1)) == [True]


def test_nobody_saves_up_more_than_one_window() -> None:
    gazes = Gazes(RULES, 1, 1.0, 10)
    gazes.join(np.array([0]), 0.0)
    assert [admit(gazes, 50.0, (99, 99)) for _ in range(2)] == [[True], [False]]


def test_of_many_those_come_first_who_were_not_followed_for_longest() -> None:
    gazes = Gazes(RULES, 3, 1.0, 1)
    gazes.join(np.arange(3), 0.0)
    moves = [(99, 0)] * 3
    assert admit(gazes, 0.5, *moves) == [True, False, False]
    assert admit(gazes, 1.6, *moves) == [False, True, False]
    assert admit(gazes, 1.7, *moves) == [False, False, True]
