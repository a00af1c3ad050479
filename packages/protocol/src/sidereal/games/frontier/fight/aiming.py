"""Aiming: where to shoot, and whom a bullet would strike on its way; columns only."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.game import Bools, Floats, Indices, Motion
from sidereal.games.frontier.fight.guns import RADIUS, SPEED
from sidereal.games.frontier.ships import RADIUS as SHIP_RADIUS

ROOM: Final = SHIP_RADIUS + RADIUS + 3.0
"""How far off the middle of a ship a bullet has to pass it by, world units."""
FAR: Final = 240.0
"""How far a bullet flies, world units."""


class Targets(NamedTuple):
    """What may be shot at, as who shoots sees it: relative to it; float64[n].

    Attributes:
        x: world units; likewise `y`.
        vx: units/s; likewise `vy`.
    """

    x: Floats
    y: Floats
    vx: Floats
    vy: Floats

    @classmethod
    def of(cls, motion: Motion, rows: Indices, targets: Motion, at: Indices) -> Targets:
        """Look at some from where others are.

        Args:
            motion: of who shoots, by row.
            rows: int64[n], or one for all.
            targets: motion of what is shot at, by row.
            at: int64[n].
        """
        names = ("x", "y", "vx", "vy")
        return cls(*(getattr(targets, name)[at] - getattr(motion, name)[rows] for name in names))

    def ahead(self) -> tuple[Floats, Floats]:
        """Tell where each is when a bullet may meet it: float64[n], world units, x and y."""
        flight_s = np.hypot(self.x, self.y) / SPEED
        return self.x + self.vx * flight_s, self.y + self.vy * flight_s

    def course(self) -> Floats:
        """Tell where to shoot, so that a bullet meets each: float64[n], rad."""
        x, y = self.ahead()
        return np.asarray(np.arctan2(y, x))

    def are_struck(self, course: Floats, within: float) -> Bools:
        """Tell which ships a bullet may strike, if nothing stops it before: bool[n].

        Args:
            course: in which it is shot, float64[n], or one for all, rad.
            within: how far it flies, world units.
        """
        x, y = self.ahead()
        cos, sin = np.cos(course), np.sin(course)
        along, across = x * cos + y * sin, y * cos - x * sin
        return np.asarray((along > 0.0) & (along < within) & (np.abs(across) < ROOM))
