"""Growth: where nobody looks, rocks come again, and crumbs of rocks fall to dust.

Shards see who is where: now and then each of them proposes a place for a rock that is far from all
players, and one of its smallest rocks that is, too. The authority knows the books: it makes a rock
only of what the others have lost, and ends a small one only while there are too many. So neither
the mass nor the count of the rocks goes far from where they began.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np

from sidereal.game import SYSTEMS, Body, Indices, Meta, Motion, Part, Step, Transaction
from sidereal.games.frontier.asteroids import (
    ASTEROID,
    BELT_HIGH,
    BELT_LOW,
    TURN_MARGIN,
    TURN_SPEED_MAX,
)
from sidereal.games.frontier.ore.books import Books, missing
from sidereal.games.frontier.ore.pieces import GRAIN
from sidereal.games.frontier.ships import SHIP
from sidereal.games.frontier.worlds import DENSITY

EVERY_S: Final = 3.0
"""How often a shard proposes a place, and a rock."""
FAR: Final = 450.0
"""World units from every player's ship."""
AWAY: Final = 100.0
"""How far from a rock that is there a new one comes at most, world units."""
SIGHT: Final = FAR + AWAY
"""How far beyond its sectors a shard has to see for that, world units."""
SHIPS_AT_A_TIME: Final = 16
"""Ships of which it is looked at a time whether places are far from them."""
PLACES: Final = 8
"""Of so many places a shard proposes the one with the most room."""
ROOM: Final = 4.0
"""World units between a new rock and whoever is nearest."""
RADIUS_MIN, RADIUS_MEAN, RADIUS_MAX = 6.0, 12.0, 37.0
"""Of what grows, world units."""
PER_CUBE: Final = DENSITY * 4 / 3 * math.pi
"""What a rock of radius 1 weighs, t."""
MORE_MAX: Final = 100
"""So many rocks more than at the start are too many."""

growth = Part("growth")


@growth.action(asked_by=SYSTEMS)
def grow(
    tx: Transaction,
    x: Annotated[float, Meta(ge=BELT_LOW, le=BELT_HIGH)],
    y: Annotated[float, Meta(ge=BELT_LOW, le=BELT_HIGH)],
    radius: Annotated[float, Meta(ge=RADIUS_MIN, le=RADIUS_MAX)],
    course: Annotated[float, Meta(ge=-math.pi, le=math.pi)],
) -> None:
    """Make a rock of what rocks have lost, if that is enough."""
    lost, more = missing(tx), int(tx.get(tx.shared, Books.rocks))
    if more < 0:  # as many as have gone are to come of it
        radius = min(radius, max(RADIUS_MIN, math.cbrt(max(lost, 0.0) / -more / PER_CUBE)))
    mass = float(np.float32(PER_CUBE * radius**3))
    if mass > lost or more >= MORE_MAX:
        return
    tx.add(tx.shared, Books.grown, mass)
    tx.add(tx.shared, Books.rocks, 1)
    vx, vy = (
        round(part * TURN_SPEED_MAX / 4 / GRAIN) * GRAIN
        for part in (math.cos(course), math.sin(course))
    )
    motion = Motion(vx=vx, vy=vy, heading=course)
    tx.spawn(ASTEROID, motion, Body(radius=radius, mass=mass), at=(x, y))


@growth.action(asked_by=SYSTEMS)
def wither(tx: Transaction) -> None:
    """Let a rock fall to dust, if there are too many."""
    if tx.get(tx.shared, Books.rocks) <= MORE_MAX:
        return
    tx.add(tx.shared, Books.rocks, -1)
    tx.add(tx.shared, Books.dust, tx.get(tx.own, Body.mass))
    tx.despawn(tx.own)


@growth.system(every_s=EVERY_S)
def tend(step: Step) -> None:
    """Propose where a rock may come, and which one may go."""
    rocks = step.rows(ASTEROID)
    rocks = rocks[_is_far(step, step[Motion].x[rocks], step[Motion].y[rocks])]
    if not len(rocks):
        return
    step.ask(wither, at=rocks[[np.argmin(step[Body].mass[rocks])]])
    _propose_place(step, rocks)


def _propose_place(step: Step, rocks: Indices) -> None:
    """Ask for a rock near one of these, at the place that has the most room, if one has enough."""
    rng, motion, body = step.rng, step[Motion], step[Body]
    near = rng.choice(rocks, PLACES)
    low, high = BELT_LOW + 2 * TURN_MARGIN, BELT_HIGH - 2 * TURN_MARGIN
    x = np.clip(motion.x[near] + rng.uniform(-AWAY, AWAY, PLACES), low, high)
    y = np.clip(motion.y[near] + rng.uniform(-AWAY, AWAY, PLACES), low, high)
    others = step.seen(Body)
    away = np.hypot(x[:, None] - motion.x[others], y[:, None] - motion.y[others])
    room = (away - body.radius[others]).min(axis=1)
    room[~_is_far(step, x, y)] = 0.0
    best = int(np.argmax(room))
    radius = RADIUS_MIN + rng.exponential(RADIUS_MEAN - RADIUS_MIN)
    radius = min(radius, RADIUS_MAX, room[best] - ROOM)
    if radius >= RADIUS_MIN:
        course = rng.uniform(-math.pi, math.pi)
        step.ask(grow, at=near[[best]], x=x[best], y=y[best], radius=radius, course=course)


def _is_far(step: Step, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Tell which places are far from the ships of all players, bool[n]."""
    motion, ships = step[Motion], step.seen(SHIP)
    far = np.arange(len(x))
    # A few ships at a time: most places are near one of the first, and are not looked at again.
    for start in range(0, len(ships), SHIPS_AT_A_TIME):
        some = ships[start : start + SHIPS_AT_A_TIME]
        off_x, off_y = motion.x[some][:, None] - x[far], motion.y[some][:, None] - y[far]
        far = far[(off_x * off_x + off_y * off_y >= FAR * FAR).all(axis=0)]
    is_far = np.zeros(len(x), np.bool_)
    is_far[far] = True
    return is_far
