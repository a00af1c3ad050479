"""The flight model: how controls move a ship, for the shard and for the client's prediction.

One substep first changes velocity and spin from the buttons held (`steer`), then moves and turns
by them (`advance`). The shard lets its physics do the second half, in the same order and with the
same arithmetic, so that a ship nothing touches flies alike on both ends. All of it is float64:
NumPy's float32 sine and cosine differ between CPUs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sidereal.protocol.message.player import Button
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import wrap_angle

Floats = npt.NDArray[np.float64]
Buttons = npt.NDArray[np.uint16]

SPEED_REST: Final = 0.02
"""A braking ship slower than this stops dead, units/s: space at rest is free to replicate."""
SPIN_REST: Final = 0.002
"""A ship that is not turning and spins slower than this stops turning, rad/s."""


def steer(
    vx: Floats,
    vy: Floats,
    heading: Floats,
    spin: Floats,
    buttons: Buttons,
    dt: float,
    rules: Rules,
) -> None:
    """Change the velocity and spin of ships by the buttons held during one substep.

    A ship without buttons keeps its velocity exactly, and one that was knocked beyond
    `ship_speed_max` is not slowed by thrusting, it only gains nothing.

    Args:
        vx: float64[n], units/s.
        vy: float64[n], units/s.
        heading: float64[n], rad, counter-clockwise from +x.
        spin: float64[n], rad/s.
        buttons: uint16[n], `Button` flags.
        dt: length of the substep, s.
        rules: of the world.

    Mutates:
        vx, vy, spin.
    """
    _turn(spin, buttons, dt, rules)

    ahead = (buttons & Button.THRUST) != 0
    astern = (buttons & Button.REVERSE) != 0
    push = (rules.ship_thrust * ahead - rules.ship_reverse * astern) * dt
    pushed = push != 0.0
    if pushed.any():
        speed_before = np.hypot(vx, vy)
        vx += push * np.cos(heading)
        vy += push * np.sin(heading)
        speed = np.hypot(vx, vy)
        speed_max = np.maximum(speed_before, rules.ship_speed_max)
        over = pushed & (speed > speed_max)
        shrink = np.where(over, speed_max / np.where(over, speed, 1.0), 1.0)
        vx *= shrink
        vy *= shrink

    braking = (buttons & Button.BRAKE) != 0
    if braking.any():
        keep = np.where(braking, max(0.0, 1.0 - rules.ship_brake * dt), 1.0)
        vx *= keep
        vy *= keep
        resting = braking & ~pushed & (np.hypot(vx, vy) < SPEED_REST)
        vx[resting] = 0.0
        vy[resting] = 0.0


def _turn(spin: Floats, buttons: Buttons, dt: float, rules: Rules) -> None:
    """Change spin by the turn buttons, or let it die away without them."""
    left = (buttons & Button.LEFT) != 0
    right = (buttons & Button.RIGHT) != 0
    turning = left != right
    if turning.any():
        push = rules.ship_turn * dt * (left.astype(np.float64) - right)
        turned = np.clip(spin + push, -rules.ship_spin_max, rules.ship_spin_max)
        spin[turning] = turned[turning]
    coasting = ~turning & (spin != 0.0)
    if coasting.any():
        damped = spin * max(0.0, 1.0 - rules.ship_spin_damping * dt)
        damped[np.abs(damped) < SPIN_REST] = 0.0
        spin[coasting] = damped[coasting]


def advance(
    x: Floats,
    y: Floats,
    vx: Floats,
    vy: Floats,
    heading: Floats,
    spin: Floats,
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
    heading[:] = wrap_angle(heading)


def step_ships(
    x: Floats,
    y: Floats,
    vx: Floats,
    vy: Floats,
    heading: Floats,
    spin: Floats,
    buttons: Buttons,
    dt: float,
    rules: Rules,
) -> None:
    """Fly ships that touch nothing for one substep: `steer`, then `advance`.

    Args:
        x: float64[n], world units.
        y: float64[n], world units.
        vx: float64[n], units/s.
        vy: float64[n], units/s.
        heading: float64[n], rad.
        spin: float64[n], rad/s.
        buttons: uint16[n], `Button` flags.
        dt: length of the substep, s (`substep_s`).
        rules: of the world.

    Mutates:
        x, y, vx, vy, heading, spin.
    """
    steer(vx, vy, heading, spin, buttons, dt, rules)
    advance(x, y, vx, vy, heading, spin, dt)


def substep_s(rules: Rules) -> float:
    """Length of a physics substep in seconds; a tick has `rules.substeps` of them."""
    return rules.tick_s / rules.substeps


def fly_tick(
    x: Floats,
    y: Floats,
    vx: Floats,
    vy: Floats,
    heading: Floats,
    spin: Floats,
    buttons: Buttons,
    rules: Rules,
) -> None:
    """Fly ships that touch nothing for a whole tick under the same buttons.

    Args:
        x: float64[n], world units.
        y: float64[n], world units.
        vx: float64[n], units/s.
        vy: float64[n], units/s.
        heading: float64[n], rad.
        spin: float64[n], rad/s.
        buttons: uint16[n], `Button` flags.
        rules: of the world.

    Mutates:
        x, y, vx, vy, heading, spin.
    """
    dt = substep_s(rules)
    for _ in range(rules.substeps):
        step_ships(x, y, vx, vy, heading, spin, buttons, dt, rules)
