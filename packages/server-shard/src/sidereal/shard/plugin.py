"""What game logic is: plugins that add systems to stages of the shard's tick.

A system is a function on columns: it runs for all entities at once and loops over none. It may
change whatever the shard simulates, except positions and headings, which belong to the physics.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.shard.ghosts import Ghosts


class Stage(enum.Enum):
    """When in a tick a system runs."""

    TICK = "tick"
    """Once, after the controls of the tick are known and before anything moves."""
    SUBSTEP = "substep"
    """Before each physics step: velocities written here are what moves the bodies in it."""
    SETTLE = "settle"
    """Once, after the last physics step, before changes are looked for."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a system is given besides the bodies.

    Attributes:
        tick: being simulated.
        dt: s, of a physics step in `Stage.SUBSTEP`, else of the tick.
        rules: of the world.
        buttons: uint16[capacity] by slot, `Button` flags held during this tick.
        rng: seeded, the shard's own.
        ghosts: what other shards simulate near the border, to be read.
    """

    tick: int
    dt: float
    rules: Rules
    buttons: NDArray[np.uint16]
    rng: np.random.Generator
    ghosts: Ghosts


System = Callable[[Columns, Step], None]
"""Mutates the columns of living slots; never allocates or frees."""


class Plugin(Protocol):
    """A part of the game."""

    @property
    def name(self) -> str:
        """Unique among the plugins of a shard."""

    def systems(self, stage: Stage) -> Sequence[System]:
        """Systems to run in a stage, in order; asked once."""
