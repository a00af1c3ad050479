"""Which bodies may touch within a horizon, and the islands that follow.

Theory of operation. A body goes on as its row says, give or take what it can accelerate and what a
row may be off (its **slack**). Its swept disc holds all places where it can be within the horizon.
Bodies whose discs overlap are close. Of those, a **pair** are two whose circles come together at
their closest approach, with their slacks. An **island** is what pairs connect.

A predicted hit can kick a body off its line. How far, in what is left of the horizon, follows from
the masses and the speed of the hit. Bodies with such a kick are looked at once more, with the kick
in their slack.

Everything here works on arrays, and knows nothing of shards. Bodies belong to **nodes**: a family
is one node, so that its bodies go together, and never make a pair of their own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

SKIN: Final = 0.5
"""World units that two rows together may be off what a shard simulates."""

KICK_SHARE: Final = 1.5
"""How much of the speed of a hit a body may take over, by the other's share of the mass; beyond 1
because they bounce."""

KICK_MIN: Final = 0.5
"""World units; who can't be kicked farther than that is not looked at again."""

LARGE: Final = 4.0
"""A disc over so many times the mean is looked at apart: one giant would set everybody's cell."""

COMPARISONS_MAX: Final = 1 << 21
"""Of discs beside each other, in one search: all of a heap of 2,000, the most that an island has.
Of a larger heap each is compared with some, which makes one island of them all the same."""

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


class Bodies(NamedTuple):
    """Circles that move; all arrays have one length.

    Attributes:
        node: int64[m], whose body it is.
        x: float64[m], world units; likewise `y`.
        vx: float64[m], units/s; likewise `vy`.
        radius: float64[m], world units.
        mass: float64[m], t.
        slack: float64[m], world units that it may be off its line at the end of the horizon.
        category: uint32[m], bits of the way in which its kind touches.
        mask: uint32[m], the categories that it touches.
        group: int64[m], of one group none touches another.
    """

    node: np.ndarray
    x: np.ndarray
    y: np.ndarray
    vx: np.ndarray
    vy: np.ndarray
    radius: np.ndarray
    mass: np.ndarray
    slack: np.ndarray
    category: np.ndarray
    mask: np.ndarray
    group: np.ndarray


class Pairs(NamedTuple):
    """Bodies that may touch; all arrays have one length.

    Attributes:
        a: int64[e], one of two bodies; `b` is the other.
        touch_s: float64[e], in how many seconds they do so at the earliest.
        depth: float64[e], world units by which their circles may overlap.
        overlaps: bool[e], whether they do so already.
    """

    a: np.ndarray
    b: np.ndarray
    touch_s: np.ndarray
    depth: np.ndarray
    overlaps: np.ndarray

    def select(self, chosen: np.ndarray) -> Pairs:
        """Keep some of them, bool[e]."""
        return Pairs(*(column[chosen] for column in self))

    def and_(self, others: Pairs) -> Pairs:
        """Add others."""
        return Pairs(*(np.concatenate(both) for both in zip(self, others, strict=True)))


def slack_of(accel: np.ndarray, age_s: np.ndarray, horizon_s: float) -> np.ndarray:
    """Tell how far bodies may be off their lines, world units: float64[m].

    Args:
        accel: float64[m], what each can accelerate, units/s².
        age_s: float64[m], for how long nothing has been heard of it.
        horizon_s: how far is looked ahead.
    """
    slack: np.ndarray = 0.5 * accel * (horizon_s + age_s) ** 2 + SKIN / 2
    return slack


def find_pairs(bodies: Bodies, horizon_s: float) -> tuple[Pairs, int]:
    """Find the bodies that may touch within a horizon.

    Returns:
        the pairs, and how many who are near each other were not compared: see `Close`.
    """
    half = 0.5 * horizon_s * np.hypot(bodies.vx, bodies.vy) + bodies.radius + bodies.slack
    x, y = bodies.x + 0.5 * horizon_s * bodies.vx, bodies.y + 0.5 * horizon_s * bodies.vy
    close = find_close(x, y, half)
    pairs = approach(bodies, can_touch(bodies, close), horizon_s)
    kick = kicks_of(bodies, pairs, horizon_s)
    kicked = np.flatnonzero(kick > KICK_MIN)
    if not len(kicked):
        return pairs, close.left_out
    kick = np.where(kick > KICK_MIN, kick, 0.0)
    again = _find_beside(x, y, half + kick, kicked, np.arange(len(x)))
    kicked_bodies = bodies._replace(slack=bodies.slack + kick)
    more = approach(kicked_bodies, can_touch(bodies, again), horizon_s)
    # Those who meet without a kick are known.
    fresh = more.depth < kick[more.a] + kick[more.b]
    return pairs.and_(more.select(fresh)), close.left_out + again.left_out


