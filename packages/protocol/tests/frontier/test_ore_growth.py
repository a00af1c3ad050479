"""What rocks have lost comes again, far from ships and no more than that; crumbs of rocks go."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import Body, Game, Motion, Transaction
from sidereal.games.frontier import ASTEROID, SHIP
from sidereal.games.frontier.asteroids import rocks
from sidereal.games.frontier.fight.armour import armour
from sidereal.games.frontier.fight.shots import shots
from sidereal.games.frontier.ore.books import Balance, Books, Stock, balance, books
from sidereal.games.frontier.ore.breaking import Worn, breaking
from sidereal.games.frontier.ore.cargo import cargo
from sidereal.games.frontier.ore.growth import EVERY_S, FAR, MORE_MAX, growth
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.trade.stations import stations
from sidereal.games.frontier.traffic.kinds import traffic
from sidereal.testing import World

Worlds = Callable[..., World]

BEGUN = Stock(16 * 13.75, 16, 0, 0)

game = Game(
    "garden",
    parts=[flight, rocks, traffic, stations, armour, shots, books, cargo, breaking, growth],
)


def stock_of(world: World) -> Stock:
    rocks = world.ids(ASTEROID)
    ore = int(world.of_world(Books).mined)  # all of it is adrift
    return Stock(float(world[Body].mass[rocks].astype(np.float64).sum()), len(rocks), ore, 0)


def test_a_belt_that_was_mined_grows_back_far_from_ships(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    world.spawn(SHIP, Motion(x=-1500, y=-1500))
    for nth in range(12):
        place = Motion(x=100 * nth - 550, y=1500)
        world.spawn(ASTEROID, place, Body(radius=7, mass=13.75), Worn(hp=5000))
    for x in (-1600, -900, 900, 1600):
        world.spawn(ASTEROID, Motion(x=x, y=-1500), Body(radius=7, mass=13.75))
    world.run(seconds=EVERY_S - 0.2)
    assert world.count(ASTEROID) == 4
    world.run(seconds=2 * EVERY_S)
    wrote, rocks = world.of_world(Books), world.ids(ASTEROID)
    assert 0 < wrote.grown <= 12 * 13.75
    assert balance(wrote, BEGUN, stock_of(world)) == Balance(0.0, 0, 0, 0)
    motion, old = world[Motion], rocks[:4]
    new = rocks[~np.isin(rocks, old)]
    assert np.hypot(motion.x[new] + 1500, motion.y[new] + 1500).min() > FAR - 100
    assert world[Body].radius[new].max() < 15  # as many are to come as have gone


crowded = Game("crowded", parts=[game])


@crowded.action(rate_hz=2)
def miscount(tx: Transaction) -> None:
    tx.set(tx.shared, Books.rocks, MORE_MAX + 2)


def test_of_too_many_rocks_the_smallest_fall_to_dust_if_nobody_is_near(
    sidereal_world: Worlds,
) -> None:
    world = sidereal_world(crowded)
    ann = world.join("ann")
    world.place(ann.entity, x=0, y=0)
    for nth in range(5):
        world.spawn(ASTEROID, Motion(x=300 * nth), Body(radius=6, mass=2 + nth))
    world.call(ann, miscount)
    world.run(seconds=2 * EVERY_S + 0.2)
    mass = sorted(world[Body].mass[world.ids(ASTEROID)])
    assert mass == [2, 3, 6]  # those of 2 and 3 t are near ann
    assert world.of_world(Books).dust == pytest.approx(9)
