"""Which bodies may touch within a horizon, and the islands that follow.

Theory of operation. A body goes on as its row says, give or take what it can accelerate and what a
row may be off (its **slack**). Its swept disc holds all places where it can be within the horizon.
Bodies whose discs overlap are close. Of those, a **pair** are two whose circles come together at
their closest approach, with their slacks. An **island** is what pairs connect.

A predicted hit can kick a body off its line. How far, in what is left of the horizon, follows from
the masses and the speed of the hit. Bodies with such a kick are looked at once more, with the kick
in their slack. Discs are compared with a margin, so that most of those whom a kick can reach are
known by then; who is kicked farther looks around anew.

Everything here works on arrays, and knows nothing of shards. Bodies belong to **nodes**: a family
is one node, so that its bodies go together, and never make a pair of their own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.replication.ownership.discs import Close, do_overlap, find_beside, find_close

SKIN: Final = 0.5
"""World units that two rows together may be off what a shard simulates."""

KICK_SHARE: Final = 1.5
"""How much of the speed of a hit a body may take over, by the other's share of the mass; beyond 1
because they bounce."""

KICK_MIN: Final = 0.5
"""World units; who can't be kicked farther than that is not looked at again."""

KICK_USUAL: Final = 1.1
"""Of the mean size of discs; who is kicked no farther than that need not look around anew."""


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


class Courses(NamedTuple):
    """How two that are close go past each other; all arrays have one length.

    Attributes:
        a: int64[p], one of two bodies; `b` is the other.
        radii: float64[p], world units, of both together.
        reach: float64[p], the same with what both may be off their lines.
        apart: float64[p], square of their distance.
        along: float64[p], product of the vectors from one to the other and of their velocity.
        speed: float64[p], square of their relative speed.
        least: float64[p], world units apart at their closest approach.
    """

    a: np.ndarray
    b: np.ndarray
    radii: np.ndarray
    reach: np.ndarray
    apart: np.ndarray
    along: np.ndarray
    speed: np.ndarray
    least: np.ndarray

    def and_(self, others: Courses) -> Courses:
        """Add others."""
        return Courses(*(np.concatenate(both) for both in zip(self, others, strict=True)))


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


def find_pairs(bodies: Bodies, horizon_s: float) -> tuple[Pairs, np.ndarray, int]:
    """Find the bodies that may touch within a horizon.

    Returns:
        the pairs; float64[m], how far hits can kick each body; and how many who are near each other
        were not compared: see `Close`.
    """
    half = 0.5 * horizon_s * np.hypot(bodies.vx, bodies.vy) + bodies.radius + bodies.slack
    x, y = bodies.x + 0.5 * horizon_s * bodies.vx, bodies.y + 0.5 * horizon_s * bodies.vy
    margin = KICK_USUAL * float(half.mean()) if len(half) else 0.0
    close = find_close(x, y, half + margin)
    courses = courses_of(bodies, can_touch(bodies, close), horizon_s)
    pairs = approach(courses, courses.reach, horizon_s)
    kick = kicks_of(bodies, pairs, horizon_s)
    kick[kick <= KICK_MIN] = 0.0
    if not kick.any():
        return pairs, kick, close.left_out
    kicked = np.flatnonzero(kick > margin)
    if len(kicked):
        again = find_beside(x, y, half + np.maximum(kick, margin), kicked, np.arange(len(x)))
        again = again.select(~do_overlap(x, y, half + margin, again))
        close = close.and_(again)
        courses = courses.and_(courses_of(bodies, can_touch(bodies, again), horizon_s))
    more = approach(courses, courses.reach + kick[courses.a] + kick[courses.b], horizon_s)
    # Those who meet without a kick are known.
    fresh = more.depth < kick[more.a] + kick[more.b]
    return pairs.and_(more.select(fresh)), kick, close.left_out


def can_touch(bodies: Bodies, close: Close) -> Close:
    """Keep those whose kinds and groups touch, and who are not of one node."""
    a, b = close.a, close.b
    touches = (bodies.category[a] & bodies.mask[b] != 0) & (
        bodies.category[b] & bodies.mask[a] != 0
    )
    touches &= (bodies.group[a] != bodies.group[b]) & (bodies.node[a] != bodies.node[b])
    return close.select(touches)


def courses_of(bodies: Bodies, close: Close, horizon_s: float) -> Courses:
    """Tell how near those come to each other who are close."""
    a, b = close.a, close.b
    x, y = bodies.x[b] - bodies.x[a], bodies.y[b] - bodies.y[a]
    vx, vy = bodies.vx[b] - bodies.vx[a], bodies.vy[b] - bodies.vy[a]
    radii = bodies.radius[a] + bodies.radius[b]
    apart, along, speed = x * x + y * y, x * vx + y * vy, vx * vx + vy * vy
    at_s = closest_at(along, speed, horizon_s)
    least = np.hypot(x + vx * at_s, y + vy * at_s)
    reach = radii + bodies.slack[a] + bodies.slack[b]
    return Courses(a, b, radii, reach, apart, along, speed, least)


def approach(courses: Courses, reach: np.ndarray, horizon_s: float) -> Pairs:
    """Keep those whose circles come together at their closest approach.

    Args:
        courses: p of them.
        reach: float64[p], world units apart at which two touch.
        horizon_s: how far is looked ahead.
    """
    meets = np.flatnonzero(courses.least <= reach)
    a, b, radii, _, apart, along, speed, least = (column[meets] for column in courses)
    reach = reach[meets]
    root = np.sqrt(np.maximum(along * along - speed * (apart - reach * reach), 0.0))
    touch_s = np.maximum(-along - root, 0.0) / np.maximum(speed, _SPEED_LEAST)
    touch_s = np.where(apart <= reach * reach, 0.0, np.minimum(touch_s, horizon_s))
    return Pairs(a, b, touch_s, reach - least, apart < radii * radii)


def closest_at(along: np.ndarray, speed: np.ndarray, horizon_s: float) -> np.ndarray:
    """Tell when two come closest within the horizon, s: float64[p].

    Args:
        along: float64[p], product of the vectors from one to the other and of their velocity.
        speed: float64[p], square of their relative speed.
        horizon_s: how far is looked ahead.
    """
    at_s: np.ndarray = np.minimum(
        np.maximum(-along / np.maximum(speed, _SPEED_LEAST), 0.0), horizon_s
    )
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
