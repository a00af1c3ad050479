"""What a bot does with its controls, decided from its own seeded generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.message.player import Button


class Behaviour(Protocol):
    """Decides the buttons of one bot, once per decision."""

    def decide(self) -> tuple[int, float]:
        """Buttons to hold next, and for how long in seconds."""
        ...


class Idle:
    """Holds nothing: what an unattended player costs."""

    def decide(self) -> tuple[int, float]:
        """Nothing, for a long time."""
        return 0, 3600.0


class Wander:
    """Turns somewhere, thrusts a while, coasts a while, now and then brakes.

    Over a minute it crosses several cells and sector borders, without ever going far from where a
    person would: each leg is a turn, a burn and a drift.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._leg: list[tuple[int, float]] = []

    def decide(self) -> tuple[int, float]:
        """Next part of the leg it is on."""
        if not self._leg:
            self._leg = self._plan()
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
