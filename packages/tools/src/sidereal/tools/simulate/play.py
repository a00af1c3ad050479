"""One seed, from its plan to what the checkers say."""

from __future__ import annotations

import numpy as np

from sidereal.tools.simulate.checks.every import make_checkers
from sidereal.tools.simulate.cluster import Cluster, Outcome
from sidereal.tools.simulate.faults import Plan, draw_plan


def plan_of(seed: int) -> Plan:
    """Draw a seed's plan."""
    # Of a family of its own: the cluster spawns its parts from the seed itself.
    return draw_plan(seed, np.random.default_rng([seed, 1]))


def play(plan: Plan) -> Outcome:
    """Run a plan under all checkers."""
    return Cluster(plan, make_checkers(plan)).run()


def describe(outcome: Outcome) -> str:
    """Tell what happened in a few lines, with how to see it again."""
    plan = outcome.plan
    lines = [
        f"seed {plan.seed}: {outcome.ticks} ticks, {outcome.datagrams} datagrams, "
        f"{outcome.handovers} handovers, {outcome.rebalanced} rebalanced, trace {outcome.trace}",
        plan.describe(),
    ]
    lines += [f"tick {v.tick}: {v.checker}: {v.text}" for v in outcome.violations]
    lines.append(f"again: python -m sidereal.tools.simulate --seed {plan.seed}")
    return "\n".join(lines)
