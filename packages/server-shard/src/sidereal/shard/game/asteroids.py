"""Asteroids: they drift and spin, which is the physics' own doing, and bounce when hit.

Nothing slows them down, so whatever was hit would leave the belt for good, and take a lease with it
wherever it goes. They are turned back a little before the belt's edge: by one impulse, the mirror
image of their way, which changes neither their speed nor their spin. There they gather in the
course of time. Those that come to rest against others are pushed a unit or two further: that must
not take them into the next sector, which would be leased for them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.schema import Kind
from sidereal.shard.plugin import Stage, Step, System

TURN_MARGIN: Final = 25.0
"""World units before the belt's edge at which asteroids are turned back."""


class Asteroids:
    """Nothing moves an asteroid but what runs into it, and the belt's edge."""

    name = "asteroids"

    def systems(self, stage: Stage) -> Sequence[System]:
        """Systems to run in a stage."""
        return (turn_back,) if stage is Stage.TICK else ()


def turn_back(bodies: Columns, step: Step) -> None:
    """Turn asteroids that would be too near the belt's edge after this tick, and fly towards it.

    One that is on its way back is left alone, so none is turned twice.

    Mutates:
        vx and vy of asteroids.
    """
    if not step.rules.belt_sectors:
        return
    low, high = step.rules.belt_bounds
    low, high = low + TURN_MARGIN, high - TURN_MARGIN
    rocks = bodies.alive & (bodies["kind"] == Kind.ASTEROID)
    for place, speed in (("x", "vx"), ("y", "vy")):
        there = bodies[place] + bodies[speed] * step.dt
        leaves = ((there >= high) & (bodies[speed] > 0)) | ((there < low) & (bodies[speed] < 0))
        turned = np.flatnonzero(rocks & leaves)
        bodies[speed][turned] = -bodies[speed][turned]
