"""Collisions over borders, against the same ones on one shard without a network."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from shard_cases.meeting import Ending, play
from shard_cases.scenes import (
    Scene,
    make_brittle,
    make_brittle_shots,
    make_docked,
    make_pairs,
    make_point_blank,
    make_threes,
    make_volley,
)
from sidereal.protocol.testing.link import LinkConfig

LINKS: Final = {
    0: LinkConfig(),
    40: LinkConfig(delay_s=0.04, jitter_s=0.005),
}
"""By the delay between the authority and its shards, one way, ms."""
ALL_LINKS: Final = {
    **{f"{delay}": link for delay, link in LINKS.items()},
    "40, 2 % lost": LinkConfig(delay_s=0.04, jitter_s=0.005, loss=0.02),
}
"""By their names in tables. The last one is for the table alone: what a bad link makes of it."""
VELOCITY_OFF_MAX: Final = 0.01
"""Share of the fastest one's speed by which a velocity may differ."""
MOMENTUM_OFF_MAX: Final = 0.001
"""Share of the sum of all momenta by which the total may differ."""
ORDERS: Final = 3
"""In how many other orders one shard is given the bodies of threes."""


class Case(NamedTuple):
    """Groups of one sort.

    Attributes:
        make: makes a scene of so many groups.
        groups: how many in all.
        batch: of them in a scene.
        spread: whether one shard alone may come to another end, by the order of bodies.
    """

    make: Callable[[np.random.Generator, int], Scene]
    groups: int
    batch: int
    spread: bool = False


CASES: Final = {
    "pairs": Case(make_pairs, 1000, 100),
    "point-blank": Case(make_point_blank, 500, 100),
    "a hundred in one tick": Case(make_volley, 200, 100),
    "threes at corners": Case(make_threes, 200, 100, spread=True),
    "held by a parent": Case(make_docked, 100, 100, spread=True),
    "one ends as they touch": Case(make_brittle, 100, 100),
    "shots that end as they hit": Case(make_brittle_shots, 100, 100),
}


@dataclass(slots=True)
class Judged:
    """What came of all groups of a case over one link.

    Attributes:
        velocity: by how much the worst velocity of a group is off, a share.
        momentum: by how much the total of each group is off, a share.
        spread: by how much the worst velocity of each group is off on one shard.
        missed: contacts that did not happen.
        doubled: contacts that happened more often.
        across: pairs of overlapping bodies of different owners, summed over all ticks.
        touched: contacts on one shard.
        handovers: entities that changed hands.
    """

    velocity: list[float] = field(default_factory=list)
    momentum: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    missed: int = 0
    doubled: int = 0
    across: int = 0
    touched: int = 0
    handovers: int = 0

    @property
    def outside(self) -> int:
        """Groups off by more than they may be, and by more than one shard alone."""
        allowed = np.maximum(np.array(self.spread), VELOCITY_OFF_MAX)
        return int((~(np.array(self.velocity) <= allowed)).sum())

    @property
    def momentum_outside(self) -> int:
        """Groups whose total momentum is off by more than it may be."""
        return int((~(np.array(self.momentum) <= MOMENTUM_OFF_MAX)).sum())


def judge(*, quick: bool) -> dict[str, dict[str, Judged]]:
    """Play all cases over all links, a tenth of their groups if that is to be quick.

    Returns:
        by the case and then by the link.
    """
    judged = {}
    for number, (name, case) in enumerate(CASES.items()):
        began_at = time.monotonic()
        count = case.groups // 10 if quick else case.groups
        judged[name] = _judge_case(case, count, number)
        print(f"{name}: {time.monotonic() - began_at:.0f} s", file=sys.stderr, flush=True)
    return judged


def _judge_case(case: Case, count: int, number: int) -> dict[str, Judged]:
    judged = {name: Judged() for name in ALL_LINKS}
    for batch, start in enumerate(range(0, count, case.batch)):
        rng = np.random.default_rng([number, batch])
        scene = case.make(rng, min(case.batch, count - start))
        groups = _groups(scene)
        truth = play(scene, batch, None)
        _check(scene, truth, groups)
        orders = [rng.permutation(len(scene.bodies.x)) for _ in range(ORDERS * case.spread)]
        others = [_velocity_off(play(scene, batch, None, order), truth, groups) for order in orders]
        spread = np.max([np.zeros(len(groups)), *others], axis=0)
        for name, link in ALL_LINKS.items():
            _add(judged[name], play(scene, batch, link), truth, groups, spread)
    return judged


def _groups(scene: Scene) -> np.ndarray:
    """The numbers of the bodies of each group, int64[groups, k]."""
    group = scene.bodies.group
    numbers = 1 + np.arange(len(group))
    found = numbers.reshape(group[-1] + 1, -1)
    more = scene.guns or scene.docked
    if more is None:
        return found
    return np.column_stack([found, 1 + len(group) + np.arange(len(more.x))])


