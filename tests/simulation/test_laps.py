"""Races around the corner of four sectors, under faults: laps that are taken down were flown."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from laps import LapsAreFlown

from sidereal.games.frontier.trade import races
from sidereal.tools.simulate.cluster import Outcome
from sidereal.tools.simulate.given.cluster import GivenCluster
from sidereal.tools.simulate.given.judges import Judged, make_judges
from sidereal.tools.simulate.given.staging import Staging, stage
from sidereal.tools.simulate.play import plan_of

COURSE: Final = Staging("course:game", "course")
SEED: Final = 4
"""Links are bad, shards fall silent and one more joins."""
LAP_S: Final = 8.5
"""Virtual seconds after which, and some in which all becomes calm, most have flown a lap."""


def fly() -> tuple[Outcome, LapsAreFlown]:
    plan = msgspec.structs.replace(plan_of(SEED, COURSE), chaos_s=LAP_S)
    staged, judge = stage(COURSE), LapsAreFlown()
    return GivenCluster(plan, staged, [*make_judges(plan, staged), Judged(judge)]).run(), judge


def test_laps_are_flown_in_their_time_under_faults() -> None:
    outcome, judge = fly()
    assert not outcome.violations
    assert judge.laps >= 8


def test_a_better_time_than_was_flown_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races, "better", lambda _, ticks: ticks - 1)
    outcome, _ = fly()
    assert {violation.checker for violation in outcome.violations} == {"LapsAreFlown"}
