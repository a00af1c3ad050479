"""A fight of forty ships around the corner of four sectors.

Everybody shoots at whoever is opposite, so every bullet flies over the corner, from one shard's
space into another's. Nobody moves, and no shield grows.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import Game, Motion, Stage, Step, WorldBuilder
from sidereal.games.frontier import SHIP, Stick, flight, rocks
from sidereal.games.frontier.fight.armour import REGROW_AFTER, Struck, armour
from sidereal.games.frontier.fight.guns import RELOAD, guns
from sidereal.games.frontier.fight.shots import shots
from sidereal.games.frontier.trade.stations import stations
from sidereal.games.frontier.traffic.kinds import traffic

SHIPS: Final = 40
RING: Final = 110.0
"""How far from the corner they are, world units."""
FROM, UNTIL = 30, 70
"""Ticks in which they shoot."""
BULLETS: Final = SHIPS * (UNTIL - FROM) // RELOAD

game = Game("fight", parts=[flight, rocks, traffic, stations, armour, shots, guns])


@game.world("fight")
def gather(make: WorldBuilder) -> None:
    """Put ships on a ring, none of them on a border."""
    angle = math.tau * (np.arange(SHIPS) + 0.5) / SHIPS
    make.spawn(
        SHIP,
        Motion(x=RING * np.cos(angle), y=RING * np.sin(angle), heading=_towards(angle)),
        count=SHIPS,
    )


@game.system(Stage.STEER)
def shoot(step: Step) -> None:
    """Let everybody shoot for a while."""
    step[Stick].shoot[step.rows(SHIP)] = FROM <= step.tick < UNTIL


@game.system
def keep_down(step: Step) -> None:
    """Let no shield grow, so that what is lost adds up."""
    struck, rows = step[Struck], step.rows(SHIP)
    soon = step.tick - struck.when[rows].astype(np.int64) >= REGROW_AFTER - 1
    struck.when[rows[soon]] = step.tick


def _towards(angle: np.ndarray) -> np.ndarray:
    """Give the course from a place on the ring to the one opposite, rad."""
    return np.asarray((angle + math.tau) % math.tau - math.pi)
