"""Rocks break when they have had enough; nothing of them is lost, and nothing is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import Body, Game, Motion, Stage, Step
from sidereal.games.frontier import ASTEROID, SHIP
from sidereal.games.frontier.asteroids import rocks
from sidereal.games.frontier.fight.armour import Shield, armour
from sidereal.games.frontier.fight.guns import BULLET, DAMAGE, guns
from sidereal.games.frontier.fight.shots import Hit, Shot, shots
from sidereal.games.frontier.ore.books import Balance, Books, Stock, balance, books
from sidereal.games.frontier.ore.breaking import (
    BREAKINGS_MAX,
    SPIN_MAX,
    Broke,
    Worn,
    breaking,
    shatter,
)
from sidereal.games.frontier.ore.cargo import LUMP, Hold, Lump, cargo
from sidereal.games.frontier.ore.growth import growth
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.trade.stations import stations
from sidereal.games.frontier.traffic.kinds import CRAFT, traffic
from sidereal.testing import World

Worlds = Callable[..., World]

LINK = {"delay_s": 0.05, "loss": 0.05}
ENOUGH = 5000.0

game = Game(
    "quarry",
    parts=[flight, rocks, traffic, stations, armour, shots, guns, books, cargo, breaking],
)


def stock_of(world: World) -> Stock:
    rocks, lumps = world.ids(ASTEROID), world.ids(LUMP)
    mass = world[Body].mass[rocks].astype(np.float64).sum()
    holds = sum(int(world[Hold].ore[world.ids(kind)].sum()) for kind in CRAFT)
    return Stock(float(mass), len(rocks), int(world[Lump].ore[lumps].sum()), holds)


def momentum_of(world: World) -> tuple[float, float]:
    rocks, motion = world.ids(ASTEROID), world[Motion]
    mass = world[Body].mass[rocks].astype(np.float64)
    return float((mass * motion.vx[rocks]).sum()), float((mass * motion.vy[rocks]).sum())


def assert_balanced(world: World, begun: Stock) -> None:
    assert balance(world.of_world(Books), begun, stock_of(world)) == Balance(0.0, 0, 0, 0)


def test_a_rock_as_fast_as_anything_breaks_and_keeps_its_momentum(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    motion, body = Motion(x=-300, y=500, vx=249.9), Body(radius=20, mass=67.3)
    rock = world.spawn(ASTEROID, motion, body, Worn(hp=ENOUGH))
    begun = stock_of(world)
    world.run(seconds=0.5)
    assert world.refused(shatter) == []
    assert rock not in world.ids(ASTEROID)
    mass = float(np.float32(67.3))
    assert momentum_of(world)[0] == pytest.approx(249.9 * mass, rel=1e-4)
    assert_balanced(world, begun)


def test_a_shot_that_touches_a_ship_and_a_rock_at_once_hurts_one_of_them(
    sidereal_world: Worlds,
) -> None:
    world = sidereal_world(game)
    ship = world.spawn(SHIP, Motion(x=500, y=506.5))
    rock = world.spawn(ASTEROID, Motion(x=500, y=493.5), Body(radius=6, mass=3))
    gunner = world.spawn(SHIP, Motion(x=300, y=800))
    shot = Shot(by=gunner, damage=DAMAGE, until=world.tick + 60)
    world.spawn(BULLET, Motion(x=470, y=500, vx=200), shot)
    world.run(seconds=0.6)
    assert world.count(BULLET) == 0
    taken = world[Worn].hp[rock], 50 - world[Shield].hp[ship]
    assert sorted(taken) == [0, DAMAGE]


def test_rocks_that_have_had_enough_break_into_all_of_themselves_also_on_a_border(
    sidereal_world: Worlds,
) -> None:
    world = sidereal_world(game, shards=2, link=LINK)
    ann = world.join("ann")
    world.place(ann.entity, x=150, y=-100)
    broken = []
    for x, radius in ((0, 20), (300, 21)):
        motion = Motion(x=x, y=0, vx=-3.5, vy=1.25, spin=1.4)
        body = Body(radius=radius, mass=67.3)
        broken.append(world.spawn(ASTEROID, motion, body, Worn(hp=ENOUGH)))
    begun = stock_of(world)
    world.run(seconds=1)
    pieces = world.ids(ASTEROID)
    assert not np.isin(broken, pieces).any()
    for x in (0, 300):
        assert 2 <= (np.abs(world[Motion].x[pieces] - x) < 50).sum() <= 4
    mass = 2 * float(np.float32(67.3))
    assert momentum_of(world) == pytest.approx((-3.5 * mass, 1.25 * mass), rel=1e-6)
    assert np.abs(world[Motion].spin[pieces]).max() <= SPIN_MAX + 0.01
    assert sorted(ann.events(Broke).radius) == [20, 21]
    assert_balanced(world, begun)


def test_a_small_rock_breaks_into_lumps_of_whole_tonnes_and_dust(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    world.spawn(ASTEROID, Motion(vx=2), Body(radius=7, mass=13.75), Worn(hp=ENOUGH))
    world.spawn(ASTEROID, Motion(x=100), Body(radius=2, mass=0.75), Worn(hp=ENOUGH))
    begun = stock_of(world)
    world.run(seconds=0.5)
    assert world.count(ASTEROID) == 0
    assert sorted(world[Lump].ore[world.ids(LUMP)]) == [3, 3, 3, 4]
    assert world.of_world(Books).dust == 1.5
    assert_balanced(world, begun)


def test_a_chain_of_breakings_goes_on_over_ticks(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    count = 3 * BREAKINGS_MAX
    for nth in range(count):
        place = Motion(x=-800 + 100 * (nth % 16), y=100 * (nth // 16))
        world.spawn(ASTEROID, place, Body(radius=20, mass=67.3), Worn(hp=ENOUGH))
    begun = stock_of(world)
    world.run(seconds=0.5)
    broken = -(world.of_world(Books).rocks - world.count(ASTEROID))
    assert broken == count
    world.run(seconds=0.5)
    assert 2 * count <= world.count(ASTEROID) <= 4 * count
    assert world.refused(shatter) == []
    assert_balanced(world, begun)


def test_ramming_breaks_a_rock_and_a_touch_does_not_wear_it(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    for y, speed in ((0, 120), (300, 40)):
        world.spawn(ASTEROID, Motion(x=60, y=y), Body(radius=12, mass=14.5))
        world.spawn(SHIP, Motion(y=y, vx=speed))
    world.run(seconds=1.5)
    worn = world[Worn].hp[world.ids(ASTEROID)]
    assert worn[0] > 20
    assert worn[1] == 0


def test_bullets_wear_a_rock_over_a_border_until_it_breaks(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, shards=2, link=LINK)
    ann = world.join("ann")
    heading = float(world[Motion].heading[ann.entity])
    x, y = 80 * np.cos(heading), 80 * np.sin(heading)
    world.place(ann.entity, x=-x / 2, y=-y / 2)
    rock = world.spawn(ASTEROID, Motion(x=x / 2, y=y / 2), Body(radius=7, mass=2.9))
    ann.hold(shoot=1)
    world.run(seconds=0.6)
    ann.hold(shoot=0)
    world.run(seconds=1)
    hits = len(world.events(Hit).x)
    assert 2 <= hits <= 5
    assert world[Worn].hp[rock] == DAMAGE * hits
    ann.hold(shoot=1)
    world.run(seconds=2)
    assert world.count(ASTEROID) == 0
    assert world.of_world(Books).mined == 2


def test_rocks_do_not_wear_each_other(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    for x in (-50, 50):
        world.spawn(ASTEROID, Motion(x=x, vx=-4 * x), Body(radius=12, mass=14.5))
    world.run(seconds=1)
    rocks = world.ids(ASTEROID)
    assert (world[Motion].vx[rocks] * [-1, 1] > 100).all()
    assert (world[Worn].hp[rocks] == 0).all()


drill = Game("drill", parts=[game, growth])


@drill.system(Stage.TICK)
def bore(step: Step) -> None:
    """Wear whatever is near a ship, which flies on from rock to rock."""
    near = step.pairs(step.rows(ASTEROID), step.seen(SHIP), within=60)
    step[Worn].hp[near.a] += 20


def test_the_books_are_right_to_the_gram_while_a_belt_is_mined(sidereal_world: Worlds) -> None:
    world = sidereal_world(drill, shards=2, link=LINK)
    rng = np.random.default_rng(3)
    for nth in range(24):
        radius = rng.uniform(6, 20)
        place = Motion(x=80 * (nth % 6) - 200, y=100 * (nth // 6) - 150)
        world.spawn(ASTEROID, place, Body(radius=radius, mass=0.0084 * radius**3))
    begun = stock_of(world)
    for nth in range(4):
        world.spawn(SHIP, Motion(x=-300 + 100 * nth, y=100 * nth - 150, vx=60))
    for _ in range(4):
        world.run(seconds=1.5)
        assert_balanced(world, begun)
    wrote = world.of_world(Books)
    assert wrote.mined > 30
    assert wrote.collected > 10
    assert wrote.dust > 0
