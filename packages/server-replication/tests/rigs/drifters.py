"""A game of one kind, and entities of it: what the engine's own tests run with."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sidereal.game import Authority, Body, Game, Label, Motion, Pilot, Player
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.game.spawns import Spawns
from sidereal.replication.keeping.references import saved_alone

RADIUS: Final = 6.0

drifters = Game("drifters")
DRIFTER = drifters.kind("drifter", Motion(), Body(radius=RADIUS, mass=12), Label(), Pilot())


@drifters.on_join
def arrive(world: Authority, player: Player) -> None:
    spot = world.free_spot(radius=RADIUS)
    player.fly(world.berth(player) or world.spawn(DRIFTER, Label(name=player.name), at=spot))


GAME = declare(drifters)
SCHEMA = schema_of(GAME)
_SPAWNS = Spawns(GAME, SCHEMA)


def drifter(
    name: str = "", x: float = 0.0, y: float = 0.0, heading: float = 0.0, tick: int = 0
) -> np.ndarray:
    """One at rest, `Schema.full_record[1]`, without an id."""
    motion = Motion(x=x, y=y, heading=heading)
    record = _SPAWNS.make(DRIFTER, [motion, Label(name=name)])
    record["tick"] = tick
    return record


def saved_drifter(*arguments: Any, **values: Any) -> np.ndarray:
    """The same as it is saved."""
    return saved_alone(SCHEMA, drifter(*arguments, **values))
