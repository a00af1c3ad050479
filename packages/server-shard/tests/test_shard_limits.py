"""Limits of a shard: each above 0, and fitting each other, checked where they are made."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.shard.limits import LIMITS


@pytest.mark.parametrize("name", [field.name for field in fields(LIMITS)])
@pytest.mark.parametrize("value", [0, -1])
def test_no_limit_may_be_zero_or_below(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be above 0"):
        replace(LIMITS, **{name: value})


def test_a_reserve_fits_into_the_queue() -> None:
    with pytest.raises(ConfigError, match="controls_reserve must be below controls_queue"):
        replace(LIMITS, controls_queue=6, controls_reserve=6)
    assert replace(LIMITS, controls_queue=7, controls_reserve=6).controls_queue == 7
