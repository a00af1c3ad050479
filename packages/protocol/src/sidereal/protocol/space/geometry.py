"""From coordinates to sectors and cells, and back.

Space is divided into sectors, named by two signed 32-bit numbers, and each of these into
`cells_per_side`² cells. An **absolute cell** is a pair of int64: `sector * cells_per_side + cell`
along each axis. A cell's number inside its sector is row-major: `cell_y * cells_per_side + cell_x`.

All divisions are exact (`floor(x / size)` alone would round up just below an edge), so that every
process puts an entity into the same cell.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.rules import Rules

SECTOR_MIN: Final = -(1 << 31)
SECTOR_MAX: Final = (1 << 31) - 1


def absolute_cell_of(
    x: ArrayLike, y: ArrayLike, rules: Rules
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the absolute cells of positions.

    Args:
        x: float64[n], finite; beyond the world's edge it counts as in the last cell before it.
        y: likewise.
        rules: for the size of cells.

    Returns:
        int64[n] and int64[n]: absolute cell along x and along y.
    """
    return _cell_along(x, rules), _cell_along(y, rules)


def sector_of(
    x: ArrayLike, y: ArrayLike, rules: Rules
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Find the sectors of positions.

    Returns:
        int32[n] and int32[n]: sector along x and along y.
    """
    cell_x, cell_y = absolute_cell_of(x, y, rules)
    side = rules.cells_per_side
    return (cell_x // side).astype(np.int32), (cell_y // side).astype(np.int32)


def cell_in_sector(x: ArrayLike, y: ArrayLike, rules: Rules) -> NDArray[np.uint8]:
    """Find the cells of positions.

    Returns:
        uint8[n]: number inside the sector, row-major.
    """
    cell_x, cell_y = absolute_cell_of(x, y, rules)
    side = rules.cells_per_side
    return (cell_y % side * side + cell_x % side).astype(np.uint8)


def cell_origin(
    sector_x: ArrayLike, sector_y: ArrayLike, cell: ArrayLike, rules: Rules
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the lower left corners of cells.

    Args:
        sector_x: int32[n]
        sector_y: int32[n]
        cell: uint8[n], number inside the sector.
        rules: for the size of cells.

    Returns:
        float64[n] and float64[n], world units.
    """
    cell_x, cell_y = absolute_cell(sector_x, sector_y, cell, rules)
    return cell_x * np.float64(rules.cell_size), cell_y * np.float64(rules.cell_size)


def absolute_cell(
    sector_x: ArrayLike, sector_y: ArrayLike, cell: ArrayLike, rules: Rules
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Name cells absolutely.

    Returns:
        int64[n] and int64[n]: absolute cell along x and along y.
    """
    side = rules.cells_per_side
    inside = np.asarray(cell, dtype=np.int64)
    cell_x = np.asarray(sector_x, dtype=np.int64) * side + inside % side
    cell_y = np.asarray(sector_y, dtype=np.int64) * side + inside // side
    return cell_x, cell_y


def wrap(values: ArrayLike, low: float, high: float) -> NDArray[np.float64]:
    """Bring values into [low, high); one that is there already comes back unchanged.

    Args:
        values: float64[n], finite.
        low: where the range begins.
        high: where it is `low` again.
    """
    values = np.asarray(values, dtype=np.float64)
    inside = (values >= low) & (values < high)
    if inside.all():
        return values.copy()
    period = high - low
    wrapped = values - period * np.floor((values - low) / period)
    # Rounding may leave a hair's breadth on either side.
    wrapped = np.where(wrapped >= high, low, np.maximum(wrapped, low))
    return np.where(inside, values, wrapped)


def wrap_angle(angle: ArrayLike) -> NDArray[np.float64]:
    """Bring angles into [-π, π), rad."""
    return wrap(angle, -math.pi, math.pi)


def _cell_along(position: ArrayLike, rules: Rules) -> NDArray[np.int64]:
    # Both edges are exact in float64: the size of a sector times a power of two.
    low, high = SECTOR_MIN * rules.sector_size, (SECTOR_MAX + 1) * rules.sector_size
    inside = np.array(position, dtype=np.float64)
    np.clip(inside, low, np.nextafter(high, 0.0), out=inside)
    quotient = np.asarray(inside / rules.cell_size)
    cell = np.asarray(np.floor(quotient))
    # Rounding keeps the order, so the floor is right but for a quotient that came out whole.
    whole = quotient == cell
    cell[whole] = np.floor_divide(inside[whole], rules.cell_size)
    return cell.astype(np.int64)
