"""What a bot does: a behaviour of the game, asked again when what it decided has been held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import sidereal.tools.bots
from sidereal.client.client import Client
from sidereal.game.bits import pack_rows
from sidereal.game.bots import BotView, Decision
from sidereal.game.component import Controls
from sidereal.game.declarations import Declarations
from sidereal.protocol.errors import ConfigError, GameFailedError, LocalProtocolError
from sidereal.replication.play.raised import describe_raised
from sidereal.replication.play.worlds import find_world_problem
from sidereal.tools.bots.sight import see


class Behaviour(NamedTuple):
    """A behaviour that a game declares."""

    name: str
    function: Callable[[BotView], Decision]
    controls: type[Controls]


def choose_behaviour(
    game: Declarations, name: str | None, world: str | None = None
) -> Behaviour | None:
    """Find a behaviour of a game.

    Args:
        game: what is played.
        name: of the behaviour; None is what the bots of the world do.
        world: name of that; None, or one that does not say, leaves the first that the game
            declares.

    Returns:
        None for a game that declares none.

    Raises:
        ConfigError: the game has no such behaviour, or no such world.
    """
    if problem := find_world_problem(game, world):
        raise ConfigError(problem)
    if name is None and world is not None:
        name = game.worlds[world].bots
    if name is None and not game.bots:
        return None
    chosen = next(iter(game.bots)) if name is None else name
    if chosen not in game.bots:
        there = f"there are: {', '.join(game.bots)}" if game.bots else f"{game.name} declares none"
        raise ConfigError(f"--behaviour is {name!r}; {there}")
    return Behaviour(chosen, game.bots[chosen], game.controls[0])


class Mind:
    """What one bot goes by, from its first session to its last."""

    def __init__(
        self, game: Declarations, behaviour: Behaviour | None, rng: np.random.Generator
    ) -> None:
        """Begin without memories.

        Args:
            game: what is played.
            behaviour: one of the game's; None holds nothing.
            rng: the bot's own.
        """
        self._game = game
        self._behaviour = behaviour
        self._rng = rng
        self._memory: dict[str, Any] = {}

    def decide(self, client: Client) -> tuple[int, float]:
        """Decide what to hold next.

        Args:
            client: whose entity it flies; one that flies nothing yet holds nothing.

        Returns:
            a record of controls, and for how many seconds.

        Raises:
            GameFailedError: the behaviour raised.
            LocalProtocolError: it gave something else than controls.
        """
        sight = see(client, self._game)
        if self._behaviour is None or client.rules is None or sight is None:
            return 0, 0.0
        tick_s = client.rules.tick_s
        view = BotView(*sight, tick_s, self._rng, self._memory)
        try:
            decision = self._behaviour.function(view)
        except Exception as error:  # a game is somebody else's code
            what = f"bot {self._behaviour.name}"
            words = f"{what} raised: {describe_raised(error, sidereal.tools.bots)}"
            raise GameFailedError(what, sight.tick, words) from error
        held, hold_s = decision if isinstance(decision, tuple) else (decision, tick_s)
        return _pack(self._behaviour, held), hold_s


def _pack(behaviour: Behaviour, held: object) -> int:
    record = pack_rows(held) if isinstance(held, behaviour.controls) else np.zeros(0, np.uint64)
    if record.size != 1:
        raise LocalProtocolError(
            f"bot {behaviour.name} gave {held!r}; it decides for one: {behaviour.controls.__name__}"
            "(…), or that and for how many seconds"
        )
    return int(record.item())
