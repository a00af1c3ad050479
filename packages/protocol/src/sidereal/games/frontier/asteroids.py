"""Asteroids: they drift and spin, which is the physics' own doing, and bounce when they are hit.

Nothing slows them down, so whatever was hit would leave the belt for good, and take a lease with it
wherever it goes. They are turned back a little before the belt's edge, by one impulse. Who is
pushed a unit or two further by others must not get into the next sector, which would be leased for
it alone. Like a bounce that is no acceleration of their own, so they declare none: whom they hit
right after is found by the rows of that tick.

A belt that is flown in keeps being what it is. Ships knock rocks about; if these lost much of that
with each other, they would clot where no ship comes, and every clot is in motion for ever. So they
bounce well (`BOUNCE`), and what has become too fast is slowed where it is turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sidereal.game import Body, Kind, Motion, Part, Stage, Step

BELT_LOW: Final = -2000.0
"""Where the belt begins, along both axes; world units."""
BELT_HIGH: Final = 3000.0
"""Where it ends."""

BOUNCE: Final = 0.9
"""Share of their approaching speed with which two rocks part."""

TURN_SPEED_MAX: Final = 6.0
"""Units/s with which an asteroid leaves the edge: as fast as they are in a new belt at most."""

TURN_MARGIN: Final = 25.0
"""World units before the belt's edge at which asteroids are turned back."""

rocks = Part("rocks")

ASTEROID = rocks.kind("asteroid", Motion(), Body(), bounce=BOUNCE)
rocks.look(ASTEROID, symbol="rock")


def belt(
    low: float = BELT_LOW, high: float = BELT_HIGH, kinds: Sequence[Kind] = (ASTEROID,)
) -> Part:
    """Make the part that keeps asteroids in a square.

    Args:
        low: where it begins, along both axes; world units.
        high: where it ends.
        kinds: that are kept in it.
    """
    part = Part("belt")

    @part.system(Stage.TICK)
    def turn_back(step: Step) -> None:
        """Turn asteroids that would be too near the edge after this tick, and fly towards it.

        One that is on its way back is left alone, so none is turned twice.
        """
        first, last = low + TURN_MARGIN, high - TURN_MARGIN
        motion, rows = step[Motion], np.concatenate([step.rows(kind) for kind in kinds])
        turned = np.zeros(len(rows), np.bool_)
        for place, speed in ((motion.x, motion.vx), (motion.y, motion.vy)):
            here, now = place[rows], speed[rows]
            there = here + now * step.dt
            leaves = ((there >= last) & (now > 0)) | ((there < first) & (now < 0))
            speed[rows[leaves]] *= -1.0
            turned |= leaves
        rows = rows[turned]
        fast = np.hypot(motion.vx[rows], motion.vy[rows])
        share = TURN_SPEED_MAX / np.maximum(fast, TURN_SPEED_MAX)
        motion.vx[rows] *= share
        motion.vy[rows] *= share

    return part
