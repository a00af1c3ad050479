"""Parents and children: who goes where whom goes, and ends with whom.

An entity whose kind has a `Parent` is a **child** for all its life. Its parent is there before it
is, so nobody is its own ancestor. At the top of each family is its **root**, which has no parent;
shards simulate whole families. A child without a `Body` is a **follower**: it has the motion of its
parent.

The kernels here take `up`: by row, the row of each one's parent, -1 for roots, and for children
whose parent is not there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.schema import BASE_SCHEMA, BODY, PARENT

DEPTH_MAX: Final = 3
"""How many ancestors an entity may have."""

FAMILY_MAX: Final = 64
"""Children of a root, with theirs: a family changes hands as a whole."""

NOBODY: Final = -1

# The engine's components have the same numbers in every schema.
PARENT_NUMBER: Final = BASE_SCHEMA.numbers[PARENT.name]
_PARENT: Final = np.uint64(1 << PARENT_NUMBER)
_BODY: Final = np.uint64(1 << BASE_SCHEMA.numbers[BODY.name])


class Following(NamedTuple):
    """Followers, and those whose motion each has; int64[n] rows."""

    rows: Ints
    leads: Ints


def are_children(masks: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which have a parent by their components, bool[n]."""
    return np.asarray(masks & _PARENT != 0)


def are_followers(masks: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which have the motion of their parent, bool[n]."""
    return np.asarray(masks & (_PARENT | _BODY) == _PARENT)


def parents_of(columns: Columns) -> Ints:
    """Find everybody's parent: int64[capacity], `up`."""
    up = np.full(columns.capacity, NOBODY, np.int64)
    children = np.flatnonzero(are_children(columns.mask))
    up[children] = columns.rows_of(columns["of"][children])
    return up


def roots_of(up: Ints, rows: Ints) -> Ints:
    """Find at the top of whose family each is, int64[n]; who has no parent is so itself."""
    roots = rows
    for _ in range(DEPTH_MAX):
        above = up[roots]
        roots = np.where(above == NOBODY, roots, above)
    return roots


def depths_of(up: Ints, rows: Ints) -> Ints:
    """Count the ancestors of each, int64[n]."""
    depths, above = np.zeros(len(rows), np.int64), up[rows]
    for _ in range(DEPTH_MAX):
        there = above != NOBODY
        depths += there
        above = np.where(there, up[above], NOBODY)
    return depths


def families_of(up: Ints, rows: Ints) -> Ints:
    """Add to some entities all their descendants: int64[m] rows, ascending."""
    children = np.flatnonzero(up != NOBODY)
    marked = np.zeros(len(up), np.bool_)
    marked[rows] = True
    for _ in range(DEPTH_MAX):
        marked[children] |= marked[up[children]]
    return np.flatnonzero(marked)


def find_followers(columns: Columns, up: Ints) -> Following:
    """Find who has whose motion: the nearest ancestor that is no follower itself."""
    follows = are_followers(columns.mask) & (up != NOBODY)
    rows = np.flatnonzero(follows)
    leads = up[rows]
    for _ in range(DEPTH_MAX - 1):
        leads = np.where(follows[leads], up[leads], leads)
    return Following(rows, leads)


def rank_among_equals(values: Ints) -> Ints:
    """Count how many equal ones come before each, int64[n]."""
    order = np.argsort(values, kind="stable")
    in_order = values[order]
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values)) - np.searchsorted(in_order, in_order)
    return rank
