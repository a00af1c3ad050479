"""Families on a shard: who follows whom, and which children may come.

A shard simulates whole families, but hears of their members one by one: a child may be here a few
ticks before its parent is, or after it. Until then it stays on the line of its reference.

A child may come if its parent is a body of this shard, or is about to come itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.families import (
    DEPTH_MAX,
    FAMILY_MAX,
    NOBODY,
    are_children,
    depths_of,
    families_of,
    find_followers,
    parents_of,
    rank_among_equals,
    roots_of,
)
from sidereal.protocol.state.schema import MOTION
from sidereal.shard.population import Ints, Population


class Families:
    """The families of one population, and of what is about to come into it."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._version = -1
        self._up: Ints = np.empty(0, np.int64)
        self._coming = _Coming.nobody()
        self._any = bool(are_children(population.columns.schema.masks).any())

    def up(self) -> Ints:
        """Find everybody's parent: int64[capacity] rows, `NOBODY` where it is not here."""
        if self._version != self._population.version:
            self._version = self._population.version
            self._up = parents_of(self._population.columns)
        return self._up

    def whole(self, rows: Ints) -> Ints:
        """Add to some bodies all bodies that have come from them: int64[n] rows."""
        own = self._population.own
        whole = families_of(self.up(), rows)
        return whole[own[whole]]

    def parents(self, rows: Ints) -> Ints:
        """Give the ids of the parents of some entities, int64[n]; 0 of those that have none."""
        columns = self._population.columns
        children = are_children(columns.mask[rows])
        return np.where(children, columns["of"][rows].astype(np.int64), 0)

    def follow(self) -> None:
        """Give followers the motion of those whom they follow.

        Mutates:
            motion of the population's columns.
        """
        if not self._any:
            return
        columns = self._population.columns
        rows, leads = find_followers(columns, self.up())
        for field in MOTION.fields:
            columns[field.name][rows] = columns[field.name][leads]

    # -- who may come -----------------------------------------------------------------------------

    def admit(self, records: NDArray[np.void]) -> NDArray[np.bool_]:
        """Tell which may come: those whose families have room, bool[n].

        Args:
            records: `Schema.full_record[n]` of one kind, without ids.
        """
        columns = self._population.columns
        if not are_children(columns.schema.masks_of(records[:1])).any():
            return np.ones(len(records), np.bool_)
        depth, root = self._above(records["of"])
        known = root > 0
        of_family = np.concatenate([self._roots_of_children(), self._coming.root])
        in_order = np.sort(of_family)
        size = np.searchsorted(in_order, root, "right") - np.searchsorted(in_order, root)
        size += rank_among_equals(root)
        fits: NDArray[np.bool_] = known & (depth < DEPTH_MAX) & (size < FAMILY_MAX)
        return fits

    def note_coming(self, records: NDArray[np.void]) -> None:
        """Note what is about to come, `Schema.full_record[n]` of one kind."""
        ids = records["id"].astype(np.int64)
        depth, root = np.zeros(len(ids), np.int64), ids
        if are_children(self._population.columns.schema.masks_of(records[:1])).any():
            depth, root = self._above(records["of"])
            depth = depth + 1
        self._coming = self._coming.and_(_Coming(ids, depth, root))

    def land(self, born: NDArray[np.void]) -> NDArray[np.void]:
        """Choose those whose parents are here, or come with them; the others have lost theirs.

        Args:
            born: `Schema.full_record[n]`, all that was about to come.
        """
        self._coming = _Coming.nobody()
        children = are_children(self._population.columns.schema.masks_of(born))
        while children.any():
            here = self._population.rows_of(born["of"], own=True) >= 0
            stays = ~children | here | np.isin(born["of"], born["id"])
            if stays.all():
                break
            born, children = born[stays], children[stays]
        return born

    def _above(self, parents: NDArray[np.uint32]) -> tuple[Ints, Ints]:
        """Find how many ancestors parents have, and the ids of their roots; 0 of those unknown."""
        columns, up = self._population.columns, self.up()
        rows = self._population.rows_of(parents, own=True)
        top = roots_of(up, np.maximum(rows, 0))
        # Who has lost its own parent has nobody to come with.
        here = (rows >= 0) & ~are_children(columns.mask[top])
        depth, root = self._coming.look_up(parents.astype(np.int64))
        depth = np.where(here, depths_of(up, np.maximum(rows, 0)), depth)
        return depth, np.where(here, columns.net_id[top].astype(np.int64), root)

    def _roots_of_children(self) -> Ints:
        """Give the id of the root of every child, int64[n]."""
        up = self.up()
        roots = roots_of(up, np.flatnonzero(up != NOBODY))
        ids: Ints = self._population.columns.net_id[roots].astype(np.int64)
        return ids


class _Coming:
    """What is about to come.

    Attributes:
        ids: int64[n], of them.
        depth: int64[n], how many ancestors each has.
        root: int64[n], the id of the top of its family.
    """

    def __init__(self, ids: Ints, depth: Ints, root: Ints) -> None:
        self.ids, self.depth, self.root = ids, depth, root
        self._order = np.argsort(ids)

    @classmethod
    def nobody(cls) -> _Coming:
        """Nobody comes."""
        none = np.empty(0, np.int64)
        return cls(none, none, none)

    def and_(self, others: _Coming) -> _Coming:
        """Add others."""
        pairs = zip(
            (self.ids, self.depth, self.root), (others.ids, others.depth, others.root), strict=True
        )
        return _Coming(*(np.concatenate(pair) for pair in pairs))

    def look_up(self, ids: Ints) -> tuple[Ints, Ints]:
        """Find the depths of some, and their roots; 0 of those that do not come."""
        if not len(self.ids):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        at = np.searchsorted(self.ids, ids, sorter=self._order)
        at = self._order[np.minimum(at, len(self.ids) - 1)]
        found = self.ids[at] == ids
        return np.where(found, self.depth[at], 0), np.where(found, self.root[at], 0)
