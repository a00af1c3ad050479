"""Limits of the authority: each above 0, and fitting each other, checked where they are made."""

from __future__ import annotations

from dataclasses import fields

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.replication.limits import LIMITS, EdgeLimits, Limits, WorldLimits

GROUPS = [LIMITS, LIMITS.world, LIMITS.proposals, LIMITS.ownership, LIMITS.edge]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: type(group).__name__)
def test_no_limit_may_be_zero_or_below(group: object) -> None:
    for field in fields(group):  # type: ignore[arg-type]
        if isinstance(getattr(group, field.name), int | float):
            for value in (0, -1):
                with pytest.raises(ConfigError, match=f"{field.name} must be above 0"):
                    type(group)(**{field.name: value})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"departed .*; sector_empty_ticks"):
        WorldLimits(departed=0, sector_empty_ticks=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"replace_parts": 9},
        {"section_parts": 16},
        {"datagrams": 8},
        {"datagrams": 17},
    ],
)
def test_limits_that_do_not_fit_each_other_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="datagrams"):
        EdgeLimits(**wrong)


def test_all_of_them_may_be_as_small_as_they_get() -> None:
    Limits(
        ticks_catch_up=1,
        notes=1,
        world=WorldLimits(1, 1, 1),
        edge=EdgeLimits(2, 1, 1, 1, 1, 1, 1),
    )
