"""Bugs planted on purpose: each must turn a checker red within a few seeds.

A mutant that lives means that green says nothing about its rule. Every one names the checkers that
may find it, so that it does not die of something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count, islice
from typing import Any, Final

import numpy as np
import pytest

from sidereal.client.replica import Replica
from sidereal.protocol.message.shard import AuthorityMessage, Release
from sidereal.protocol.state.records import RecordSender
from sidereal.protocol.state.stream import CellStream
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.leaseviews import LeaseViews, Shown
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.ownership.handover import Handovers, decide_handovers
from sidereal.replication.ownership.mesh import Mesh
from sidereal.replication.validate import Verdict, judge_rows
from sidereal.shard.bodies import Bodies
from sidereal.shard.controls import ControlQueues
from sidereal.shard.game.asteroids import Asteroids
from sidereal.shard.shard import ShardCore
from sidereal.shard.simulation import Simulation
from sidereal.tools.simulate.faults import Kind, Plan
from sidereal.tools.simulate.play import plan_of, play

SEEDS_MAX: Final = 10
"""A mutant that lives longer has not been found."""

Plant = Callable[[pytest.MonkeyPatch], None]


def no_epoch_check(patch: pytest.MonkeyPatch) -> None:
    """A row counts whatever epoch it carries."""

    def blind(records: np.ndarray, slots: np.ndarray, columns: Any, *rest: Any, **more: Any) -> Any:
        known = slots >= 0
        renewed = records.copy()
        renewed["epoch"][known] = columns.epoch[slots[known]]
        return judge_rows(renewed, slots, columns, *rest, **more)

    patch.setattr("sidereal.replication.ingest.judge_rows", blind)


def no_fence_at_all(patch: pytest.MonkeyPatch) -> None:
    """A row counts whatever epoch it carries and whoever sends it."""

    def blind(records: np.ndarray, slots: np.ndarray, *rest: Any, **more: Any) -> Any:
        verdicts = judge_rows(records, slots, *rest, **more)
        fenced = np.isin(verdicts, (Verdict.SUPERSEDED, Verdict.STALE_EPOCH, Verdict.NOT_OWNER))
        verdicts[fenced & (slots >= 0)] = Verdict.ACCEPTED
        return verdicts

    patch.setattr("sidereal.replication.ingest.judge_rows", blind)


def nobody_is_released(patch: pytest.MonkeyPatch) -> None:
    """The former owner is not told that it has lost an entity."""
    patch.setattr(ShardLink, "send_release", lambda *_: None)


def release_is_not_obeyed(patch: pytest.MonkeyPatch) -> None:
    """A shard goes on with what was taken from it."""
    apply = Simulation.apply

    def stubborn(self: Simulation, message: AuthorityMessage, tick: int) -> None:
        if not isinstance(message, Release):
            apply(self, message, tick)

    patch.setattr(Simulation, "apply", stubborn)


def fenced_shards_go_on(patch: pytest.MonkeyPatch) -> None:
    """A shard whose session has ended simulates as if nothing had happened."""
    patch.setattr(ShardCore, "_end", lambda *_: None)


def silent_shards_keep_their_leases(patch: pytest.MonkeyPatch) -> None:
    """Nobody notices that a shard says nothing."""
    patch.setattr(ShardLink, "_fence_the_silent", lambda *_: None)


def handover_without_epoch(patch: pytest.MonkeyPatch) -> None:
    """The owner changes, the epoch does not."""
    hand_over = Mesh.hand_over
    world: list[Any] = []

    def remember(self: Mesh, present: Any) -> None:
        world[:] = [self._world]
        hand_over(self, present)

    def undo(*arguments: Any) -> Handovers:
        changes = decide_handovers(*arguments)
        world[0].columns.epoch[changes.slots] -= np.uint32(1)
        return changes

    patch.setattr(Mesh, "hand_over", remember)
    patch.setattr("sidereal.replication.ownership.mesh.decide_handovers", undo)


def two_owners(patch: pytest.MonkeyPatch) -> None:
    """Everybody is given what one of them is to simulate."""
    send_adopt = ShardLink.send_adopt

    def send_to_all(self: ShardLink, _: Any, *more: Any) -> None:
        for shard in self.shards:
            send_adopt(self, shard, *more)

    patch.setattr(ShardLink, "send_adopt", send_to_all)


def sent_counts_as_acked(patch: pytest.MonkeyPatch) -> None:
    """The next difference is taken from what was sent, not from what arrived."""
    collect = Fanout.collect

    def trusting(self: Fanout, tick: int, own: Mapping[int, np.void | None]) -> Iterator[Any]:
        for client, message, tag in list(collect(self, tick, own)):
            self.acked(client, [tag])
            yield client, message, tag

    patch.setattr(Fanout, "collect", trusting)


def leases_that_were_sent_count_as_acked(patch: pytest.MonkeyPatch) -> None:
    """A client is taken to know the leases that it was sent."""
    collect = LeaseViews.collect

    def trusting(self: LeaseViews, *arguments: Any) -> list[Shown]:
        shown = collect(self, *arguments)
        for client, _, tag in shown:
            self.acked(client, [tag])
        return shown

    patch.setattr(LeaseViews, "collect", trusting)


def leases_are_shown_once(patch: pytest.MonkeyPatch) -> None:
    """A client is shown the leases when it comes, and not how they change."""
    patch.setattr(LeaseViews, "follow", lambda *_: None)


def asteroids_leave_the_belt(patch: pytest.MonkeyPatch) -> None:
    """What flies beyond the belt's edge is not turned back."""
    patch.setattr(Asteroids, "systems", lambda *_: ())


