"""A world's first day: what there is before anyone has played in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidereal.game import Component, Kind, Parent
from sidereal.game.declarations import Declarations
from sidereal.game.spawns import Spawns
from sidereal.protocol.errors import ConfigError, GameError
from sidereal.protocol.state.schema import Schema
from sidereal.replication.play.raised import describe_raised


class Builder:
    """What a world of a game is made with: `WorldBuilder`.

    Attributes:
        rng: seeded with the world's seed.
    """

    def __init__(self, spawns: Spawns, rng: np.random.Generator) -> None:
        self.rng = rng
        self.made: list[NDArray[np.void]] = []
        self._spawns = spawns

    def spawn(self, kind: Kind, *components: Component, count: int | None = None) -> None:
        """Put entities into the world; see `WorldBuilder.spawn`."""
        if kind.has(Parent):
            raise GameError(f"spawn({kind}): a world begins without children")
        self.made.append(self._spawns.make(kind, components, count))


def find_world_problem(game: Declarations, name: str | None) -> str | None:
    """Tell in words why a game can't make a world; None if it can."""
    if name is None or name in game.worlds:
        return None
    known = ", ".join(game.worlds)
    there = f"there are: {known}" if known else f"{game.name} declares none"
    return f"--world is {name!r}; {there}"


def make_world(
    game: Declarations, schema: Schema, name: str | None, rng: np.random.Generator
) -> NDArray[np.void]:
    """Make the entities of a new world.

    Args:
        game: that is played.
        schema: its columns.
        name: of a world that it declares; None for one with nothing in it.
        rng: the world's seed.

    Returns:
        `Schema.full_record[n]`, at tick 0, without ids.

    Raises:
        ConfigError: there is no such world, or the code that makes it raised.
    """
    if problem := find_world_problem(game, name):
        raise ConfigError(problem)
    builder = Builder(Spawns(game, schema), rng)
    if name is not None:
        try:
            game.worlds[name].function(builder)
        except Exception as error:  # the game's code is somebody else's: it may raise anything
            raise ConfigError(f"world {name} of {game.name}: {describe_raised(error)}") from error
    return np.concatenate([np.zeros(0, schema.full_record), *builder.made])
