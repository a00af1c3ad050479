"""How long each model and system takes, so that a slow one can be named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

AVERAGED_S: Final = 1.0
"""Seconds of simulated time over which durations are averaged; older ones fade."""


class Costs:
    """Durations by the place of whatever takes them."""

    def __init__(self, names: Sequence[str], tick_s: float) -> None:
        self._names = tuple(names)
        self._spent = np.zeros(len(names))
        self._average = np.zeros(len(names))
        self._share = min(1.0, tick_s / AVERAGED_S)

    def add(self, at: int, seconds: float) -> None:
        """Note that the one at a place took so long, once more in this tick."""
        self._spent[at] += seconds

    def settle(self) -> None:
        """End a tick."""
        self._average += self._share * (self._spent - self._average)
        self._spent[:] = 0.0

    def slowest(self) -> tuple[str, float]:
        """Give what takes longest, and how long per tick, s; nothing and 0 if there is none."""
        if not self._names:
            return "", 0.0
        at = int(self._average.argmax())
        return self._names[at], float(self._average[at])

    def all(self) -> dict[str, float]:
        """Give how long each takes per tick, s."""
        return dict(zip(self._names, self._average.tolist(), strict=True))
