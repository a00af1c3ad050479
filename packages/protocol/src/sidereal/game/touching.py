"""Which kinds touch which, as the bits that physics filters by.

Two bodies touch if each of their kinds lets the other: a kind whose `touches` is None lets all, one
that names kinds lets these and no others. A kind without a `Body` touches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.game.builtin import Body
from sidereal.game.column import Bools, Floats
from sidereal.game.kind import Kind

WAYS_MAX: Final = 32
"""Different ways to touch that the kinds of a game may have: physics has a bit for each."""

KIND_NUMBERS: Final = 256
"""Kinds are numbered in a byte."""


class Filters(NamedTuple):
    """What physics goes by, by the number of a kind; what no kind has touches nothing.

    Attributes:
        category: uint32[256], a bit that kinds share which touch alike; 0 for those that touch
            nothing.
        mask: uint32[256], the categories of all that it touches.
        sensor: bool[256], whether it notices contacts, but neither pushes nor is pushed.
        bounce: float64[256], share of their approaching speed with which two of it part.
    """

    category: NDArray[np.uint32]
    mask: NDArray[np.uint32]
    sensor: Bools
    bounce: Floats


def touching(kinds: Sequence[Kind]) -> Bools:
    """Tell which kinds touch each other.

    Args:
        kinds: n of them.

    Returns:
        bool[n, n]
    """
    lets = np.zeros((len(kinds), len(kinds)), np.bool_)
    for at, kind in enumerate(kinds):
        named = None if kind.touches is None else {other.name for other in kind.touches}
        for beside, other in enumerate(kinds):
            lets[at, beside] = named is None or other.name in named
    bodies = np.array([Body in map(type, kind.components) for kind in kinds], np.bool_)
    return np.asarray(lets & lets.T & bodies & bodies[:, None])


def ways_to_touch(kinds: Sequence[Kind]) -> list[bytes]:
    """Find the different rows of `touching` in which anything is touched, in order."""
    return list(dict.fromkeys(row.tobytes() for row in touching(kinds) if row.any()))


def filters_of(kinds: Sequence[Kind]) -> Filters:
    """Make the filters of a game.

    Args:
        kinds: of a checked game; a kind's number is its place, from 1.
    """
    category, mask = np.zeros((2, KIND_NUMBERS), np.uint32)
    sensor, bounce = np.zeros(KIND_NUMBERS, np.bool_), np.zeros(KIND_NUMBERS)
    ways, pairs = ways_to_touch(kinds), touching(kinds)
    numbers = np.arange(1, len(kinds) + 1)
    for number, kind, row in zip(numbers.tolist(), kinds, pairs, strict=True):
        sensor[number], bounce[number] = kind.sensor, kind.bounce
        if row.any():
            category[number] = 1 << ways.index(row.tobytes())
    for number, row in zip(numbers.tolist(), pairs, strict=True):
        mask[number] = np.bitwise_or.reduce(category[numbers[row]])
    return Filters(category, mask, sensor, bounce)
