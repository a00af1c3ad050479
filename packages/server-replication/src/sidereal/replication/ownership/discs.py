"""Which discs overlap: in a grid, whose cells are as large as two of them.

Few discs that are much larger than the others are looked at apart: one giant would set everybody's
cell. Where too many are beside each other, not all of them are compared, and it is told how many.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

COMPARED_MAX: Final = 30_000
"""So many pairs are compared one by one, more by cells."""

LARGE: Final = 4.0
"""A disc over so many times the mean is looked at apart: one giant would set everybody's cell."""

COMPARISONS_MAX: Final = 1 << 21
"""Of discs beside each other, in one search: all of a heap of 2,000, the most that an island has;
that takes 0.5 GB for a moment. Of a larger heap each is compared with some: that makes one island
of them all the same."""

LARGER: Final = 1.5
"""A disc over so many times the mean of its side is looked at apart, where two sides meet."""

ALL_MAX: Final = 1 << 17
"""So many pairs that are beside each other are compared in order to know who meets any."""

SQUARES: Final = 1 << 8
"""Squares along each axis of the table that tells who of two sides may meet. In a larger world some
share one: they are only looked at in vain."""

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


class _Ranges(NamedTuple):
    """Who is to be compared with whom.

    Attributes:
        some: int64[r], those that are looked from.
        order: int64[l], those that are looked for.
        begin: int64[r], where the range of each begins in this order.
        end: int64[r], behind its last.
    """

    some: np.ndarray
    order: np.ndarray
    begin: np.ndarray
    end: np.ndarray


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
    ranges = _Ranges(np.concatenate([order, order]), order, begin, end)
    return _compare(x, y, half, ranges)


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
    if not len(some) or not len(others):
        return _NOBODY
    close = _compare(x, y, half, _find_ranges(x, y, half, some, others))
    looks = np.zeros(len(x), np.bool_)
    looks[some] = True
    return close.select(~looks[close.b] | (close.a < close.b))


def _find_ranges(
    x: np.ndarray, y: np.ndarray, half: np.ndarray, some: np.ndarray, others: np.ndarray
) -> _Ranges:
    """Find who of others, int64[l], ascending, is in cells around those of some, int64[k]."""
    most = float(half[others].max())
    side = max(2.0 * most, float(half[some].max()) / _COLUMNS_MAX)
    if side <= 0.0:
        return _Ranges(some, others, np.zeros_like(some), np.zeros_like(some))
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
    return _Ranges(some[which], order, begin, end)


def meet_any(x: np.ndarray, y: np.ndarray, half: np.ndarray, count: int) -> np.ndarray:
    """Tell which of the first discs overlap one of the others; on heaps, which may do so.

    Each side goes by its own sizes: who looks has a kick in it, too. Of many those are left out
    first that have nobody of the other side in the squares around their own.

    Args:
        x: float64[m], their middles, world units; likewise `y`.
        y: float64[m].
        half: float64[m], their radii.
        count: of the first ones.

    Returns:
        bool[count].
    """
    meets = np.zeros(count, np.bool_)
    first, last = (_by_size(half, at) for at in np.split(np.arange(len(x)), [count]))
    if not first or not last:
        return meets
    if count * (len(x) - count) > COMPARED_MAX:
        squares = _Squares(x, y, half, float(half[first[0]].max() + half[last[0]].max()))
        first = squares.leave_out_lone(first, last)
        last = squares.leave_out_lone(last, first)
    for some in first:
        for others in last:
            meets[_find_meeting(x, y, half, some, others)] = True
    return meets


def _by_size(half: np.ndarray, at: np.ndarray) -> list[np.ndarray]:
    """Part some, int64[k], in those that are about as large as most of them and larger ones."""
    large = half[at] > LARGER * half[at].mean() if len(at) else np.zeros(0, np.bool_)
    return [part for part in (at[~large], at[large]) if len(part)]


def _find_meeting(
    x: np.ndarray, y: np.ndarray, half: np.ndarray, some: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Find who of some, int64[k], overlaps one of others, int64[l]: int64[n]."""
    if len(some) * len(others) > COMPARED_MAX:
        at = np.concatenate([some, others])
        sides = np.split(np.arange(len(at)), [len(some)])
        fewer, more = sorted(sides, key=len)
        ranges = _find_ranges(x[at], y[at], half[at], fewer, more)
        if int((ranges.end - ranges.begin).sum()) > ALL_MAX:
            return some
        close = _compare(x[at], y[at], half[at], ranges)
        return np.asarray(some[close.a if fewer is sides[0] else close.b])
    off_x, off_y = (axis[some, None] - axis[others] for axis in (x, y))
    reach = half[some, None] + half[others]
    return np.asarray(some[(off_x * off_x + off_y * off_y <= reach * reach).any(axis=1)])


class _Squares:
    """In which squares of a table discs are; what leaves it comes in again on the other side."""

    def __init__(self, x: np.ndarray, y: np.ndarray, half: np.ndarray, side: float) -> None:
        column, row = (np.floor(axis / side).astype(np.int64) & (SQUARES - 1) for axis in (x, y))
        self._square = column * SQUARES + row
        self._half = half
        self._side = side

    def leave_out_lone(self, some: list[np.ndarray], others: list[np.ndarray]) -> list[np.ndarray]:
        """Keep of each part, int64[k], who may overlap one of others."""
        kept = []
        for part in some:
            most, around = self._half[part].max(), np.zeros((SQUARES, SQUARES), np.bool_)
            for other in others:
                steps = math.ceil((self._half[other].max() + most) / self._side)
                around |= self._around(other, min(steps, SQUARES // 2))
            kept.append(part[around.ravel()[self._square[part]]])
        return [part for part in kept if len(part)]

    def _around(self, at: np.ndarray, steps: int) -> np.ndarray:
        """Mark the squares up to so many steps around those of some: bool[squares, squares]."""
        marked = np.zeros((SQUARES, SQUARES), np.bool_)
        marked.ravel()[self._square[at]] = True
        reached = 0
        while reached < steps:
            step = min(2 * reached + 1, steps - reached)
            for lines in (marked, marked.T):
                before = lines.copy("K")
                lines[step:] |= before[:-step]
                lines[:-step] |= before[step:]
                lines[:step] |= before[-step:]
                lines[-step:] |= before[:step]
            reached += step
        return marked


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


def _compare(x: np.ndarray, y: np.ndarray, half: np.ndarray, ranges: _Ranges) -> Close:
    """Find the discs that overlap others of a range; of ranges that are too long only the first.

    Args:
        x: float64[m], their middles, world units; likewise `y`.
        y: float64[m].
        half: float64[m], their radii.
        ranges: whom to compare with whom.
    """
    some, order, begin, end = ranges
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
