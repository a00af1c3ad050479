"""Bugs planted in what becomes of parents and children."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant

from sidereal.replication import births
from sidereal.replication.families import Families
from sidereal.replication.keeping import persist
from sidereal.replication.ownership import mesh
from sidereal.replication.ownership.handover import Handovers, TakenAlong
from sidereal.replication.parentage import Parents, find_parents
from sidereal.replication.world import World
from sidereal.shard.families import Families as ShardFamilies
from sidereal.tools.simulate.faults import Kind, Plan


def children_stay_behind_in_a_handover(patch: pytest.MonkeyPatch) -> None:
    """A root changes hands alone; its children follow in the next tick."""

    def alone(changes: Handovers, *_: Any) -> TakenAlong:
        return TakenAlong(changes.select(np.zeros(len(changes.rows), np.bool_)), changes.rows[:0])

    patch.setattr(mesh, "take_along", alone)


def children_outlive_their_parent(patch: pytest.MonkeyPatch) -> None:
    """The end of an entity is that of no other, at the authority and on shards."""
    for families in (Families, ShardFamilies):
        patch.setattr(families, "whole", lambda self, rows: rows)


def a_reference_to_a_parent_is_not_saved(patch: pytest.MonkeyPatch) -> None:
    """In the database nobody has a parent."""
    to_saved = persist.to_saved

    def lost(world: World, records: Any) -> Any:
        saved = to_saved(world, records)
        saved["of"] = np.zeros((), saved["of"].dtype)
        return saved

    patch.setattr(persist, "to_saved", lost)


def children_are_saved_for_nobody(patch: pytest.MonkeyPatch) -> None:
    """In the database the child of what an account flies has none, and does not come with it."""
    patch.setattr(World, "accounts_of", lambda self, rows: self.account[rows])


def anybody_may_give_an_entity_a_child(patch: pytest.MonkeyPatch) -> None:
    """A shard may spawn children of what another one simulates."""

    def trusting(*arguments: Any, **more: Any) -> Parents:
        parents = find_parents(*arguments, **more)
        believed = np.zeros_like(parents.foreign)
        return parents._replace(foreign=believed, gone=believed)

    patch.setattr(births, "find_parents", trusting)


def followers_keep_the_pace_that_they_had(patch: pytest.MonkeyPatch) -> None:
    """The authority gives a follower its parent's motion when it comes, and never again."""
    patch.setattr(World, "follow", lambda *_: None)


def followers_drift_on_shards(patch: pytest.MonkeyPatch) -> None:
    """A shard lets physics move a follower by itself."""
    patch.setattr(ShardFamilies, "follow", lambda *_: None)


FOUND: Final = ("Families",)
LIES: Final = ("Families", "LiesFail")


def with_families(plan: Plan) -> bool:
    return plan.families


def with_a_restart(plan: Plan) -> bool:
    return plan.families and bool(plan.kinds & {Kind.CLIENT_LEAVES, Kind.AUTHORITY_RESTARTS})


def with_a_liar(plan: Plan) -> bool:
    return plan.families and Kind.SHARD_LIES in plan.kinds


MUTANTS: Final = (
    Mutant(anybody_may_give_an_entity_a_child, LIES, with_a_liar),
    Mutant(children_stay_behind_in_a_handover, FOUND, with_families),
    Mutant(children_outlive_their_parent, FOUND, with_families),
    Mutant(a_reference_to_a_parent_is_not_saved, FOUND, with_a_restart),
    Mutant(children_are_saved_for_nobody, FOUND, with_a_restart),
    Mutant(followers_keep_the_pace_that_they_had, FOUND, with_families),
    Mutant(followers_drift_on_shards, FOUND, with_families),
)
