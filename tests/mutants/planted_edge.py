"""Bugs planted between the authority and clients: snapshots, acks, replicas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault, with_loss

from sidereal.client.coverage import Coverage, Told
from sidereal.client.replica import Replica
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Schema
from sidereal.replication.edge.changelog import ChangeLog, State
from sidereal.replication.edge.edge import Edge
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.in_flight import InFlight, Sent
from sidereal.replication.edge.leaseviews import LeaseViews, Shown
from sidereal.replication.edge.sections import ask
from sidereal.replication.edge.windows import Windows
from sidereal.replication.limits import LIMITS
from sidereal.replication.occupancy import Empty, Occupancy
from sidereal.replication.world import Moved, World
from sidereal.tools.simulate.faults import Kind, Plan


def what_was_sent_counts_as_arrived(patch: pytest.MonkeyPatch) -> None:
    """What is lost is not sent again: a datagram counts as arrived when it leaves."""
    collect = Fanout.collect

    def trusting(self: Fanout, *arguments: Any) -> Iterator[Any]:
        for client, message, tag in list(collect(self, *arguments)):
            self.acked(client, [tag])
            yield client, message, tag

    patch.setattr(Fanout, "collect", trusting)


def nothing_lost_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    """That something was lost only means that it is no longer in flight."""

    def careless(self: Windows, clients: Any, places: Any, since: Any, tick: int) -> None:
        self.note_arrived(clients, places, tick)

    patch.setattr(Windows, "note_lost", careless)


def a_gap_blocks_the_cell(patch: pytest.MonkeyPatch) -> None:
    """A client takes nothing of a cell in which it misses something before."""
    count = Coverage.counts

    def strict(self: Coverage, told: Told, inside: Any) -> Any:
        follows = told.replace | (self.have[told.place] >= told.from_tick)
        return count(self, told, inside) & follows

    patch.setattr(Coverage, "counts", strict)


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


def no_tombstones(patch: pytest.MonkeyPatch) -> None:
    """Clients are not told who has left a cell."""
    patch.setattr(ChangeLog, "note_left", lambda *_: None)


def replicas_keep_strays(patch: pytest.MonkeyPatch) -> None:
    """A client keeps what its window has left behind."""
    patch.setattr(Replica, "_lose_outside", lambda *_: None)


def five_snapshots_of_six_are_not_sent(patch: pytest.MonkeyPatch) -> None:
    """Clients hear of every sixth tick."""
    send = Edge.send

    def seldom(self: Edge, present: Any, leases: Any, tick: int, now: float) -> None:
        if tick % 6 == 0:
            send(self, present, leases, tick, now)

    patch.setattr(Edge, "send", seldom)


def what_is_new_waits_for_an_odd_tick(patch: pytest.MonkeyPatch) -> None:
    """Nothing leaves for clients every second tick, as if nothing were new to them."""
    collect = Fanout.collect

    def seldom(self: Fanout, tick: int, allowance: np.ndarray) -> Iterator[Any]:
        return collect(self, tick, allowance * (tick % 2))

    patch.setattr(Fanout, "collect", seldom)


def more_is_written_than_can_leave(patch: pytest.MonkeyPatch) -> None:
    """Snapshots are as long as they get, whatever a client's link carries."""
    patch.setattr(ServerEndpoint, "allowance", lambda *_: 1 << 30)


def fates_count_for_another_client(patch: pytest.MonkeyPatch) -> None:
    """What becomes of one client's datagrams is noted of the next one's."""
    create = Sent.__init__

    def shifted(self: Sent, client: np.ndarray, *rest: Any) -> None:
        create(self, np.roll(client, 1), *rest)

    patch.setattr(Sent, "__init__", shifted)


def rows_of_the_fanout_are_used_again_as_they_are(patch: pytest.MonkeyPatch) -> None:
    """A client that comes has what the one before it in its row was sent."""
    move = Windows.move

    def follow(self: Windows, client: int, *rest: Any) -> None:
        if self.sent[client].max() >= 0:
            self.active[client] = True
        move(self, client, *rest)

    patch.setattr(Windows, "move", follow)


def tombstones_stand_where_they_went(patch: pytest.MonkeyPatch) -> None:
    """Who has moved is said to have left the cell it is in now."""
    announce = World.refresh

    def confused(self: World, present: Any) -> Moved:
        moved = announce(self, present)
        return Moved(moved.net_id, self.group[self.columns.rows_of(moved.net_id)])

    patch.setattr(World, "refresh", confused)


