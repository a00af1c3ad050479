"""Where in the world there is room for one more."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.protocol.rules import Rules

CLEARANCE: Final = 2.0
"""World units that are left between what is put into the world and everything else."""

RING_STEP: Final = 2.0
"""World units between the rings that are looked at, and about those between two spots of a ring."""


CANDIDATES: Final = 64
"""Spots that are tried where others are: the first that is free enough, or else the freest."""


def find_room(
    others: tuple[np.ndarray, np.ndarray, np.ndarray],
    clearance: float,
    rules: Rules,
    rng: np.random.Generator,
    *,
    candidates: int = CANDIDATES,
) -> tuple[float, float]:
    """Find a spot in the populated part of space; in an empty world, about the origin.

    Args:
        others: x, y and radius of what is there, float[n] each.
        clearance: wanted distance to every edge, world units.
        rules: for the size of a sector.
        rng: which spot.
        candidates: spots that are tried.
    """
    x, y, radius = others
    if not len(x):
        half = rules.sector_size / 4
        return float(rng.uniform(-half, half)), float(rng.uniform(-half, half))
    seeds = rng.integers(0, len(x), candidates)
    angle = rng.uniform(0.0, math.tau, candidates)
    distance = radius[seeds] + clearance * rng.uniform(1.0, 2.0, candidates)
    spot_x, spot_y = x[seeds] + distance * np.cos(angle), y[seeds] + distance * np.sin(angle)
    best, widest = 0, -math.inf
    for at in range(candidates):  # seldom more than a few: 0.6 ms each for 18,000
        gap = float((np.hypot(spot_x[at] - x, spot_y[at] - y) - radius).min())
        if gap > widest:
            best, widest = at, gap
        if gap >= clearance:
            break
    return float(spot_x[best]), float(spot_y[best])


def nearest_free_spot(
    x: float, y: float, radius: float, others: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[float, float]:
    """Find where a circle fits in, as near as possible to a place: at best the place itself.

    Rings around it are looked at, from the inside out, so another spot is at most about a step
    nearer than the one that is found. 30 µs for each ring and hundred others.

    Args:
        x: of the place, world units; likewise `y`.
        radius: of the circle.
        others: x, y and radius of what is there, float[n] each.
    """
    off_x, off_y = others[0] - x, others[1] - y
    kept_clear = others[2] + radius + CLEARANCE
    distance = np.hypot(off_x, off_y)
    ring = 0
    while True:
        away = ring * RING_STEP
        # An entity that does not reach the ring is in nobody's way.
        near = np.abs(distance - away) < kept_clear
        angle = np.linspace(0.0, math.tau, max(1, round(math.pi * ring)), endpoint=False)
        spot_x, spot_y = away * np.cos(angle), away * np.sin(angle)
        gap = np.hypot(spot_x[:, None] - off_x[near], spot_y[:, None] - off_y[near])
        free = np.flatnonzero((gap >= kept_clear[near]).all(axis=1))
        if len(free):
            return x + float(spot_x[free[0]]), y + float(spot_y[free[0]])
        ring += 1
