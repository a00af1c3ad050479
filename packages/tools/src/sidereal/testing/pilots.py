"""Who is at the controls of a client under test: the test, or a behaviour of the game."""

from __future__ import annotations

from typing import Any

import numpy as np

from sidereal.client.returning import ReturningClient
from sidereal.game.declarations import Declarations
from sidereal.tools.bots.behaviour import Mind, choose_behaviour
from sidereal.tools.simulate.clients import ClientHost


class PilotHost(ClientHost):
    """A client that holds what it is told, or what a behaviour of its game decides.

    A bot goes by what it is told of the world: it predicts nothing.
    """

    def __init__(self, *where: Any, game: Declarations, bot: str | None, **more: Any) -> None:
        """Make one; `where` and `more` are of `ClientHost`.

        Args:
            where: its name, its host, its network and its generator.
            game: that it plays.
            bot: name of the behaviour, None for none.
            more: by name.

        Raises:
            ConfigError: the game has no such behaviour.
        """
        super().__init__(*where, game=game, predict=bot is None, **more)
        self._mind: Mind | None = None
        if bot is not None:
            rng = np.random.default_rng(self.rng.integers(1 << 31))
            self._mind = Mind(game, choose_behaviour(game, bot), rng)
        self._decide_at = 0.0

    def is_in(self) -> bool:
        """Whether it has all that there is around it."""
        return self.core is not None and self.core.is_whole

    def _turn(self, client: ReturningClient, now: float, local: float) -> None:
        if self._mind is not None and self.core is not None and now >= self._decide_at:
            record, hold_s = self._mind.decide(self.core)
            client.hold(record)
            self._decide_at = now + hold_s
        super()._turn(client, now, local)
