"""Limits of a shard: each above 0, and fitting each other, checked where they are made."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.shard.limits import LIMITS

NUMBERS = [field.name for field in fields(LIMITS) if field.type in ("int", "float")]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1])
def test_no_limit_may_be_zero_or_below(name: str, value: int) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=f"{name} must be above 0"):
        replace(LIMITS, **changed)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"controls_queue": 20, "controls_reserve": 20}, "controls_reserve must be below"),
        ({"controls_queue": 15}, "replay_ahead must be at most controls_queue"),
        ({"resimulated_ticks": 17}, "resimulated_ticks must be at most 16"),
        ({"resimulated_bodies": 65}, "resimulated_bodies must be at most 64"),
        ({"resimulations": 15}, "resimulated_ticks must be at most resimulations"),
        ({"beats": 2}, "beats_late must be at most beats"),
    ],
)
def test_limits_that_do_not_fit_each_other_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(LIMITS, **wrong)


def test_a_queue_holds_its_reserve_and_what_is_replayed_at_a_time() -> None:
    small = replace(LIMITS, controls_queue=7, controls_reserve=6, replay_ahead=7)
    assert small.controls_queue == 7
