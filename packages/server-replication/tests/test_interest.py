"""When a client's window follows."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.rules import Rules
from sidereal.replication.edge.interest import CENTRE_MARGIN, left_centre

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
