"""Which entities change their owner this tick, and which of them wait.

The rule: an entity belongs to the owner of its island (`grouping`). Whoever is alone in its island
belongs to the shard that leases the sector it is in. It is handed over only when it has left its
owner's sectors by `HANDOVER_MARGIN`, so that nothing flaps along a border; an entity whose owner is
gone is handed over at once. A child belongs to the shard of its root, wherever it is itself.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.families import Families
from sidereal.replication.ownership.leases import LeaseTable

HANDOVER_MARGIN: Final = 8.0
"""World units an entity goes beyond its owner's border before it is handed over."""


class Handovers(NamedTuple):
    """Entities that change their owner; all arrays have one length.

    Attributes:
        rows: int64[n].
        before: uint16[n], the owner until now, `SHARD_NONE` where there was none.
        after: uint16[n], never `SHARD_NONE`; the same where the owner is to get it anew.
    """

    rows: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def simulated(self) -> np.ndarray:
        """Who is simulated by another shard until it changes hands, bool[n]."""
        simulated: np.ndarray = (self.before != SHARD_NONE) & (self.before != self.after)
        return simulated

    def select(self, chosen: np.ndarray) -> Handovers:
        """Keep some of them, bool[n]."""
        return Handovers(self.rows[chosen], self.before[chosen], self.after[chosen])

    def and_(self, others: Handovers) -> Handovers:
        """Add others."""
        return Handovers(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


class TakenAlong(NamedTuple):
    """Children that go where their roots go.

    Attributes:
        children: what becomes of them.
        heads: int64[n], which of the others the root of each is.
    """

    children: Handovers
    heads: np.ndarray


def decide_handovers(
    rows: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    holder: np.ndarray,
    owner: np.ndarray,
    leases: LeaseTable,
    rules: Rules,
) -> Handovers:
    """Decide who changes hands by the leases alone.

    Args:
        rows: int64[n], the living.
        x: float64[n], world units.
        y: float64[n], world units.
        holder: uint16[n], who leases the sector each is in.
        owner: uint16[n].
        leases: who holds which sector.
        rules: for the size of a sector.
    """
    away = np.flatnonzero((holder != owner) & (holder != SHARD_NONE))
    if len(away):
        near = np.isin(owner[away], np.array(leases.shards, np.uint16))
        alive = away[near]
        near[near] = ~are_clear(x[alive], y[alive], owner[alive], leases, rules)
        away = away[~near]
    return Handovers(rows[away], owner[away], holder[away])


def are_clear(
    x: np.ndarray, y: np.ndarray, owner: np.ndarray, leases: LeaseTable, rules: Rules
) -> np.ndarray:
    """Tell which positions have no sector of their owner within the margin, bool[n].

    Args:
        x: float64[n], world units.
        y: float64[n], world units.
        owner: [n]
        leases: who holds which sector.
        rules: for the size of a sector.
    """
    steps = np.array([-HANDOVER_MARGIN, 0.0, HANDOVER_MARGIN])
    off_x, off_y = np.repeat(steps, len(steps)), np.tile(steps, len(steps))
    sector_x, sector_y = sector_of(x + off_x[:, None], y + off_y[:, None], rules)
    near: np.ndarray = leases.holders_of(pack_sector(sector_x, sector_y)) == owner
    return ~np.asarray(near.any(axis=0), np.bool_)


def join_stray(changes: Handovers, families: Families, owner: np.ndarray) -> Handovers:
    """Add children to whom their root's owner is to be given, of roots that stay where they are.

    Args:
        changes: of roots.
        families: whose child everybody is.
        owner: uint16 by row.
    """
    children = families.children()
    if not len(children):
        return changes
    goal = owner[families.root[children]]
    stray = (owner[children] != goal) & (goal != SHARD_NONE)
    stray &= ~np.isin(families.root[children], changes.rows)
    rows = children[stray]
    return changes.and_(Handovers(rows, owner[rows], goal[stray]))


def take_along(changes: Handovers, families: Families, owner: np.ndarray) -> TakenAlong:
    """Find the children of roots that change hands.

    Args:
        changes: of roots, and of children whose roots stay.
        families: whose child everybody is.
        owner: uint16 by row.
    """
    order = np.argsort(changes.rows)
    children = np.setdiff1d(families.children(), changes.rows)
    root = families.root[children]
    at = np.searchsorted(changes.rows, root, sorter=order)
    heads = order[np.minimum(at, len(order) - 1)]
    moves = (changes.rows[heads] == root) & (changes.after[heads] != owner[children])
    children, heads = children[moves], heads[moves]
    return TakenAlong(Handovers(children, owner[children], changes.after[heads]), heads)


def choose_affordable(
    changes: Handovers,
    sizes: np.ndarray,
    piloted: np.ndarray,
    room: np.ndarray,
    room_of_pilots: np.ndarray,
    units: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Choose who changes hands now: as many as the new owners have room for, bool[n].

    Islands come first, those that touch soonest; then what pilots fly, and of these and of all else
    what nobody simulates meanwhile. Families and islands go as wholes: the last one that is chosen
    may take more room than is left.

    Args:
        changes: who is to change hands.
        sizes: int64[n], how many of each one's family do so.
        piloted: bool[n], whether somebody flies it.
        room: int64[k], by the id of a shard, how many entities it may be given.
        room_of_pilots: int64[k], how many that pilots fly and somebody else simulates now.
        units: int64[n], the first of those that each goes together with, and float64[n], in how
            many seconds it has to.
    """
    first, unit = np.unique(units[0], return_inverse=True)
    after = changes.after[first]
    from_others = np.bincount(unit, piloted & changes.simulated, len(first)).astype(np.int64)
    size = np.bincount(unit, sizes, len(first)).astype(np.int64)
    eligible, taken = np.ones(len(first), np.bool_), np.flatnonzero(from_others)
    eligible[taken] = first_of_each(after[taken], from_others[taken], room_of_pilots)
    flown = np.bincount(unit, piloted, len(first)) > 0
    order = 2 * ~flown + (np.bincount(unit, changes.simulated, len(first)) > 0)
    at = np.flatnonzero(eligible)
    at = at[np.lexsort((order[at], units[1][first[at]]))]
    chosen = np.zeros(len(first), np.bool_)
    chosen[at[first_of_each(after[at], size[at], room)]] = True
    return np.asarray(chosen[unit])


def first_of_each(shard: np.ndarray, sizes: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Tell which begin within the room of their shard, bool[n], in the order given.

    Args:
        shard: uint16[n], to whom each goes.
        sizes: int64[n], how many it is.
        room: int64[k], by the id of a shard.
    """
    order = np.argsort(shard, kind="stable")
    in_order, begins = shard[order], np.cumsum(sizes[order]) - sizes[order]
    first = np.empty(len(shard), np.bool_)
    first[order] = begins - begins[np.searchsorted(in_order, in_order)] < room[in_order]
    return first
