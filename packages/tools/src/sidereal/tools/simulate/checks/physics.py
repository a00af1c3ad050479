"""How ships fly and circles bounce, written a second time: nothing here is the shards' own code.

One body at a time, in plain numbers, as the rules say it. What happens when bodies touch is asked
of a bare space of the physics library: no rows, no batches, no borders.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Final, NamedTuple

import numpy as np
import pymunk

from sidereal.tools.simulate.game import Button, Laws

RESTITUTION: Final = 0.5
SOLVER_PASSES: Final = 30
FAR: Final = 1e7
"""World units: nothing that is played again flies so far, or between two such places."""
SPEED_REST: Final = 0.02
"""A braking ship slower than this stops dead, units/s."""
SPIN_REST: Final = 0.002
"""A ship that is not turning and spins slower than this stops turning, rad/s."""

TURN_MARGIN: Final = 25.0
"""World units before the belt's edge at which rocks are turned back."""

State = tuple[float, float, float, float, float, float]
"""x, y, vx, vy, heading, spin."""


class Body(NamedTuple):
    """What does not change of a body.

    Attributes:
        flies: whether it has engines.
    """

    radius: float
    mass: float
    flies: bool


def state_of(row: np.ndarray) -> State:
    """Give a state as plain numbers, of float64[6]."""
    x, y, vx, vy, heading, spin = row.tolist()
    return x, y, vx, vy, heading, spin


def wrap(angle: np.ndarray) -> np.ndarray:
    """Bring angles into [-π, π)."""
    return np.asarray((angle + math.pi) % math.tau - math.pi)


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest difference in any part of two states, float64[n]."""
    off = np.abs(a - b)
    off[:, 4] = np.abs(wrap(a[:, 4] - b[:, 4]))
    return np.asarray(off.max(axis=1, initial=0.0))


def coast(states: np.ndarray, seconds: float | np.ndarray) -> np.ndarray:
    """Let bodies drift and spin evenly, float64[n, 6] and s or s[n]."""
    after = states.copy()
    after[:, 0] += states[:, 2] * seconds
    after[:, 1] += states[:, 3] * seconds
    after[:, 4] = wrap(states[:, 4] + states[:, 5] * seconds)
    return after


def bounded(states: np.ndarray, laws: Laws) -> np.ndarray:
    """Slow down what is faster than anything may be, as every shard does after its physics."""
    speed = np.hypot(states[:, 2], states[:, 3])
    if not (speed > laws.speed_max).any():
        return states
    slowed = states.copy()
    slowed[:, 2:4] *= (np.minimum(speed, laws.speed_max) / np.maximum(speed, 1e-12))[:, None]
    return slowed


def turn_back(states: np.ndarray, laws: Laws) -> np.ndarray:
    """Mirror the speed of rocks that would be too near the belt's edge, and fly towards it.

    Returns:
        float64[n, 6]
    """
    turned = states.copy()
    if laws.belt is not None:
        low, high = laws.belt[0] + TURN_MARGIN, laws.belt[1] - TURN_MARGIN
        for place, speed in ((0, 2), (1, 3)):
            there = states[:, place] + states[:, speed] * laws.tick_s
            away = (there >= high) & (states[:, speed] > 0)
            away |= (there < low) & (states[:, speed] < 0)
            turned[away, speed] = -states[away, speed]
    return turned


def steer(state: State, buttons: int, dt: float, laws: Laws) -> State:
    """Fire a ship's engines for one substep."""
    x, y, vx, vy, heading, spin = state
    turn = bool(buttons & Button.LEFT) - bool(buttons & Button.RIGHT)
    if turn:
        spin += turn * laws.turn * dt
        spin = max(-laws.spin_max, min(laws.spin_max, spin))
    else:
        spin *= max(0.0, 1.0 - laws.spin_damping * dt)
        spin = 0.0 if abs(spin) < SPIN_REST else spin
    push = laws.thrust * bool(buttons & Button.THRUST)
    push -= laws.reverse * bool(buttons & Button.REVERSE)
    if push:
        limit = max(laws.engines_max, math.hypot(vx, vy))
        vx += push * dt * math.cos(heading)
        vy += push * dt * math.sin(heading)
        speed = math.hypot(vx, vy)
        if speed > limit:
            vx, vy = vx * limit / speed, vy * limit / speed
    if buttons & Button.BRAKE:
        kept = max(0.0, 1.0 - laws.brake * dt)
        vx, vy = vx * kept, vy * kept
        if not push and math.hypot(vx, vy) < SPEED_REST:
            vx = vy = 0.0
    return x, y, vx, vy, heading, spin


