"""Bugs planted on purpose: each must turn a checker red within a few seeds.

A mutant that lives means that green says nothing about its rule. Every one names the checkers that
may find it, so that it does not die of something else.
"""

from __future__ import annotations

from itertools import count, islice
from typing import Final

import planted_actions
import planted_components
import planted_edge
import planted_events
import planted_flight
import planted_keeping
import planted_lies
import planted_lives
import planted_ownership
import planted_private
import pytest
from mutant import Mutant

from sidereal.tools.simulate.play import plan_of, play

SEEDS_MAX: Final = 25
"""A mutant that lives longer, in the plans in which it matters, has not been found."""

MUTANTS: Final[tuple[Mutant, ...]] = (
    *planted_ownership.MUTANTS,
    *planted_flight.MUTANTS,
    *planted_edge.MUTANTS,
    *planted_keeping.MUTANTS,
    *planted_lies.MUTANTS,
    *planted_lives.MUTANTS,
    *planted_components.MUTANTS,
    *planted_private.MUTANTS,
    *planted_actions.MUTANTS,
    *planted_events.MUTANTS,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.plant.__name__)
def test_a_mutant_dies(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.plant(monkeypatch)
    for plan in islice(filter(mutant.matters, map(plan_of, count())), SEEDS_MAX):
        violations = play(plan).violations
        if violations:
            print(f"seed {plan.seed}: {violations}")
            assert {violation.checker for violation in violations} & set(mutant.finders)
            return
    pytest.fail(f"lived through {SEEDS_MAX} seeds")
