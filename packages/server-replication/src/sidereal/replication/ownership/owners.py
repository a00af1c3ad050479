"""Who is to own every island, and when it goes home.

Theory of operation. An island has one owner, so that no contact is ever resolved by two shards.

* An island with two living owners goes whole to the one with most members; mass breaks ties. Who
  has no owner has no say, and joins. Nor has a shard that has not answered any pilot yet, if the
  island holds pilots of one that has: else it would get several of them at once (`answers`), or
  their contacts would wait until there is room.
* An island of one owner stays where it is, wherever that is: so it takes two owners for anything to
  change hands. While it lies across a border between holders it is **held**.
* An island of one owner that lies in the sectors of another shard goes home, whole or not at all:
  when none of its members has been held lately, and all are clear of the border.
* An island that nobody owns goes to whom most of its sectors are leased to.

Who is alone in its island follows the leases (`handover`).

An island of more members than a shard should hold is cut: it is put together again from its pairs,
those of one owner first, then the deepest ones, and no part grows beyond the limit.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE

MASS_SHARE: Final = 0.5
"""Of a vote: all members of an island together have so much for their masses."""

LEAST_SHARE: Final = 1e-6
"""Of a vote, of who has no say beside others."""


class Nodes(NamedTuple):
    """What goes together: roots with their families; all arrays have one length.

    Attributes:
        owner: int64[k], `SHARD_NONE` where no living shard owns it.
        holder: int64[k], who leases the sector it is in, of who rests there its owner; `SHARD_NONE`
            for nobody.
        mass: float64[k], t.
        may_leave: bool[k], whether it is clear of its owner's sectors, and was not held lately.
        says: bool[k], whether its owner has a say.
    """

    owner: np.ndarray
    holder: np.ndarray
    mass: np.ndarray
    may_leave: np.ndarray
    says: np.ndarray


class Decision(NamedTuple):
    """What becomes of nodes; all arrays have one length.

    Attributes:
        owner: int64[k], who is to own each; `SHARD_NONE` for whoever does now.
        together: bool[k], whether it is in an island with others.
        held: bool[k], whether its island is held.
        islands: how many islands are held.
    """

    owner: np.ndarray
    together: np.ndarray
    held: np.ndarray
    islands: int


class _Islands(NamedTuple):
    """Islands of two and more, member by member.

    Attributes:
        order: int64[n], members, island by island.
        starts: int64[g], where each island begins among them.
        of: int64[n], the island of each.
    """

    order: np.ndarray
    starts: np.ndarray
    of: np.ndarray


def decide_owners(nodes: Nodes, island: np.ndarray) -> Decision:
    """Decide who is to own every node.

    Args:
        nodes: k of them.
        island: int64[k], of each, named by its first member.
    """
    together = np.bincount(island, minlength=len(island))[island] > 1
    owner, held = nodes.owner.copy(), np.zeros(len(island), np.bool_)
    if not together.any():
        return Decision(owner, together, held, 0)
    islands = _islands_of(island, np.flatnonzero(together))
    owners, holders = nodes.owner[islands.order], nodes.holder[islands.order]
    most, last_holder = np.maximum.reduceat([owners, holders], islands.starts, axis=1)
    served = np.where(owners == SHARD_NONE, most.max(), owners)
    leave = nodes.may_leave[islands.order]
    least, first_holder, leave = np.minimum.reduceat(
        [served, holders, leave], islands.starts, axis=1
    )
    two, orphaned = most > least, most == SHARD_NONE
    across = last_holder != first_holder
    goal = np.where(orphaned, last_holder, most)
    voted = two | (orphaned & across)
    if voted.any():
        voters = np.where(two[islands.of], owners, holders)
        share = np.where(nodes.says[islands.order], 1.0, LEAST_SHARE)
        goal = np.where(voted, _vote(islands, voters, nodes.mass[islands.order], share), goal)
    leaves = ~(two | orphaned | across) & (first_holder != most) & (first_holder != SHARD_NONE)
    leaves &= leave != 0
    goal = np.where(leaves, first_holder, goal)
    holds = two | (across & ~orphaned)
    owner[islands.order] = goal[islands.of]
    held[islands.order] = holds[islands.of]
    return Decision(owner, together, held, int(holds.sum()))


def _islands_of(island: np.ndarray, members: np.ndarray) -> _Islands:
    order = members[np.argsort(island[members], kind="stable")]
    named, begins = island[order], np.ones(len(order), np.bool_)
    begins[1:] = named[1:] != named[:-1]
    return _Islands(order, np.flatnonzero(begins), np.cumsum(begins) - 1)


def _vote(islands: _Islands, voters: np.ndarray, mass: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Find for whom most members of each island are, int64[g].

    Args:
        islands: g of them.
        voters: int64[n], for whom each member is; `SHARD_NONE` has no say.
        mass: float64[n], of each member.
        share: float64[n], of a vote that each has.
    """
    all_mass = np.add.reduceat(mass, islands.starts)[islands.of]
    votes = np.where(voters == SHARD_NONE, 0.0, share * (1.0 + MASS_SHARE * mass / all_mass))
    count, shards = len(islands.starts), int(voters.max()) + 1
    sums = np.bincount(islands.of * shards + voters, votes, count * shards)
    return np.asarray(sums.reshape(count, shards).argmax(axis=1))


