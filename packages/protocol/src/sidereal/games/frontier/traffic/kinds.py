"""Kinds of ships whose pilots are the game's own."""

from __future__ import annotations

from typing import Final

from sidereal.game import (
    F8,
    I1,
    SHARDS,
    U1,
    U4,
    Body,
    Component,
    Entity,
    Kind,
    Label,
    Motion,
    Part,
    Pilot,
    field,
)
from sidereal.games.frontier.ships import ACCEL_MAX, RADIUS, SHIP

MASS: Final = 12.0

traffic = Part("traffic")


class Mind(Component, audience=SHARDS, saved=False):
    """What a computer pilot is about.

    `doing` is one of `doings`; `stop` numbers the stations of `PLACES`. `goal` is who is followed,
    0 for nobody. `x` and `y` are where it flies to if it is about neither; until then, at most, it
    does what it is doing. `dodge` is to which side it gives way: 1 to the left, -1 to the right.
    """

    doing: U1
    stop: U1
    dodge: I1 = field(0, low=-1, high=1)
    goal: Entity
    x: F8
    y: F8
    until: U4


def _craft(name: str, colour: str, rank: int | None = None) -> Kind:
    kind = traffic.kind(
        name,
        Motion(),
        Body(radius=RADIUS, mass=MASS),
        Label(),
        Pilot(),
        Mind(),
        accel_max=ACCEL_MAX,
    )
    traffic.look(kind, symbol="arrow", colour=colour, label=Label.name, rank=rank)
    return kind


TRADER = _craft("trader", "#6c9")
MINER = _craft("miner", "#cc6")
PIRATE = _craft("pirate", "#f55", rank=1)
PATROL = _craft("patrol", "#59f")

CRAFT: Final = (SHIP, TRADER, MINER, PIRATE, PATROL)
"""All that fly, be it by players or by themselves."""
