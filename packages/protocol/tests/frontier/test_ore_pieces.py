"""What a rock breaks into is all of it, and lies where it lay."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from sidereal.games.frontier.ore.pieces import GRAIN, Pieces, pieces_of, split_ore

RNG = np.random.default_rng(5)
ROCKS = list(
    zip(
        RNG.uniform(8.0, 40.0, 200).tolist(),
        RNG.uniform(3.0, 500.0, 200).astype(np.float32).tolist(),
        RNG.integers(2, 5, 200).tolist(),
        RNG.uniform(-math.pi, math.pi, 200).tolist(),
        RNG.uniform(0.0, 1.0, 200).tolist(),
        strict=True,
    )
)


def broken() -> list[tuple[float, float, Pieces]]:
    return [(rock[0], rock[1], pieces_of(*rock)) for rock in ROCKS]


def test_all_the_mass_is_in_the_pieces_to_a_bit() -> None:
    for _, mass, pieces in broken():
        assert (np.float32(pieces.mass) == pieces.mass).all()
        assert math.fsum(pieces.mass) == mass
        assert pieces.mass.min() > 0


def test_no_momentum_comes_of_it_and_speeds_are_gentle_and_on_the_grid() -> None:
    for _, mass, pieces in broken():
        for speed in (pieces.vx, pieces.vy):
            assert abs((pieces.mass * speed).sum()) <= 2 * np.spacing(np.float32(mass))
            assert (speed / GRAIN % 1 == 0).all()
        assert np.hypot(pieces.vx, pieces.vy).min() > 0.9
        assert np.hypot(pieces.vx, pieces.vy).max() < 1.1


def test_the_middle_of_the_mass_stays_where_it_was() -> None:
    for radius, mass, pieces in broken():
        for place in (pieces.x, pieces.y):
            assert abs((pieces.mass * place).sum()) / mass < 1e-5 * radius


def test_pieces_are_inside_the_outline_and_beside_each_other() -> None:
    for radius, _, pieces in broken():
        assert (np.hypot(pieces.x, pieces.y) + pieces.radius <= radius).all()
        for a, b in itertools.combinations(range(len(pieces.x)), 2):
            apart = math.hypot(pieces.x[a] - pieces.x[b], pieces.y[a] - pieces.y[b])
            assert apart >= pieces.radius[a] + pieces.radius[b]


@pytest.mark.parametrize(
    ("ore", "lumps"),
    [(0, []), (1, [1]), (3, [1, 1, 1]), (11, [2, 3, 3, 3]), (201, [50, 50, 50, 50])],
)
def test_ore_is_split_into_whole_tonnes(ore: int, lumps: list[int]) -> None:
    assert split_ore(ore, 4, 50) == lumps
