"""Where other entities are drawn, from the two newest references of each.

A reference (tick, position, velocity, heading, spin) holds until the truth strays from its
straight line; only then comes the next. So the truth ran along the older line up to about the
tick before the newer reference. The drawn path therefore follows the older line, bends into the
newer reference over the last `blend_ticks` before it, and follows the newer line from there on
(dead reckoning). With `blend_ticks` at the interpolation delay, a reference that arrives just in
time bends the path exactly from where it was drawn at that moment.

The bend is the cubic Hermite curve with the position and velocity of both lines at its ends,
written as the older line plus a deviation, so that two references on one line give that line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.space.geometry import wrap_angle
from sidereal.protocol.state.reckoning import extrapolate

Floats = NDArray[np.float64]


class References(NamedTuple):
    """One reference per row: `float64[n]` each, `tick` int64[n]."""

    tick: NDArray[np.int64]
    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    heading: Floats
    spin: Floats

    def take(self, rows: NDArray[np.int64]) -> References:
        """The references of these rows."""
        return References(
            tick=self.tick[rows],
            x=self.x[rows],
            y=self.y[rows],
            vx=self.vx[rows],
            vy=self.vy[rows],
            heading=self.heading[rows],
            spin=self.spin[rows],
        )


class Poses(NamedTuple):
    """Where things are at one moment: `float64[n]` each."""

    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    heading: Floats


def reckon(reference: References, tick: float, tick_s: float) -> Poses:
    """Extrapolate each reference along its straight line.

    Args:
        reference: n references.
        tick: when, in ticks.
        tick_s: length of a tick, seconds.
    """
    x, y, heading = extrapolate(
        reference.x,
        reference.y,
        reference.vx,
        reference.vy,
        reference.heading,
        reference.spin,
        reference.tick,
        tick,
        tick_s,
    )
    return Poses(x, y, reference.vx, reference.vy, heading)


def interpolate(
    older: References, newer: References, tick: float, tick_s: float, blend_ticks: float
) -> Poses:
    """Poses at `tick`.

    Args:
        older: the reference before the newest; where there is none, the newest again.
        newer: the newest reference, its tick at least the older's.
        tick: when, in ticks; may lie between, before or after the two.
        tick_s: length of a tick, seconds.
        blend_ticks: over how many ticks before the newer reference the path bends into it.

    Returns:
        Poses of the n rows.
    """
    poses = reckon(newer, tick, tick_s)
    rows = np.flatnonzero((tick < newer.tick) & (older.tick < newer.tick))
    if len(rows):
        bent = _bend(older.take(rows), newer.take(rows), tick, tick_s, blend_ticks)
        poses = Poses(*(column.copy() for column in poses))
        for column, bent_column in zip(poses, bent, strict=True):
            column[rows] = bent_column
    return poses


def _bend(
    older: References, newer: References, tick: float, tick_s: float, blend_ticks: float
) -> Poses:
    span = np.minimum(newer.tick - older.tick, blend_ticks)
    span_s = span * tick_s
    u = np.clip((tick - newer.tick) / span + 1.0, 0.0, 1.0)
    toward = u * u * (3.0 - 2.0 * u)
    along_s = u * u * (u - 1.0) * span_s
    toward_per_s = 6.0 * u * (1.0 - u) / span_s
    along = u * (3.0 * u - 2.0)

    gap_s = (newer.tick - older.tick) * tick_s
    since_s = (tick - older.tick) * tick_s
    x_off = newer.x - (older.x + older.vx * gap_s)
    y_off = newer.y - (older.y + older.vy * gap_s)
    vx_off = newer.vx - older.vx
    vy_off = newer.vy - older.vy
    heading_off = wrap_angle(newer.heading - (older.heading + older.spin * gap_s))
    spin_off = newer.spin - older.spin
    turned = older.heading + older.spin * since_s + heading_off * toward + spin_off * along_s
    return Poses(
        x=older.x + older.vx * since_s + x_off * toward + vx_off * along_s,
        y=older.y + older.vy * since_s + y_off * toward + vy_off * along_s,
        vx=older.vx + x_off * toward_per_s + vx_off * along,
        vy=older.vy + y_off * toward_per_s + vy_off * along,
        heading=wrap_angle(turned),
    )
