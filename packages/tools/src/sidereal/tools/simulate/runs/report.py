"""What came of many seeds: one JSON object, and the same for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from sidereal.tools.simulate.cluster import Outcome
from sidereal.tools.simulate.exercise.tally import NOT_COUNTED, THERE_IS, Tally
from sidereal.tools.simulate.given.staging import Staging
from sidereal.tools.simulate.plans.shrink import failures_of
from sidereal.tools.simulate.play import plan_of, play_counting

EXPLAINED_MAX: Final = 6
"""Failures that are shrunk, first those that differ: each may take minutes."""

_TITLES: Final = {
    "faults": "faults that happened",
    "limits": "limits that were met",
    "judged": "what checkers looked at",
    "noted": "what the authority noted",
}


class Played(NamedTuple):
    """What is kept of a seed.

    Attributes:
        failed: what came of it, if something was wrong.
    """

    seed: int
    ticks: int
    datagrams: int
    tally: Tally
    failed: Outcome | None


def play_seed(seed: int, staging: Staging | None = None) -> Played:
    """Play a seed."""
    outcome, tally = play_counting(plan_of(seed, staging), staging)
    failed = outcome if outcome.violations else None
    return Played(seed, outcome.ticks, outcome.datagrams, tally, failed)


class Run:
    """Seeds, as far as they have been played.

    Attributes:
        seeds: to be played.
        played: how many were.
        ticks: of all authorities.
        datagrams: that arrived.
        tally: what all of them exercised.
        failed: outcomes of seeds that failed.
        explained: of some failures, how to see them again and what they shrank to.
    """

    def __init__(self, seeds: range) -> None:
        self.seeds = seeds
        self.played = 0
        self.ticks = 0
        self.datagrams = 0
        self.tally = Tally()
        self.failed: list[Outcome] = []
        self.explained: list[str] = []

    def add(self, played: Played) -> None:
        """Take in what came of a seed."""
        self.played += 1
        self.ticks += played.ticks
        self.datagrams += played.datagrams
        self.tally.add(played.tally)
        if played.failed is not None:
            self.failed.append(played.failed)
            self.failed.sort(key=_seed_of)

    def to_explain(self) -> list[Outcome]:
        """Choose the failures to be shrunk: one of each kind before a second of any."""
        seen: dict[str, int] = {}
        order = []
        for outcome in self.failed:
            kind = " ".join(sorted(failures_of(outcome)))
            seen[kind] = seen.get(kind, -1) + 1
            order.append((seen[kind], outcome.plan.seed, outcome))
        return [outcome for _, _, outcome in sorted(order, key=_rank_of)[:EXPLAINED_MAX]]

    @property
    def end(self) -> str:
        """How it ended, as the reports of other commands say it."""
        if self.failed:
            return "failed"
        return "done" if self.played == len(self.seeds) else "interrupted"


def make_report(run: Run) -> dict[str, Any]:
    """Put a report together."""
    return {
        "version": version("sidereal-tools"),
        "exit": run.end,
        "seeds": [run.seeds.start, run.seeds.stop],
        "played": run.played,
        "ticks": run.ticks,
        "datagrams": run.datagrams,
        "failed": [
            {
                "seed": outcome.plan.seed,
                "violations": [violation._asdict() for violation in outcome.violations],
            }
            for outcome in run.failed
        ],
        "explained": run.explained,
        "exercised": {
            field.name: dict(sorted(getattr(run.tally, field.name).items()))
            for field in dataclasses.fields(run.tally)
        },
        "never": run.tally.never(),
        "not_counted": dict(NOT_COUNTED),
    }


def describe(run: Run) -> Iterator[str]:
    """Tell a run in lines for people, what was never exercised among them."""
    yield from describe_tally(run.tally)
    yield ""
    yield (
        f"{run.end}: {run.played} of {len(run.seeds)} seeds, {len(run.failed)} failed; "
        f"{run.ticks:,} ticks, {run.datagrams:,} datagrams"
    )
    for outcome in run.failed:
        found = ", ".join(sorted(failures_of(outcome)))
        yield f"seed {outcome.plan.seed} failed: {found}"
    for text in run.explained:
        yield ""
        yield from text.splitlines()


def describe_tally(tally: Tally) -> Iterator[str]:
    """Tell what was exercised, section by section."""
    for name, title in _TITLES.items():
        counts = getattr(tally, name)
        there = dict.fromkeys((*THERE_IS.get(name, ()), *sorted(counts)))
        yield from _table(title, ("times",), [(what, [counts[what]]) for what in there])
    rows = [(kind, [tally.lost[kind], tally.healed[kind]]) for kind in THERE_IS["lost"]]
    yield from _table("records that were lost, and healed", ("lost", "healed"), rows)
    yield ""
    yield "limits that are not counted, but for those above"
    for pattern, reason in NOT_COUNTED.items():
        yield f"  {pattern:<44}{reason}"


def _table(
    title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]
) -> Iterator[str]:
    yield ""
    yield f"{title:<46}" + "".join(f"{column:>12}" for column in columns)
    for what, counts in rows:
        yield f"  {what:<44}" + "".join(f"{_told(count):>12}" for count in counts)


def _told(count: int) -> str:
    return f"{count:,}" if count else "never"


def _seed_of(outcome: Outcome) -> int:
    return outcome.plan.seed


def _rank_of(entry: tuple[int, int, Outcome]) -> tuple[int, int]:
    return entry[:2]
