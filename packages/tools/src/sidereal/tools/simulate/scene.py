"""The world a simulated cluster plays in: small and quick, so that borders are crossed often."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.protocol.rules import Rules, StreamLimits
from sidereal.protocol.state.schema import Schema
from sidereal.tools.simulate.game import (
    ASTEROID,
    PRESSES_AT,
    TRIM_AT,
    TRIM_STEPS,
    Button,
    Laws,
)

SECTOR_SIZE: Final = 200.0

BELT_SIDE: Final = 9
BELT_PLACES: Final = BELT_SIDE * BELT_SIDE
"""Asteroids there may be at most; one fewer leaves the others where they are."""

BELT_SHARE_MIN: Final = 0.5

ASTEROID_DENSITY: Final = 0.002
"""Tonnes per cubic unit."""

DRIFT_MAX: Final = 60.0
"""Speed of the fastest asteroids, world units per second."""

HOLD_S: Final = (0.1, 0.7)
"""Bounds of the time a pilot holds the same."""

LOOK_S: Final = (0.2, 0.8)
"""Bounds of the time an observer looks at one place."""


def make_rules(
    tick_hz: int,
    cell_size: float,
    view_radius_cells: int,
    streams: StreamLimits,
) -> Rules:
    """Make rules with fewer ticks than usual, and undivided: what a run costs is mostly ticks."""
    return Rules(
        tick_hz=tick_hz,
        substeps=1,
        sector_size=SECTOR_SIZE,
        cell_size=cell_size,
        view_radius_cells=view_radius_cells,
        streams=streams,
    )


def make_laws(rules: Rules, sectors_per_side: int, *, families: bool = False) -> Laws:
    """Make the laws by which everything moves.

    The belt ends where the world does on two sides, so that asteroids are turned back there.
    """
    first = -((sectors_per_side + 2) // 2)
    belt = first * SECTOR_SIZE, (first + sectors_per_side + 2) * SECTOR_SIZE
    return Laws(rules.tick_s, rules.substeps, rules.speed_max, belt, families=families)


def make_belt(schema: Schema, side: float, rng: np.random.Generator) -> np.ndarray:
    """Strew asteroids over a square that begins at the origin, none touching another.

    Args:
        schema: of the world.
        side: of the square, world units.
        rng: for all there is to draw.

    Returns:
        `Schema.full_record[BELT_PLACES]`, without ids: an asteroid for every place of the belt.
    """
    count = BELT_PLACES
    spacing = side / BELT_SIDE
    row, column = np.divmod(rng.permutation(count), BELT_SIDE)
    radius = rng.uniform(2.0, 6.0, count)
    room = spacing / 2 - radius - 1.0
    records = np.repeat(schema.first[[ASTEROID]], count)
    records["x"] = (column + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * room
    records["y"] = (row + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * room
    drifts = rng.random(count) < 0.6
    speed, course = rng.uniform(0.0, DRIFT_MAX, count), rng.uniform(0.0, math.tau, count)
    records["vx"], records["vy"] = (
        drifts * speed * np.cos(course),
        drifts * speed * np.sin(course),
    )
    records["heading"] = rng.uniform(-math.pi, math.pi, count)
    records["spin"] = drifts * rng.normal(0.0, 0.3, count)
    records["radius"] = radius
    records["mass"] = ASTEROID_DENSITY * 4 / 3 * math.pi * radius**3
    return records


def choose_record(rng: np.random.Generator) -> tuple[int, float]:
    """Choose what a pilot holds and presses next, and for how long in seconds.

    Mostly it is full speed ahead.
    """
    ahead = Button.THRUST if rng.random() < 0.8 else Button(0)
    turn = (Button(0), Button.LEFT, Button.RIGHT)[int(rng.integers(0, 3))]
    brake = Button.BRAKE if rng.random() < 0.1 else Button(0)
    pressed = int(rng.integers(1, 4)) if rng.random() < 0.4 else 0
    trim = int(rng.integers(0, 2 * TRIM_STEPS + 1))
    record = ahead | turn | brake | pressed << PRESSES_AT | trim << TRIM_AT
    return int(record), float(rng.uniform(*HOLD_S))


def choose_view(sectors_per_side: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Choose where an observer looks next (world units), and for how long in seconds."""
    span = sectors_per_side * SECTOR_SIZE
    return (
        float(rng.uniform(0.0, span)),
        float(rng.uniform(0.0, span)),
        float(rng.uniform(*LOOK_S)),
    )
