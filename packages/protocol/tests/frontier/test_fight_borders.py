"""A fight of many about a corner of four shards: every bullet that hits hurts once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.game import Game, Motion, Stage, Step
from sidereal.games.frontier.asteroids import rocks
from sidereal.games.frontier.fight.armour import HULL_MAX, SHIELD_MAX, Hull, Shield, armour
from sidereal.games.frontier.fight.guns import BULLET, DAMAGE, guns
from sidereal.games.frontier.fight.shots import Hit, shots
from sidereal.games.frontier.ships import Stick, flight
from sidereal.games.frontier.trade.stations import stations
from sidereal.games.frontier.traffic.kinds import PIRATE, Mind, traffic
from sidereal.testing.world import World

SHIPS, RING, CENTRE = 8, 110.0, 3.0
BAD: Any = {"delay_s": 0.05, "loss": 0.05}

game = Game("melee", parts=[flight, rocks, traffic, stations, armour, shots, guns])


@game.system(Stage.STEER)
def fight(step: Step) -> None:
    """Let everybody fly about and shoot at the middle, for a while."""
    rows, motion, stick = step.rows(PIRATE), step[Motion], step[Stick]
    stick.aimed[rows] = step[Mind].until[rows] > step.tick
    stick.aim[rows] = np.arctan2(CENTRE - motion.y[rows], CENTRE - motion.x[rows])
    stick.strafe[rows] = 1


@pytest.mark.parametrize(("shards", "link"), [((2, 2), None), ((2, 2), BAD), ((2, 1), BAD)])
def test_the_sum_of_damage_is_that_of_all_hits(shards: tuple[int, int], link: Any) -> None:
    world = World(game, shards=shards, link=link)
    angle = np.linspace(0.1, 2 * np.pi + 0.1, SHIPS, endpoint=False)
    ships = [
        world.spawn(
            PIRATE,
            Motion(x=CENTRE + RING * np.cos(a), y=CENTRE + RING * np.sin(a)),
            Mind(until=world.tick + 40),
        )
        for a in angle
    ]
    world.run(seconds=0.3)
    assert len({world.owner(ship) for ship in ships}) == shards[0] * shards[1]
    world.run(seconds=3)
    lost = SHIELD_MAX + HULL_MAX - world[Hull].hp[ships] - world[Shield].hp[ships]
    hits = len(world.events(Hit).x)
    assert world.count(BULLET) == 0
    assert hits >= SHIPS
    assert lost.sum() == DAMAGE * hits
