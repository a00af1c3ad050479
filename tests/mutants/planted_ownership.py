"""Bugs planted in who simulates what: epochs, leases, handovers, ghosts."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault

from sidereal.protocol.message.shard import AuthorityMessage, Release
from sidereal.protocol.state.schema import OWNER
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.ownership.borders import Borders
from sidereal.replication.ownership.ghosts import GhostStreams
from sidereal.replication.ownership.handover import Handovers
from sidereal.replication.ownership.mesh import Mesh
from sidereal.replication.validate import Proposed, Verdict, judge_motion
from sidereal.replication.world import World
from sidereal.shard.ghosts import Ghosts
from sidereal.shard.shard import ShardCore
from sidereal.shard.simulation import Simulation
from sidereal.tools.simulate.faults import Kind, Plan


def with_current_epochs(proposed: Proposed) -> Proposed:
    """Proposed rows, with the epochs that they should have."""
    renewed, known = proposed.records.copy(), proposed.rows >= 0
    renewed["epoch"][known] = proposed.columns.epoch[proposed.rows[known]]
    return proposed._replace(records=renewed)


def no_epoch_check(patch: pytest.MonkeyPatch) -> None:
    """A row counts whatever epoch it carries."""

    def blind(proposed: Proposed, *rest: Any) -> Any:
        return judge_motion(with_current_epochs(proposed), *rest)

    patch.setattr("sidereal.replication.ingest.judge_motion", blind)


def no_fence_at_all(patch: pytest.MonkeyPatch) -> None:
    """A row counts whatever epoch it carries and whoever sends it."""

    def blind(proposed: Proposed, *rest: Any) -> Any:
        verdicts = judge_motion(proposed, *rest)
        fenced = np.isin(verdicts, (Verdict.SUPERSEDED, Verdict.STALE_EPOCH, Verdict.NOT_OWNER))
        verdicts[fenced & (proposed.rows >= 0)] = Verdict.ACCEPTED
        return verdicts

    patch.setattr("sidereal.replication.ingest.judge_motion", blind)


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
    # One that was about to leave does not go on leaving.
    patch.setattr(ShardCore, "_end", lambda self, *_: self._leaving.end())


def silent_shards_keep_their_leases(patch: pytest.MonkeyPatch) -> None:
    """Nobody notices that a shard says nothing."""
    patch.setattr(ShardLink, "_fence_the_silent", lambda *_: None)


def handover_without_epoch(patch: pytest.MonkeyPatch) -> None:
    """The owner changes, the epoch does not."""
    wait = Mesh._wait_for_room

    def undo(self: Any, changes: Handovers, *rest: Any) -> Handovers:
        chosen = wait(self, changes, *rest)
        self._world.columns.epoch[chosen.rows] -= np.uint32(1)
        return chosen

    patch.setattr(Mesh, "_wait_for_room", undo)


def two_owners(patch: pytest.MonkeyPatch) -> None:
    """Everybody is given what one of them is to simulate."""
    send_adopt = ShardLink.send_adopt

    def send_to_all(self: ShardLink, _: Any, *more: Any) -> None:
        for shard in self.shards:
            send_adopt(self, shard, *more)

    patch.setattr(ShardLink, "send_adopt", send_to_all)


def owners_change_in_secret(patch: pytest.MonkeyPatch) -> None:
    """A new owner is no news to clients."""
    mark_changed = World.mark_changed

    def secret(self: World, component: str, rows: Any, tick: int) -> None:
        if component != OWNER.name or (self.group[rows] < 0).all():
            mark_changed(self, component, rows, tick)

    patch.setattr(World, "mark_changed", secret)


def two_shards_of_a_name(patch: pytest.MonkeyPatch) -> None:
    """A newer session gets the id of an older one of its name, which goes on as well."""
    patch.setattr(ShardLink, "_replace", lambda *_: None)


def who_waits_is_released(patch: pytest.MonkeyPatch) -> None:
    """Entities are taken from their owner before a new one has room for them."""
    wait = Mesh._wait_for_room

    def hasty(self: Any, changes: Handovers, *rest: Any) -> Handovers:
        chosen = wait(self, changes, *rest)
        waits = ~np.isin(changes.rows, chosen.rows)
        columns = self._world.columns
        for shard in self._shards.shards:
            rows = changes.rows[waits & (changes.before == shard.shard)]
            epoch = columns.epoch[rows].astype(np.int64) + 1
            self._shards.send_release(shard, columns.net_id[rows], epoch, 0)
        return chosen

    patch.setattr(Mesh, "_wait_for_room", hasty)


def changes_hands_slowly(plan: Plan) -> bool:
    slow = plan.limits.ownership.adopt_records_per_s < 50
    return slow and Kind.SHARD_JOINS in plan.kinds and not plan.silences


def ghosts_are_never_sent(patch: pytest.MonkeyPatch) -> None:
    """Shards see nothing of what others simulate."""
    patch.setattr(GhostStreams, "send", lambda *_: None)


def shards_see_less_far_than_the_game_says(patch: pytest.MonkeyPatch) -> None:
    """Ghosts are those within half of the range that the game declares."""
    find = Borders.find_ghosts
    patch.setattr(
        Borders,
        "find_ghosts",
        lambda self, present, owner, reach: find(self, present, owner, reach / 2),
    )


def no_handover_margin(patch: pytest.MonkeyPatch) -> None:
    """Who is a hair beyond a border changes hands."""
    patch.setattr("sidereal.replication.ownership.handover.HANDOVER_MARGIN", 0.0)


def adopted_under_the_old_epoch(patch: pytest.MonkeyPatch) -> None:
    """The new owner is told the row as it was before the epoch was bumped."""
    send_adopt = ShardLink.send_adopt

    def early(self: ShardLink, shard: Any, records: np.ndarray, *rest: Any) -> None:
        before = records.copy()
        before["epoch"] -= np.uint32(1)
        send_adopt(self, shard, before, *rest)

    patch.setattr(ShardLink, "send_adopt", early)


def rows_are_given_as_of_the_decision(patch: pytest.MonkeyPatch) -> None:
    """A new owner is told the row as if it were of the tick of the handover."""
    send_adopt = ShardLink.send_adopt

    def stamped(self: ShardLink, shard: Any, records: Any, inputs: Any, tick: int) -> None:
        now = records.copy()
        now["tick"] = tick
        send_adopt(self, shard, now, inputs, tick)

    patch.setattr(ShardLink, "send_adopt", stamped)


def rows_are_given_coarsely(patch: pytest.MonkeyPatch) -> None:
    """A new owner is told places rounded to 1/64 of a unit."""
    send_adopt = ShardLink.send_adopt

    def rounded(self: ShardLink, shard: Any, records: np.ndarray, *rest: Any) -> None:
        coarse = records.copy()
        for axis in ("x", "y"):
            coarse[axis] = np.round(records[axis] * 64.0) / 64.0
        send_adopt(self, shard, coarse, *rest)

    patch.setattr(ShardLink, "send_adopt", rounded)


def releases_spare_the_epoch_below(patch: pytest.MonkeyPatch) -> None:
    """A release is taken to be about epochs below the one before it."""
    apply = Simulation.apply

    def lenient(self: Simulation, message: AuthorityMessage, tick: int) -> None:
        if isinstance(message, Release):
            rows = np.frombuffer(message.rows, "<u4").reshape(-1, 2) - np.array([0, 1], "<u4")
            message = Release(message.tick, rows.astype("<u4").tobytes())
        apply(self, message, tick)

    patch.setattr(Simulation, "apply", lenient)


def ghosts_are_released_with_their_epoch(patch: pytest.MonkeyPatch) -> None:
    """A release voids rows of the epoch that it names, not only those below."""
    release = Ghosts.release

    def eager(self: Ghosts, net_ids: Any, epochs: Any, tick: int) -> None:
        release(self, net_ids, epochs + np.uint32(1), tick)

    patch.setattr(Ghosts, "release", eager)


def controls_go_to_the_former_owner(patch: pytest.MonkeyPatch) -> None:
    """Where a ship's inputs go is decided once, not at every handover."""

    class FirstCounts(dict[int, int]):
        def __setitem__(self, net_id: int, shard: int) -> None:
            self.setdefault(net_id, shard)

    create = Mesh.__init__

    def begin(self: Mesh, *arguments: Any) -> None:
        create(self, *arguments)
        self._pilots = FirstCounts()

    patch.setattr(Mesh, "__init__", begin)


