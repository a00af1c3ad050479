"""What hurts a ship: its shield goes first, and grows again; who is docked is safe."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import F4, U1, Component, Game, Motion, Step
from sidereal.games.frontier.asteroids import rocks
from sidereal.games.frontier.fight.armour import (
    HULL_MAX,
    REGROW,
    REGROW_AFTER,
    SHIELD_MAX,
    Hull,
    Shield,
    Struck,
    armour,
    hurt,
)
from sidereal.games.frontier.ships import SHIP, flight
from sidereal.games.frontier.trade.stations import STATION, Docked, stations
from sidereal.games.frontier.traffic.kinds import TRADER, traffic
from sidereal.testing.world import World

BLOW, SOMEBODY = 12.5, 77


class Blows(Component):
    due: U1
    scratch: F4


brawl = Game("brawl", parts=[flight, rocks, traffic, stations, armour])
brawl.extend(SHIP, Blows())


@brawl.system
def strike(step: Step) -> None:
    """Deal the blows that are due, all in one tick."""
    rows = step.rows(Blows)
    due = step[Blows].due[rows]
    hurt(step, np.repeat(rows, due), BLOW, SOMEBODY)
    scratched = rows[step[Blows].scratch[rows] > 0]
    hurt(step, scratched, step[Blows].scratch[scratched], SOMEBODY)
    step[Blows].scratch[scratched] = 0
    step[Blows].due[rows] = 0


def armour_of(world: World, ship: int) -> tuple[float, float]:
    return float(world[Shield].hp[ship]), float(world[Hull].hp[ship])


def test_blows_of_one_tick_add_up_and_the_shield_takes_them_first() -> None:
    world = World(brawl)
    whole = world.spawn(SHIP, Motion(x=-300), Blows(due=3))
    partly = world.spawn(SHIP, Motion(x=-200), Blows(due=3), Shield(hp=20))
    down = world.spawn(SHIP, Motion(x=-100), Blows(due=2), Shield(hp=0))
    gone = world.spawn(SHIP, Motion(x=100), Blows(due=40))
    spared = world.spawn(SHIP, Motion(x=200))
    hardly = world.spawn(SHIP, Motion(x=300), Blows(scratch=9.8), Shield(hp=0), Hull(hp=10))
    just = world.spawn(SHIP, Motion(x=400), Blows(scratch=9.7), Shield(hp=0), Hull(hp=10))
    world.run(seconds=0.5)
    assert world[Hull].hp[hardly] == 0  # what clients see as 0 is 0
    assert world[Hull].hp[just] > 0
    assert armour_of(world, whole) == (12.5, 100)
    assert armour_of(world, partly) == (0, 82.5)
    assert armour_of(world, down) == (0, 75)
    assert armour_of(world, gone) == (0, 0)
    assert armour_of(world, spared) == (50, 100)
    assert world[Struck].by[whole] == SOMEBODY
    assert world[Struck].by[spared] == 0


def test_who_is_docked_is_not_hurt_by_blows_or_ramming() -> None:
    world = World(brawl)
    station = world.spawn(STATION, Motion(x=500))
    safe = world.spawn(SHIP, Blows(due=5), Docked(at=station))
    rammer = world.spawn(TRADER, Motion(x=-60, vx=120))
    world.run(seconds=1)
    assert armour_of(world, safe) == (SHIELD_MAX, HULL_MAX)
    assert world[Struck].by[safe] == 0
    assert world[Struck].by[rammer] == safe
    assert world[Shield].hp[rammer] < SHIELD_MAX


def test_a_shield_grows_again_some_seconds_after_the_last_hit_and_a_hull_does_not() -> None:
    world = World(brawl)
    ship = world.spawn(SHIP, Blows(due=8))
    grazed = world.spawn(SHIP, Motion(x=100), Blows(due=1))
    world.run(ticks=REGROW_AFTER - 10)
    assert armour_of(world, ship) == (0, 50)
    assert armour_of(world, grazed) == (SHIELD_MAX - BLOW, HULL_MAX)
    world.run(ticks=85)
    assert REGROW < world[Shield].hp[ship] < 5 * REGROW
    assert armour_of(world, grazed) == (SHIELD_MAX, HULL_MAX)  # and no more than that
    assert world[Hull].hp[ship] == 50


@pytest.mark.parametrize("shards", [1, 2])
def test_ramming_hurts_both_by_how_hard_it_is_and_a_bump_is_free(shards: int) -> None:
    world = World(brawl, shards=shards)
    fast = [world.spawn(SHIP, Motion(x=40 * s, y=300, vx=-75 * s)) for s in (-1, 1)]
    brisk = [world.spawn(SHIP, Motion(x=40 * s, y=500, vx=-50 * s)) for s in (-1, 1)]
    slow = [world.spawn(SHIP, Motion(x=20 * s, y=700, vx=-12 * s)) for s in (-1, 1)]
    world.run(seconds=2)
    assert [armour_of(world, ship) for ship in slow] == [(SHIELD_MAX, HULL_MAX)] * 2
    assert armour_of(world, brisk[0]) == armour_of(world, brisk[1])
    assert armour_of(world, fast[0]) == armour_of(world, fast[1])
    brisk_lost, fast_lost = (150 - sum(armour_of(world, pair[0])) for pair in (brisk, fast))
    assert 30 < brisk_lost < SHIELD_MAX < fast_lost < HULL_MAX
    assert world[Struck].by[fast[0]] == fast[1]
    assert world[Struck].by[fast[1]] == fast[0]
