"""A game that is given to the simulator: Frontier, by the checkers that hold for every game."""

from __future__ import annotations

from typing import Final

import ledgers
import pytest

from sidereal.games.frontier.ore.books import Balance
from sidereal.protocol.errors import ConfigError
from sidereal.replication.edge.edge import Edge
from sidereal.tools.simulate.faults import Kind
from sidereal.tools.simulate.given.drawing import LEFT_OUT
from sidereal.tools.simulate.given.staging import Staging
from sidereal.tools.simulate.play import plan_of, play

CORNER: Final = Staging("corner:game", "corner", "ledgers:of_frontier")
SEED: Final = 4
"""Links are bad, shards fall silent and one more joins."""


def test_frontier_is_played_under_faults() -> None:
    outcome = play(plan_of(SEED, CORNER), CORNER)
    assert not outcome.violations
    assert outcome.handovers


def test_seeds_cover_every_fault_but_those_that_are_not_for_every_game() -> None:
    plans = [plan_of(seed, CORNER) for seed in range(60)]
    assert {fault.kind for plan in plans for fault in plan.faults} == set(Kind) - LEFT_OUT
    assert {plan.shards for plan in plans} == {2, 3, 4}
    assert sum(plan.calm for plan in plans) >= 5


def test_a_crash_of_a_core_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(self: Edge, *_: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(Edge, "send", stumble)
    (violation,) = play(plan_of(SEED, CORNER), CORNER).violations
    assert violation.checker == "Crash"


def test_ore_that_comes_of_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "balance", lambda *_: Balance(0.0, 0, 1, 0))
    (violation,) = play(plan_of(SEED, CORNER), CORNER).violations
    assert violation.checker == "OreIsKept"


def test_a_world_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="--world is 'nowhere'"):
        plan_of(0, Staging("corner:game", "nowhere"))
