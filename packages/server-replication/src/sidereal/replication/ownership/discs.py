"""Which discs overlap: in a grid, whose cells are as large as two of them.

Few discs that are much larger than the others are looked at apart: one giant would set everybody's
cell. Where too many are beside each other, not all of them are compared, and it is told how many.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

COMPARED_MAX: Final = 30_000
"""So many pairs are compared one by one, more by cells."""

ALL_MAX: Final = 1 << 17
"""So many pairs that are beside each other are compared in order to know who meets any."""

TABLE_MAX: Final = 1 << 22
"""Squares of which a table is made; of more their numbers are compared."""

LARGE: Final = 4.0
"""A disc over so many times the mean is looked at apart: one giant would set everybody's cell."""

COMPARISONS_MAX: Final = 1 << 21
"""Of discs beside each other, in one search: all of a heap of 2,000, the most that an island has;
that takes 0.5 GB for a moment. Of a larger heap each is compared with some: that makes one island
of them all the same."""

CELLS_MAX: Final = 1 << 30
"""Along an axis, for two to make a number; bodies farther apart are moved together."""


class Close(NamedTuple):
    """Those who are close to each other; both arrays have one length.

    Attributes:
        a: int64[p], one of two; `b` is the other.
        left_out: how many who are near each other were not compared, for there are too many.
    """

    a: np.ndarray
    b: np.ndarray
    left_out: int

    def select(self, chosen: np.ndarray) -> Close:
        """Keep some of them, bool[p]."""
        return Close(self.a[chosen], self.b[chosen], self.left_out)

    def of(self, names: np.ndarray) -> Close:
        """Give them the names by which others know them, int64[m]."""
        return Close(names[self.a], names[self.b], self.left_out)

    def and_(self, others: Close) -> Close:
        """Add others."""
        a, b = np.concatenate([self.a, others.a]), np.concatenate([self.b, others.b])
        return Close(a, b, self.left_out + others.left_out)


def find_close(x: np.ndarray, y: np.ndarray, half: np.ndarray) -> Close:
    """Find discs that overlap, each two once.

    Args:
        x: float64[m], their middles, world units; likewise `y`.
        y: float64[m].
        half: float64[m], their radii.
    """
    if len(x) < 2:
        return _NOBODY
    large = half > LARGE * half.mean()
    if not large.any():
        return _find_among(x, y, half)
    few, many = np.flatnonzero(large), np.flatnonzero(~large)
    among_many = _find_among(x[many], y[many], half[many])
    # Less than a quarter of them are large: so few times it goes on.
    among_few = find_close(x[few], y[few], half[few])
    return among_many.of(many).and_(among_few.of(few)).and_(find_beside(x, y, half, few, many))


_NOBODY: Final = Close(np.empty(0, np.int64), np.empty(0, np.int64), 0)


def _find_among(x: np.ndarray, y: np.ndarray, half: np.ndarray) -> Close:
    """Find discs of about one size that overlap, each two once.

    In a grid of cells as large as two of them they are in one cell, or beside each other. Cells of
    a column follow on each other, so three of them are one range.
    """
    if len(x) < 2:
        return _NOBODY
    side = 2.0 * float(half.max())
    column, row = _cells(x, side, 2), _cells(y, side, 2)
    stride = int(row.max()) + 3
    key = column * stride + row
    order = np.argsort(key)
    key = key[order]
    # Whoever comes later in the own cell or in the next of the column; and the next column.
    ends = np.array([[2], [stride - 1], [stride + 2]])
    ahead, begin, end = np.searchsorted(key, key + ends)
    later = np.arange(1, len(key) + 1)
    begin, end = np.concatenate([later, begin]), np.concatenate([ahead, end])
    return _compare(x, y, half, np.concatenate([order, order]), order, begin, end)


def find_beside(
    x: np.ndarray, y: np.ndarray, half: np.ndarray, some: np.ndarray, others: np.ndarray
) -> Close:
    """Find discs that overlap one of some, which may be large; each two once.

    Args:
        x: float64[m], their middles, world units; likewise `y`.
        y: float64[m].
        half: float64[m], their radii.
        some: int64[k], those that are looked from.
        others: int64[l], ascending, those that are looked for; some may be among them.
    """
    most = float(half[others].max(initial=0.0))
    side = max(2.0 * most, float(half[some].max(initial=0.0)) / _COLUMNS_MAX)
    if not len(some) or not len(others) or side <= 0.0:
        return _NOBODY
    away = np.ceil((half[some] + most) / side).astype(np.int64)
    gap = int(away.max()) + 1
    column, row = _cells(x, side, gap), _cells(y, side, gap)
    stride = int(row.max()) + 2 * gap + 1
    key = column * stride + row
    order = others[np.argsort(key[others])]
    ordered = key[order]
    which, step = _spread(-away, 2 * away + 1)
    middle = key[some][which] + step * stride
    begin = np.searchsorted(ordered, middle - away[which])
    end = np.searchsorted(ordered, middle + away[which], side="right")
    close = _compare(x, y, half, some[which], order, begin, end)
    looks = np.zeros(len(x), np.bool_)
    looks[some] = True
    return close.select(~looks[close.b] | (close.a < close.b))


