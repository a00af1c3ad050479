"""Who has come together with whom in the last ticks, had nobody pushed anybody: kernels on paths.

Paths are straight from tick to tick here. A body that turns or accelerates is off that by less than
`SKIN`, which is added to what two have to come within.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.shard.handover.ring import Ring
from sidereal.shard.neighbours import find_pairs
from sidereal.shard.population import Floats, Ints
from sidereal.shard.space import Shapes

SKIN: Final = 0.5
"""World units between two surfaces that are taken to touch."""

NEARS: Final = 1e-3
"""World units by which two come nearer in a tick, if they do: who rests beside another does not."""

DEPTH: Final = 0.2
"""World units by which one is inside another and is to be pushed out: more than two at rest."""

Bools = NDArray[np.bool_]


class Paths(NamedTuple):
    """Where bodies have been.

    Attributes:
        rows: int64[n], of the population, ascending.
        shapes: what they are, [n].
        begin: the first of the ticks.
        x: float64[ticks + 1, n], world units, after each tick from `begin` on; likewise `y`.
        first: int64[n], from which tick on that is known; before it, they stand still there.
    """

    rows: Ints
    shapes: Shapes
    begin: int
    x: Floats
    y: Floats
    first: Ints


class Meetings(NamedTuple):
    """Pairs that have come together, each once.

    Attributes:
        a: int64[m], rows of those that were asked for; likewise `b`, of any.
        since: int64[m], the last tick after which they were still apart.
        late: bool[m], whether they overlapped from the beginning, and nobody knows since when.
    """

    a: Ints
    b: Ints
    since: Ints
    late: Bools

    @property
    def members(self) -> Ints:
        """Who is in them: int64[n] rows, ascending."""
        return np.union1d(self.a, self.b)

    def of(self, chosen: Bools) -> Meetings:
        """Keep some of them, bool[m]."""
        return Meetings(self.a[chosen], self.b[chosen], self.since[chosen], self.late[chosen])


def trace_paths(ring: Ring, rows: Ints, shapes: Shapes, begin: int, tick: int) -> Paths:
    """Look up where bodies have been, from a tick up to the newest."""
    first = ring.first(rows, tick)
    ticks = np.maximum(np.arange(begin, tick + 1)[:, None], np.minimum(first, tick))
    return Paths(rows, shapes, begin, *ring.places(ticks, rows), first)


def find_meetings(paths: Paths, arrived: Ints, oldest: Ints) -> Meetings:
    """Find who of some bodies has come together with whom.

    Args:
        paths: of all bodies.
        arrived: int64[k], rows of those that are asked for, ascending.
        oldest: int64[n], of all, since when each has moved as its path says, maybe before it.
    """
    a, b = _near(paths, np.searchsorted(paths.rows, arrived))
    a, b = _may_touch(paths, a, b)
    x, y = paths.x[:, a] - paths.x[:, b], paths.y[:, a] - paths.y[:, b]
    off_x, off_y = np.diff(x, axis=0), np.diff(y, axis=0)
    apart, nearest = np.hypot(x, y), _nearest(x[:-1], y[:-1], off_x, off_y)
    sizes = paths.shapes.radius[a] + paths.shapes.radius[b]
    known = np.maximum(paths.first[a], paths.first[b]) - paths.begin
    begun = np.minimum(np.maximum(known, 0), len(x) - 1)
    inside = _are_inside(paths, a, b)
    met = (nearest <= sizes + SKIN) & (nearest < apart[:-1] - NEARS) | (nearest < sizes - DEPTH)
    met &= np.arange(len(nearest))[:, None] >= known
    # Who is in a sensor already has entered it before.
    met &= ~(inside & (paths.shapes.sensor[a] | paths.shapes.sensor[b]))
    found = np.flatnonzero(met.any(axis=0))
    since = paths.begin + np.argmax(met[:, found], axis=0)
    a, b, inside = a[found], b[found], inside[found]
    late = inside & (np.maximum(oldest[a], oldest[b]) < paths.begin + begun[found])
    return Meetings(paths.rows[a], paths.rows[b], since, late)


def groups_of(meetings: Meetings) -> list[Meetings]:
    """Take meetings apart into those that have nobody in common, the earliest first."""
    rows, ends = np.unique(np.concatenate([meetings.a, meetings.b]), return_inverse=True)
    a, b = ends.reshape(2, -1)
    label, before = np.arange(len(rows)), np.empty(0, np.int64)
    while not np.array_equal(label, before):
        before = label.copy()
        least = np.minimum(label[a], label[b])
        np.minimum.at(label, a, least)
        np.minimum.at(label, b, least)
    groups = [label[a] == one for one in np.unique(label)]
    taken = [meetings.of(group) for group in groups]
    return sorted(taken, key=lambda group: int(group.since.min()))


def _near(paths: Paths, arrived: Ints) -> tuple[Ints, Ints]:
    """Find pairs whose whole ways are near each other: places in the paths, each pair once."""
    low_x, high_x = paths.x.min(axis=0), paths.x.max(axis=0)
    low_y, high_y = paths.y.min(axis=0), paths.y.max(axis=0)
    reach = np.hypot(high_x - low_x, high_y - low_y) / 2 + paths.shapes.radius + SKIN / 2
    everybody = np.arange(len(paths.rows))
    x, y, within = (low_x + high_x) / 2, (low_y + high_y) / 2, reach + reach[arrived].max(initial=0)
    pairs = find_pairs(x, y, arrived, everybody, within)
    asked = np.zeros(len(everybody), np.bool_)
    asked[arrived] = True
    near = pairs.distance <= reach[pairs.a] + reach[pairs.b]
    near &= ~asked[pairs.b] | (pairs.a < pairs.b)
    return pairs.a[near], pairs.b[near]


def _are_inside(paths: Paths, a: Ints, b: Ints) -> Bools:
    """Tell which pairs are inside each other when both are known at first, bool[n]."""
    known = np.maximum(paths.first[a], paths.first[b]) - paths.begin
    at = np.clip(known, 0, len(paths.x) - 1)
    apart = np.hypot(paths.x[at, a] - paths.x[at, b], paths.y[at, a] - paths.y[at, b])
    return np.asarray(apart < paths.shapes.radius[a] + paths.shapes.radius[b])


def _nearest(x: Floats, y: Floats, off_x: Floats, off_y: Floats) -> Floats:
    """Work out how near points come to the origin that begin at x, y and move on by so much."""
    length = off_x * off_x + off_y * off_y
    along = -(x * off_x + y * off_y) / np.where(length > 0, length, 1.0)
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(x + off_x * along, y + off_y * along)


def _may_touch(paths: Paths, a: Ints, b: Ints) -> tuple[Ints, Ints]:
    """Keep the pairs that physics lets touch."""
    shapes = paths.shapes
    may = (shapes.category[a] & shapes.mask[b] != 0) & (shapes.category[b] & shapes.mask[a] != 0)
    may &= shapes.group[a] != shapes.group[b]
    return a[may], b[may]
