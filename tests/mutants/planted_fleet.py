"""Bugs planted in how shards come, share what there is to do, and go."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant

from sidereal.replication.ownership.balance import Balance, Held, Rests
from sidereal.replication.ownership.draining import Draining
from sidereal.replication.world import Present
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.checks.fleet import drains_undisturbed
from sidereal.tools.simulate.faults import Plan


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


def has_calm_balance(plan: Plan) -> bool:
    return not plan.silences and plan.limits.ownership.balance_rest_s > 1.0


MUTANTS: Final = (
    Mutant(who_is_to_leave_does_not_wait, ("Drains",), drains_undisturbed),
    Mutant(who_is_to_leave_keeps_its_leases, ("Drains",), drains_undisturbed),
    Mutant(who_is_to_leave_is_dismissed_at_once, ("Drains",), drains_undisturbed),
    Mutant(sectors_do_not_rest, ("Shares",), has_calm_balance),
    Mutant(entities_do_not_rest, ("Shares",), has_calm_balance),
)
