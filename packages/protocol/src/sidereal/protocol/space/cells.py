"""Squares of cells (or of sectors) around a centre, such as a client's window.

A square of radius r has (2r + 1)² cells. They have two orders. In a **window order** the cells are
row-major from the lower left: the first is r to the left of and r below the centre. The order **by
place** does not depend on where the square is, so a cell keeps its place while the square moves;
this one travels in snapshots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import absolute_cell


def window_offsets(radius: int) -> NDArray[np.int64]:
    """Give the cells of a window relative to its centre.

    Returns:
        int64[(2 * radius + 1)², 2]: along x and along y.
    """
    steps = np.arange(-radius, radius + 1, dtype=np.int64)
    offset_y, offset_x = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([offset_x.ravel(), offset_y.ravel()], axis=1)


def window_cells(
    sector_x: ArrayLike, sector_y: ArrayLike, cell: ArrayLike, radius: int, rules: Rules
) -> NDArray[np.int64]:
    """Give the absolute cells of windows; at the world's edge some lie beyond it.

    Args:
        sector_x: of the centre, one number or int32[n].
        sector_y: likewise.
        cell: of the centre, number inside the sector.
        radius: cells from the centre to the edge.
        rules: for the size of cells.

    Returns:
        int64[window, 2] for one centre, int64[n, window, 2] for n of them.
    """
    cell_x, cell_y = absolute_cell(sector_x, sector_y, cell, rules)
    return np.stack([cell_x, cell_y], axis=-1)[..., None, :] + window_offsets(radius)


def square_by_place(
    centre_x: int, centre_y: int, radius: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the cells of a square by place.

    With `side` cells along an edge, the place of a cell is `(y mod side) * side + (x mod side)`.
    Wherever a square of that size is, it has one cell in every place, and a cell keeps its place
    while the square moves.

    Args:
        centre_x: of the square.
        centre_y: likewise.
        radius: from the centre to the edge.

    Returns:
        x and y of the cell in each place, int64[side²] and int64[side²].
    """
    side = 2 * radius + 1
    steps = np.arange(side, dtype=np.int64)
    along_x = centre_x - radius + (steps - (centre_x - radius)) % side
    along_y = centre_y - radius + (steps - (centre_y - radius)) % side
    return np.tile(along_x, side), np.repeat(along_y, side)
