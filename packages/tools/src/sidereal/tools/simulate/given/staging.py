"""Which game is played, in which of its worlds, and who judges it: as words, and loaded."""

from __future__ import annotations

import functools
import importlib
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np

from sidereal.game import Game, Part
from sidereal.game.declarations import Declarations, declare
from sidereal.game.load import load
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import ConfigError
from sidereal.replication.play.worlds import find_world_problem, make_world
from sidereal.tools.simulate.given.truth import Judge


class Staging(NamedTuple):
    """What is to be played, in words that every process can load it by.

    Attributes:
        game: `module:name`.
        world: of the game; None for its first one.
        judges: `module:name` of a function that makes its own checkers; None for none.
    """

    game: str
    world: str | None = None
    judges: str | None = None

    def flags(self) -> str:
        """Write it as flags of the command."""
        given = {"game": self.game, "world": self.world, "judges": self.judges}
        return " ".join(f"--{name} {shlex.quote(value)}" for name, value in given.items() if value)


class Staged(NamedTuple):
    """The same, loaded.

    Attributes:
        game: as it was declared.
        declared: the same, checked.
        world: name of what a new world begins with.
        make_judges: makes fresh checkers of the game's own.
    """

    game: Game
    declared: Declarations
    world: str | None
    make_judges: Callable[[], Sequence[Judge]]

    def declare(self, parts: Sequence[Part] = ()) -> Declarations:
        """Give the game with some parts more, which declare nothing that is sent or kept."""
        game = self.game
        return declare(Game("simulated", parts=[game, *parts], ghost_range=game.ghost_range))

    def make_world(self, rng: np.random.Generator) -> np.ndarray:
        """Make what a world begins with, `Schema.full_record[n]`."""
        return make_world(self.declared, schema_of(self.declared), self.world, rng)


@functools.cache
def stage(staging: Staging) -> Staged:
    """Load what is to be played.

    Raises:
        ConfigError: it can't be.
    """
    declared = load(staging.game)
    game = _named(staging.game)
    if problem := find_world_problem(declared, staging.world):
        raise ConfigError(problem)
    world = staging.world or next(iter(declared.worlds), None)
    make_judges = _no_judges if staging.judges is None else _judges_of(staging.judges)
    return Staged(cast(Game, game), declared, world, make_judges)


def _judges_of(text: str) -> Callable[[], Sequence[Judge]]:
    module, colon, _ = text.partition(":")
    try:
        if colon:
            importlib.import_module(module)
        judges = _named(text)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"--judges {text}: {error}") from error
    return cast(Callable[[], Sequence[Judge]], judges)


def _named(text: str) -> object:
    module, _, name = text.partition(":")
    return getattr(sys.modules[module], name)


def _no_judges() -> Sequence[Judge]:
    return ()
