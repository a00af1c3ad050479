"""Which bodies are to meet on borders: pairs, shots at who is just beyond, threes at corners.

Some are held by a parent, and some end as they touch another one.

A scene says where everything is, and how fast, at its first tick. What is to meet does so about
`MEETS_S` later, with its point of contact exactly on the border; by then its shards have it. Groups
are so far from each other that no other one is met. Some bodies thrust on the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SECTOR: Final = 1000.0
MEETS_S: Final = (1.2, 1.6)
"""When groups meet, seconds after the first tick."""
THRUST_FROM: Final = 10
"""Ticks after the first one."""
THRUST_UNTIL: Final = 36
SHOT_AT: Final = (22, 34)
"""Likewise: when guns fire, not all at once."""
VOLLEY_AT: Final = (28, 29)
"""Likewise, all at once."""
LASTS: Final = 60
"""Ticks after the first one in which all is over."""
TICK_S: Final = 0.05
THRUST_MAX: Final = 60.0
"""Units/s²."""
SHOT_RADIUS, SHOT_MASS = 3.0, 2.0
DOCKS_AT: Final = 8
"""Ticks after the first one: when children come to their parents."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Bodies, [n] each, at the first tick of their scene.

    Attributes:
        group: those of one number meet.
        ax: with which it thrusts for a while, units/s²; likewise `ay`.
    """

    group: Ints
    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    radius: Floats
    mass: Floats
    ax: Floats
    ay: Floats


@dataclass(frozen=True, slots=True)
class Guns:
    """What lets shots come into the world, [n] each.

    Attributes:
        at: when it fires, ticks after the first one.
        x: of the gun, world units; likewise `y`.
        shot_x: where its shot begins; likewise `shot_y`.
        shot_vx: how fast, units/s; likewise `shot_vy`.
    """

    at: Ints
    x: Floats
    y: Floats
    shot_x: Floats
    shot_y: Floats
    shot_vx: Floats
    shot_vy: Floats


@dataclass(frozen=True, slots=True)
class Docked:
    """Children that the first body of each group holds, [n] each.

    Attributes:
        x: where it is beside its parent, world units; likewise `y`.
    """

    x: Floats
    y: Floats
    radius: Floats
    mass: Floats


@dataclass(frozen=True, slots=True)
class Scene:
    """What is in a world, and who simulates it.

    Attributes:
        shards: that share the world.
        bodies: that are in it from the first tick.
        guns: one for each group, or none.
        pilots: how many of those that thrust are flown by somebody, the first ones.
        docked: a child for each group, or none.
        brittle: whether the first body of each group ends as it touches another one; with guns
            their shots do.
    """

    shards: int
    bodies: Bodies
    guns: Guns | None = None
    pilots: int = 0
    docked: Docked | None = None
    brittle: bool = False

    def layout(self, x: int, y: int) -> int:
        """Which shard has a sector: all that touch belong to different ones, as far as they can."""
        return x % 2 + 2 * (y % 2) if self.shards == 4 else x % 2


def make_pairs(rng: np.random.Generator, count: int, thrust_share: float = 0.6) -> Scene:
    """Let pairs meet on borders, at closing speeds of 5 to 250 units/s; some thrust."""
    place_x, place_y = _places(count, 300.0, 600.0)
    radius = rng.uniform(3.0, 12.0, (count, 2))
    closing = np.exp(rng.uniform(math.log(5.0), math.log(250.0), count))
    normal = rng.uniform(-0.8, 0.8, count)
    # Along the normal each takes a part of the closing speed; along the border both drift alike.
    part = rng.uniform(0.35, 0.65, count)
    drift = rng.uniform(-0.3, 0.3, count) * closing
    speed = np.stack([part * closing, (part - 1.0) * closing])
    slide = np.stack([drift, drift * rng.uniform(0.5, 1.0, count)])
    cos, sin = np.cos(normal), np.sin(normal)
    meets = np.stack([speed * cos - slide * sin, speed * sin + slide * cos]).transpose(0, 2, 1)
    side = np.array([-1.0, 1.0]) * radius
    at = np.stack([place_x[:, None] + side * cos[:, None], place_y[:, None] + side * sin[:, None]])
    thrusts = (rng.random(count) < thrust_share) & (closing > 60.0)
    course, push = rng.uniform(0.0, math.tau, (count, 2)), rng.uniform(20.0, THRUST_MAX, (count, 2))
    push *= thrusts[:, None] * (rng.random((count, 2)) < 0.7)
    bodies = _lead_to(rng, at, meets, radius, push * [np.cos(course), np.sin(course)])
    return Scene(2, bodies, pilots=int(((bodies.ax != 0) | (bodies.ay != 0)).sum()) // 2)


def make_threes(rng: np.random.Generator, count: int) -> Scene:
    """Let three bodies meet at every corner of four shards; a quarter thrust."""
    side = math.ceil(math.sqrt(count))
    corner_y, corner_x = np.divmod(np.arange(count), side)
    # Out of three of the four sectors.
    quarter = rng.integers(0, 4, count)[:, None] + np.array([0, 1, 2])
    angle = quarter * (math.pi / 2) + math.pi / 4 + rng.uniform(-0.3, 0.3, (count, 3))
    outwards = np.stack([np.cos(angle), np.sin(angle)])
    radius = rng.uniform(5.0, 9.0, (count, 3))
    away = 1.3 * radius.max(axis=1, keepdims=True) + rng.uniform(0.0, 2.0, (count, 3))
    corner = SECTOR * np.stack([1.0 + corner_x, 1.0 + corner_y])[:, :, None]
    meets = -outwards * rng.uniform(20.0, 120.0, (count, 3))
    course = rng.uniform(0.0, math.tau, (count, 3))
    push = rng.uniform(10.0, 30.0, (count, 3)) * (rng.random(count) < 0.25)[:, None]
    at = corner + outwards * away
    return Scene(4, _lead_to(rng, at, meets, radius, push * [np.cos(course), np.sin(course)]))


def make_docked(rng: np.random.Generator, count: int) -> Scene:
    """Let who holds a child come from either side, so that the child is hit on the border.

    What hits it is light, and bounces off: those that go on touching while they change hands are
    told of once more.
    """
    place_x, place_y = _places(count, 300.0, 600.0)
    normal = rng.uniform(-0.5, 0.5, count) + math.pi * rng.integers(0, 2, count)
    ahead = np.stack([np.cos(normal), np.sin(normal)])
    radius = rng.uniform([6.0, 3.0], [10.0, 4.0], (count, 2))
    size = rng.uniform(3.0, 5.0, count)
    aside = normal + rng.uniform(-0.4, 0.4, count)
    beside = (radius[:, 0] + 0.5 * size) * np.stack([np.cos(aside), np.sin(aside)])
    place = np.stack([place_x, place_y])
    at = np.stack([place - ahead * size - beside, place + ahead * radius[:, 1]], axis=2)
    speed = rng.uniform(10.0, 80.0, (count, 2)) * [1.0, -1.0]
    bodies = _lead_to(rng, at, ahead[:, :, None] * speed, radius, np.zeros((2, count, 2)))
    return Scene(2, bodies, docked=Docked(*beside, size, 10.0 * _mass(rng, size)))


def make_brittle(rng: np.random.Generator, count: int) -> Scene:
    """Let pairs meet of which one ends in the tick in which they touch."""
    return replace(make_pairs(rng, count, thrust_share=0.0), brittle=True)


def make_brittle_shots(rng: np.random.Generator, count: int) -> Scene:
    """Let shots from point-blank end in the tick in which they hit."""
    return replace(make_point_blank(rng, count), brittle=True)


def make_volley(rng: np.random.Generator, count: int) -> Scene:
    """Let shots from point-blank come into the world all in one tick."""
    return make_point_blank(rng, count, VOLLEY_AT)


def make_point_blank(
    rng: np.random.Generator, count: int, shot_at: tuple[int, int] = SHOT_AT
) -> Scene:
    """Let shots come into the world that hit who is beyond a border in one to three ticks."""
    place_x, place_y = _places(count, 300.0, 600.0)
    normal = rng.uniform(-0.5, 0.5, count)
    cos, sin = np.cos(normal), np.sin(normal)
    radius = rng.uniform(5.0, 9.0, count)
    speed, course = rng.uniform(100.0, 200.0, count), normal + rng.uniform(-0.3, 0.3, count)
    fires, flies_s = rng.integers(*shot_at, count), TICK_S * rng.uniform(1.0, 3.0, count)
    shot_vx, shot_vy = speed * np.cos(course), speed * np.sin(course)
    guns = Guns(
        at=fires,
        x=place_x - 60.0 * cos,
        y=place_y - 60.0 * sin,
        shot_x=place_x - SHOT_RADIUS * cos - shot_vx * flies_s,
        shot_y=place_y - SHOT_RADIUS * sin - shot_vy * flies_s,
        shot_vx=shot_vx,
        shot_vy=shot_vy,
    )
    pace, heading = rng.uniform(5.0, 60.0, count), normal + math.pi + rng.uniform(-0.5, 0.5, count)
    vx, vy = pace * np.cos(heading), pace * np.sin(heading)
    before_s = fires * TICK_S + flies_s
    still = np.zeros(count)
    targets = Bodies(
        group=np.arange(count),
        x=place_x + radius * cos - vx * before_s,
        y=place_y + radius * sin - vy * before_s,
        vx=vx,
        vy=vy,
        radius=radius,
        mass=_mass(rng, radius),
        ax=still,
        ay=still,
    )
    return Scene(2, targets, guns)


def _places(count: int, first: float, spacing: float) -> tuple[Floats, Floats]:
    """Spread places over the borders between columns of sectors."""
    columns = math.ceil(math.sqrt(count))
    row, column = np.divmod(np.arange(count), columns)
    return SECTOR * (1.0 + column), first + spacing * row


def _lead_to(
    rng: np.random.Generator, at: Floats, meets: Floats, radius: Floats, push: Floats
) -> Bodies:
    """Work out where bodies begin that are to be somewhere when they meet.

    Args:
        rng: of masses, and of when.
        at: float64[2, n, k], where they are then.
        meets: float64[2, n, k], how fast.
        radius: float64[n, k].
        push: float64[2, n, k], with which they thrust.
    """
    count, size = radius.shape
    meets_s = rng.uniform(*MEETS_S, (count, 1))
    thrusts_s = meets_s - THRUST_FROM * TICK_S
    begins = meets - push * thrusts_s
    place = at - begins * meets_s - push * thrusts_s**2 / 2
    columns = [column.reshape(2, -1) for column in (place, begins, push)]
    flat = radius.ravel()
    group = np.repeat(np.arange(count), size)
    (x, y), (vx, vy), (ax, ay) = columns
    return Bodies(group, x, y, vx, vy, flat, _mass(rng, flat), ax, ay)


def _mass(rng: np.random.Generator, radius: Floats) -> Floats:
    return radius**2 * rng.uniform(0.5, 2.0, len(radius)) / 10
