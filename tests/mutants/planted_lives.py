"""Bugs planted in what shards spawn and end, and in what entities are given."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault, with_loss

from sidereal.protocol.state.schema import WHOLE
from sidereal.protocol.state.stream import GONE
from sidereal.replication import births
from sidereal.replication.births import Births
from sidereal.replication.ids import IdBlocks
from sidereal.replication.ownership.amendments import Amendments
from sidereal.replication.validate import (
    Proposed,
    Spawned,
    Verdict,
    judge_component,
    judge_gone,
    judge_spawn,
)
from sidereal.replication.world import World
from sidereal.shard.handover.early import Early
from sidereal.shard.lives import NOBODY, Lives
from sidereal.shard.proposals import Proposals
from sidereal.shard.simulation import Simulation
from sidereal.tools.simulate.faults import Kind, Plan


def the_dead_are_raised(patch: pytest.MonkeyPatch) -> None:
    """An id that was used enters the world again, when its spawn comes once more."""

    def blind(proposed: Proposed, spawned: Spawned, *rest: Any) -> np.ndarray:
        near = spawned.near | spawned.used  # nobody asks where the void ones are
        fresh = spawned._replace(used=np.zeros_like(spawned.used), near=near)
        return judge_spawn(proposed, fresh, *rest)

    patch.setattr(births, "judge_spawn", blind)


def any_id_will_do(patch: pytest.MonkeyPatch) -> None:
    """A shard spawns under ids that nobody has granted it."""

    def blind(proposed: Proposed, spawned: Spawned, *rest: Any) -> np.ndarray:
        granted = np.ones_like(spawned.granted)
        near = spawned.near | ~spawned.granted
        return judge_spawn(proposed, spawned._replace(granted=granted, near=near), *rest)

    patch.setattr(births, "judge_spawn", blind)


def any_kind_will_do(patch: pytest.MonkeyPatch) -> None:
    """A shard spawns what only the authority may."""

    def blind(proposed: Proposed, spawned: Spawned, *rest: Any) -> np.ndarray:
        allowed = np.ones_like(spawned.allowed)
        near = spawned.near | ~spawned.allowed
        return judge_spawn(proposed, spawned._replace(allowed=allowed, near=near), *rest)

    patch.setattr(births, "judge_spawn", blind)


def any_place_will_do(patch: pytest.MonkeyPatch) -> None:
    """A shard spawns wherever it likes."""

    def blind(proposed: Proposed, spawned: Spawned, *rest: Any) -> np.ndarray:
        return judge_spawn(proposed, spawned._replace(near=np.ones_like(spawned.near)), *rest)

    patch.setattr(births, "judge_spawn", blind)


def ends_have_no_epoch(patch: pytest.MonkeyPatch) -> None:
    """A shard ends what it has lost, and what was never its."""

    def blind(proposed: Proposed, granted: np.ndarray) -> np.ndarray:
        verdicts = judge_gone(proposed, granted)
        verdicts[proposed.rows >= 0] = Verdict.ACCEPTED
        return verdicts

    patch.setattr(births, "judge_gone", blind)


def ends_are_proposed_once(patch: pytest.MonkeyPatch) -> None:
    """Who is gone is said once: if that is lost, the world keeps it."""
    write = Proposals.write

    def once(self: Proposals, *arguments: Any) -> Any:
        messages = write(self, *arguments)
        self._gone = self._gone[:0]
        return messages

    patch.setattr(Proposals, "write", once)


def wholes_are_proposed_once(patch: pytest.MonkeyPatch) -> None:
    """Who is new is said once: if that is lost, the world never has it."""
    write = Proposals.write

    def once(self: Proposals, *arguments: Any) -> Any:
        messages = write(self, *arguments)
        self._waits[WHOLE][:] = False
        return messages

    patch.setattr(Proposals, "write", once)


def components_do_not_wait_for_the_whole(patch: pytest.MonkeyPatch) -> None:
    """Rows of somebody of whom the server has not heard are proposed."""
    pending = Proposals._pending

    def hasty(self: Proposals) -> Any:
        whole = self._waits[WHOLE]
        self._waits[WHOLE] = np.zeros_like(whole)
        runs = list(pending(self))
        self._waits[WHOLE] = whole
        yield from (run for run in pending(self) if run.number in (WHOLE, GONE))
        yield from (run for run in runs if run.number != GONE)

    patch.setattr(Proposals, "_pending", hasty)


def who_comes_too_early_is_flown_back(patch: pytest.MonkeyPatch) -> None:
    """An entity whose former owner was ahead is simulated in the same ticks once more."""

    def hasty(_: Early, records: np.ndarray, inputs: np.ndarray, tick: int) -> Any:
        back = records.copy()
        back["tick"] = np.minimum(records["tick"], tick)
        return back, inputs

    patch.setattr(Early, "put_by", hasty)


def what_changed_before_the_ack_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """With the ack of a whole its components count as known, whenever they have changed."""
    known = Proposals._note_known

    def careless(self: Proposals, rows: np.ndarray, tick: int) -> None:
        known(self, rows, 1 << 40)

    patch.setattr(Proposals, "_note_known", careless)


def blocks_are_granted_again_at_once(patch: pytest.MonkeyPatch) -> None:
    """Ids are given again while somebody knows who has had them."""
    init = IdBlocks.__init__

    def hasty(self: IdBlocks, *arguments: Any) -> None:
        init(self, *arguments)
        self._rest_ticks = -1

    patch.setattr(IdBlocks, "__init__", hasty)


def what_comes_too_late_stays_with_its_shard(patch: pytest.MonkeyPatch) -> None:
    """A shard goes on with what it spawned where it had lost the sector."""
    settle_spawns = Births.settle_spawns

    def silent(self: Births, *arguments: Any) -> None:
        send, self._shards.send_release = self._shards.send_release, lambda *_: None  # type: ignore[method-assign]
        settle_spawns(self, *arguments)
        self._shards.send_release = send  # type: ignore[method-assign]

    patch.setattr(Births, "settle_spawns", silent)


def newborns_fly_at_once(patch: pytest.MonkeyPatch) -> None:
    """What is spawned moves in the tick in which it comes."""
    run = Simulation._run

    def hasty(self: Simulation, stage: Any, tick: int) -> None:
        run(self, stage, tick)
        newborn, self.lives.newborn = self.lives.newborn, NOBODY
        self._enter(newborn)

    patch.setattr(Simulation, "_run", hasty)


def shards_spawn_without_end(patch: pytest.MonkeyPatch) -> None:
    """A shard spawns more than it may."""
    begin = Lives.begin

    def generous(self: Lives, tick: int) -> None:
        begin(self, tick)
        self._left[:] = 1e9

    patch.setattr(Lives, "begin", generous)


def what_is_taken_lingers(patch: pytest.MonkeyPatch) -> None:
    """The authority learns what shards give, and not what they take."""
    equip = World.equip

    def greedy(self: World, rows: np.ndarray, mask: np.ndarray, tick: int) -> None:
        equip(self, rows, mask | self.columns.mask[rows], tick)

    patch.setattr(World, "equip", greedy)


def gifts_are_kept_secret(patch: pytest.MonkeyPatch) -> None:
    """Shards give and take, and propose only what follows."""
    patch.setattr(Proposals, "note_given", lambda *_: None)


def amendments_are_not_sent(patch: pytest.MonkeyPatch) -> None:
    """Shards are not told what the authority decides of their entities."""
    patch.setattr(Amendments, "send", lambda *_: None)


def shards_undo_what_the_authority_gives(patch: pytest.MonkeyPatch) -> None:
    """What a shard says of its entities counts for all of their components."""
    commit_wholes = Births.commit_wholes

    def humble(self: Births, rows: np.ndarray, records: np.ndarray, tick: int) -> None:
        commit_wholes(self, rows, records, tick)
        self._world.equip(rows, self._world.schema.masks_of(records), tick)

    patch.setattr(Births, "commit_wholes", humble)


def rows_from_before_a_taking_are_faults(patch: pytest.MonkeyPatch) -> None:
    """A row of a component that was taken while it was on its way is held against its shard."""

    def strict(*arguments: Any) -> np.ndarray:
        return judge_component(*arguments[:3], np.zeros(len(arguments[2]), np.bool_))

    patch.setattr("sidereal.replication.ingest.judge_component", strict)


def who_comes_back_has_what_its_kind_has(patch: pytest.MonkeyPatch) -> None:
    """What was given or taken is lost with a restart, and when a ship leaves."""
    enter = World.enter

    def plain(self: World, records: np.ndarray, *rest: Any) -> np.ndarray:
        records = records.copy()
        records["differs"] = 0
        return enter(self, records, *rest)

    patch.setattr(World, "enter", plain)


def overtakes(plan: Plan) -> bool:
    """Tell in which plans datagrams of one tick come twice, or overtake those of later ones."""
    return plan.link.duplication > 0.02 or plan.link.reordering > 0.02


lying_shards = with_fault(Kind.SHARD_LIES)
restarts = with_fault(Kind.AUTHORITY_RESTARTS)

MUTANTS: Final = (
    Mutant(the_dead_are_raised, ("Lives", "OneOwner", "NothingRejected", "Endings"), overtakes),
    Mutant(any_id_will_do, ("LiesFail", "Lives"), lying_shards),
    Mutant(any_kind_will_do, ("LiesFail", "NothingLostOrDoubled"), lying_shards),
    Mutant(any_place_will_do, ("LiesFail", "Lives"), lying_shards),
    Mutant(ends_have_no_epoch, ("NothingLostOrDoubled", "Lives"), lying_shards),
    Mutant(ends_are_proposed_once, ("Lives", "OneOwner", "Endings"), with_loss),
    Mutant(wholes_are_proposed_once, ("Lives", "OneOwner", "NothingRejected"), with_loss),
    Mutant(components_do_not_wait_for_the_whole, ("NothingRejected",), with_loss),
    Mutant(
        who_comes_too_early_is_flown_back,
        ("NothingRejected", "Gifts", "Reference", "ShardsConverge"),
        with_fault(Kind.AUTHORITY_STALLED),
    ),
    Mutant(
        blocks_are_granted_again_at_once,
        ("Lives", "ReplicasConverge", "NothingRejected", "OneOwner"),
        any_plan,
    ),
    Mutant(what_changed_before_the_ack_is_forgotten, ("Lives",), with_loss),
    Mutant(what_comes_too_late_stays_with_its_shard, ("OneOwner", "Lives"), any_plan),
    Mutant(newborns_fly_at_once, ("Lives",), any_plan),
    Mutant(shards_spawn_without_end, ("NothingRejected",), any_plan),
    Mutant(what_is_taken_lingers, ("Gifts",), any_plan),
    Mutant(gifts_are_kept_secret, ("Gifts", "NothingRejected"), any_plan),
    Mutant(amendments_are_not_sent, ("Gifts",), any_plan),
    Mutant(shards_undo_what_the_authority_gives, ("Gifts",), any_plan),
    Mutant(rows_from_before_a_taking_are_faults, ("NothingRejected",), overtakes),
    Mutant(who_comes_back_has_what_its_kind_has, ("Recovery", "StoreConverges"), restarts),
)
