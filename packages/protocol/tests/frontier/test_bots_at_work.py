"""Bots play as people do: by their sticks, and by what their clients know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sidereal.game import Body, Game, Motion, WorldBuilder
from sidereal.games import frontier
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW
from sidereal.games.frontier.trade.races import GATES, Lap, place_gates
from sidereal.games.frontier.trade.stations import PLACES, Docked, place_stations
from sidereal.testing import World

game = Game("crew", parts=[frontier.game], ghost_range=frontier.game.ghost_range)


@game.world("ports")
def ports(make: WorldBuilder) -> None:
    """Stations, gates, and some rocks."""
    place_stations(make)
    place_gates(make)
    x = np.linspace(-800.0, 1200.0, 8)
    make.spawn(frontier.ASTEROID, Motion(x=x, y=900.0 + x / 10), Body(radius=12))


def test_a_trader_docks_at_stations_and_leaves_them(
    sidereal_world: Callable[..., World],
) -> None:
    world = sidereal_world(game, world="ports")
    bot = world.join("bot", bot="trader")
    x, y = PLACES["Haven"]
    world.place(bot.entity, x=x + 150, y=y)
    docked: list[int] = []
    for _ in range(60):
        world.run(seconds=1)
        at = int(world[Docked].at[bot.entity])
        if at and at not in docked:
            docked.append(at)
        if docked and not at:
            break
    assert docked
    assert not world[Docked].at[bot.entity]


def test_a_chaser_stays_near_who_flies_away(sidereal_world: Callable[..., World]) -> None:
    world = sidereal_world(game, world="empty")
    ann, bot = world.join("ann"), world.join("bot", bot="chase")
    world.place(ann.entity, x=500, y=500)
    world.place(bot.entity, x=900, y=500)
    ann.hold(thrust=1)
    world.run(seconds=1)
    ann.hold(thrust=0)
    world.run(seconds=9)
    motion = world[Motion]
    ids = [ann.entity, bot.entity]
    x, y = (np.array([column[each] for each in ids]) for column in (motion.x, motion.y))
    assert np.hypot(np.diff(x), np.diff(y))[0] < 200


def test_a_racer_flies_from_gate_to_gate(sidereal_world: Callable[..., World]) -> None:
    world = sidereal_world(game, world="ports")
    bot = world.join("bot", bot="race")
    world.place(bot.entity, x=GATES[0][0] - 150, y=GATES[0][1])
    passed = set()
    for _ in range(30):
        world.run(seconds=1)
        passed.add(int(world[Lap].next[bot.entity]))
        if 2 in passed:
            break
    assert {1, 2} <= passed


def test_a_mixed_crowd_stays_in_the_belt(sidereal_world: Callable[..., World]) -> None:
    world = sidereal_world(game, world="ports", link={"delay_s": 0.05, "loss": 0.02})
    bots = [world.join(f"bot-{at}", bot="mixed") for at in range(4)]
    world.run(seconds=8)
    flown = [bot.entity for bot in bots if bot.entity]
    assert len(flown) >= 2  # who has lost a ship waits for another
    assert np.hypot(world[Motion].vx[flown[0]], world[Motion].vy[flown[0]]) > 0
    for column in (world[Motion].x, world[Motion].y):
        assert all(BELT_LOW < column[each] < BELT_HIGH for each in flown)