def fly(state: State, buttons: int, laws: Laws) -> State:
    """Fly a ship that touches nothing for one tick."""
    dt = laws.tick_s / laws.substeps
    for _ in range(laws.substeps):
        x, y, vx, vy, heading, spin = steer(state, buttons, dt, laws)
        turned = (heading + spin * dt + math.pi) % math.tau - math.pi
        state = x + vx * dt, y + vy * dt, vx, vy, turned, spin
    return state


class BareSpace:
    """Some bodies alone in the physics library."""

    def __init__(self, laws: Laws) -> None:
        self._laws = laws
        self._space = pymunk.Space()
        self._space.iterations = SOLVER_PASSES
        self._space.collision_persistence = 1
        # The library's tree orders pairs by where bodies are, hardly by how they came. In a hash
        # of one cell each body meets those that came before it, the latest first.
        self._space.use_spatial_hash(math.inf, 1)
        self._circles: dict[Hashable, pymunk.Circle] = {}
        self._placed: set[Hashable] = set()
        self._there: list[tuple[Body, pymunk.Circle]] = []

    def expect(self, bodies: Mapping[Hashable, Body]) -> None:
        """Let bodies in before anything happens, far from one another, in the order given.

        One that came in later would stand behind all others in the order of their pairs.

        Args:
            bodies: by a name that stays.
        """
        for number, (name, body) in enumerate(bodies.items()):
            self._circles[name] = self._make(body, FAR + number * FAR, FAR)

    def place(self, bodies: Mapping[Hashable, Body], states: np.ndarray) -> None:
        """Put bodies where they are, in the order given; who is no longer among them leaves.

        Args:
            bodies: all of them expected, by their names.
            states: float64[n, 6] of them.
        """
        for name in self._placed - bodies.keys():
            circle = self._circles.pop(name)
            self._space.remove(circle, circle.body)
        self._placed = set(bodies)
        self._there = []
        for (name, body), state in zip(bodies.items(), states.tolist(), strict=True):
            x, y, vx, vy, heading, spin = state
            # Who has left and comes again is another one.
            circle = self._circles.get(name) or self._make(body, x, y)
            self._circles[name] = circle
            mover = circle.body
            mover.position, mover.velocity = (x, y), (vx, vy)
            mover.angle, mover.angular_velocity = heading, spin
            self._there.append((body, circle))

    def step(self, buttons: list[int], skipped: list[bool]) -> np.ndarray:
        """Simulate one tick.

        Args:
            buttons: of the bodies in the order in which they were placed.
            skipped: likewise, whom systems leave alone: it is not turned back at the edge.

        Returns:
            float64[n, 6], the states after it, in that order.
        """
        dt = self._laws.tick_s / self._laws.substeps
        for (body, circle), alone in zip(self._there, skipped, strict=True):
            if not body.flies and not alone:
                turned = turn_back(np.array([_state_of(circle.body)]), self._laws)[0]
                circle.body.velocity = float(turned[2]), float(turned[3])
        for _ in range(self._laws.substeps):
            for (body, circle), held in zip(self._there, buttons, strict=True):
                if body.flies:
                    steered = steer(_state_of(circle.body), held, dt, self._laws)
                    circle.body.velocity = steered[2], steered[3]
                    circle.body.angular_velocity = steered[5]
            self._space.step(dt)
        states = np.array([_state_of(circle.body) for _, circle in self._there])
        states[:, 4] = wrap(states[:, 4])
        return states

    def _make(self, body: Body, x: float, y: float) -> pymunk.Circle:
        mover = pymunk.Body(body.mass, pymunk.moment_for_circle(body.mass, 0.0, body.radius))
        mover.position = x, y
        circle = pymunk.Circle(mover, body.radius)
        circle.elasticity, circle.friction = math.sqrt(RESTITUTION), 0.0
        self._space.add(mover, circle)
        return circle


def _state_of(body: pymunk.Body) -> State:
    (x, y), (vx, vy) = body.position, body.velocity
    return x, y, vx, vy, body.angle, body.angular_velocity
