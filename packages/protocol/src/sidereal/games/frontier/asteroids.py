"""Asteroids: they drift and spin, which is the physics' own doing, and bounce when they are hit.

Nothing slows them down, so whatever was hit would leave the belt for good, and take a lease with it
wherever it goes. They are turned back a little before the belt's edge: by one impulse, the mirror
image of their way, which changes neither their speed nor their spin. There they gather in the
course of time. Those that come to rest against others are pushed a unit or two further: that must
not take them into the next sector, which would be leased for them alone.
"""

from __future__ import annotations

from typing import Final

from sidereal.game import Body, Label, Motion, Part, Stage, Step

BELT_LOW: Final = -2000.0
"""Where the belt begins, along both axes; world units."""
BELT_HIGH: Final = 3000.0
"""Where it ends."""

TURN_MARGIN: Final = 25.0
"""World units before the belt's edge at which asteroids are turned back."""

rocks = Part("rocks")

ASTEROID = rocks.kind("asteroid", Motion(), Body(), Label())
rocks.look(ASTEROID, symbol="rock")


def belt(low: float = BELT_LOW, high: float = BELT_HIGH) -> Part:
    """Make the part that keeps asteroids in a square.

    Args:
        low: where it begins, along both axes; world units.
        high: where it ends.
    """
    part = Part("belt")

    @part.system(Stage.TICK)
    def turn_back(step: Step) -> None:
        """Turn asteroids that would be too near the edge after this tick, and fly towards it.

        One that is on its way back is left alone, so none is turned twice.
        """
        first, last = low + TURN_MARGIN, high - TURN_MARGIN
        motion, rows = step[Motion], step.rows(ASTEROID)
        for place, speed in ((motion.x, motion.vx), (motion.y, motion.vy)):
            here, now = place[rows], speed[rows]
            there = here + now * step.dt
            leaves = ((there >= last) & (now > 0)) | ((there < first) & (now < 0))
            speed[rows[leaves]] *= -1.0

    return part
