"""Shadows: of an island that was cut, each shard has bodies of what lies beyond the cut.

Theory of operation. Where an island is too large for one shard its parts have different owners, and
bodies of two owners touch. Each of the two shards has the other's body as a **shadow**: a ghost
that has a body in its physics. It pushes and is pushed for a tick; then it is set to what its owner
says. So each contact is resolved twice, from the same states, and each owner keeps its own half.

One layer would not do. What is pushed against a cut is held by what lies behind it, so there are
shadows up to a depth beyond the cut. It is measured along pairs: who is connected to the shard's
part over so much distance that is between the middles of bodies.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.replication.ownership.borders import Sightings

ROUNDS_MAX: Final = 32
"""Pairs on the way to the farthest shadow; who is behind more of them has none."""


class Split(NamedTuple):
    """The islands that were cut in a tick.

    Attributes:
        roots: int64[k], rows of the roots of their members' families.
        rows: int64[m], of all bodies of these, ascending; of these,
        node: int64[m], whose each is, an index into `roots`.
        ends: int64[2, e], indices into `roots`, of who may touch.
        apart: float64[e], world units between the middles of these.
    """

    roots: np.ndarray
    rows: np.ndarray
    node: np.ndarray
    ends: np.ndarray
    apart: np.ndarray


class Shadows(NamedTuple):
    """Who has a body where.

    Attributes:
        seen: who is a shadow of whom.
        left_out: those that were too many for their shard.
    """

    seen: Sightings
    left_out: int


def find_shadows(split: Split, owner: np.ndarray, depth: float, count_max: int) -> Shadows:
    """Find what each shard needs bodies of.

    Args:
        split: the islands that were cut.
        owner: uint16 by row; `SHARD_NONE` where nobody simulates it.
        depth: how far beyond the cut, world units.
        count_max: of one shard; the nearest ones count.
    """
    owns = owner[split.roots]
    a, b = split.ends
    across = (owns[a] != owns[b]) & (owns[a] != SHARD_NONE) & (owns[b] != SHARD_NONE)
    shards, rows, left_out = [_NOBODY], [_NOBODY], 0
    for shard in np.unique(owns[split.ends[:, across]]).tolist():  # few, and only in a crowd
        away = _find_away(split, owns == shard, depth)
        away[(owns == shard) | (owns == SHARD_NONE)] = np.inf
        away = away[split.node]
        near = np.argsort(away, kind="stable")[: int((away < np.inf).sum())]
        left_out += max(0, len(near) - count_max)
        rows.append(np.sort(split.rows[near[:count_max]]))
        shards.append(np.full(len(rows[-1]), shard))
    return Shadows(Sightings(np.concatenate(shards), np.concatenate(rows)), left_out)


_NOBODY: Final = np.empty(0, np.int64)


def _find_away(split: Split, mine: np.ndarray, depth: float) -> np.ndarray:
    """Tell how far everybody is from a shard's part, along pairs: float64[k].

    Args:
        split: the islands that were cut.
        mine: bool[k], the members of that part.
        depth: who is farther beyond the cut than so much is at infinity.
    """
    away = np.where(mine, 0.0, np.inf)
    source, to = np.concatenate([split.ends, split.ends[::-1]], axis=1)
    apart = np.concatenate([split.apart, split.apart])
    # The first step leads over the cut.
    apart = np.where(mine[source], 0.0, apart)
    edge = mine
    for _ in range(ROUNDS_MAX):
        on = np.flatnonzero(edge[source] & ~mine[to])
        over = away[source[on]] + apart[on]
        on, over = on[over <= depth], over[over <= depth]
        before = away.copy()
        np.minimum.at(away, to[on], over)
        edge = away < before
        if not edge.any():
            break
    return away
