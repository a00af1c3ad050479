"""One seed, from its plan to what the checkers say; and a failure, to its simplest plan."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from sidereal.tools.simulate.checks.every import make_checkers
from sidereal.tools.simulate.cluster import Checker, Cluster, Outcome
from sidereal.tools.simulate.drawing import draw_plan
from sidereal.tools.simulate.exercise.met import Watch
from sidereal.tools.simulate.exercise.tally import Tally
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.given.cluster import GivenCluster
from sidereal.tools.simulate.given.drawing import draw_given
from sidereal.tools.simulate.given.judges import make_judges
from sidereal.tools.simulate.given.staging import Staging, stage
from sidereal.tools.simulate.plans.shrink import PLAYS_MAX, shrink
from sidereal.tools.simulate.plans.text import COMMAND, replay_command
from sidereal.tools.simulate.seeds import random_of


def plan_of(seed: int, staging: Staging | None = None) -> Plan:
    """Draw a seed's plan.

    Raises:
        ConfigError: the game that is given can't be loaded.
    """
    if staging is None:
        return draw_plan(seed, np.random.default_rng([seed, 1]))
    return draw_given(seed, len(stage(staging).make_world(random_of(seed, "world"))))


def play(plan: Plan, staging: Staging | None = None) -> Outcome:
    """Run a plan under all checkers.

    Args:
        plan: to play.
        staging: the game that is given, if any.

    Raises:
        ConfigError: it can't be played.
    """
    return _gather(plan, staging).run()


def play_counting(plan: Plan, staging: Staging | None = None) -> tuple[Outcome, Tally]:
    """Run a plan under all checkers, and take down what it exercised.

    Raises:
        ConfigError: it can't be played.
    """
    watch = Watch()
    cluster = _gather(plan, staging, watch)
    outcome = cluster.run()
    return outcome, watch.finish(cluster, agreed=not outcome.violations)


def _gather(plan: Plan, staging: Staging | None, *more: Checker) -> Cluster:
    if staging is None:
        return Cluster(plan, [*make_checkers(plan), *more])
    staged = stage(staging)
    return GivenCluster(plan, staged, [*make_judges(plan, staged), *more])


def describe(outcome: Outcome) -> str:
    """Tell what happened in a few lines."""
    plan = outcome.plan
    lines = [
        f"seed {plan.seed}: {outcome.ticks} ticks, {outcome.datagrams} datagrams, "
        f"{outcome.handovers} handovers, {outcome.rebalanced} rebalanced, trace {outcome.trace}",
        plan.describe(),
    ]
    lines += [f"tick {v.tick}: {v.checker}: {v.text}" for v in outcome.violations]
    return "\n".join(lines)


def explain(outcome: Outcome, plays_max: int = PLAYS_MAX, staging: Staging | None = None) -> str:
    """Tell what went wrong, how to see it again, and the simplest plan that fails like this."""
    return "\n".join(_explain(outcome, plays_max, staging))


def _explain(outcome: Outcome, plays_max: int, staging: Staging | None) -> Iterator[str]:
    flags = "" if staging is None else f"{staging.flags()} "
    yield describe(outcome)
    if outcome.plan == plan_of(outcome.plan.seed, staging):
        yield f"again: {COMMAND} {flags}--seed {outcome.plan.seed}"
    shrunk = shrink(outcome, partial(play, staging=staging), plays_max)
    if shrunk.outcome.plan != outcome.plan:
        yield f"in {shrunk.plays} runs it shrank to"
        yield describe(shrunk.outcome)
    yield f"again: {replay_command(shrunk.outcome.plan, flags)}"
