"""Bots play as people do: by their sticks, and by what their clients know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import Body, Game, Motion
from sidereal.games.frontier import ASTEROID, SHIP, bots
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW, rocks
from sidereal.games.frontier.behaviours.hunting import PEACE
from sidereal.games.frontier.behaviours.working import ENOUGH
from sidereal.games.frontier.fight.armour import Hull, Shield, Struck, armour
from sidereal.games.frontier.fight.guns import guns
from sidereal.games.frontier.fight.missiles import missiles
from sidereal.games.frontier.fight.shots import shots
from sidereal.games.frontier.fight.wrecks import wrecks
from sidereal.games.frontier.homes import HOME, PLACE, home
from sidereal.games.frontier.ore.books import Books, books
from sidereal.games.frontier.ore.breaking import breaking
from sidereal.games.frontier.ore.cargo import LUMP, Hold, Lump, cargo
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.trade.docking import docking
from sidereal.games.frontier.trade.market import Purse, market
from sidereal.games.frontier.trade.races import GATE, Best, Gate, Laps, races
from sidereal.games.frontier.trade.stations import PLACES, STATION, Docked, stations
from sidereal.games.frontier.traffic.kinds import TRADER, traffic
from sidereal.testing import Player, World

Worlds = Callable[..., World]

LATER = 10**9
COURSE = ((500.0, 500.0), (580.0, 580.0), (500.0, 660.0), (420.0, 580.0))

game = Game(
    "crew",
    parts=[
        *(flight, rocks, traffic, stations, armour, shots, guns, missiles, books, cargo),
        *(breaking, wrecks, market, races, home, bots, docking),
    ],
)

course = Game("course", parts=[flight, races, bots])
lanes = Game("lanes", parts=[flight, traffic, stations, bots])


def wait(world: World, seconds: int, until: Callable[[], object]) -> None:
    """Let time pass until something is so, but no longer than so many seconds."""
    for _ in range(2 * seconds):
        if until():
            return
        world.run(seconds=0.5)


def away(world: World, a: int, b: int) -> float:
    motion = world[Motion]
    return float(np.hypot(motion.x[a] - motion.x[b], motion.y[a] - motion.y[b]))


def credits_of(world: World, bot: Player) -> int:
    return int(world.of_account(bot, Purse).credits)


def test_a_trader_docks_at_a_station_sells_its_ore_and_leaves(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, seed=8)  # it draws this station for its first
    bot = world.join("bot", bot="trader")
    x, y = PLACES["Haven"]
    world.place(bot.entity, x=x + 165, y=y)
    world.spawn(LUMP, Motion(x=x + 165, y=y), Lump(ore=9, until=LATER))
    station = world.spawn(STATION, Motion(x=x, y=y))
    wait(world, 20, lambda: world[Docked].at[bot.entity])
    assert world[Docked].at[bot.entity] == station
    assert world[Hold].ore[bot.entity] == 9
    wait(world, 8, lambda: not world[Docked].at[bot.entity])
    assert world[Docked].at[bot.entity] == world[Hold].ore[bot.entity] == 0
    assert credits_of(world, bot) > 80


@pytest.mark.parametrize("seed", [2, 3])  # its ore drifts through the station; beside it
def test_a_miner_breaks_a_rock_collects_its_ore_and_sells_it(
    sidereal_world: Worlds, seed: int
) -> None:
    world = sidereal_world(game, seed=seed)
    bot = world.join("bot", bot="miner")
    world.place(bot.entity, x=535, y=500)
    world.spawn(STATION, Motion(x=600, y=552))
    world.spawn(LUMP, Motion(x=535, y=500), Lump(ore=ENOUGH - 1, until=LATER))
    world.spawn(ASTEROID, Motion(x=600, y=500), Body(radius=7, mass=5))
    wait(world, 30, lambda: credits_of(world, bot))
    assert world.of_world(Books).mined == 5
    assert world.of_world(Books).sold >= ENOUGH
    assert credits_of(world, bot) > 8 * ENOUGH


def test_a_racer_flies_a_lap(sidereal_world: Worlds) -> None:
    world = sidereal_world(course)
    bot = world.join("bot", bot="race")
    world.place(bot.entity, x=470, y=470)
    for number, (x, y) in enumerate(COURSE):
        world.spawn(GATE, Motion(x=x, y=y), Gate(number=number))
    wait(world, 40, lambda: world[Laps].best[bot.entity])
    ticks = int(world[Laps].best[bot.entity])
    assert 60 < ticks < 800
    assert world.of_account(bot, Best).ticks == ticks


def test_a_chaser_stays_near_who_flies_away(sidereal_world: Worlds) -> None:
    world = sidereal_world(lanes)
    bot = world.join("bot", bot="chase")
    world.place(bot.entity, x=200, y=500)
    prey = world.spawn(TRADER, Motion(x=380, y=500, vx=40))
    world.run(seconds=9)
    assert world[Motion].x[prey] > 640
    assert away(world, bot.entity, prey) < 150


def test_a_fighter_ends_who_stays_near(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    bot = world.join("bot", bot="fight")
    world.place(bot.entity, x=650, y=500)
    prey = world.spawn(SHIP, Motion(x=500, y=500), Shield(hp=0), Hull(hp=40))
    wait(world, 15, lambda: prey not in world.ids(SHIP))
    assert prey not in world.ids(SHIP)


def test_a_fighter_spares_who_is_near_home(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    x, y = PLACE
    prey = world.spawn(SHIP, Motion(x=x, y=y))
    world.spawn(HOME, Motion(x=x, y=y))
    bot = world.join("bot", bot="fight")
    world.place(bot.entity, x=x + 100, y=y)
    world.run(seconds=4)
    assert world[Struck].when[prey] == 0
    world.place(prey, x=x + PEACE + 100, y=y)
    world.place(bot.entity, x=x + PEACE + 200, y=y)
    world.run(seconds=4)
    assert world[Struck].by[prey] == bot.entity


def test_no_bot_shoots_through_a_ship(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    bot = world.join("bot", bot="miner")
    world.place(bot.entity, x=400, y=500)
    world.spawn(ASTEROID, Motion(x=500, y=500), Body(radius=12, mass=14))
    between = world.spawn(SHIP, Motion(x=445, y=500))
    world.run(seconds=3)
    assert world[Struck].when[between] == 0


def test_who_digs_and_who_fights_go_round_a_station_that_is_between(
    sidereal_world: Worlds,
) -> None:
    world = sidereal_world(game, seed=3)
    miner, fighter = world.join("miner", bot="miner"), world.join("fighter", bot="fight")
    world.spawn(STATION, Motion(x=500, y=500))
    world.spawn(STATION, Motion(x=500, y=2000))
    rock = world.spawn(ASTEROID, Motion(x=554, y=500), Body(radius=13, mass=18))
    prey = world.spawn(SHIP, Motion(x=560, y=2000))
    world.place(miner.entity, x=449, y=500)
    world.place(fighter.entity, x=430, y=2000)
    wait(world, 14, lambda: rock not in world.ids() and world[Struck].by[prey])
    assert rock not in world.ids()
    assert world[Struck].by[prey] == fighter.entity


def test_whatever_a_bot_is_about_it_leaves_the_station_first(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    world.spawn(STATION, Motion(x=200, y=300))
    world.spawn(TRADER, Motion(x=330, y=300))
    roles = {"wander": (270, 300), "fight": (200, 370), "race": (130, 300)}
    for role, (x, y) in roles.items():
        player = world.join(role)
        world.place(player.entity, x=x, y=y)
        world.run(seconds=0.6)
        player.press("dock")
        world.run(seconds=0.4)
        assert world[Docked].at[player.entity]
        player.leave()
    world.run(seconds=0.3)
    crowd = [world.join(role, bot=role).entity for role in roles]
    world.run(seconds=1.5)
    assert not world[Docked].at[crowd].any()


def test_a_trader_presses_nothing_where_no_station_is(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, seed=8)  # it draws this station for its first
    bot = world.join("bot", bot="trader")
    x, y = PLACES["Haven"]
    world.place(bot.entity, x=x + 165, y=y)
    world.spawn(SHIP, Motion(x=x, y=y + 300))
    world.run(seconds=8)
    assert bot.told == []


def test_a_mixed_crowd_stays_in_the_belt(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, link={"delay_s": 0.05, "loss": 0.02})
    x = np.linspace(-800.0, 1200.0, 8)
    for each in x:
        world.spawn(ASTEROID, Motion(x=each, y=900.0 + each / 10), Body(radius=12))
    crowd = [world.join(f"bot-{at}", bot="mixed") for at in range(3)]
    world.run(seconds=5)
    flown = [bot.entity for bot in crowd if bot.entity]
    assert len(flown) >= 2  # who has lost a ship waits for another
    assert np.hypot(world[Motion].vx[flown[0]], world[Motion].vy[flown[0]]) > 0
    for column in (world[Motion].x, world[Motion].y):
        assert all(BELT_LOW < column[each] < BELT_HIGH for each in flown)
