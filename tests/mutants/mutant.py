"""What a mutant is: a bug planted on purpose, who may find it, and in which plans it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from sidereal.tools.simulate.faults import Kind, Plan

Plant = Callable[[pytest.MonkeyPatch], None]


class Mutant(NamedTuple):
    """A bug planted on purpose.

    Attributes:
        plant: puts it into the code; its docstring says what is wrong then.
        finders: one of these checkers finds it, so that it does not die of something else.
        matters: the plans in which it makes a difference.
    """

    plant: Plant
    finders: tuple[str, ...]
    matters: Callable[[Plan], bool]


def any_plan(plan: Plan) -> bool:
    return True


def with_loss(plan: Plan) -> bool:
    return plan.link.loss > 0.1


def with_fault(*kinds: Kind) -> Callable[[Plan], bool]:
    return lambda plan: any(kind in plan.kinds for kind in kinds)
