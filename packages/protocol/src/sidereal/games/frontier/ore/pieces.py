"""How a rock breaks: which pieces come of it, where, and how they fly.

Pieces lie inside the outline of what broke, beside each other. They come in pairs of the same mass
that fly apart from the middle with the same speed, or in three of a third; so all the mass and all
the momentum of the rock is in them, to a bit. Mass is float32, and speed a multiple of `GRAIN`.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from sidereal.game import Floats

GRAIN: Final = 1 / 128
"""Step in which a speed travels, units/s."""
PART: Final = 1.0
"""Speed with which pieces fly from the middle, units/s; with some more for smaller ones."""
GAP: Final = 0.97
"""Share of the room for a piece that it fills."""
BIG_MIN, BIG_MAX = math.sqrt(2.0) - 1.0, 0.48
"""Radius of the bigger ones of four pieces, as a share of the rock's."""
THIRD: Final = 1.0 / (1.0 + 2.0 / math.sqrt(3.0))
"""Radius of each of three circles inside one, as a share of its."""


class Pieces(NamedTuple):
    """Pieces of one rock, float64[n] each.

    Attributes:
        x: places from the rock's middle, world units; likewise `y`.
        vx: velocities beside the rock's, units/s, on the grid; likewise `vy`.
        radius: world units.
        mass: t; each is a float32, and they sum up to the rock's.
    """

    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    radius: Floats
    mass: Floats


def pieces_of(radius: float, mass: float, count: int, angle: float, share: float) -> Pieces:
    """Break a rock.

    Args:
        radius: of it, world units.
        mass: of it, t, a float32.
        count: of pieces, 2 to 4.
        angle: in which direction the first one lies, rad.
        share: 0 to 1; at 1 four pieces differ the most.
    """
    radii, masses = _sizes(radius, mass, count, share)
    course = angle + math.tau / count * np.arange(count)
    out = radius - radii
    vx, vy = (_grained(PART * part) for part in (np.cos(course), np.sin(course)))
    if count == 3:  # two of them have what the third has not
        vx[2], vy[2] = -vx[:2].sum(), -vy[:2].sum()
    else:
        half = count // 2
        vx[half:], vy[half:] = -vx[:half], -vy[:half]
    return Pieces(out * np.cos(course), out * np.sin(course), vx, vy, GAP * radii, masses)


def split_ore(ore: int, lumps_max: int, lump_max: int) -> list[int]:
    """Split tonnes of ore into lumps that differ by one at most.

    Args:
        ore: t.
        lumps_max: how many lumps at most.
        lump_max: t in each at most; what is beyond all that goes into no lump.
    """
    ore = min(ore, lumps_max * lump_max)
    count = min(ore, lumps_max)
    return [(ore + nth) // count for nth in range(count)]


def _sizes(radius: float, mass: float, count: int, share: float) -> tuple[Floats, Floats]:
    """Give the radii of the room for each piece, and the masses."""
    grain = float(np.spacing(np.float32(mass)))
    if count == 2:
        return np.full(2, radius / 2), np.full(2, mass / 2)
    if count == 3:
        third = round(mass / 3 / grain) * grain
        return np.full(3, radius * THIRD), np.array([third, third, mass - 2 * third])
    big = BIG_MIN + (BIG_MAX - BIG_MIN) * share
    small = (1 - big) / (1 + big)
    of_big = round(mass * big**3 / (2 * (big**3 + small**3)) / grain) * grain
    of_small = (mass - 2 * of_big) / 2
    return radius * np.array([big, small] * 2), np.array([of_big, of_small] * 2)


def _grained(speed: Floats) -> Floats:
    return np.round(speed / GRAIN) * GRAIN
