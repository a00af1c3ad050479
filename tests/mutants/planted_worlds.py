"""Bugs planted in how clients read a world without its game."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from mutant import Mutant

from sidereal.client.comeback import Comeback
from sidereal.protocol.state import described
from sidereal.protocol.state.component import Field
from sidereal.protocol.state.description import SaidField
from sidereal.tools.simulate.faults import Plan

FOUND: Final = ("NothingRejected",)


def to_be_told_of_another_world_is_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Who is sent a description comes again as if its session had been lost."""
    patch.setattr(Comeback, "hurry", lambda self, now: False)


def steps_that_are_described_are_not_read(patch: pytest.MonkeyPatch) -> None:
    """Who has not the game takes all fields to travel as they are in memory."""
    made = described._field

    def plain(said: SaidField) -> Field:
        return made(msgspec.structs.replace(said, quantum=0.0, wrap=False))

    patch.setattr(described, "_field", plain)


def calm_and_observed(plan: Plan) -> bool:
    return plan.calm and plan.observers > 0


MUTANTS: Final = (
    Mutant(to_be_told_of_another_world_is_a_failure, FOUND, calm_and_observed),
    Mutant(steps_that_are_described_are_not_read, FOUND, calm_and_observed),
)
