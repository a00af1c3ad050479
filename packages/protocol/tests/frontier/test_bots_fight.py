"""Bots that shoot: a fighter ends who stays near."""

from __future__ import annotations

from collections.abc import Callable

from sidereal.game import Game
from sidereal.games import frontier
from sidereal.testing import World

game = Game("arms", parts=[frontier.game], ghost_range=frontier.game.ghost_range)


def test_a_fighter_ends_who_stays_near(sidereal_world: Callable[..., World]) -> None:
    world = sidereal_world(game, world="empty")
    ann, bot = world.join("ann"), world.join("bot", bot="fight")
    prey = ann.entity
    world.place(prey, x=500, y=500)
    world.place(bot.entity, x=650, y=500)
    for _ in range(30):
        world.run(seconds=1)
        if prey not in world.ids(frontier.SHIP):
            break
    assert prey not in world.ids(frontier.SHIP)
