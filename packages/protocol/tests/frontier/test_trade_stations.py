"""Stations of Frontier stay where they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sidereal.game import Game, Label, Motion, WorldBuilder
from sidereal.games import frontier
from sidereal.games.frontier.trade.stations import PLACES, STATION, place_stations, stations
from sidereal.games.frontier.traffic.kinds import traffic
from sidereal.testing import World

game = Game("docks", parts=[frontier.flight, traffic, stations])


@game.world("stations")
def lay_out(make: WorldBuilder) -> None:
    place_stations(make)


def test_a_station_that_is_rammed_stays_where_it_is(sidereal_world: Callable[..., World]) -> None:
    world = sidereal_world(game, world="stations", shards=2)
    names = [bytes(world[Label].name[each]).decode() for each in world.ids(STATION)]
    assert sorted(names) == sorted(PLACES)
    home = next(each for each in world.ids(STATION) if world[Label].name[each] == b"Haven")
    x, y = PLACES["Haven"]
    rammer = world.spawn(frontier.SHIP, Motion(x=x - 80, y=y + 10, vx=100))
    world.run(seconds=2)
    assert world[Motion].vx[rammer] < 0
    motion = world[Motion]
    assert (motion.x[home], motion.y[home], motion.vx[home], motion.spin[home]) == (x, y, 0, 0)
    assert np.hypot(motion.x[rammer] - x, motion.y[rammer] - y) > 46