class Cut(NamedTuple):
    """Islands that were too large.

    Attributes:
        island: int64[k], of each node: what is left of the large ones are islands of their own.
        cut: bool[e], pairs whose ends are in two islands now.
        islands: how many were cut.
    """

    island: np.ndarray
    cut: np.ndarray
    islands: int


def cut_large(
    island: np.ndarray,
    owner: np.ndarray,
    ends: np.ndarray,
    depth: np.ndarray,
    members_max: int,
) -> Cut:
    """Cut the islands of more than one owner that have too many members.

    Args:
        island: int64[k], of each node, named by its first member.
        owner: int64[k], `SHARD_NONE` where no living shard owns it.
        ends: int64[2, e], nodes that are connected.
        depth: float64[e], world units by which they may overlap.
        members_max: the most that an island may have.
    """
    a, b = ends
    large = np.bincount(island, minlength=len(island)) > members_max
    for each in np.flatnonzero(large).tolist():
        mine = owner[island == each]
        large[each] = len(np.unique(mine[mine != SHARD_NONE])) > 1
    if not large.any():
        return Cut(island, np.zeros(len(a), np.bool_), 0)
    at = np.flatnonzero(large[island[a]])
    at = at[np.lexsort((-depth[at], owner[a[at]] != owner[b[at]]))]
    parts = _grow_parts(len(island), a[at], b[at], members_max)
    cut_island = np.where(large[island], parts, island)
    return Cut(cut_island, cut_island[a] != cut_island[b], int(large.sum()))


def _grow_parts(count: int, a: np.ndarray, b: np.ndarray, members_max: int) -> np.ndarray:
    """Connect nodes pair by pair, but for those that would make too large a part.

    Args:
        count: of nodes.
        a: int64[e], one node of each pair, in this order; `b` is the other.
        b: int64[e].
        members_max: the most that a part may have.

    Returns:
        int64[count], the part of each node, named by its first member.
    """
    part, sizes = list(range(count)), [1] * count

    def first_of(node: int) -> int:
        while part[node] != node:
            part[node] = node = part[part[node]]
        return node

    for one, other in zip(a.tolist(), b.tolist(), strict=True):  # 0.5 µs each, in a crowd alone
        one, other = sorted((first_of(one), first_of(other)))
        if one != other and sizes[one] + sizes[other] <= members_max:
            part[other] = one
            sizes[one] += sizes[other]
    return np.array([first_of(node) for node in range(count)])
