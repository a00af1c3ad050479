"""Who touches a lump collects it, once, and no more than there is room for."""

from __future__ import annotations

from collections.abc import Callable

from sidereal.game import Game, Motion, Transaction
from sidereal.games.frontier import SHIP
from sidereal.games.frontier.asteroids import rocks
from sidereal.games.frontier.fight.armour import Hull, armour
from sidereal.games.frontier.fight.wrecks import wrecks
from sidereal.games.frontier.ore.books import Books, books
from sidereal.games.frontier.ore.cargo import (
    EVERY,
    HOLD_MAX,
    LUMP,
    Collected,
    Hold,
    Lump,
    cargo,
    collect,
    spill,
)
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.trade.stations import Docked, stations
from sidereal.games.frontier.traffic.kinds import traffic
from sidereal.testing import Outcome, World

Worlds = Callable[..., World]
LINK = {"delay_s": 0.05, "loss": 0.05}
LATER = 10**9

game = Game("haul", parts=[flight, rocks, traffic, stations, armour, books, cargo, wrecks])


@game.action(rate_hz=2)
def jettison(tx: Transaction) -> None:
    spill(tx, tx.own)


def test_a_lump_is_collected_once_by_who_touches_it_and_again_when_it_was_spilt(
    sidereal_world: Worlds,
) -> None:
    world = sidereal_world(game, shards=2, link=LINK)
    ann = world.join("ann")
    world.place(ann.entity, x=-40, y=0)
    world.spawn(LUMP, Motion(x=-38), Lump(ore=9, until=LATER))
    world.run(seconds=1)
    assert world.count(LUMP) == 0
    assert world[Hold].ore[ann.entity] == 9
    assert ann.events(Collected).ore.tolist() == [9]
    assert world.of_world(Books).collected == 9
    assert world.call(ann, jettison).outcome is Outcome.DONE
    assert world.of_world(Books).spilt == 9
    assert sorted(world[Lump].ore[world.ids(LUMP)]) == [2, 2, 2, 3]
    world.run(seconds=1.5)
    assert world[Hold].ore[ann.entity] == 9
    assert world.of_world(Books).collected == 18


def test_of_two_ships_at_one_lump_one_gets_it(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, shards=2, link=LINK)
    ships = [world.spawn(SHIP, Motion(x=x)) for x in (-7, 7)]
    world.spawn(LUMP, Lump(ore=5, until=LATER))
    world.run(seconds=1)
    assert world.count(LUMP) == 0
    assert sorted(world[Hold].ore[ships]) == [0, 5]


def test_what_fits_is_taken_and_the_rest_stays(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    ship = world.spawn(SHIP, Hold(ore=HOLD_MAX - 2))
    lump = world.spawn(LUMP, Lump(ore=5, until=LATER))
    world.run(ticks=2 * EVERY)
    assert world[Hold].ore[ship] == HOLD_MAX
    assert world[Lump].ore[lump] == 3
    assert world.refused(collect) == []  # a full ship does not ask


def test_who_is_docked_or_dead_collects_nothing(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    docked = world.spawn(SHIP, Motion(x=200), Docked(at=999))
    dead = world.spawn(SHIP, Hull(hp=0))
    for x in (0, 200):
        world.spawn(LUMP, Motion(x=x), Lump(until=LATER))
    world.run(seconds=1)
    assert world.count(LUMP) == 2
    assert world[Hold].ore[docked] == 0
    assert dead not in world.ids()


def test_lumps_crumble_after_their_time(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    world.spawn(LUMP, Lump(ore=4, until=world.tick + 20))
    world.run(ticks=19)
    assert world.count(LUMP) == 1
    world.run(seconds=1.5)
    assert world.count(LUMP) == 0
    assert world.of_world(Books).crumbled == 4


def test_nothing_of_a_hold_is_lost_with_the_server(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    ann = world.join("ann")
    world.place(ann.entity, x=-40, y=0)
    world.spawn(LUMP, Motion(x=-38), Lump(ore=7, until=LATER))
    world.spawn(LUMP, Motion(x=300), Lump(ore=2, until=LATER))
    world.run(seconds=1)
    world.restart()
    world.run(seconds=2.5)
    assert world[Hold].ore[ann.entity] == 7
    assert world[Lump].ore[world.ids(LUMP)].tolist() == [2]
    assert world.of_world(Books).collected == 7
