"""Where in the world there is room for one more."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

CLEARANCE: Final = 2.0
"""World units that are left between what is put into the world and everything else."""

RING_STEP: Final = 2.0
"""World units between the rings that are looked at, and about those between two spots of a ring."""


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
