"""Interest: which window of cells each client is sent.

The centre of the window is the cell of what the client flies. For an observer, and for a player who
flies nothing, it is the cell that they look at. The window moves only when that point has left the
centre cell by `CENTRE_MARGIN`, so one that flies along a border does not make the window flicker.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.protocol.rules import Rules

CENTRE_MARGIN: Final = 30.0
"""World units beyond the centre cell's edge before the window follows."""


def left_centre(
    x: np.ndarray, y: np.ndarray, centre_x: np.ndarray, centre_y: np.ndarray, rules: Rules
) -> np.ndarray:
    """Tell which clients' windows have to follow.

    Args:
        x: float64[n], where each client's centre of interest is now, world units.
        y: float64[n].
        centre_x: int64[n], absolute cell its window is around.
        centre_y: int64[n].
        rules: for the size of a cell.

    Returns:
        bool[n].
    """
    low_x = centre_x * rules.cell_size - CENTRE_MARGIN
    low_y = centre_y * rules.cell_size - CENTRE_MARGIN
    span = rules.cell_size + 2 * CENTRE_MARGIN
    inside_x = (x >= low_x) & (x < low_x + span)
    inside_y = (y >= low_y) & (y < low_y + span)
    return ~(inside_x & inside_y)