def can_touch(bodies: Bodies, close: Close) -> Close:
    """Keep those whose kinds and groups touch, and who are not of one node."""
    a, b = close.a, close.b
    touches = (bodies.category[a] & bodies.mask[b] != 0) & (
        bodies.category[b] & bodies.mask[a] != 0
    )
    touches &= (bodies.group[a] != bodies.group[b]) & (bodies.node[a] != bodies.node[b])
    return close.select(touches)


def approach(bodies: Bodies, close: Close, horizon_s: float) -> Pairs:
    """Keep those whose circles come together at their closest approach."""
    a, b = close.a, close.b
    x, y = bodies.x[b] - bodies.x[a], bodies.y[b] - bodies.y[a]
    vx, vy = bodies.vx[b] - bodies.vx[a], bodies.vy[b] - bodies.vy[a]
    radii = bodies.radius[a] + bodies.radius[b]
    reach = radii + bodies.slack[a] + bodies.slack[b]
    apart, along, speed = x * x + y * y, x * vx + y * vy, vx * vx + vy * vy
    at_s = closest_at(along, speed, horizon_s)
    least = np.sqrt(np.maximum((x + vx * at_s) ** 2 + (y + vy * at_s) ** 2, 0.0))
    meets = np.flatnonzero(least <= reach)
    apart, along, speed, reach = apart[meets], along[meets], speed[meets], reach[meets]
    root = np.sqrt(np.maximum(along * along - speed * (apart - reach * reach), 0.0))
    touch_s = np.maximum(-along - root, 0.0) / np.maximum(speed, _SPEED_LEAST)
    touch_s = np.where(apart <= reach * reach, 0.0, np.minimum(touch_s, horizon_s))
    overlaps = apart < radii[meets] ** 2
    return Pairs(a[meets], b[meets], touch_s, reach - least[meets], overlaps)


def closest_at(along: np.ndarray, speed: np.ndarray, horizon_s: float) -> np.ndarray:
    """Tell when two come closest within the horizon, s: float64[p].

    Args:
        along: float64[p], product of the vectors from one to the other and of their velocity.
        speed: float64[p], square of their relative speed.
        horizon_s: how far is looked ahead.
    """
    at_s: np.ndarray = np.clip(-along / np.maximum(speed, _SPEED_LEAST), 0.0, horizon_s)
    return at_s


_SPEED_LEAST: Final = 1e-12
"""Square of a relative speed, units²/s²; who is slower than that stays as near as it is."""


def kicks_of(bodies: Bodies, pairs: Pairs, horizon_s: float) -> np.ndarray:
    """Tell how far hits can carry bodies in what is left of the horizon: float64[m]."""
    a, b = pairs.a, pairs.b
    speed = np.hypot(bodies.vx[a] - bodies.vx[b], bodies.vy[a] - bodies.vy[b])
    carried = KICK_SHARE * speed * (horizon_s - pairs.touch_s)
    share = bodies.mass[b] / (bodies.mass[a] + bodies.mass[b])
    kick = np.zeros(len(bodies.x))
    np.maximum.at(kick, a, carried * share)
    np.maximum.at(kick, b, carried * (1.0 - share))
    return kick


def label(count: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Name the island of each node by its first one.

    Args:
        count: of nodes.
        a: int64[e], one of two nodes that are connected.
        b: int64[e], the other.

    Returns:
        int64[count]
    """
    root = np.arange(count)
    while True:
        one, other = root[a], root[b]
        apart = one != other
        if not apart.any():
            return root
        one, other = one[apart], other[apart]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while (root[root] != root).any():
            root = root[root]


# -- who is close -------------------------------------------------------------------------------


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
    return among_many.of(many).and_(among_few.of(few)).and_(_find_beside(x, y, half, few, many))


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


def _find_beside(
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
    a, b = some[which], order[at]
    off_x, off_y, reach = x[a] - x[b], y[a] - y[b], half[a] + half[b]
    close = off_x * off_x + off_y * off_y <= reach * reach
    return Close(a[close], b[close], wanted - compared)
