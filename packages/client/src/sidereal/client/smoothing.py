"""Nothing jumps on screen: what came late fades into where it belongs.

A reference that comes later than the drawing delay allows for changes a path that has been drawn
already. So where something is new of an entity, the path as it is known now is compared with the
picture before: where it would have been drawn then, and where it was. The difference is added to
what is drawn, and shrinks from picture to picture. It does so no faster than that the entity seems
to move a bit faster than it does, unless that would take too long. One that is larger than
`snap_units` is no error of the picture: there the entity was moved, and is shown where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sidereal.client.interpolation import Floats, Poses
from sidereal.client.limits import LIMITS, Limits
from sidereal.protocol.space.geometry import wrap_angle
from sidereal.protocol.state.arrays import Ints

NEVER = -1
HASTE = 1.3
"""Of its speed: as fast an entity seems to move while an error shrinks."""
HASTE_LEAST = 20.0
"""And as fast anyhow, units/s."""
PATIENCE = 4.0
"""An error shrinks for so many times `smooth_s` at most, whatever that looks like."""

Path = Callable[[Floats, Ints], Poses]
"""Gives the poses of some of the entities, by their places in order, each at its tick."""


class Smoothing:
    """What is drawn beside the path of each entity."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        # The picture before: whose, from which snapshot, drawn where and when, how far off.
        self._ids = np.zeros(0, np.uint32)
        self._stamp: Ints = np.zeros(0, np.int64)
        self._drawn = self._off = np.zeros((3, 0))
        self._ticks: Floats = np.zeros(0)

    def smooth(
        self, ids: NDArray[np.uint32], stamp: Ints, ticks: Floats, tick_s: float, path: Path
    ) -> Poses:
        """Give where entities are to be drawn.

        Args:
            ids: uint32[n], ascending.
            stamp: int64[n], the newest snapshots that said something of their paths.
            ticks: float64[n], at which each is drawn.
            tick_s: length of a tick, seconds.
            path: of these entities, as it is known now.
        """
        plain = path(ticks, np.arange(len(ids)))
        off = np.zeros((3, len(ids)))
        here, before = self._find(ids)
        if len(here):
            off[:, here] = self._off[:, before]
            new = stamp[here] > self._stamp[before]
            then = self._ticks[before]
            off[:, here[new]] = self._apart(path(then[new], here[new]), before[new])
            elapsed_s = np.abs(ticks[here] - then) * tick_s
            now = np.stack([plain.x, plain.y, plain.heading])[:, here]
            moved = (now + off[:, here] - self._drawn[:, before])[:2]
            speed = np.hypot(plain.vx, plain.vy)[here]
            off[:, here] = self._shrunk(off[:, here], moved, speed, elapsed_s)
        self._ids, self._stamp, self._ticks, self._off = ids, stamp, ticks, off
        self._drawn = np.stack([plain.x, plain.y, plain.heading]) + off
        x, y, heading = self._drawn
        return plain._replace(x=x.copy(), y=y.copy(), heading=wrap_angle(heading))

    def rename(self, names: Mapping[int, int]) -> None:
        """Let entities go on under other ids: where they were drawn is compared with their paths.

        Args:
            names: an id that was not drawn for each of those that will not be any more.
        """
        if not names:
            return
        ids, stamp = self._ids.copy(), self._stamp.copy()
        for before, after in names.items():  # a few
            at = ids == before
            ids[at], stamp[at] = after, NEVER
        order = np.argsort(ids)
        self._ids, self._stamp, self._ticks = ids[order], stamp[order], self._ticks[order]
        self._drawn, self._off = self._drawn[:, order], self._off[:, order]

    def _find(self, ids: NDArray[np.uint32]) -> tuple[Ints, Ints]:
        """Find who was in the picture before: their places in this one, and in that."""
        if not len(self._ids):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        before = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        here = np.flatnonzero(self._ids[before] == ids)
        return here, before[here]

    def _shrunk(
        self, off: NDArray[np.float64], moved: NDArray[np.float64], speed: Floats, elapsed_s: Floats
    ) -> NDArray[np.float64]:
        """Let errors shrink for a while, float64[3, n].

        Args:
            off: float64[3, n]
            moved: float64[2, n], how far entities go if they do not shrink.
            speed: float64[n], units/s.
            elapsed_s: float64[n]
        """
        shrunk = off * 0.05 ** (elapsed_s / self._limits.smooth_s)
        least = 1.0 - 0.05 ** (elapsed_s / (PATIENCE * self._limits.smooth_s))
        faded = off[:2] - shrunk[:2]
        square = np.sum(faded**2, axis=0)
        rows = np.flatnonzero(square > 0.0)
        reach = np.maximum(HASTE * speed, HASTE_LEAST)[rows] * elapsed_s[rows]
        # The share of what fades with which the whole way is no longer than that.
        along = np.sum(moved * faded, axis=0)[rows]
        room = reach**2 - np.sum(moved**2, axis=0)[rows]
        root = np.sqrt(np.maximum(0.0, along**2 + square[rows] * room))
        usual = 1.0 - 0.05 ** (elapsed_s[rows] / self._limits.smooth_s)
        share = np.clip((along + root) / square[rows], least[rows] / usual, 1.0)
        shrunk[:2, rows] = off[:2, rows] - share * faded[:, rows]
        return shrunk

    def _apart(self, then: Poses, before: Ints) -> NDArray[np.float64]:
        """Tell how far from a path entities were drawn, float64[3, n]."""
        apart = self._drawn[:, before] - np.stack([then.x, then.y, then.heading])
        apart[2] = wrap_angle(apart[2])
        apart[:, np.hypot(apart[0], apart[1]) > self._limits.snap_units] = 0.0
        return apart
