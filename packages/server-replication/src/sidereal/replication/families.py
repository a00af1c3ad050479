"""The families of the world: whose child everybody is, from coming to leaving.

A child comes when its parent is there, or with it, and leaves no later than that. So who is whose
parent is found out once, and holds for as long as both have their rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.families import (
    DEPTH_MAX,
    FAMILY_MAX,
    NOBODY,
    are_children,
    depths_of,
    families_of,
    find_followers,
    rank_among_equals,
    roots_of,
)

OF_SHARDS_MAX: Final = 2 * FAMILY_MAX
"""So many children of a family are believed. A shard stops at half as many, of those that it knows:
it may not know yet what the authority has let in."""

CHILDREN_MAX: Final = 3 * FAMILY_MAX
"""So many there may be if the authority itself spawns them. That is more than shards can take up: a
shard that lies must not make hooks fail."""


class Families:
    """Parents and children among the columns of a world.

    Attributes:
        up: int64 by row, the row of its parent, `NOBODY` for who has none.
        root: int64 by row, the row of the top of its family.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.up = np.full(columns.capacity, NOBODY, np.int64)
        self.root = np.arange(columns.capacity)

    def relate(self, rows: np.ndarray) -> None:
        """Note the parents of entities that have come, int64[n]."""
        columns, known = self._columns, len(self.up)
        if columns.capacity > known:
            more = np.arange(known, columns.capacity)
            self.up = np.concatenate([self.up, np.full(len(more), NOBODY, np.int64)])
            self.root = np.concatenate([self.root, more])
        children = rows[are_children(columns.mask[rows])]
        if len(children):
            self.up[children] = columns.rows_of(columns["of"][children])
            self.root[children] = roots_of(self.up, children)

    def forget(self, rows: np.ndarray) -> None:
        """Forget entities that have left."""
        self.up[rows], self.root[rows] = NOBODY, rows

    def whole(self, rows: np.ndarray) -> np.ndarray:
        """Add to some entities, each once, all that have come from them: int64[m] rows."""
        if not len(rows) or (self.up == NOBODY).all():
            return rows
        return families_of(self.up, rows)

    def orphans(self, rows: np.ndarray) -> np.ndarray:
        """Choose those whose families have no root, with all that have come from them.

        Their parents are not there, or they have more ancestors than there can be: a database may
        have been written by others, and say that somebody is its own ancestor.
        """
        lone = are_children(self._columns.mask[rows]) & (self.up[rows] == NOBODY)
        return self.whole(rows[lone | (self.up[self.root[rows]] != NOBODY)])

    def above(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Give the ancestors of some entities, int64[n] for each step up; a root is its own."""
        for _ in range(DEPTH_MAX):
            above = self.up[rows]
            if (above == NOBODY).all():
                return
            rows = np.where(above == NOBODY, rows, above)
            yield rows

    def children(self) -> np.ndarray:
        """Rows of all that have a parent, ascending."""
        return np.flatnonzero(self.up != NOBODY)

    def follow(self) -> np.ndarray:
        """Give followers the references of those whom they follow.

        Returns:
            int64[n], rows of those who had others.
        """
        columns = self._columns
        rows, leads = find_followers(columns, self.up)
        off = columns.tick[rows] != columns.tick[leads]
        names = [field.name for field in columns.schema.state_fields]
        for name in names:
            off |= columns[name][rows] != columns[name][leads]
        rows, leads = rows[off], leads[off]
        columns.tick[rows] = columns.tick[leads]
        for name in names:
            columns[name][rows] = columns[name][leads]
        return np.asarray(rows)

    def admit(self, parents: np.ndarray, most: int) -> np.ndarray:
        """Tell which may come, the first ones of each family: bool[n].

        Args:
            parents: int64[n], rows of the parents of what is new, `NOBODY` where it has none.
            most: children of a family, `OF_SHARDS_MAX` or `CHILDREN_MAX`.
        """
        admitted = np.ones(len(parents), np.bool_)
        at = np.flatnonzero(parents != NOBODY)
        if not len(at):
            return admitted
        root = self.root[parents[at]]
        sizes = np.bincount(self.root[self.children()], minlength=len(self.root))
        rank = rank_among_equals(root)
        fits = (sizes[root] + rank < most) & (depths_of(self.up, parents[at]) < DEPTH_MAX)
        admitted[at] = fits
        return admitted
