"""One seed, from its plan to what the checkers say; and a failure, to its simplest plan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sidereal.tools.simulate.checks.every import make_checkers
from sidereal.tools.simulate.cluster import Cluster, Outcome
from sidereal.tools.simulate.drawing import draw_plan
from sidereal.tools.simulate.exercise.met import Watch
from sidereal.tools.simulate.exercise.tally import Tally
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.plans.shrink import PLAYS_MAX, shrink
from sidereal.tools.simulate.plans.text import COMMAND, replay_command


def plan_of(seed: int) -> Plan:
    """Draw a seed's plan."""
    return draw_plan(seed, np.random.default_rng([seed, 1]))


def play(plan: Plan) -> Outcome:
    """Run a plan under all checkers.

    Raises:
        ConfigError: it can't be played.
    """
    return Cluster(plan, make_checkers(plan)).run()


def play_counting(plan: Plan) -> tuple[Outcome, Tally]:
    """Run a plan under all checkers, and take down what it exercised.

    Raises:
        ConfigError: it can't be played.
    """
    watch = Watch()
    cluster = Cluster(plan, [*make_checkers(plan), watch])
    outcome = cluster.run()
    return outcome, watch.finish(cluster, agreed=not outcome.violations)


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


def explain(outcome: Outcome, plays_max: int = PLAYS_MAX) -> str:
    """Tell what went wrong, how to see it again, and the simplest plan that fails like this."""
    return "\n".join(_explain(outcome, plays_max))


def _explain(outcome: Outcome, plays_max: int) -> Iterator[str]:
    yield describe(outcome)
    if outcome.plan == plan_of(outcome.plan.seed):
        yield f"again: {COMMAND} --seed {outcome.plan.seed}"
    shrunk = shrink(outcome, play, plays_max)
    if shrunk.outcome.plan != outcome.plan:
        yield f"in {shrunk.plays} runs it shrank to"
        yield describe(shrunk.outcome)
    yield f"again: {replay_command(shrunk.outcome.plan)}"
