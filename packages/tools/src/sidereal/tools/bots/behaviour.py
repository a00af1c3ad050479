"""What a bot does with its controls, decided from its own seeded generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from sidereal.client.prediction import ShipState
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.message.player import Button
from sidereal.protocol.rules import Rules

HOME_AHEAD_S: Final = 3.0
"""How far a bot looks ahead: at full speed it takes as long to turn round and stop."""

HOME_MARGIN: Final = 400.0
"""A bot that will be this near to the belt's edge, world units, turns home: what it has begun to
thrust for two seconds must not take it beyond."""

HOME_AIM: Final = 0.4
"""Radians off the way home at which a bot thrusts."""

HOME_SLOW: Final = 15.0
"""Speed below which a bot that flies away from home turns round; above it brakes first."""

HOME_LOOK_S: Final = 0.5
"""A bot that has turned waits so long to see where it looks by then: what it knows is a round trip
old, and who steers by it at once never finds the way."""


class Behaviour(Protocol):
    """Decides the buttons of one bot, once per decision."""

    def decide(self, ship: ShipState | None, rules: Rules | None) -> tuple[int, float]:
        """Choose buttons.

        Args:
            ship: as the server last said, None before it did.
            rules: of the world, None before it is known.

        Returns:
            Buttons to hold next, and for how long in seconds.
        """
        ...


class Idle:
    """Holds nothing: what an unattended player costs."""

    def decide(self, ship: ShipState | None, rules: Rules | None) -> tuple[int, float]:
        """Nothing, for a long time."""
        return 0, 3600.0


class Wander:
    """Turns somewhere, thrusts a while, coasts a while, now and then brakes.

    Over a minute it crosses several cells and sector borders, without ever going far from where a
    person would: each leg is a turn, a burn and a drift. At the belt's edge it turns home.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._leg: list[tuple[int, float]] = []
        self._homing = False

    def decide(self, ship: ShipState | None, rules: Rules | None) -> tuple[int, float]:
        """Next part of the leg it is on, or of the way home."""
        if ship is not None and rules is not None and is_leaving(ship, rules):
            if not self._homing or not self._leg:
                self._leg, self._homing = head_home(ship, rules)[::-1], True
        elif not self._leg:
            self._leg, self._homing = self._plan(), False
        return self._leg.pop()

    def _plan(self) -> list[tuple[int, float]]:
        rng = self._rng
        turn = Button.LEFT if rng.random() < 0.5 else Button.RIGHT
        burn = Button.THRUST | (turn if rng.random() < 0.25 else Button(0))
        leg = [
            (int(turn), float(rng.uniform(0.2, 1.0))),
            (int(burn), float(rng.uniform(0.5, 2.0))),
            (0, float(rng.uniform(0.3, 2.0))),
        ]
        if rng.random() < 0.3:
            leg.append((int(Button.BRAKE), float(rng.uniform(0.3, 1.0))))
        return leg[::-1]


def is_leaving(ship: ShipState, rules: Rules) -> bool:
    """Tell whether a ship is too near to the belt's edge, or beyond, or will soon be."""
    if not rules.belt_sectors:
        return False
    low, high = rules.belt_bounds
    x, y = ship.x + ship.vx * HOME_AHEAD_S, ship.y + ship.vy * HOME_AHEAD_S
    nearest, farthest = min(ship.x, ship.y, x, y), max(ship.x, ship.y, x, y)
    return nearest < low + HOME_MARGIN or farthest > high - HOME_MARGIN


def head_home(ship: ShipState, rules: Rules) -> list[tuple[int, float]]:
    """Stop, turn towards the middle of the belt, and once it is ahead, thrust.

    Returns:
        buttons and how long to hold them, for the next part of the way.
    """
    low, high = rules.belt_bounds
    to_x, to_y = (low + high) / 2 - ship.x, (low + high) / 2 - ship.y
    if ship.vx * to_x + ship.vy * to_y < 0 and math.hypot(ship.vx, ship.vy) > HOME_SLOW:
        return [(int(Button.BRAKE), 0.5)]
    # It turns on for a while after the buttons are let go.
    damping, turn = max(rules.ship_spin_damping, 1.0), max(rules.ship_turn, 1.0)
    off = math.remainder(math.atan2(to_y, to_x) - ship.heading - ship.spin / damping, math.tau)
    if abs(off) <= HOME_AIM:
        return [(int(Button.THRUST), 0.4)]
    # Held for t, it turns by turn * t² / 2, and by turn * t / damping afterwards.
    hold_s = math.sqrt(1 / damping**2 + 2 * abs(off) / turn) - 1 / damping
    return [(int(Button.LEFT if off > 0 else Button.RIGHT), hold_s), (0, HOME_LOOK_S)]


BEHAVIOURS: dict[str, Callable[[np.random.Generator], Behaviour]] = {
    "wander": Wander,
    "idle": lambda rng: Idle(),
}
"""Behaviours by the name they have on the command line."""


def make_behaviour(name: str, rng: np.random.Generator) -> Behaviour:
    """Behaviour of one bot.

    Args:
        name: one of `BEHAVIOURS`.
        rng: the bot's own generator.

    Raises:
        ConfigError: no such behaviour.
    """
    try:
        make = BEHAVIOURS[name]
    except KeyError:
        known = ", ".join(sorted(BEHAVIOURS))
        raise ConfigError(f"there is no behaviour {name!r}; there are: {known}") from None
    return make(rng)