def cells_are_sent_a_tick_too_far(patch: pytest.MonkeyPatch) -> None:
    """A section counts up to the tick after the one that it was for."""
    note_sent = Windows.note_sent

    def ahead(self: Windows, clients: Any, places: Any, since: Any, parts: Any, tick: int) -> None:
        note_sent(self, clients, places, since, parts, tick + 1)

    patch.setattr(Windows, "note_sent", ahead)


def what_is_in_flight_never_expires(patch: pytest.MonkeyPatch) -> None:
    """What nobody has ever acked, or missed, is kept."""
    patch.setattr(InFlight, "expire", lambda *_: iter(()))


def tombstones_are_never_pruned(patch: pytest.MonkeyPatch) -> None:
    """Who has left a cell is remembered for ever."""
    begin = ChangeLog.__init__

    def hoard(self: ChangeLog, schema: Schema, rules: Rules, _: int, *role: str) -> None:
        begin(self, schema, rules, 1 << 30, *role)

    patch.setattr(ChangeLog, "__init__", hoard)


def who_comes_is_named_without_its_components(patch: pytest.MonkeyPatch) -> None:
    """That an entity has come into a cell is no change of its components."""
    publish = ChangeLog.publish

    def partly(self: ChangeLog, tick: int, state: State) -> None:
        publish(self, tick, state._replace(entered=np.minimum(state.entered, 0)))

    patch.setattr(ChangeLog, "publish", partly)


def who_lags_behind_is_sent_what_the_others_are(patch: pytest.MonkeyPatch) -> None:
    """One section of a cell is cut for all, since the newest tick that any client was sent."""

    def same(changes: ChangeLog, group: Any, since: np.ndarray, *rest: Any) -> Any:
        newest = np.where(since < 0, since, since.max(initial=-1))
        return ask(changes, group, newest, *rest)

    patch.setattr("sidereal.replication.edge.fanout.ask", same)


def empty_sectors_are_never_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A sector that something was in once is leased for ever."""
    nothing = Empty(np.empty(0, np.int64), np.empty(0, np.int32))
    patch.setattr(Occupancy, "forget_empty", lambda *_: nothing)


def with_small_limits(plan: Plan) -> bool:
    return plan.limits.transport != LIMITS.transport


def with_silence(plan: Plan) -> bool:
    """Whether a client may hear nothing of a tick."""
    return plan.limits.edge.silence_s * plan.tick_hz > 2.0


def several_clients(plan: Plan) -> bool:
    return with_loss(plan) and plan.pilots + plan.observers > 1


MUTANTS: Final = (
    Mutant(what_was_sent_counts_as_arrived, ("ReplicasConverge", "PrivateIsTrue"), with_loss),
    Mutant(nothing_lost_is_sent_again, ("ReplicasConverge",), with_loss),
    Mutant(a_gap_blocks_the_cell, ("ReplicasConverge",), with_loss),
    Mutant(leases_that_were_sent_count_as_acked, ("LeasesConverge",), with_loss),
    Mutant(leases_are_shown_once, ("LeasesConverge",), any_plan),
    Mutant(no_tombstones, ("ReplicasConverge",), any_plan),
    Mutant(replicas_keep_strays, ("ReplicasConverge",), any_plan),
    Mutant(five_snapshots_of_six_are_not_sent, ("Service",), any_plan),
    Mutant(what_is_new_waits_for_an_odd_tick, ("ReplicasConverge",), with_silence),
    Mutant(more_is_written_than_can_leave, ("Bounded",), with_small_limits),
    Mutant(fates_count_for_another_client, ("ReplicasConverge",), several_clients),
    Mutant(
        rows_of_the_fanout_are_used_again_as_they_are,
        ("ReplicasConverge", "Service"),
        with_fault(Kind.CLIENT_LEAVES, Kind.CLIENT_VANISHES),
    ),
    Mutant(tombstones_stand_where_they_went, ("ReplicasConverge",), any_plan),
    Mutant(cells_are_sent_a_tick_too_far, ("ReplicasConverge",), any_plan),
    Mutant(
        what_is_in_flight_never_expires,
        ("Bounded",),
        with_fault(Kind.CLIENT_LEAVES, Kind.CLIENT_VANISHES),
    ),
    Mutant(tombstones_are_never_pruned, ("Bounded",), any_plan),
    Mutant(who_comes_is_named_without_its_components, ("ReplicasConverge",), any_plan),
    Mutant(who_lags_behind_is_sent_what_the_others_are, ("ReplicasConverge",), several_clients),
    Mutant(empty_sectors_are_never_forgotten, ("Bounded",), any_plan),
)
