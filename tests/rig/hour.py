"""An hour of Frontier with thirty bots, in virtual time: does the world stay as it began?

    uv run python tests/rig/hour.py --minutes 60

Every minute it tells what there is, compares it with the game's own books, and ends with 1 if they
are off or a count is further than a fifth from its start.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

import numpy as np

from sidereal.game import Body
from sidereal.games import frontier
from sidereal.games.frontier.ore.books import Books, Stock, balance
from sidereal.games.frontier.ore.cargo import LUMP, Hold, Lump
from sidereal.games.frontier.traffic.kinds import CRAFT
from sidereal.testing import World

BOTS: Final = 30
SHARDS: Final = 2
OFF_MAX: Final = 0.2
"""Share of what there was by which there may be more or less."""
GRAM: Final = 1e-6
SEE_NOBODY: Final = ("wander", "crowd", "star", "shuttle", "idle")
"""Behaviours that go by their own ship and the clock alone."""


def main() -> int:
    """Play, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--world", default="frontier")
    minutes, name = vars(parser.parse_args()).values()
    world = World(frontier.game, world=name, shards=SHARDS, seed=1, link={"delay_s": 0.03})
    behaviours = list(world.game.bots)
    begun = stock(world)
    for number in range(BOTS):
        behaviour = behaviours[number % len(behaviours)]
        world.join(f"bot-{number}", bot=behaviour, mirror=behaviour not in SEE_NOBODY)
    there = count(world)
    wrong = False
    for minute in range(1, minutes + 1):
        since = time.perf_counter()
        world.run(seconds=60)
        took, now = time.perf_counter() - since, count(world)
        off = balance(world.of_world(Books), begun, stock(world))
        print(f"{minute} min: {now}, {off}, {took:.0f} s", flush=True)
        wrong |= abs(off.mass) > GRAM or off.rocks != 0 or off.lumps != 0 or off.holds > 0
        wrong |= any(abs(now[each] - there[each]) > OFF_MAX * there[each] for each in there)
    return int(wrong)


def stock(world: World) -> Stock:
    """Tell what there is of rocks and ore."""
    rocks, lumps = world.ids(frontier.ASTEROID), world.ids(LUMP)
    craft = np.concatenate([world.ids(kind) for kind in CRAFT])
    mass = world[Body].mass[rocks].astype(np.float64).sum()
    ore, held = world[Lump].ore[lumps].sum(), world[Hold].ore[craft].sum()
    return Stock(float(mass), len(rocks), int(ore), int(held))


def count(world: World) -> dict[str, int]:
    """Count what is to stay: all there is, rocks, and ships."""
    return {
        "entities": world.count(),
        "rocks": world.count(frontier.ASTEROID),
        "craft": sum(world.count(kind) for kind in CRAFT),
    }


if __name__ == "__main__":
    sys.exit(main())
