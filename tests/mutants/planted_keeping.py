"""Bugs planted in what is kept: saving, and beginning again from what was saved."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault

from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.ownership.mesh import Mesh
from sidereal.replication.replicator import Replicator
from sidereal.replication.world import World
from sidereal.tools.simulate.faults import Kind
from sidereal.tools.simulate.memory import MemoryStore


def failed_writes_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What the store could not take is not written again."""
    patch.setattr(WriteBehind, "failed", WriteBehind.committed)


def radius_and_mass_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    """Everything comes back as large and as heavy as a pebble."""
    take_batch = WriteBehind.take_batch

    def forgetful(self: WriteBehind, *arguments: Any) -> Any:
        batch = take_batch(self, *arguments)
        if batch is not None:
            batch.rows["radius"] = batch.rows["mass"] = 1.0
        return batch

    patch.setattr(WriteBehind, "take_batch", forgetful)


def rows_come_back_as_of_another_tick(patch: pytest.MonkeyPatch) -> None:
    """After a restart all rows are taken to be of tick 3."""
    populate = Replicator.populate

    def confused(self: Replicator, records: np.ndarray, uuid: np.ndarray) -> None:
        renewed = records.copy()
        renewed["tick"] = np.minimum(renewed["tick"], 3)
        populate(self, renewed, uuid)

    patch.setattr(Replicator, "populate", confused)


def only_the_first_row_of_a_commit_is_saved(patch: pytest.MonkeyPatch) -> None:
    """Of the rows that are committed together one is marked to be saved."""
    commit = World.commit

    def lazy(self: World, rows: np.ndarray, *rest: Any) -> None:
        dirty = self.dirty.copy()
        commit(self, rows, *rest)
        self.dirty[rows[1:]] = dirty[rows[1:]]

    patch.setattr(World, "commit", lazy)


def ships_are_moored_in_motion(patch: pytest.MonkeyPatch) -> None:
    """A ship whose pilot leaves is kept, and comes back, with the speed it had."""
    patch.setattr("sidereal.replication.play.berths._stop", lambda _: None)


def ships_come_back_into_the_world(patch: pytest.MonkeyPatch) -> None:
    """After a restart ships are there without their pilots."""
    load_world = MemoryStore.load_world
    patch.setattr(MemoryStore, "load_world", lambda self, **_: load_world(self, berths=True))


def the_rest_of_a_batch_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What a batch has no room for is not kept waiting."""
    take_batch = WriteBehind.take_batch

    def greedy(self: WriteBehind, rows_max: int, tick: int) -> Any:
        batch = take_batch(self, 8, tick)
        if batch is not None:
            self._world.dirty[:] = False
        return batch

    patch.setattr(WriteBehind, "take_batch", greedy)


def what_changes_during_a_write_counts_as_saved(patch: pytest.MonkeyPatch) -> None:
    """Rows are taken to be saved when their batch is, not when they were taken for it."""
    committed = WriteBehind.committed

    def late(self: WriteBehind, batch: Any) -> None:
        committed(self, batch)
        rows = self._world.columns.rows_of(batch.rows["id"])
        self._world.dirty[rows[rows >= 0]] = False

    patch.setattr(WriteBehind, "committed", late)


def what_is_removed_is_not_taken_from_its_shard(patch: pytest.MonkeyPatch) -> None:
    """A shard goes on simulating what is not in the world any more."""
    patch.setattr(Mesh, "withdraw", lambda *_: None)


def two_authorities_write(patch: pytest.MonkeyPatch) -> None:
    """An authority that was replaced goes on writing."""
    patch.setattr(MemoryStore, "check", lambda *_: None)


def removals_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    """What is taken out of the world for good stays in the store."""
    depart = WriteBehind.depart

    def forgetful(self: WriteBehind, *arguments: Any, removed: bool) -> None:
        if not removed:
            depart(self, *arguments, removed=False)

    patch.setattr(WriteBehind, "depart", forgetful)


restarts = with_fault(Kind.AUTHORITY_RESTARTS)

MUTANTS: Final = (
    Mutant(failed_writes_are_forgotten, ("StoreConverges",), with_fault(Kind.STORE_FAILS)),
    Mutant(radius_and_mass_are_not_kept, ("Recovery", "StoreConverges"), restarts),
    Mutant(rows_come_back_as_of_another_tick, ("Continuity", "Recovery", "Reference"), restarts),
    Mutant(only_the_first_row_of_a_commit_is_saved, ("StoreConverges", "Recovery"), any_plan),
    Mutant(ships_are_moored_in_motion, ("Recovery",), with_fault(Kind.CLIENT_LEAVES)),
    Mutant(ships_come_back_into_the_world, ("NothingLostOrDoubled", "Recovery"), restarts),
    Mutant(what_changes_during_a_write_counts_as_saved, ("StoreConverges",), any_plan),
    Mutant(the_rest_of_a_batch_is_forgotten, ("StoreConverges",), any_plan),
    Mutant(two_authorities_write, ("OneAuthority",), with_fault(Kind.AUTHORITY_REPLACED)),
    Mutant(removals_are_not_kept, ("StoreConverges", "Recovery"), with_fault(Kind.ROCK_REMOVED)),
    Mutant(
        what_is_removed_is_not_taken_from_its_shard,
        ("OneOwner", "Crash"),
        with_fault(Kind.ROCK_REMOVED),
    ),
)
