"""Traffic of Frontier: ships that the game flies go about their business, by the stick alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sidereal.game import Body, Game, Motion, WorldBuilder
from sidereal.games import frontier
from sidereal.games.frontier import ASTEROID, SHIP
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW, rocks
from sidereal.games.frontier.fight.armour import Shield, Struck, armour
from sidereal.games.frontier.fight.guns import guns
from sidereal.games.frontier.fight.missiles import missiles
from sidereal.games.frontier.fight.shots import shots
from sidereal.games.frontier.fight.wrecks import wrecks
from sidereal.games.frontier.homes import HEADING, PLACE, SPREAD, home, make_home
from sidereal.games.frontier.ore.books import books
from sidereal.games.frontier.ore.breaking import breaking, shatter
from sidereal.games.frontier.ore.cargo import LUMP, Hold, Lump, cargo
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.trade.docking import docking
from sidereal.games.frontier.trade.market import market
from sidereal.games.frontier.trade.stations import PLACES, STATION, Docked, stations
from sidereal.games.frontier.traffic.doings import (
    CALL,
    FETCH,
    FLEE,
    HAUL,
    HUNT,
    MINE,
    NEAR,
    ROAM,
    TURN_AWAY,
    WAIT,
)
from sidereal.games.frontier.traffic.kinds import MINER, PATROL, PIRATE, TRADER, Mind, traffic
from sidereal.games.frontier.traffic.law import law
from sidereal.games.frontier.traffic.minds import MARGIN, ROAM_FAR, minds
from sidereal.games.frontier.traffic.pilots import pilots
from sidereal.games.frontier.traffic.upkeep import AT_ONCE, EVERY_S, WANTED, upkeep
from sidereal.testing import World

game = Game(
    "lanes",
    parts=[
        *(flight, rocks, traffic, law, minds, pilots, armour, books, shots, guns, missiles, cargo),
        *(breaking, wrecks, stations, market, docking),
    ],
    ghost_range=frontier.game.ghost_range,
)

HAVEN = PLACES["Haven"]
MakeWorld = Callable[..., World]


def away(world: World, a: int, b: int) -> float:
    motion = world[Motion]
    return float(np.hypot(motion.x[a] - motion.x[b], motion.y[a] - motion.y[b]))


def test_a_trader_flies_to_its_station_over_a_border_and_around_a_rock(
    sidereal_world: MakeWorld,
) -> None:
    world = sidereal_world(game, shards=2, link={"delay_s": 0.02, "loss": 0.02})
    x, y = HAVEN
    station = world.spawn(STATION, Motion(x=x, y=y))
    world.spawn(ASTEROID, Motion(x=-10, y=y + 4), Body(radius=20, mass=60))
    to_haven = Mind(doing=HAUL, stop=0, until=4000)
    trader = world.spawn(TRADER, Motion(x=90, y=y, vx=-40, heading=np.pi / 2), to_haven)
    world.run(seconds=0.5)
    assert world.owner(trader) == 1
    world.run(seconds=8.5)
    assert world.owner(trader) == 0
    assert away(world, trader, station) < NEAR
    assert (world[Docked].at[trader], world[Mind].doing[trader]) == (station, WAIT)
    assert world[Shield].hp[trader] == 50


def test_who_docks_sells_its_ore_and_later_leaves_for_another_station(
    sidereal_world: MakeWorld,
) -> None:
    world = sidereal_world(game)
    x, y = HAVEN
    station = world.spawn(STATION, Motion(x=x, y=y))
    near = Motion(x=x + 70, y=y)
    miner = world.spawn(MINER, near, Mind(doing=HAUL, stop=0, until=4000), Hold(ore=20))
    world.run(seconds=3)
    assert (world[Docked].at[miner], world[Hold].ore[miner]) == (station, 0)
    done = Motion(x=x, y=y + 70)
    trader = world.spawn(TRADER, done, Mind(doing=WAIT, until=0), Docked(at=station, x=x, y=y + 70))
    world.run(seconds=3)
    assert (world[Docked].at[trader], world[Mind].doing[trader]) == (0, HAUL)
    assert world[Mind].stop[trader] != 0


def test_pirates_hunt_who_carries_ore_and_flee_without_a_shield(sidereal_world: MakeWorld) -> None:
    world = sidereal_world(game, shards=2)
    pirate = world.spawn(PIRATE, Motion(x=-150, y=500))
    world.spawn(SHIP, Motion(x=-150, y=600))  # has nothing
    bare = world.spawn(PIRATE, Motion(x=-900, y=500), Shield(hp=0))
    carrier = world.spawn(SHIP, Motion(x=20, y=500), Hold(ore=9))
    world.run(seconds=1)
    assert (world[Mind].doing[pirate], world[Mind].goal[pirate]) == (HUNT, carrier)
    assert world[Mind].doing[bare] == FLEE
    world.run(seconds=2.5)
    assert away(world, pirate, carrier) < 120
    assert world[Shield].hp[carrier] < 50
    assert world[Struck].by[carrier] == pirate


def test_patrols_hunt_pirates_and_else_go_from_station_to_station(
    sidereal_world: MakeWorld,
) -> None:
    world = sidereal_world(game)
    patrol = world.spawn(PATROL, Motion(x=300, y=500))
    idle = world.spawn(PATROL, Motion(x=300, y=1600))
    pirate = world.spawn(PIRATE, Motion(x=450, y=500))
    world.run(seconds=1)
    assert (world[Mind].doing[patrol], world[Mind].goal[patrol]) == (HUNT, pirate)
    assert world[Mind].doing[idle] == CALL


def test_a_miner_breaks_a_small_rock_and_takes_the_ore(sidereal_world: MakeWorld) -> None:
    world = sidereal_world(game)
    miner = world.spawn(MINER, Motion(x=300, y=500))
    world.spawn(ASTEROID, Motion(x=380, y=500), Body(radius=7, mass=4))
    world.run(seconds=7.5)
    assert world.count(ASTEROID) == 0
    assert world[Hold].ore[miner] > 0
    assert world.refused(shatter) == []


def test_a_miner_flies_to_a_small_rock(sidereal_world: MakeWorld) -> None:
    world = sidereal_world(game)
    miner = world.spawn(MINER, Motion(x=300, y=500))
    rock = world.spawn(ASTEROID, Motion(x=500, y=500), Body(radius=9, mass=6))
    world.spawn(ASTEROID, Motion(x=300, y=560), Body(radius=20, mass=60))
    world.run(seconds=2)
    assert (world[Mind].doing[miner], world[Mind].goal[miner]) == (MINE, rock)
    assert away(world, miner, rock) < 190


def test_who_can_not_get_at_what_it_is_about_turns_away(sidereal_world: MakeWorld) -> None:
    world = sidereal_world(game)
    for y in (500, 1000, 1500):
        world.spawn(STATION, Motion(x=400, y=y))
    goals = (
        world.spawn(LUMP, Motion(x=408, y=500), Lump(ore=5, until=10**9)),
        world.spawn(ASTEROID, Motion(x=454, y=1000), Body(radius=13, mass=18)),
        world.spawn(SHIP, Motion(x=447, y=1500), Hold(ore=5)),
    )
    soon, about = world.tick + 30, ((MINER, FETCH, 500), (MINER, MINE, 1000), (PIRATE, HUNT, 1500))
    tired = [
        world.spawn(kind, Motion(x=300, y=y), Mind(doing=doing, goal=goal, until=soon))
        for (kind, doing, y), goal in zip(about, goals, strict=True)
    ]
    patrol = world.spawn(PATROL, Motion(x=-900, y=0), Mind(doing=CALL, stop=3, until=soon))
    world.run(seconds=2.2)
    assert world[Mind].doing[tired].tolist() == [TURN_AWAY] * 3
    assert (world[Mind].doing[patrol], world[Mind].until[patrol] > soon) == (CALL, True)


def test_nobody_shoots_through_whom_it_does_not_hunt(sidereal_world: MakeWorld) -> None:
    world = sidereal_world(game)
    world.spawn(PATROL, Motion(x=-500, y=500))
    between = world.spawn(SHIP, Motion(x=-440, y=500))
    hunted = world.spawn(PIRATE, Motion(x=-390, y=500))
    world.spawn(PATROL, Motion(x=-500, y=-500))
    alone = world.spawn(PIRATE, Motion(x=-390, y=-500))
    world.run(seconds=1.5)
    assert world[Mind].doing[world.ids(PATROL)].tolist() == [HUNT, HUNT]
    assert world[Shield].hp[[between, hunted]].tolist() == [50, 50]
    assert world[Shield].hp[alone] < 50


def test_who_flees_flies_on_when_it_is_there_and_along_the_edge_of_the_belt(
    sidereal_world: MakeWorld,
) -> None:
    world = sidereal_world(game)
    ends = BELT_HIGH - MARGIN
    chaser = world.spawn(SHIP, Motion(x=ends - 90, y=500))
    edge = world.spawn(PIRATE, Motion(x=ends, y=500), Shield(hp=0), Struck(by=chaser, when=1))
    there = Mind(doing=FLEE, x=0, y=0, until=10**6)
    came = world.spawn(PIRATE, Motion(), Shield(hp=0), Struck(when=world.tick), there)
    world.run(seconds=1)
    mind, motion = world[Mind], world[Motion]
    for each in (edge, came):
        assert mind.doing[each] == FLEE
        far = np.hypot(mind.x[each] - motion.x[each], mind.y[each] - motion.y[each])
        assert far > ROAM_FAR / 2 - 60
    assert mind.x[edge] == ends


def test_twenty_pilots_stay_in_the_belt(sidereal_world: MakeWorld) -> None:
    world = sidereal_world(game)
    corners = [(BELT_LOW + 160, BELT_LOW + 160), (BELT_HIGH - 160, BELT_HIGH - 160)]
    kinds = (TRADER, MINER, PIRATE, MINER, PIRATE)
    pilots = [
        world.spawn(kind, Motion(x=x + 20 * nth, y=y - 20 * nth, vx=np.sign(x) * 30))
        for x, y in corners
        for nth, kind in enumerate(2 * kinds, -5)
    ]
    world.run(seconds=6)
    motion = world[Motion]
    assert len(world.ids()) == len(pilots)
    for place in (motion.x[pilots], motion.y[pilots]):
        assert place.min() > BELT_LOW
        assert place.max() < BELT_HIGH
    roaming = [each for each in pilots if world[Mind].doing[each] == ROAM]
    assert len(roaming) >= 8  # pirates, and miners without a rock


def test_traffic_is_kept_up_and_who_is_new_arrives_where_there_is_a_home(
    sidereal_world: MakeWorld,
) -> None:
    homely = Game("kept", parts=[flight, home, traffic, upkeep])

    @homely.world("homely")
    def begin(make: WorldBuilder) -> None:
        make_home(make)

    world = sidereal_world(homely, world="homely", shards=2)
    ann = world.join("ann")
    motion = world[Motion]
    x, y = (float(at[ann.entity]) for at in (motion.x, motion.y))
    assert x == PLACE[0]
    assert abs(y - PLACE[1]) <= SPREAD
    assert motion.heading[ann.entity] == HEADING
    world.run(seconds=EVERY_S + 0.3)
    assert [world.count(kind) for kind in WANTED] == [AT_ONCE] * len(WANTED)
    elsewhere = sidereal_world(homely)
    elsewhere.run(seconds=EVERY_S + 0.3)
    assert elsewhere.count() == 0
