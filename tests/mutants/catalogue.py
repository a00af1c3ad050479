"""All bugs planted on purpose, and the seeds that they died of last.

`uv run python tests/mutants/catalogue.py` looks for these seeds anew: for every mutant the one, of
the first few plans in which it matters, that kills it soonest. The file only saves time: a mutant
that does not die of its seed any more is looked for in others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path
from typing import Final

import planted_actions
import planted_components
import planted_edge
import planted_events
import planted_families
import planted_fleet
import planted_flight
import planted_foreseen
import planted_islands
import planted_keeping
import planted_lies
import planted_lives
import planted_ownership
import planted_private
import planted_worlds
import pytest
from mutant import Mutant

from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.play import plan_of, play

MUTANTS: Final[tuple[Mutant, ...]] = (
    *planted_ownership.MUTANTS,
    *planted_fleet.MUTANTS,
    *planted_flight.MUTANTS,
    *planted_edge.MUTANTS,
    *planted_keeping.MUTANTS,
    *planted_lies.MUTANTS,
    *planted_lives.MUTANTS,
    *planted_components.MUTANTS,
    *planted_private.MUTANTS,
    *planted_actions.MUTANTS,
    *planted_events.MUTANTS,
    *planted_families.MUTANTS,
    *planted_foreseen.MUTANTS,
    *planted_islands.MUTANTS,
    *planted_worlds.MUTANTS,
)

SEEDS_MAX: Final = 25
"""A mutant that lives longer, in the plans in which it matters, has not been found."""

KILLERS: Final = Path(__file__).with_name("killers.json")
DEATHS: Final = 2
"""So many are compared for each mutant."""


def plans_against(mutant: Mutant) -> Iterator[Plan]:
    """Give the plans in which a mutant matters: first the one that it died of last."""
    last = json.loads(KILLERS.read_text()).get(name_of(mutant))
    first = [] if last is None else filter(mutant.matters, [plan_of(last)])
    return chain(first, _plans(mutant))


def name_of(mutant: Mutant) -> str:
    return mutant.plant.__name__


def _plans(mutant: Mutant) -> Iterator[Plan]:
    return islice(filter(mutant.matters, map(plan_of, count())), SEEDS_MAX)


def _find_killer(mutant: Mutant) -> int | None:
    deaths = []
    with pytest.MonkeyPatch.context() as patch:
        mutant.plant(patch)
        for plan in _plans(mutant):
            outcome = play(plan)
            if {violation.checker for violation in outcome.violations} & set(mutant.finders):
                deaths.append((outcome.datagrams, plan.seed))
            if len(deaths) == DEATHS:
                break
    return min(deaths)[1] if deaths else None


def main() -> None:
    """Look for all killers anew."""
    killers = {}
    for mutant in MUTANTS:
        killer = _find_killer(mutant)
        print(f"{name_of(mutant)}: {'lives' if killer is None else f'seed {killer}'}", flush=True)
        if killer is not None:
            killers[name_of(mutant)] = killer
    KILLERS.write_text(json.dumps(killers, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
