"""Races around the corner of four sectors: every gate lies on a border.

In `course` ships fly round and round by themselves, some of them the wrong way. They count the
ticks in which they are flown, whatever the game's own laps say of these.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.game import (
    I1,
    SHARDS,
    U4,
    BotView,
    Component,
    Game,
    Label,
    Motion,
    Rows,
    Stage,
    WorldBuilder,
    field,
)
from sidereal.games.frontier import SHIP, Stick, flight
from sidereal.games.frontier.trade.races import GATE, Gate, races

GATES: Final = 4
RING: Final = 120.0
"""How far from the corner gates are, and who flies through them in their order, world units."""
WRONG_RING: Final = 146.0
"""Likewise who flies the other way, so that nobody is run into."""
SPEED: Final = 95.0
SPEED_OFF: Final = 7.0
"""By how much who is in the north is faster, and in the south slower, units/s."""
BACK_MAX: Final = 30.0
"""With how much they go back to their ring, units/s at most."""
RIGHT, WRONG = 8, 2
"""Ships that fly the right way, and the wrong one."""
APART: Final = 16.0
"""From one to the next, world units."""

game = Game("course", parts=[flight, races])


class Way(Component):
    """Round which way a ship flies."""

    turn: I1 = field(1, low=-1, high=1)


class Flown(Component, audience=SHARDS, saved=False):
    """How many ticks a ship was flown, and up to which tick."""

    ticks: U4
    until: U4


game.extend(SHIP, Way(), Flown())


@game.model(Motion, Flown, reads=(Way,), stage=Stage.TICK)
def go_round(own: Rows) -> None:
    """Fly round the corner, and count."""
    motion, flown, way = own[Motion], own[Flown], own[Way].turn.astype(np.float64)
    away, angle = np.hypot(motion.x, motion.y), np.arctan2(motion.y, motion.x)
    cos, sin = np.cos(angle), np.sin(angle)
    out = np.clip(np.where(way > 0, RING, WRONG_RING) - away, -BACK_MAX, BACK_MAX)
    along = way * (SPEED + SPEED_OFF * sin)
    motion.vx[:], motion.vy[:] = out * cos - along * sin, out * sin + along * cos
    flown.ticks += 1
    flown.until[:] = own.tick


@game.world("course")
def lay_out(make: WorldBuilder) -> None:
    """Put a gate on each border, and ships before the first one."""
    angle = math.tau * np.arange(GATES) / GATES
    names = Label(name=[f"gate {1 + each}" for each in range(GATES)])
    place = Motion(x=RING * np.cos(angle), y=RING * np.sin(angle))
    make.spawn(GATE, place, Gate(number=np.arange(GATES)), names)
    for ring, way, count in ((RING, 1, RIGHT), (WRONG_RING, -1, WRONG)):
        behind = -way * (60.0 + APART * np.arange(count)) / ring
        make.spawn(SHIP, Motion(x=ring * np.cos(behind), y=ring * np.sin(behind)), Way(turn=way))


@game.bot("passenger")
def sit(view: BotView) -> tuple[Stick, float]:
    """Hold nothing."""
    return Stick(), 1.0
