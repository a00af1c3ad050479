"""Game code that goes wrong in the midst of a tick, when it is told to."""

from __future__ import annotations

import math
from typing import Final

from sidereal.game import Motion, Part, Stage, Step

SPOILT: Final = 50.0
"""Units/s that everything is pushed before the code goes wrong: nobody may ever see it."""


class Mishap:
    """A part of the game that does nothing, and then goes wrong after it has spoilt a tick.

    Attributes:
        again_at: when the process is to start again, virtual seconds; infinity while all is well.
    """

    def __init__(self) -> None:
        self.again_at = math.inf
        self.part = Part("mishap")
        self.part.system(Stage.SETTLE)(self.spoil)

    @property
    def is_due(self) -> bool:
        """Whether the next tick goes wrong."""
        return self.again_at < math.inf

    def spoil(self, step: Step) -> None:
        """Go wrong, if that is due."""
        if self.is_due:
            step[Motion].vx[step.rows()] += SPOILT
            raise RuntimeError("it was told to")
