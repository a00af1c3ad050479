"""Ships: they fly as their pilots hold the stick; who comes gets one."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import (
    F4,
    I1,
    Authority,
    Body,
    Controls,
    Floats,
    Held,
    Label,
    Motion,
    Part,
    Pilot,
    Player,
    Press,
    Rows,
    angle,
    axis,
    hold,
    press,
)
from sidereal.games.frontier.homes import HEADING, PLACE, SPREAD, has_home

THRUST: Final = 60.0
"""Acceleration of the main engine, units/s²."""
REVERSE: Final = 30.0
"""Likewise, backwards."""
STRAFE: Final = 36.0
"""Likewise, of the thrusters on either side."""
SPEED_MAX: Final = 120.0
"""What the engines reach, units/s; a knock can make a ship faster."""
BRAKE: Final = 1.5
"""Share of the velocity that is shed per second while braking; none of what is beyond
`SPEED_MAX`."""
ACCEL_MAX: Final = math.hypot(THRUST, STRAFE) + BRAKE * SPEED_MAX
"""Of all engines and the brake together, units/s²."""
TURN: Final = 10.0
"""Angular acceleration, rad/s²."""
SPIN_MAX: Final = 3.5
"""Rad/s."""
SPIN_DAMPING: Final = 6.0
"""Share of the spin that is shed per second while not turning."""
SPEED_REST: Final = 0.02
"""A braking ship slower than this stops dead, units/s: space at rest is free to replicate."""
SPIN_REST: Final = 0.002
"""A ship that is not turning and spins slower than this stops turning, rad/s."""

flight = Part("flight")


class Stick(Controls):
    """What a pilot holds."""

    thrust: I1 = axis("W", "S", does=("forward", "backward"))
    turn: I1 = axis("A", "D", does=("turn left", "turn right"))
    brake: Held = hold("X", does="brake")
    fire: Press = press("R", does="launch a missile")
    strafe: I1 = axis("Q", "E", does=("slide left", "slide right"))
    shoot: Held = hold("SPACE", does="shoot ahead")
    aimed: Held = hold("MOUSE_LEFT", does="shoot at the pointer")
    aim: F4 = angle(pointer=True, bits=10)
    dock: Press = press("G", does="dock at a station, or leave it")
    sell: Press = press("V", does="sell ore, while docked")
    mend: Press = press("B", does="mend the hull, while docked")


RADIUS: Final = 6.0
SHIP = flight.kind(
    "ship", Motion(), Body(radius=RADIUS, mass=12), Label(), Pilot(), accel_max=ACCEL_MAX
)
flight.look(SHIP, symbol="arrow", label=Label.name)
flight.compass(SHIP)


@flight.on_join
def arrive(world: Authority, player: Player) -> None:
    """Give who comes the ship that it left, or a new one."""
    player.fly(world.berth(player) or _new_ship(world, player))


def _new_ship(world: Authority, player: Player) -> int:
    motion = Motion(heading=world.rng.uniform(-math.pi, math.pi))
    spot = None
    if has_home(world):
        motion, spot = Motion(heading=HEADING), _place_at_home(world)
    spot = world.free_spot(radius=RADIUS, near=spot)
    return world.spawn(SHIP, Label(name=player.name), motion, at=spot)


def _place_at_home(world: Authority) -> tuple[float, float]:
    x, y = PLACE
    return x, y + float(world.rng.uniform(-SPREAD, SPREAD))


@flight.model(Motion, reads=(Stick,))
def fly(own: Rows) -> None:
    """Change velocity and spin by what is held; the physics moves the ship.

    A ship whose stick is let go keeps its velocity exactly, and one that was knocked beyond
    `SPEED_MAX` is not slowed by thrusting, it only gains nothing.
    """
    motion, stick = own[Motion], own[Stick]
    _turn(motion.spin, stick.turn, own.dt)
    pushed = (stick.thrust != 0) | (stick.strafe != 0)
    if pushed.any():
        full = np.where(stick.thrust > 0, THRUST, REVERSE).astype(np.float64)
        aside = STRAFE * stick.strafe.astype(np.float64)
        _push(motion, full * stick.thrust * own.dt, aside * own.dt, pushed)
    braking = stick.brake > 0
    if braking.any():
        speed = np.hypot(motion.vx, motion.vy)
        counted = np.minimum(1.0, SPEED_MAX / np.maximum(speed, SPEED_MAX))
        keep = np.where(braking, np.maximum(0.0, 1.0 - BRAKE * own.dt * counted), 1.0)
        motion.vx *= keep
        motion.vy *= keep
        resting = braking & ~pushed & (np.hypot(motion.vx, motion.vy) < SPEED_REST)
        motion.vx[resting] = 0.0
        motion.vy[resting] = 0.0


def _push(motion: Motion, ahead: Floats, aside: Floats, pushed: np.ndarray) -> None:
    """Change velocity by the engines.

    Args:
        motion: of ships, [n].
        ahead: by the main engine, float64[n], units/s.
        aside: by the thrusters, likewise; to port.
        pushed: bool[n], which of them are pushed at all.
    """
    speed_before = np.hypot(motion.vx, motion.vy)
    cos, sin = np.cos(motion.heading), np.sin(motion.heading)
    motion.vx += ahead * cos - aside * sin
    motion.vy += ahead * sin + aside * cos
    speed = np.hypot(motion.vx, motion.vy)
    speed_max = np.maximum(speed_before, SPEED_MAX)
    over = pushed & (speed > speed_max)
    shrink = np.where(over, speed_max / np.where(over, speed, 1.0), 1.0)
    motion.vx *= shrink
    motion.vy *= shrink


def _turn(spin: Floats, turn: np.ndarray, dt: float) -> None:
    """Change spin by the stick, or let it die away without it."""
    turning = turn != 0
    if turning.any():
        turned = np.clip(spin + TURN * dt * turn, -SPIN_MAX, SPIN_MAX)
        spin[turning] = turned[turning]
    coasting = ~turning & (spin != 0.0)
    if coasting.any():
        damped = spin * max(0.0, 1.0 - SPIN_DAMPING * dt)
        damped[np.abs(damped) < SPIN_REST] = 0.0
        spin[coasting] = damped[coasting]
