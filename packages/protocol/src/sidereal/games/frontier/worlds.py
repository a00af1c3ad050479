"""What a new world is made of: a whole game, a belt of asteroids, courses that meet, or nothing.

A world says what its bots do, too. `frontier` is the game: a belt with stations, traffic between
them, a course for races, and a home; there bots do all that people do. `belt` has nothing but
asteroids, and bots that wander. In `crowd` and `star` there is nothing but ships: all fly to one
point, or by turns to eight. In `seam` rocks meet on the borders between sectors, and at their
corners, for a minute; ships fly to and fro over a border meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from sidereal.game import Body, Kind, Motion, Part, WorldBuilder
from sidereal.games.frontier.asteroids import ASTEROID, BELT_HIGH, BELT_LOW
from sidereal.games.frontier.homes import PLACE, SPREAD, make_home
from sidereal.games.frontier.trade.races import GATES, place_gates
from sidereal.games.frontier.trade.races import RADIUS as GATE_RADIUS
from sidereal.games.frontier.trade.stations import PLACES, place_stations
from sidereal.games.frontier.trade.stations import RADIUS as STATION_RADIUS
from sidereal.games.frontier.traffic.upkeep import WANTED, fill_lanes

DENSITY: Final = 0.002
"""Tonnes per cubic unit: an asteroid of radius 20 weighs as much as six ships."""

PER_SIDE: Final = 45
"""Asteroids along an edge of the belt: one in every box of a grid."""

CLEAR: Final = 50.0
"""World units around stations, gates and home, in which a new world has no asteroid."""

SECTOR: Final = 1000.0
"""Width of a sector, world units: shards have whole ones."""
CORNERS: Final = (-1, 0, 1, 2)
"""Where sectors meet whose borders are flown over, along both axes, in sectors."""
LANES: Final = (360.0, 420.0, 480.0, 540.0, 600.0, 660.0)
"""Where pairs cross a border: world units from its corner. Those that meet there are out of the way
of these."""
RUN_MIN, RUN_MAX = 60.0, 300.0
"""How far from their meeting place they begin, world units."""
SPEED_MIN, SPEED_MAX = 5.0, 60.0
"""How fast they approach it, units/s."""
RADIUS_MIN, RADIUS_MAX = 6.0, 12.0

worlds = Part("worlds")


def populate(make: WorldBuilder, per_side: int, ships: Mapping[Kind, int]) -> None:
    """Make a home, stations, gates, a belt around them, and traffic.

    Args:
        make: the world.
        per_side: asteroids along an edge of the belt.
        ships: how many of each kind that the game flies.
    """
    make_home(make)
    place_stations(make)
    place_gates(make)
    spared = [(x, y, STATION_RADIUS) for x, y in PLACES.values()]
    spared += [(x, y, GATE_RADIUS) for x, y in GATES]
    _strew(make, per_side, [*spared, (*PLACE, SPREAD)])
    # Where four boxes of the belt meet there is room for a ship.
    at = np.linspace(BELT_LOW, BELT_HIGH, per_side + 1)[1:-1]
    x, y = (each.ravel() for each in np.meshgrid(at, at))
    station_x, station_y = np.array(list(PLACES.values())).T
    away = np.hypot(x[:, None] - station_x, y[:, None] - station_y).min(axis=1)
    free = away > STATION_RADIUS + CLEAR
    fill_lanes(make, x[free], y[free], ships)


@worlds.world("belt", bots="wander")
def strew_belt(make: WorldBuilder) -> None:
    """Strew asteroids over the belt, with room between all of them; they drift slowly."""
    _strew(make, PER_SIDE, [])


def _strew(make: WorldBuilder, per_side: int, spared: list[tuple[float, float, float]]) -> None:
    """Strew the belt, but for some places: x, y and radius of each, world units."""
    rng, count = make.rng, per_side * per_side
    spacing = (BELT_HIGH - BELT_LOW) / per_side
    row, column = np.divmod(np.arange(count), per_side)
    radius = np.minimum(6.0 + rng.exponential(6.0, count), spacing / 3)
    room = spacing / 2 - radius - 2.0
    x = BELT_LOW + (column + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * room
    y = BELT_LOW + (row + 0.5) * spacing + rng.uniform(-1.0, 1.0, count) * room
    speed, course = rng.exponential(1.5, count).clip(0.0, 6.0), rng.uniform(0, math.tau, count)
    motion = Motion(
        x=x,
        y=y,
        vx=speed * np.cos(course),
        vy=speed * np.sin(course),
        heading=rng.uniform(-math.pi, math.pi, count),
        spin=rng.normal(0.0, 0.2, count).clip(-1.0, 1.0),
    )
    kept = np.ones(count, np.bool_)
    for at_x, at_y, clear in spared:
        kept &= np.hypot(x - at_x, y - at_y) > clear + radius + CLEAR
    chosen = {name: getattr(motion, name)[kept] for name in Motion.fields}
    radius = radius[kept]
    make.spawn(ASTEROID, Motion(**chosen), Body(radius=radius, mass=_mass(radius)))


@worlds.world("frontier", bots="mixed")
def make_frontier(make: WorldBuilder) -> None:
    """Make all that the game has."""
    populate(make, PER_SIDE, WANTED)


@worlds.world("crowd", bots="crowd")
@worlds.world("star", bots="star")
@worlds.world("empty")
def leave_empty(make: WorldBuilder) -> None:
    """Make nothing."""


@worlds.world("seam", bots="shuttle")
def meet_on_borders(make: WorldBuilder) -> None:
    """Let pairs of rocks meet on the borders between sectors, and threes at the corners."""
    corner_x, corner_y = (SECTOR * at.ravel() for at in np.meshgrid(CORNERS, CORNERS))
    _approach(make, corner_x, corner_y, _courses_at_corners(len(corner_x)))
    first, lane = (at.ravel() for at in np.meshgrid(CORNERS[:-1], LANES))
    along, across = np.meshgrid(SECTOR * first + lane, SECTOR * np.array(CORNERS))
    along, across = along.ravel(), across.ravel()
    for x, y, course in ((across, along, 0.0), (along, across, math.pi / 2)):
        _approach(make, x, y, np.add.outer(np.full(len(x), course), [0.0, math.pi]))


def _courses_at_corners(count: int) -> np.ndarray:
    """Courses of rocks out of three of the four sectors at each corner: float64[n, 3], rad."""
    missing = np.arange(count) % 4
    return np.asarray(np.add.outer(missing, [1.5, 2.5, 3.5]) * (math.pi / 2))


def _approach(make: WorldBuilder, x: np.ndarray, y: np.ndarray, course: np.ndarray) -> None:
    """Make rocks that reach a place at the same time.

    Args:
        make: the world.
        x: float64[n], of the places, world units; likewise `y`.
        course: float64[n, k], on which rocks come, rad.
    """
    rng, shape = make.rng, course.shape
    run = rng.uniform(RUN_MIN, RUN_MAX, len(x))[:, None]
    speed = rng.uniform(SPEED_MIN, SPEED_MAX, len(x))[:, None]
    radius = rng.uniform(RADIUS_MIN, RADIUS_MAX, shape)
    motion = Motion(
        x=(x[:, None] - run * np.cos(course)).ravel(),
        y=(y[:, None] - run * np.sin(course)).ravel(),
        vx=(speed * np.cos(course)).ravel(),
        vy=(speed * np.sin(course)).ravel(),
    )
    make.spawn(ASTEROID, motion, Body(radius=radius.ravel(), mass=_mass(radius.ravel())))


def _mass(radius: np.ndarray) -> np.ndarray:
    return DENSITY * 4 / 3 * math.pi * radius**3
