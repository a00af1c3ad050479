"""Limits of a client: each above 0, and fitting each other, checked where they are made."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from sidereal.client.limits import LIMITS
from sidereal.protocol.errors import ConfigError


@pytest.mark.parametrize("name", [field.name for field in fields(LIMITS)])
@pytest.mark.parametrize("value", [0, -1])
def test_no_limit_may_be_zero_or_below(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be above 0"):
        replace(LIMITS, **{name: value})


@pytest.mark.parametrize("wrong", [{"inputs": 15}, {"inputs": 65}, {"predict_ticks": 65}])
def test_limits_that_do_not_fit_each_other_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="inputs"):
        replace(LIMITS, **wrong)
