"""Bugs planted in how shards come, share what there is to do, and go."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, with_fault

from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.balance import Balance, Held, Rests
from sidereal.replication.ownership.draining import Draining
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable
from sidereal.replication.ownership.spares import Loads
from sidereal.replication.ownership.spares import Spares as Waiting
from sidereal.replication.world import Present
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.checks.fleet import drains_undisturbed
from sidereal.tools.simulate.faults import Kind, Plan


def who_is_to_leave_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    """A shard that is to leave does so at once, whatever it still has."""
    drain = ShardCore.drain

    def hasty(self: ShardCore, now: float) -> None:
        drain(self, now)
        self._leaving.dismiss()

    patch.setattr(ShardCore, "drain", hasty)


def who_is_to_leave_keeps_its_leases(patch: pytest.MonkeyPatch) -> None:
    """Nobody is given the sectors of a shard that is to leave."""
    patch.setattr(Draining, "begin", lambda *_: [])


def who_is_to_leave_is_dismissed_at_once(patch: pytest.MonkeyPatch) -> None:
    """The authority lets a shard go although it still has something."""

    def dismiss(self: Any) -> None:
        for shard in self._leaving():
            if not shard.dismissed:
                self._shards.send_dismiss(shard)

    patch.setattr(Draining, "dismiss", dismiss)


def sectors_do_not_rest(patch: pytest.MonkeyPatch) -> None:
    """A sector that has just gone to another shard may go on at once."""
    look = Balance._look

    def restless(self: Balance, present: Present) -> Held:
        held = look(self, present)
        return held._replace(rests=np.zeros_like(held.rests))

    patch.setattr(Balance, "_look", restless)


def entities_do_not_rest(patch: pytest.MonkeyPatch) -> None:
    """An entity goes with its sector, however lately it went with another one."""
    patch.setattr(Rests, "stays", lambda self, rows, *_: np.zeros(len(rows), np.bool_))


def spares_get_their_share_when_they_join(patch: pytest.MonkeyPatch) -> None:
    """A spare is leased sectors as soon as it has come."""

    def admit(self: Waiting, shard: Shard, loads: Loads) -> list[LeaseChange]:
        if shard.shard in self._leases.shards:
            return self._leases.renew(shard.shard)
        return self._leases.join(shard.shard, loads)

    patch.setattr(Waiting, "admit", admit)


def sectors_are_spread_though_a_spare_waits(patch: pytest.MonkeyPatch) -> None:
    """The sectors of a shard that is gone go to its neighbours, spare or no spare."""

    def succeed(
        self: Waiting, number: int, loads: Loads, tick: int, *, returns: bool
    ) -> list[LeaseChange]:
        return self._leases.leave(number, loads, returns=returns)

    def retire(self: Waiting, number: int, loads: Loads, tick: int) -> None:
        self._leases.retire(number, loads)

    patch.setattr(Waiting, "succeed", succeed)
    patch.setattr(Waiting, "retire", retire)


def who_takes_over_shares_the_rest(patch: pytest.MonkeyPatch) -> None:
    """A spare gets the first sectors of a shard that is to leave, and others all the rest."""
    give_up = LeaseTable.give_up

    def spread(self: LeaseTable, shard: int, *more: Any) -> list[LeaseChange]:
        given = give_up(self, shard, *more)
        if given:
            others = self._shards.keys() - {change.after for change in given}
            self._retiring[shard] = dict.fromkeys(self._retiring[shard], min(others, default=0))
        return given

    patch.setattr(LeaseTable, "give_up", spread)


def others_go_to_who_is_to_leave(patch: pytest.MonkeyPatch) -> None:
    """Who enters a sector of a shard that is to leave changes hands as ever."""
    patch.setattr(Draining, "hold", lambda _, __, holder: holder)


def who_was_replaced_comes_back_as_it_was(patch: pytest.MonkeyPatch) -> None:
    """Whom a spare has taken over from does not wait when it comes back."""
    call = Waiting._call

    def forgetful(self: Waiting, spare: Shard, number: int | None, tick: int) -> None:
        call(self, spare, number, tick)
        self._replaced.clear()

    patch.setattr(Waiting, "_call", forgetful)


def the_place_of_who_has_died_stays_vacant(patch: pytest.MonkeyPatch) -> None:
    """Whoever is to wait does so, though a shard has died in whose place nobody is."""
    admit = Waiting.admit

    def patient(self: Waiting, shard: Shard, loads: Loads) -> list[LeaseChange]:
        died, self._died = self._died, set()
        try:
            return admit(self, shard, loads)
        finally:
            self._died = died - {shard.shard}

    patch.setattr(Waiting, "admit", patient)


def has_spares_to_call(plan: Plan) -> bool:
    goes = {Kind.SHARD_KILLED, Kind.SHARD_LEAVES, Kind.SHARD_DRAINS, Kind.SHARD_CUT}
    return Kind.SPARE_JOINS in plan.kinds and bool(plan.kinds & goes) and not plan.restarts


def has_spares_to_take_over_slowly(plan: Plan) -> bool:
    slow = plan.limits.ownership.adopt_records_per_s < 100
    return slow and has_spares_to_call(plan) and Kind.SHARD_DRAINS in plan.kinds


def leaves_slowly(plan: Plan) -> bool:
    slow = plan.limits.ownership.adopt_records_per_s < 100
    return slow and Kind.SHARD_DRAINS in plan.kinds


def has_calm_balance(plan: Plan) -> bool:
    return not plan.silences and plan.limits.ownership.balance_rest_s > 1.0


MUTANTS: Final = (
    Mutant(who_is_to_leave_does_not_wait, ("Drains",), drains_undisturbed),
    Mutant(who_is_to_leave_keeps_its_leases, ("Drains",), drains_undisturbed),
    Mutant(who_is_to_leave_is_dismissed_at_once, ("Drains",), drains_undisturbed),
    Mutant(sectors_do_not_rest, ("Shares",), has_calm_balance),
    Mutant(entities_do_not_rest, ("Shares",), has_calm_balance),
    Mutant(spares_get_their_share_when_they_join, ("Spares",), with_fault(Kind.SPARE_JOINS)),
    Mutant(sectors_are_spread_though_a_spare_waits, ("Spares",), has_spares_to_call),
    Mutant(who_takes_over_shares_the_rest, ("Spares",), has_spares_to_take_over_slowly),
    Mutant(others_go_to_who_is_to_leave, ("Islands",), leaves_slowly),
    Mutant(who_was_replaced_comes_back_as_it_was, ("Spares",), has_spares_to_call),
    Mutant(the_place_of_who_has_died_stays_vacant, ("Spares",), has_spares_to_call),
)
