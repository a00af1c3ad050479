"""Which numbers a field may hold, at its bounds and beyond them, whatever type they come in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sidereal.game import F4, I8, Component, field
from sidereal.game.record import outside
from sidereal.protocol.state.component import Field
from sidereal.protocol.state.values import in_range, valid_numbers, valid_values

MOST = (1 << 63) - 1
LEAST = -MOST - 1
WIDE = Field("points", "i8")
SHORT = Field("points", "i8", low=-5, high=(1 << 53) + 1)
BYTE = Field("level", "u1")
TANK = Field("fuel", "f4", low=0.7, high=1.2)


class Tank(Component):
    fuel: F4 = field(1.2, low=0.7, high=1.2)
    points: I8


def test_bounds_of_whole_numbers_are_whole_and_exact() -> None:
    assert WIDE.bounds == (LEAST, MOST)
    assert SHORT.bounds == (-5, (1 << 53) + 1)
    assert all(isinstance(edge, int) for each in (WIDE, SHORT, BYTE) for edge in each.bounds)
    assert TANK.bounds == (0.7, 1.2)


@pytest.mark.parametrize(
    ("declared", "values", "valid"),
    [
        # No 32 bits are 0.7 or 1.2: a value is judged as it is kept.
        (TANK, np.array([0.7, 1.2, 0.6999, 1.2001, np.nan]), [True, True, False, False, False]),
        (TANK, np.array([0.7, 1.2], "f4").astype("f8"), [True, True]),
        (TANK, np.array([0.7, 1.2], "f4"), [True, True]),
        (TANK, np.array([1e300, -1e300]), [False, False]),
        (TANK, np.array([1, 2]), [True, False]),
        (WIDE, np.array([LEAST, MOST]), [True, True]),
        (WIDE, np.array([MOST, MOST + 1], "u8"), [True, False]),
        (WIDE, np.array([-(2.0**63), 2.0**63, math.nextafter(2.0**63, 0)]), [True, False, True]),
        (SHORT, np.array([-6, -5, (1 << 53) + 1, (1 << 53) + 2]), [False, True, True, False]),
        (BYTE, np.array([-1, 0, 255, 256]), [False, True, True, False]),
        (SHORT, np.array([0, 255], "u1"), [True, True]),
    ],
)
def test_a_number_is_judged_as_it_is_kept(declared: Field, values: Any, valid: list[bool]) -> None:
    assert valid_numbers(declared, values).tolist() == valid


def test_what_is_kept_at_a_bound_is_valid() -> None:
    assert valid_values(TANK, np.array([0.7, 1.2], "f4")).all()
    assert valid_values(SHORT, np.array([-5, (1 << 53) + 1])).all()


@pytest.mark.parametrize(
    ("declared", "values", "nearest"),
    [
        (WIDE, np.array([LEAST, MOST, (1 << 53) + 1]), [LEAST, MOST, (1 << 53) + 1]),
        (WIDE, np.array([MOST + 1], "u8"), [MOST]),
        (WIDE, np.array([-1e300, 1e300]), [LEAST, MOST - 1023]),
        (SHORT, np.array([LEAST, -5, MOST]), [-5, -5, (1 << 53) + 1]),
        (SHORT, np.array([0, 255], "u1"), [0, 255]),
        (BYTE, np.array([-7, 300]), [0, 255]),
        (BYTE, np.array([-7.0, 3.0, 300.0]), [0, 3, 255]),
        (BYTE, np.array([True, False]), [1, 0]),
        (Field("below", "i2", low=-9, high=-3), np.array([7], "u1"), [-3]),
    ],
)
def test_the_nearest_valid_number_is_exact(
    declared: Field, values: Any, nearest: list[int]
) -> None:
    assert in_range(declared, values).astype(declared.memory_dtype).tolist() == nearest


def test_what_a_game_says_is_judged_alike() -> None:
    assert outside(Tank(fuel=np.float32(1.2).item(), points=MOST)) == {}
    assert list(outside(Tank(fuel=1.21, points=MOST + 1))) == ["fuel", "points"]
