"""Room for one more: near a place, or anywhere where others are."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.rules import Rules
from sidereal.replication.play.spots import CLEARANCE, RING_STEP, find_room, nearest_free_spot
from sidereal.replication.play.worlds import make_world

RULES = Rules()
RADIUS = 6.0
APART = RADIUS + CLEARANCE
NOTHING = np.zeros(0), np.zeros(0), np.zeros(0)


def strew() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    game = load(DEFAULT_GAME)
    rocks = make_world(game, schema_of(game), "belt", np.random.default_rng(3))
    return rocks["x"], rocks["y"], rocks["radius"]


def gap(spot: tuple[float, float], others: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
    x, y, radius = others
    return float((np.hypot(x - spot[0], y - spot[1]) - radius).min())


def test_any_spot_is_beside_others_with_room_around_it() -> None:
    rocks = strew()
    for seed in range(20):
        spot = find_room(rocks, 24.0, RULES, np.random.default_rng(seed))
        assert 24.0 <= gap(spot, rocks) <= 48.0


def test_where_there_is_no_such_room_the_freest_spot_is_taken() -> None:
    rocks = strew()
    of_many, of_one = (
        gap(find_room(rocks, 90.0, RULES, np.random.default_rng(5), candidates=count), rocks)
        for count in (64, 1)
    )
    assert of_many > 30.0
    assert of_many > of_one


def test_in_an_empty_world_any_spot_is_about_the_origin() -> None:
    spots = [find_room(NOTHING, 24.0, RULES, np.random.default_rng(seed)) for seed in range(200)]
    reach = np.abs(np.array(spots)).max(axis=0)
    assert (reach <= RULES.sector_size / 4).all()
    assert (reach > RULES.sector_size / 5).all()
    assert (np.array(spots).min(axis=0) < -RULES.sector_size / 5).all()


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_the_spot_is_free_and_none_is_much_nearer(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    others = rng.normal(0.0, 60.0, count), rng.normal(0.0, 60.0, count), rng.uniform(1, 20, count)
    x, y = nearest_free_spot(0.0, 0.0, RADIUS, others)

    def is_free(x: float, y: float, slack: float = 0.0) -> bool:
        gap = np.hypot(others[0] - x, others[1] - y) - others[2] - APART
        return bool((gap >= slack).all())

    assert is_free(x, y, -1e-6)
    # A spot with a step of room all around would have been found on a ring within it.
    away = np.hypot(x, y) - 2 * RING_STEP
    for _ in range(200 if away > 0 else 0):
        distance, angle = away * math.sqrt(rng.random()), rng.uniform(0.0, math.tau)
        spot = distance * math.cos(angle), distance * math.sin(angle)
        assert not is_free(*spot, 2 * RING_STEP)
