"""Many seeds at a time: what they exercised, what they never did, and how that is told."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import msgspec
import pytest

from sidereal.tools.simulate import __main__ as command
from sidereal.tools.simulate.cluster import Outcome, Violation
from sidereal.tools.simulate.exercise.losses import GHOST, INPUT, OWN_SHIP, PROPOSED, REFERENCE
from sidereal.tools.simulate.exercise.tally import (
    COUNTED,
    JUDGED,
    THERE_IS,
    Tally,
    limits_there_are,
    reason_not_counted,
)
from sidereal.tools.simulate.faults import Kind, Plan
from sidereal.tools.simulate.network import LOST
from sidereal.tools.simulate.play import plan_of, play, play_counting
from sidereal.tools.simulate.runs import report

SEEN_BY_CHECKERS: Final = (
    "shard.controls_queue",
    "shard.controls_reserve",
    "shard.guesses",
)

PROGRAM: Final = (sys.executable, "-m", "sidereal.tools.simulate")


def lossy() -> Plan:
    return next(plan for plan in map(plan_of, range(50)) if plan.link.loss > 0.18)


@pytest.fixture(scope="module")
def played() -> tuple[Outcome, Tally]:
    return play_counting(lossy())


def test_what_was_lost_is_known_record_by_record_and_heals(played: tuple[Outcome, Tally]) -> None:
    outcome, tally = played
    assert not outcome.violations
    assert tally.faults[LOST] > 50
    for kind in (REFERENCE, OWN_SHIP, INPUT, PROPOSED, GHOST, "authority: Adopt"):
        assert tally.lost[kind] >= tally.healed[kind] > 0, kind
    assert not tally.lost.keys() - THERE_IS["lost"]


def test_counting_changes_nothing(played: tuple[Outcome, Tally]) -> None:
    assert played[0] == play(lossy())


def test_every_limit_is_counted_or_has_a_reason_not_to_be(played: tuple[Outcome, Tally]) -> None:
    _, tally = played
    assert set(COUNTED) <= set(limits_there_are())
    assert set(tally.limits) <= set(COUNTED)
    assert set(COUNTED) - set(tally.limits) <= set(SEEN_BY_CHECKERS)
    assert all(path in COUNTED or reason_not_counted(path) for path in limits_there_are())
    judged = {what for what in tally.judged if not what.startswith("lies: ")}
    assert judged <= set(JUDGED), "name it in JUDGED, so that it is missed, too"
    assert sum(count > 0 for count in tally.limits.values()) >= 3


def test_what_never_happened_is_said(played: tuple[Outcome, Tally]) -> None:
    run = report.Run(range(2))
    outcome, tally = played
    run.add(report.Played(0, outcome.ticks, outcome.datagrams, tally, None))
    words = list(report.describe(run))
    assert any(line.split()[-1:] == ["never"] for line in words)
    happened = {fault.kind.value for fault in outcome.plan.faults}
    assert not happened & set(run.tally.never()["faults"])
    assert {kind.value for kind in Kind} - happened <= set(run.tally.never()["faults"])
    assert any(line.startswith("interrupted: 1 of 2 seeds, 0 failed") for line in words)
    sections = set(report.make_report(run)["exercised"])
    assert sections == {"faults", "limits", "lost", "healed", "judged", "noted"}


def failure(seed: int, checker: str) -> Outcome:
    plan = msgspec.structs.replace(Plan(), seed=seed)
    return Outcome(plan, "", (Violation(checker, 1, ""),), 0, 0, 0, 0)


def test_failures_that_differ_are_shrunk_first() -> None:
    run = report.Run(range(100))
    for seed in range(20):
        outcome = failure(seed, "Rare" if seed == 15 else "Common")
        run.add(report.Played(seed, 0, 0, Tally(), outcome))
    chosen = [outcome.plan.seed for outcome in run.to_explain()]
    assert chosen == [0, 15, *range(1, report.EXPLAINED_MAX - 1)]
    assert run.end == "failed"


def test_the_command_plays_seeds_on_several_processes() -> None:
    answer = subprocess.run(
        [*PROGRAM, "--seeds", "0:2", "--jobs", "2", "--json", "-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    told = json.loads(answer.stdout)
    assert (told["exit"], told["played"], told["failed"]) == ("done", 2, [])
    assert told["exercised"]["judged"]["steps judged"] > 1000
    assert "store fails" in told["exercised"]["faults"] or "store fails" in told["never"]["faults"]


@pytest.mark.parametrize(
    "words",
    [
        ["--seeds", "5:5"],
        ["--seeds", "5"],
        ["--seed", "-1"],
        ["--plan", "{"],
        ["--seeds", "0:2", "--jobs", "0"],
        ["--seeds", "0:2", "--json", "/nowhere/x"],
    ],
)
def test_a_wrong_flag_ends_the_command_in_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulate", *words])
    assert command.main() == 2
    assert capsys.readouterr().err.count("\n") == 1