def _check(scene: Scene, truth: Ending, groups: np.ndarray) -> None:
    """On one shard every group has met, nobody has met another group, and nothing is gone."""
    of = dict(
        zip(groups.ravel().tolist(), np.indices(groups.shape)[0].ravel().tolist(), strict=True)
    )
    met = {of[a] for a, b in truth.touches if of[a] == of[b]}
    assert len(met) == len(groups), f"{len(met)} of {len(groups)} groups met on one shard"
    assert all(of[a] == of[b] for a, b in truth.touches), "two groups met"
    assert np.isfinite(truth.vx[groups]).all()
    assert truth.across == 0
    assert scene.bodies.mass.min() > 0


def _add(
    judged: Judged, ending: Ending, truth: Ending, groups: np.ndarray, spread: np.ndarray
) -> None:
    judged.velocity += _velocity_off(ending, truth, groups).tolist()
    judged.momentum += _momentum_off(ending, truth, groups).tolist()
    judged.spread += spread.tolist()
    pairs = truth.touches.keys() | ending.touches.keys()
    judged.missed += sum(pair not in ending.touches for pair in truth.touches)
    judged.doubled += sum(
        max(0, ending.touches[pair] - max(1, truth.touches[pair])) for pair in pairs
    )
    judged.touched += len(truth.touches)
    judged.across += ending.across
    judged.handovers += ending.handovers


def _velocity_off(ending: Ending, truth: Ending, groups: np.ndarray) -> np.ndarray:
    """By how much the worst velocity of each group is off, a share of the fastest one's speed."""
    off = np.hypot(ending.vx - truth.vx, ending.vy - truth.vy)[groups].max(axis=1)
    return np.asarray(off / np.hypot(truth.vx, truth.vy)[groups].max(axis=1))


def _momentum_off(ending: Ending, truth: Ending, groups: np.ndarray) -> np.ndarray:
    """By how much the total momentum of each group is off, a share of the sum of all of them."""
    mass = truth.mass[groups]
    x, y = (
        (mass * (column - true)[groups]).sum(axis=1)
        for column, true in ((ending.vx, truth.vx), (ending.vy, truth.vy))
    )
    return np.asarray(np.hypot(x, y) / (mass * np.hypot(truth.vx, truth.vy)[groups]).sum(axis=1))


def tabulate(judged: dict[str, dict[str, Judged]]) -> list[str]:
    """Make a table for people."""
    titles = (
        *("groups", "delay, ms", "number", "contacts", "velocity outside", "worst"),
        *("momentum outside", "worst", "one shard's own", "missed", "doubled"),
        *("overlaps across", "handovers"),
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for name, by_delay in judged.items():
        for delay, one in by_delay.items():
            cells = (
                *(name, delay, len(one.velocity), one.touched, one.outside),
                f"{100 * np.max(one.velocity):.2g} %",
                one.momentum_outside,
                f"{100 * np.max(one.momentum):.2g} %",
                sum(spread > VELOCITY_OFF_MAX for spread in one.spread),
                *(one.missed, one.doubled, one.across, one.handovers),
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def numbers(judged: dict[str, dict[str, Judged]]) -> dict[str, tuple[float, str]]:
    """Give the cases, each with its unit: of both delays the worse."""
    asked = [f"{delay}" for delay in LINKS]
    pairs, point_blank, volleys, threes, docked, brittle, bursting = (
        [judged[name][delay] for delay in asked] for name in CASES
    )
    shots = [*point_blank, *volleys]
    ending = [*brittle, *bursting]
    everybody = [*pairs, *shots, *threes, *docked, *ending]
    counted = [*pairs, *shots, *docked, *ending]
    share = max(one.outside / len(one.velocity) for one in shots)
    return {
        "seam_velocity_error": (_worst(one.velocity for one in pairs), "share"),
        "seam_momentum_error": (_worst(one.momentum for one in pairs), "share"),
        "seam_missed": (max(one.missed for one in counted), "contacts"),
        "seam_doubled": (max(one.doubled for one in counted), "contacts"),
        "docked_outside": (max(one.outside for one in docked), "groups"),
        "ending_outside_share": (
            max(one.outside / len(one.velocity) for one in ending),
            "share",
        ),
        "point_blank_outside_share": (share, "share"),
        "triples_outside": (max(one.outside for one in threes), "groups"),
        "cross_shard_contacts": (sum(one.across for one in everybody), "pairs in ticks"),
    }


def _worst(shares: Iterable[list[float]]) -> float:
    """Give the largest share; NaN if a body is gone."""
    return float(np.max([np.max(each) for each in shares]))