def meet_any(x: np.ndarray, y: np.ndarray, half: np.ndarray, count: int) -> np.ndarray:
    """Tell which of the first discs overlap one of the others; on heaps, which may do so.

    Args:
        x: float64[m], their middles, world units; likewise `y`.
        y: float64[m].
        half: float64[m], their radii.
        count: of the first ones.

    Returns:
        bool[count].
    """
    if count * (len(x) - count) <= COMPARED_MAX:
        return _meet_each(x, y, half, count)
    meets = np.zeros(len(x), np.bool_)
    first = np.arange(len(x)) < count
    # Who looks has a kick in its size, too: each side goes by its own.
    large = np.concatenate([some > LARGE * some.mean() for some in np.split(half, [count])])
    for these in (first & large, first & ~large):
        for those in (~first & large, ~first & ~large):
            at = np.concatenate([np.flatnonzero(these), np.flatnonzero(those)])
            meets[at] |= _meet_any(x[at], y[at], half[at], int(these.sum()))
    return meets[:count]


def _meet_any(x: np.ndarray, y: np.ndarray, half: np.ndarray, count: int) -> np.ndarray:
    """Do the same for discs of about one size on each side: bool[m], of others never."""
    meets = np.zeros(len(x), np.bool_)
    others = np.arange(count, len(x))
    if count * len(others) <= COMPARED_MAX:
        meets[:count] = _meet_each(x, y, half, count)
        return meets
    # Squares leave few to be compared.
    side = float(half[:count].max() + half[count:].max())
    column, row = _cells(x, side, 2), _cells(y, side, 2)
    stride = int(row.max()) + 3
    square = (column + 1) * stride + row + 1
    steps = np.array([-1, 0, 1])
    around = (square[count:, None] + (steps[:, None] * stride + steps).ravel()).ravel()
    span = int(square.max()) + stride + 2
    if span <= TABLE_MAX:
        beside = np.bincount(around, minlength=span)[square[:count]]
    else:
        around.sort()
        sides = (np.searchsorted(around, square[:count], side) for side in ("right", "left"))
        beside = np.subtract(*sides)
    near = np.flatnonzero(beside)
    all_of_them = int(beside.sum()) > ALL_MAX
    meets[near if all_of_them else find_beside(x, y, half, near, others).a] = True
    return meets


def _meet_each(x: np.ndarray, y: np.ndarray, half: np.ndarray, count: int) -> np.ndarray:
    """Do the same for few: bool[count]."""
    off_x, off_y = (axis[:count, None] - axis[count:] for axis in (x, y))
    reach = half[:count, None] + half[count:]
    return np.asarray((off_x * off_x + off_y * off_y <= reach * reach).any(axis=1))


_COLUMNS_MAX: Final = 16.0
"""Columns of cells that a large disc covers, from its middle on."""


def _cells(position: np.ndarray, side: float, gap: int) -> np.ndarray:
    """Number the cells along an axis from 0: int64[m].

    In a world that is too wide, what is farther than a gap apart is moved together.
    """
    cell = np.floor(position / side)
    cell -= cell.min()
    if cell.max() < CELLS_MAX:
        return cell.astype(np.int64)
    there, at = np.unique(cell, return_inverse=True)
    steps = np.minimum(np.diff(there, prepend=there[0]), gap + 1)
    moved: np.ndarray = np.cumsum(steps).astype(np.int64)[at]
    return moved


def _spread(begin: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give of which range each number of ranges is, and the numbers, one by one.

    Args:
        begin: int64[r]
        count: int64[r], how many numbers each has.
    """
    source = np.repeat(np.arange(len(count)), count)
    return source, np.arange(len(source)) + (begin + count - np.cumsum(count))[source]


def _compare(
    x: np.ndarray,
    y: np.ndarray,
    half: np.ndarray,
    some: np.ndarray,
    order: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
) -> Close:
    """Find the discs that overlap others of a range; of ranges that are too long only the first.

    Args:
        x: float64[m], their middles, world units; likewise `y`.
        y: float64[m].
        half: float64[m], their radii.
        some: int64[r], those that are looked from.
        order: int64[l], those that are looked for.
        begin: int64[r], where the range of each begins in this order.
        end: int64[r], behind its last.
    """
    count = end - begin
    wanted = compared = int(count.sum())
    while compared > COMPARISONS_MAX:
        count = np.minimum(count, count.max() // 2)
        compared = int(count.sum())
    which, at = _spread(begin, count)
    close = Close(some[which], order[at], wanted - compared)
    return close.select(do_overlap(x, y, half, close))


def do_overlap(x: np.ndarray, y: np.ndarray, half: np.ndarray, close: Close) -> np.ndarray:
    """Tell whose discs overlap: bool[p]."""
    a, b = close.a, close.b
    off_x, off_y, reach = x[a] - x[b], y[a] - y[b], half[a] + half[b]
    return np.asarray(off_x * off_x + off_y * off_y <= reach * reach)
