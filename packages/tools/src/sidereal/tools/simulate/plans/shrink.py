"""The simplest plan that fails as another one does.

Delta debugging, part by part: a part becomes as in the simplest plan, if the run still fails then;
else its own parts do, lists lose ever smaller pieces, and numbers are halved towards the simplest
ones. That is repeated until nothing becomes simpler, or enough runs were played. The same plan
always shrinks to the same one. "Fails as before" means: the checker that found something finds
something still; what another one finds is another fault.

Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sidereal.protocol.errors import ConfigError
from sidereal.tools.simulate.cluster import Outcome
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.plans.parts import parts_of, with_part

PLAYS_MAX: Final = 150
"""Runs that are played at most to shrink one plan: a second or two each, and less as it shrinks."""

HALVINGS_MAX: Final = 4
"""How often a number is halved: how much delay is the least that fails nobody asks."""

Fails = Callable[[Any], bool]
"""Tells whether a run fails as before when a part of its plan is this value."""


class Shrunk(NamedTuple):
    """What came of shrinking.

    Attributes:
        outcome: of the simplest plan.
        plays: runs that were played.
    """

    outcome: Outcome
    plays: int


def shrink(outcome: Outcome, play: Callable[[Plan], Outcome], plays_max: int = PLAYS_MAX) -> Shrunk:
    """Find the simplest plan that fails as the one of an outcome.

    Args:
        outcome: of a run that failed.
        play: plays a plan.
        plays_max: runs to play at most.
    """
    search = _Search(outcome, play, plays_max)
    simplest = Plan(seed=outcome.plan.seed)
    before = None
    while before != search.best.plan and search.plays < plays_max:
        before = search.best.plan
        _minimise(before, simplest, search.fails)
    return Shrunk(search.best, search.plays)


def failures_of(outcome: Outcome) -> set[str]:
    """Name what went wrong: the checkers that found something, and of a crash the error."""
    return {
        violation.text.partition(":")[0] if violation.checker == "Crash" else violation.checker
        for violation in outcome.violations
    }


class _Search:
    """Plays plans, and keeps the newest that failed as the first one did.

    Attributes:
        best: what came of it.
        plays: runs that were played.
    """

    def __init__(self, outcome: Outcome, play: Callable[[Plan], Outcome], plays_max: int) -> None:
        self.best = outcome
        self.plays = 0
        self._failures = failures_of(outcome)
        self._play = play
        self._plays_max = plays_max
        self._known: dict[Plan, bool] = {outcome.plan: True}

    def fails(self, plan: Plan) -> bool:
        """Tell whether a plan fails as the first one did; no plan does when enough were played."""
        if plan in self._known:
            return self._known[plan]
        if self.plays >= self._plays_max:
            return False
        self.plays += 1
        try:
            outcome = self._play(plan)
        except ConfigError:
            self._known[plan] = False
            return False
        self._known[plan] = bool(failures_of(outcome) & self._failures)
        if self._known[plan]:
            self.best = outcome
        return self._known[plan]


def _minimise(value: Any, simplest: Any, fails: Fails) -> Any:
    """Make a value simpler while it fails; it ends as one for which `fails` was true last."""
    if value == simplest:
        return value
    if simplest is not None and fails(simplest):
        return simplest
    if parts_of(value):
        return _minimise_parts(value, simplest, fails)
    if isinstance(value, tuple):
        return _minimise_items(value, fails)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _halve(value, type(value)(0) if simplest is None else simplest, fails)
    return value


def _minimise_parts(value: Any, simplest: Any, fails: Fails) -> Any:
    for name, part in parts_of(value).items():

        def fails_with(candidate: Any, value: Any = value, name: str = name) -> bool:
            try:
                return fails(with_part(value, name, candidate))
            except ConfigError:
                return False

        wanted = None if simplest is None else getattr(simplest, name)
        value = with_part(value, name, _minimise(part, wanted, fails_with))
    return value


def _minimise_items(items: tuple[Any, ...], fails: Fails) -> tuple[Any, ...]:
    """Drop items, half of them at a time, then ever fewer; then make each left simpler."""
    size = len(items) // 2
    while size:
        at = 0
        while at < len(items):
            fewer = items[:at] + items[at + size :]
            if fewer and fails(fewer):
                items = fewer
            else:
                at += size
        size //= 2
    for at, item in enumerate(items):
        head, tail = items[:at], items[at + 1 :]

        def fails_with(
            candidate: Any, head: tuple[Any, ...] = head, tail: tuple[Any, ...] = tail
        ) -> bool:
            return fails((*head, candidate, *tail))

        items = (*head, _minimise(item, None, fails_with), *tail)
    return items


def _halve(value: Any, simplest: Any, fails: Fails) -> Any:
    """Find a number near the simplest one that still fails."""
    if value != simplest and fails(simplest):
        return simplest
    for _ in range(HALVINGS_MAX):
        middle = (value + simplest) // 2 if isinstance(value, int) else (value + simplest) / 2
        middle = round(middle, 3)
        if middle in (value, simplest):
            break
        if fails(middle):
            value = middle
        else:
            simplest = middle
    return value
