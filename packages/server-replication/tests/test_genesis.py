"""A world's first day."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA, Kind
from sidereal.replication.genesis import (
    ASTEROID_DENSITY,
    BELT_ASTEROIDS_PER_SIDE,
    SHIP_RADIUS,
    Preset,
    find_room,
    make_world,
)

RULES = Rules()
NOTHING = np.zeros(0), np.zeros(0), np.zeros(0)


def gaps(x: float, y: float, rocks: np.ndarray) -> np.ndarray:
    gaps: np.ndarray = np.hypot(rocks["x"] - x, rocks["y"] - y) - rocks["radius"]
    return gaps


def test_the_belt_has_a_rock_in_every_box_and_room_between_all_of_them() -> None:
    rocks = make_world(Preset.BELT, BASE_SCHEMA, RULES, np.random.default_rng(3))
    low, high = RULES.belt_bounds
    box = (high - low) / BELT_ASTEROIDS_PER_SIDE
    boxes = {(x // box, y // box) for x, y in zip(rocks["x"] - low, rocks["y"] - low, strict=True)}
    assert len(boxes) == len(rocks) == BELT_ASTEROIDS_PER_SIDE**2
    assert set(rocks["kind"]) == {Kind.ASTEROID}
    for axis in ("x", "y"):
        inside = (rocks[axis] - low) % box
        assert (np.minimum(inside, box - inside) - rocks["radius"]).min() >= 2.0 - 1e-3
    assert 6.0 <= rocks["radius"].min() < 6.1
    assert rocks["radius"].max() <= box / 3 + 1e-3
    weight = ASTEROID_DENSITY * 4 / 3 * math.pi * rocks["radius"] ** 3
    assert rocks["mass"] == pytest.approx(weight, rel=1e-5)


def test_rocks_of_the_belt_drift_slowly_in_all_directions() -> None:
    rocks = make_world(Preset.BELT, BASE_SCHEMA, RULES, np.random.default_rng(3))
    speed = np.hypot(rocks["vx"], rocks["vy"])
    assert speed.min() < 0.1
    assert 1.0 < speed.mean() < 2.0
    assert speed.max() == pytest.approx(6.0)
    assert abs(rocks["vx"].mean()) < 0.2
    assert abs(rocks["vy"].mean()) < 0.2
    assert 0.1 < np.abs(rocks["spin"]).mean() < 0.25
    assert np.abs(rocks["spin"]).max() <= 1.0
    assert abs(rocks["spin"].mean()) < 0.05
    assert rocks["heading"].min() < -3.0 < 3.0 < rocks["heading"].max()


def test_an_empty_world_is_empty_and_others_are_unknown() -> None:
    rng = np.random.default_rng(3)
    assert len(make_world(Preset.EMPTY, BASE_SCHEMA, RULES, rng)) == 0
    with pytest.raises(ConfigError, match=r"no world is called 'moon'.*belt, empty"):
        make_world("moon", BASE_SCHEMA, RULES, rng)


def test_a_new_ship_starts_beside_a_rock_with_room_around_it() -> None:
    rocks = make_world(Preset.BELT, BASE_SCHEMA, RULES, np.random.default_rng(3))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = find_room(rocks["x"], rocks["y"], rocks["radius"], RULES, rng)
        assert 4 * SHIP_RADIUS <= gaps(x, y, rocks).min() <= 8 * SHIP_RADIUS


def test_where_there_is_no_such_room_the_freest_spot_is_taken() -> None:
    rocks = make_world(Preset.BELT, BASE_SCHEMA, RULES, np.random.default_rng(3))
    others = rocks["x"], rocks["y"], rocks["radius"]
    nearest = [
        gaps(*find_room(*others, RULES, np.random.default_rng(5), clearance=90.0), rocks).min(),
        gaps(
            *find_room(*others, RULES, np.random.default_rng(5), clearance=90.0, candidates=1),
            rocks,
        ).min(),
    ]
    assert nearest[0] > 30.0
    assert nearest[0] > nearest[1]


def test_in_an_empty_world_a_ship_starts_in_the_middle_of_the_middle_sector() -> None:
    spots = [find_room(*NOTHING, RULES, np.random.default_rng(seed)) for seed in range(200)]
    reach = np.abs(np.array(spots)).max(axis=0)
    assert (reach <= RULES.sector_size / 4).all()
    assert (reach > RULES.sector_size / 5).all()
    assert (np.array(spots).min(axis=0) < -RULES.sector_size / 5).all()
