"""Whose child an entity may become.

Of what a shard has spawned, its parent must be an entity of the same shard. One that was so until a
moment ago has changed hands or ended meanwhile: then the child does not come, and nobody is to
blame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sidereal.game import Kind, Parent
from sidereal.protocol.errors import GameError
from sidereal.protocol.state.families import NOBODY, are_children, are_followers
from sidereal.replication.families import CHILDREN_MAX
from sidereal.replication.links.shards import Shard
from sidereal.replication.world import World


def check_parents(world: World, kind: Kind, records: np.ndarray) -> None:
    """Check that what the authority is about to let in may be the children of their parents.

    Args:
        world: which has those.
        kind: of the children.
        records: `Schema.full_record[n]`, of them.

    Raises:
        GameError: they may not.
    """
    if not kind.has(Parent):
        return
    rows = world.columns.rows_of(records["of"])
    for wrong, why in (
        (rows == NOBODY, "is not there, and can't be a parent: say Parent(of=…)"),
        (~world.families.admit(rows, CHILDREN_MAX), "has too many children, or ancestors"),
    ):
        if wrong.any():
            raise GameError(f"spawn({kind}): {records['of'][np.argmax(wrong)]} {why}")


class Parents(NamedTuple):
    """The parents of entities that are new; arrays of one length.

    Attributes:
        rows: int64[n], of each one's parent, `NOBODY` where there is none.
        leads: bool[n], whether it goes where its parent goes, which is the shard's.
        gone: bool[n], whether its parent has gone, or has not come, which is no fault.
        foreign: bool[n], whether its parent is nobody whom the shard may give a child.
    """

    rows: np.ndarray
    leads: np.ndarray
    gone: np.ndarray
    foreign: np.ndarray


def find_parents(world: World, records: np.ndarray, shard: Shard, *, lost: bool) -> Parents:
    """Find the parents of what a shard has spawned.

    Args:
        world: which has them.
        records: `Schema.full_record[n]`.
        shard: who proposes.
        lost: whether the shard may have been told too late that a parent is not its own.
    """
    columns = world.columns
    masks = world.schema.masks[records["kind"]]
    child, none = are_children(masks), np.zeros(len(records), np.bool_)
    if not child.any():
        return Parents(np.full(len(records), NOBODY), none, none, none)
    rows = np.where(child, columns.rows_of(records["of"]), NOBODY)
    there = rows != NOBODY
    own = there & (columns["shard"][np.maximum(rows, 0)] == shard.shard)
    granted, used = world.ids.look_up(records["of"].astype(np.int64), shard.peer)
    gone = child & np.where(there, ~own & lost, (granted | used) & (records["of"] > 0))
    return Parents(rows, own & are_followers(masks), gone, child & ~own & ~gone)
