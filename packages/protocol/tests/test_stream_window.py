"""Places of cells in a window."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.stream import places_around


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(1, 7))
def test_a_window_has_every_cell_once_and_each_in_its_own_place(
    x: int, y: int, radius: int
) -> None:
    rules = Rules(view_radius_cells=radius)
    side = rules.window_side
    cell_x, cell_y = places_around(x, y, rules)
    assert (np.abs(cell_x - x) <= radius).all()
    assert (np.abs(cell_y - y) <= radius).all()
    assert len(set(zip(cell_x.tolist(), cell_y.tolist(), strict=True))) == side**2
    assert (cell_y % side * side + cell_x % side == np.arange(side**2)).all()
