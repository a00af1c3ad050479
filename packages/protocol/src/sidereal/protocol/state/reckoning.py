"""Motion between two references: the straight line that every receiver draws by itself.

A reference is the state at one tick. Until the next one comes, everybody takes the entity to move
and turn evenly, so it needs replacing only when the truth has strayed from that line. Most of space
drifts in straight lines, and straight lines are free.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.space.geometry import wrap_angle


class Motion(NamedTuple):
    """The fields of the motion component, float64[n] each, in their order."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    vx: NDArray[np.float64]
    vy: NDArray[np.float64]
    heading: NDArray[np.float64]
    spin: NDArray[np.float64]


def extrapolate(
    x: ArrayLike,
    y: ArrayLike,
    vx: ArrayLike,
    vy: ArrayLike,
    heading: ArrayLike,
    spin: ArrayLike,
    tick: ArrayLike,
    to_tick: ArrayLike,
    tick_s: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Continue references to another tick, later or earlier.

    Args:
        x: float64[n], world units.
        y: likewise.
        vx: float64[n], units/s.
        vy: likewise.
        heading: float64[n], rad.
        spin: float64[n], rad/s.
        tick: int64[n], of the references.
        to_tick: one number or [n]; a fraction of a tick is allowed.
        tick_s: length of a tick in seconds.

    Returns:
        x, y and heading at `to_tick`, float64[n] each; the heading in [-π, π).
    """
    ticks = np.asarray(to_tick, dtype=np.float64) - np.asarray(tick, dtype=np.float64)
    elapsed_s = ticks * tick_s
    return (
        np.asarray(x) + np.asarray(vx) * elapsed_s,
        np.asarray(y) + np.asarray(vy) * elapsed_s,
        wrap_angle(np.asarray(heading) + np.asarray(spin) * elapsed_s),
    )


def strayed(
    reference: Motion,
    tick: ArrayLike,
    truth: Motion,
    to_tick: ArrayLike,
    tick_s: float,
    distance_max: float,
    angle_max: float,
) -> NDArray[np.bool_]:
    """Tell whose truth is too far from where its reference leads.

    Args:
        reference: as receivers have it, at `tick`.
        tick: int64[n], of the references.
        truth: at `to_tick`.
        to_tick: one number or int64[n].
        tick_s: length of a tick in seconds.
        distance_max: tolerated distance, world units.
        angle_max: tolerated difference of heading, rad.

    Returns:
        bool[n]; never true where both motions and both ticks are the same.
    """
    x, y, heading = extrapolate(*reference, tick, to_tick, tick_s)
    off_x, off_y = truth.x - x, truth.y - y
    off_heading = np.abs(wrap_angle(truth.heading - heading))
    too_far = off_x * off_x + off_y * off_y > distance_max * distance_max
    return np.asarray(too_far | (off_heading > angle_max), dtype=np.bool_)


def advance(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    vx: NDArray[np.float64],
    vy: NDArray[np.float64],
    heading: NDArray[np.float64],
    spin: NDArray[np.float64],
    dt: float,
) -> None:
    """Move and turn by the velocities, for one substep.

    Args:
        x: float64[n], world units.
        y: float64[n], world units.
        vx: float64[n], units/s.
        vy: float64[n], units/s.
        heading: float64[n], rad.
        spin: float64[n], rad/s.
        dt: length of the substep, s.

    Mutates:
        x, y, heading (kept in [-π, π)).
    """
    x += vx * dt
    y += vy * dt
    heading += spin * dt
    outside = (heading < -math.pi) | (heading >= math.pi)
    if outside.any():
        heading[outside] = wrap_angle(heading[outside])


def slowing(
    vx: NDArray[np.float64], vy: NDArray[np.float64], speed_max: float
) -> NDArray[np.float64]:
    """Give the factors by which velocities shrink, so that nothing is faster than it may be.

    Args:
        vx: float64[n], units/s.
        vy: likewise.
        speed_max: units/s.

    Returns:
        float64[n], 1 for what is not too fast.
    """
    speed = np.hypot(vx, vy)
    # A hair below, so that rounding never proposes a speed beyond the limit.
    most = speed_max * (1.0 - 1e-12)
    return np.where(speed > speed_max, most / np.maximum(speed, most), 1.0)