def broken_ticks_are_proposed(patch: pytest.MonkeyPatch) -> None:
    """A shard whose game's code goes wrong proposes what it had begun of that tick."""
    close = ShardCore.close
    patch.setattr(ShardCore, "close", lambda self, now, failure=None: close(self, now))


MUTANTS: Final = (
    Mutant(no_epoch_check, ("NothingRejected", "Continuity", "OneOwner", "Reference"), any_plan),
    Mutant(no_fence_at_all, ("Continuity", "OneOwner", "Reference"), any_plan),
    Mutant(nobody_is_released, ("OneOwner", "GhostsConverge"), any_plan),
    Mutant(release_is_not_obeyed, ("OneOwner", "GhostsConverge"), any_plan),
    Mutant(fenced_shards_go_on, ("OneOwner",), with_fault(Kind.SHARD_CUT)),
    Mutant(
        silent_shards_keep_their_leases,
        ("OneOwner", "NobodyIsBlamed", "LiesFail"),
        with_fault(Kind.SHARD_KILLED),
    ),
    Mutant(
        handover_without_epoch, ("OneOwner", "NothingRejected", "Reference", "Islands"), any_plan
    ),
    Mutant(two_owners, ("OneOwner",), any_plan),
    Mutant(owners_change_in_secret, ("ReplicasConverge",), any_plan),
    Mutant(
        two_shards_of_a_name,
        ("OneOwner", "InputLedger", "NobodyIsBlamed"),
        with_fault(Kind.SHARD_DOUBLED),
    ),
    Mutant(who_waits_is_released, ("OneOwner",), changes_hands_slowly),
    Mutant(broken_ticks_are_proposed, ("Reference",), with_fault(Kind.SHARD_FAILS)),
    Mutant(ghosts_are_never_sent, ("GhostsConverge",), any_plan),
    Mutant(shards_see_less_far_than_the_game_says, ("GhostsConverge",), any_plan),
    Mutant(no_handover_margin, ("Margins",), any_plan),
    Mutant(adopted_under_the_old_epoch, ("OneOwner", "Reference", "NothingRejected"), any_plan),
    Mutant(rows_are_given_as_of_the_decision, ("Reference",), any_plan),
    Mutant(rows_are_given_coarsely, ("Reference",), any_plan),
    Mutant(releases_spare_the_epoch_below, ("OneOwner", "GhostsConverge"), any_plan),
    Mutant(ghosts_are_released_with_their_epoch, ("GhostsConverge",), any_plan),
    Mutant(
        controls_go_to_the_former_owner,
        ("InputLedger", "PredictionConverges", "OneOwner", "NobodyIsBlamed"),
        any_plan,
    ),
)
