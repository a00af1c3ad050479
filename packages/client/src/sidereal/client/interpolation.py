"""Where other entities are drawn, from the newest four references of each.

A reference (tick, position, velocity, heading, spin) holds until the truth strays from its
straight line; only then comes the next. So the truth ran along the older line up to about the
tick before the newer reference. The drawn path therefore follows the older line, bends into the
newer reference over the last `blend_ticks` before it, and follows the newer line from there on
(dead reckoning). With `blend_ticks` at what the drawing delay has to spare, a reference that
arrives in time bends the path exactly from where it was drawn at that moment.

The drawn tick lies a few ticks back, and something that steers has a reference at each of them. So
there is a ring of four, and the path at a tick follows from the two on either side of it.

Where snapshots are lost references are missing, and the truth left the older line earlier. A bend
over `blend_ticks` can then be faster than anybody flew. It is twice as long if it would.

The bend is the cubic Hermite curve with the position and velocity of both lines at its ends,
written as the older line plus a deviation, so that two references on one line give that line.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.space.geometry import wrap_angle
from sidereal.protocol.state.reckoning import extrapolate

RING: Final = 4
"""References of each entity, the newest included."""

HASTE: Final = 1.2
"""Of the higher speed of two references: what is faster between them begins to bend earlier."""
LONGER: Final = 2.0
"""Of the usual length is such a bend, where there is room."""

Floats = NDArray[np.float64]


class References(NamedTuple):
    """References of some entities: `float64` each, `tick` int64, all of one shape.

    `[n]` are one of each entity, `[k, n]` are k of each, the newest first.
    """

    tick: NDArray[np.int64]
    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    heading: Floats
    spin: Floats

    def take(self, rows: NDArray[np.int64]) -> References:
        """The references of these rows."""
        return References(self.tick[..., rows], *(column[..., rows] for column in self[1:]))

    def newest(self) -> References:
        """Of `[k, n]`, the newest of each entity: `[n]`."""
        return References(self.tick[0], *(column[0] for column in self[1:]))

    def pick(self, at: NDArray[np.int64]) -> References:
        """Of `[k, n]`, the one at a place in the order of each entity: `[n]`."""
        rows = np.arange(len(at))
        return References(self.tick[at, rows], *(column[at, rows] for column in self[1:]))


class Poses(NamedTuple):
    """Where things are at one moment: `float64[n]` each."""

    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    heading: Floats


def reckon(reference: References, tick: float | Floats, tick_s: float) -> Poses:
    """Extrapolate each reference along its straight line.

    Args:
        reference: n references.
        tick: when, in ticks; of all, or float64[n].
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
    known: References, tick: float | Floats, tick_s: float, blend_ticks: float
) -> Poses:
    """Poses at `tick`.

    Args:
        known: references [k, n], the newest first; where there are fewer, the oldest again.
        tick: when, in ticks; of all, or float64[n]; may lie between, before or after them.
        tick_s: length of a tick, seconds.
        blend_ticks: over how many ticks before a reference the path bends into it.

    Returns:
        Poses of the n rows.
    """
    count = len(known.tick)
    later = np.count_nonzero(known.tick > tick, axis=0)
    before = known.pick(np.minimum(later, count - 1))
    poses = reckon(before, tick, tick_s)
    rows = np.flatnonzero((later > 0) & (later < count))
    if len(rows):
        after = known.take(rows).pick(later[rows] - 1)
        at = np.broadcast_to(tick, len(later))[rows]
        bent = _bend(before.take(rows), after, at, tick_s, blend_ticks)
        poses = Poses(*(column.copy() for column in poses))
        for column, bent_column in zip(poses, bent, strict=True):
            column[rows] = bent_column
    return poses


def _bend(
    older: References, newer: References, tick: Floats, tick_s: float, blend_ticks: float
) -> Poses:
    gap_s = (newer.tick - older.tick) * tick_s
    since_s = (tick - older.tick) * tick_s
    x_off = newer.x - (older.x + older.vx * gap_s)
    y_off = newer.y - (older.y + older.vy * gap_s)
    vx_off = newer.vx - older.vx
    vy_off = newer.vy - older.vy
    span_s = np.minimum(gap_s, blend_ticks * tick_s)
    hasty = _is_hasty(older, newer, x_off, y_off, span_s)
    span_s = np.where(hasty, np.minimum(gap_s, LONGER * span_s), span_s)

    u = np.clip((tick - newer.tick) * tick_s / span_s + 1.0, 0.0, 1.0)
    toward = u * u * (3.0 - 2.0 * u)
    along_s = u * u * (u - 1.0) * span_s
    toward_per_s = 6.0 * u * (1.0 - u) / span_s
    along = u * (3.0 * u - 2.0)

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


def _is_hasty(
    older: References, newer: References, x_off: Floats, y_off: Floats, span_s: Floats
) -> NDArray[np.bool_]:
    """Tell where the way to the newer line makes a bend faster than both, bool[n]."""
    fastest = np.maximum(np.hypot(older.vx, older.vy), np.hypot(newer.vx, newer.vy))
    vx, vy = older.vx + 1.5 * x_off / span_s, older.vy + 1.5 * y_off / span_s  # in its middle
    hasty: NDArray[np.bool_] = np.hypot(vx, vy) > HASTE * fastest
    return hasty
