"""Bugs planted in what each client alone is told."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_loss

from sidereal.client.replica import Replica
from sidereal.replication.edge.changelog import ChangeLog
from sidereal.replication.edge.edge import Edge
from sidereal.replication.edge.newest import Newest
from sidereal.replication.edge.presences import Presences
from sidereal.replication.edge.private import Piloted, PrivateLog
from sidereal.replication.edge.privateevents import Hearers
from sidereal.tools.simulate.faults import Plan

FOUND: Final = ("PrivateConverges", "PrivateIsTrue", "PredictionConverges")


def what_a_pilot_was_sent_is_never_lost(patch: pytest.MonkeyPatch) -> None:
    """What is lost of a private section is not sent again."""
    settle = PrivateLog._settle

    def trusting(self: PrivateLog, tick: int, datagrams: np.ndarray, is_lost: bool) -> None:
        settle(self, tick, datagrams, False)

    patch.setattr(PrivateLog, "_settle", trusting)


def pilots_are_told_of_each_others_ships(patch: pytest.MonkeyPatch) -> None:
    """What one pilot flies, the next one is told to fly like that."""
    publish = PrivateLog.publish

    def shifted(self: PrivateLog, tick: int, flown: Piloted, hearers: Hearers) -> None:
        values = {name: np.roll(array, 1) for name, array in flown.values.items()}
        publish(self, tick, flown._replace(values=values), hearers)

    patch.setattr(PrivateLog, "publish", shifted)


def what_a_pilot_knows_of_its_ship_never_changes(patch: pytest.MonkeyPatch) -> None:
    """A component that only its pilot is told is told once."""
    publish = PrivateLog._publish_component

    def once(self: PrivateLog, number: int, tick: int, flown: Piloted, fresh: Any) -> None:
        publish(self, number, tick, flown._replace(mask=flown.mask * fresh), fresh)

    patch.setattr(PrivateLog, "_publish_component", once)


def inputs_are_told_a_tick_too_late(patch: pytest.MonkeyPatch) -> None:
    """A state is said to have the input before the newest one that it has."""
    flown_now = Edge._piloted

    def late(self: Edge, *arguments: Any) -> Piloted:
        flown = flown_now(self, *arguments)
        return flown._replace(input_seq=np.maximum(flown.input_seq - 1, 0))

    patch.setattr(Edge, "_piloted", late)


def what_others_need_does_not_go_along(patch: pytest.MonkeyPatch) -> None:
    """Which entity is flown, and its motion, are sent once and count as acked."""
    begin = PrivateLog._begin

    def trusting(self: PrivateLog, *arguments: Any) -> None:
        begin(self, *arguments)
        self._acked[:] = 1 << 40

    patch.setattr(PrivateLog, "_begin", trusting)


def clients_of_one_role_are_told_what_those_of_another_are(patch: pytest.MonkeyPatch) -> None:
    """Everybody is sent what only observers may know."""
    patch.setattr(ChangeLog, "of", lambda self, role: self.roles.get("observer", self))


def presences_name_what_is_hidden(patch: pytest.MonkeyPatch) -> None:
    """A presence names all components that any client is sent."""
    publish = Presences.publish

    def all_of_them(self: Presences, tick: int, net_id: Any, presences: Any) -> Any:
        _, changed = publish(self, tick, net_id, presences)
        return presences, changed

    patch.setattr(Presences, "publish", all_of_them)


def what_a_client_flies_is_where_its_cell_says(patch: pytest.MonkeyPatch) -> None:
    """A client takes its own motion for nothing but a state to predict from."""
    patch.setattr(Replica, "_take_own_motion", lambda self: None)


def what_a_cell_leaves_out_is_not_told_instead(patch: pytest.MonkeyPatch) -> None:
    """How an entity moves is not told exactly when cells say it anew."""
    flown_now = Edge._piloted

    def still(self: Edge, *arguments: Any) -> Piloted:
        flown = flown_now(self, *arguments)
        return flown._replace(moved=np.zeros_like(flown.moved))

    patch.setattr(Edge, "_piloted", still)


def whoever_moves_alone_is_no_news(patch: pytest.MonkeyPatch) -> None:
    """Whoever moves alone in the cell of what a client flies is taken for that."""

    def careless(self: Newest, group: Any, row: Any) -> Any:
        return np.where(self._row[group] >= 0, self._others[group], self._newest[group])

    patch.setattr(Newest, "but_for", careless)


def several_pilots(plan: Plan) -> bool:
    return plan.pilots > 1


MUTANTS: Final = (
    Mutant(what_a_pilot_was_sent_is_never_lost, FOUND, with_loss),
    Mutant(pilots_are_told_of_each_others_ships, FOUND, several_pilots),
    Mutant(what_a_pilot_knows_of_its_ship_never_changes, FOUND, any_plan),
    Mutant(inputs_are_told_a_tick_too_late, FOUND, any_plan),
    Mutant(what_others_need_does_not_go_along, ("PrivateIsTrue",), with_loss),
    Mutant(
        clients_of_one_role_are_told_what_those_of_another_are,
        ("PrivateConverges", "ReplicasConverge"),
        any_plan,
    ),
    Mutant(presences_name_what_is_hidden, ("ReplicasConverge",), any_plan),
    Mutant(what_a_client_flies_is_where_its_cell_says, ("ReplicasConverge",), any_plan),
    Mutant(what_a_cell_leaves_out_is_not_told_instead, ("ReplicasConverge",), any_plan),
    Mutant(whoever_moves_alone_is_no_news, ("ReplicasConverge",), any_plan),
)
