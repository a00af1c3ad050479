"""Bugs planted on purpose: each must turn a checker red within a few seeds.

A mutant that lives means that green says nothing about its rule. Every one names the checkers that
may find it, so that it does not die of something else.
"""

from __future__ import annotations

import json

import pytest
from catalogue import KILLERS, MUTANTS, SEEDS_MAX, name_of, plans_against
from mutant import Mutant

from sidereal.tools.simulate.play import play


@pytest.mark.parametrize("mutant", MUTANTS, ids=name_of)
def test_a_mutant_dies(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.plant(monkeypatch)
    for plan in plans_against(mutant):
        violations = play(plan).violations
        if violations:
            print(f"seed {plan.seed}: {violations}")
            assert {violation.checker for violation in violations} & set(mutant.finders)
            return
    pytest.fail(f"lived through {SEEDS_MAX} seeds")


def test_killers_are_of_mutants_that_there_are() -> None:
    assert json.loads(KILLERS.read_text()).keys() <= {name_of(mutant) for mutant in MUTANTS}
