"""Limits of a client: each above 0, and fitting each other, checked where they are made."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from sidereal.client.limits import LIMITS
from sidereal.protocol.errors import ConfigError

NUMBERS = [field.name for field in fields(LIMITS) if field.type in ("int", "float")]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1])
def test_no_limit_may_be_zero_or_below(name: str, value: int) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=f"{name} must be above 0"):
        replace(LIMITS, **changed)


@pytest.mark.parametrize("wrong", [{"inputs": 15}, {"inputs": 65}, {"predict_ticks": 65}])
def test_limits_that_do_not_fit_each_other_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="inputs"):
        replace(LIMITS, **wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"retry_s": ()}, "retry_s must be waits above 0"),
        ({"retry_s": (0.1, 0.0)}, "retry_s must be waits above 0"),
        ({"coast_s": 31.0}, "coast_s must be at most picture_s"),
        ({"spawn_late_s": 3.1}, "spawn_late_s must be at most spawn_unanswered_s"),
    ],
)
def test_what_would_contradict_itself_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(LIMITS, **wrong)