def proposals_are_sent_once(patch: pytest.MonkeyPatch) -> None:
    """A shard takes what it has proposed for known."""
    collect = RecordSender.collect

    def trusting(self: RecordSender, *arguments: Any) -> Any:
        messages = collect(self, *arguments)
        self.acked([tag for _, tag in messages])
        return messages

    patch.setattr(RecordSender, "collect", trusting)


def no_tombstones(patch: pytest.MonkeyPatch) -> None:
    """Clients are not told who has left a cell."""
    patch.setattr(CellStream, "note_left", lambda *_: None)


def replicas_keep_strays(patch: pytest.MonkeyPatch) -> None:
    """A client keeps what its window has left behind."""
    patch.setattr(Replica, "_lose_outside", lambda *_: None)


def owners_change_in_secret(patch: pytest.MonkeyPatch) -> None:
    """A new owner is no news to clients."""
    patch.setattr("sidereal.replication.world.World.flag_attributes", lambda *_: None)


def controls_are_applied_again(patch: pytest.MonkeyPatch) -> None:
    """A new owner does not know which inputs the ship has had."""
    reset = ControlQueues.reset

    def forget(self: ControlQueues, slots: Any, control_epoch: Any, input_seq: Any) -> None:
        reset(self, slots, control_epoch, np.maximum(input_seq, 5) - 5)

    patch.setattr(ControlQueues, "reset", forget)


def adopted_where_they_were(patch: pytest.MonkeyPatch) -> None:
    """A new owner goes on from an old reference as if it were of now."""
    adopt = Bodies.adopt

    def rewind(self: Bodies, records: Any, tick: int) -> Any:
        slots = adopt(self, records, tick)
        for axis in ("x", "y"):
            self.columns[axis][slots] = records[axis]
        return slots

    patch.setattr(Bodies, "adopt", rewind)


def failed_writes_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What the store could not take is not written again."""
    patch.setattr(WriteBehind, "failed", WriteBehind.committed)


def two_shards_of_a_name(patch: pytest.MonkeyPatch) -> None:
    """A newer session gets the id of an older one of its name, which goes on as well."""
    patch.setattr(ShardLink, "_replace", lambda *_: None)


def who_waits_is_released(patch: pytest.MonkeyPatch) -> None:
    """Entities are taken from their owner before a new one has room for them."""
    wait = Mesh._wait_for_room

    def hasty(self: Any, changes: Handovers) -> Handovers:
        chosen = wait(self, changes)
        waits = ~np.isin(changes.slots, chosen.slots)
        columns = self._world.columns
        for shard in self._shards.shards:
            slots = changes.slots[waits & (changes.before == shard.shard)]
            epoch = columns.epoch[slots].astype(np.int64) + 1
            self._shards.send_release(shard, columns.net_id[slots], epoch, 0)
        return chosen

    patch.setattr(Mesh, "_wait_for_room", hasty)


def any_plan(plan: Plan) -> bool:
    return True


def with_loss(plan: Plan) -> bool:
    return plan.link.loss > 0.1


def slowly_adopting(plan: Plan) -> bool:
    return plan.adopt_rows_per_s < 100 and Kind.SHARD_JOINS in plan.kinds


def with_fault(kind: Kind) -> Callable[[Plan], bool]:
    return lambda plan: kind in plan.kinds


MUTANTS: Final[tuple[tuple[Plant, tuple[str, ...], Callable[[Plan], bool]], ...]] = (
    (no_epoch_check, ("NothingRejected", "Continuity", "OneOwner"), any_plan),
    (no_fence_at_all, ("Continuity", "OneOwner"), any_plan),
    (nobody_is_released, ("OneOwner",), any_plan),
    (release_is_not_obeyed, ("OneOwner",), any_plan),
    (fenced_shards_go_on, ("OneOwner",), with_fault(Kind.SHARD_CUT)),
    (silent_shards_keep_their_leases, ("OneOwner",), with_fault(Kind.SHARD_KILLED)),
    (handover_without_epoch, ("OneOwner", "NothingRejected"), any_plan),
    (two_owners, ("OneOwner",), any_plan),
    (sent_counts_as_acked, ("ReplicasConverge",), with_loss),
    (leases_that_were_sent_count_as_acked, ("LeasesConverge",), with_loss),
    (leases_are_shown_once, ("LeasesConverge",), any_plan),
    (asteroids_leave_the_belt, ("BeltHolds",), any_plan),
    (proposals_are_sent_once, ("ShardsConverge", "BeltHolds"), with_loss),
    (no_tombstones, ("ReplicasConverge",), any_plan),
    (replicas_keep_strays, ("ReplicasConverge",), any_plan),
    (owners_change_in_secret, ("ReplicasConverge",), any_plan),
    (controls_are_applied_again, ("Continuity",), any_plan),
    (adopted_where_they_were, ("Continuity", "ShardsConverge"), any_plan),
    (two_shards_of_a_name, ("OneOwner",), with_fault(Kind.SHARD_DOUBLED)),
    (who_waits_is_released, ("OneOwner",), slowly_adopting),
    (failed_writes_are_forgotten, ("StoreConverges",), with_fault(Kind.STORE_FAILS)),
)
"""What is planted, who may find it, and the plans in which it makes a difference."""


@pytest.mark.parametrize(
    ("plant", "finders", "matters"), MUTANTS, ids=[plant.__name__ for plant, _, _ in MUTANTS]
)
def test_a_mutant_dies(
    plant: Plant,
    finders: tuple[str, ...],
    matters: Callable[[Plan], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    for plan in islice(filter(matters, map(plan_of, count())), SEEDS_MAX):
        found = [violation.checker for violation in play(plan).violations]
        if found:
            print(f"seed {plan.seed}: {found}")
            assert found[0] in finders
            return
    pytest.fail(f"lived through {SEEDS_MAX} seeds")
