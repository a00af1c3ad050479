"""Stations: they stay where they are, whatever runs into them.

A system puts back what was pushed. While nothing has moved a station it writes nothing, so that
stations cost nothing to replicate.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game import (
    AUTHORITY,
    F8,
    SHARDS,
    U1,
    Body,
    Bools,
    Component,
    Entity,
    Floats,
    Label,
    Motion,
    Part,
    Step,
    WorldBuilder,
    field,
)
from sidereal.games.frontier.traffic.kinds import CRAFT

RADIUS: Final = 40.0
"""Of a station, world units."""

HOME: Final = (-230.0, 500.0)
"""Where the station is beside which ships appear; world units."""

PLACES: Final = {
    "Haven": HOME,
    "Anvil": (640.0, 1380.0),
    "Cinder": (1620.0, 420.0),
    "Lantern": (2370.0, 2340.0),
    "Tern": (-1420.0, 1560.0),
    "Deep Six": (-1340.0, -1280.0),
}
"""Where the stations of a new world are, by name; home is the first. World units. Each lies well
inside its sector, and the straight way from one to any other crosses a border."""

stations = Part("stations")


class Docked(Component, writer=AUTHORITY):
    """Where a ship is docked, 0 for nowhere; and the place where it is held."""

    at: Entity
    x: F8 = field(0, unit="unit")
    y: F8 = field(0, unit="unit")


class Anchor(Component, audience=SHARDS):
    """Where a station stays: it is where its shard has first seen it."""

    x: F8 = field(0, unit="unit")
    y: F8 = field(0, unit="unit")
    holds: U1 = field(0, low=0, high=1)


STATION = stations.kind(
    "station", Motion(), Body(radius=RADIUS, mass=100_000), Label(), Anchor(), bounce=0.2
)
stations.look(STATION, symbol="square", colour="#9cf", size=RADIUS, label=Label.name, rank=6)
stations.compass(STATION)
for craft in CRAFT:
    stations.extend(craft, Docked())


@stations.rule(Anchor)
def holds_fast(before: Anchor, after: Anchor, _dt: Floats) -> Bools:
    """Believe in no anchor that is moved, or lifted."""
    same = (after.x == before.x) & (after.y == before.y) & (after.holds == before.holds)
    return np.asarray((before.holds == 0) | same)


def place_stations(make: WorldBuilder) -> None:
    """Put the stations of `PLACES` into a new world."""
    places = np.array(list(PLACES.values()))
    make.spawn(STATION, Motion(x=places[:, 0], y=places[:, 1]), Label(name=list(PLACES)))


@stations.system
def stay(step: Step) -> None:
    """Put stations back that were pushed."""
    motion, anchor, rows = step[Motion], step[Anchor], step.rows(STATION)
    new = rows[anchor.holds[rows] == 0]
    anchor.x[new], anchor.y[new], anchor.holds[new] = motion.x[new], motion.y[new], 1
    away = (motion.x[rows] != anchor.x[rows]) | (motion.y[rows] != anchor.y[rows])
    moving = (motion.vx[rows] != 0) | (motion.vy[rows] != 0) | (motion.spin[rows] != 0)
    rows = rows[away | moving]
    motion.x[rows], motion.y[rows] = anchor.x[rows], anchor.y[rows]
    motion.vx[rows] = motion.vy[rows] = motion.spin[rows] = 0
