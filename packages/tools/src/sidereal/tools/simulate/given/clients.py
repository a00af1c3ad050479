"""Who takes part in a game that is given: its bots, and who looks about."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from sidereal.client.limits import Limits as ClientLimits
from sidereal.client.returning import ReturningClient
from sidereal.game.declarations import Declarations
from sidereal.protocol.message.player import Role
from sidereal.tools.bots.behaviour import Mind, choose_behaviour
from sidereal.tools.simulate.clients import JudgedClient, Seat

LOOK_S: Final = (0.4, 1.6)
"""Bounds of the time for which an observer looks at one place."""


class BotProcess(JudgedClient):
    """A client at whose controls is a behaviour of the game, drawn for it; an observer looks about.

    In the end it lets go of all that it holds.
    """

    def __init__(
        self,
        seat: Seat,
        *,
        game: Declarations,
        limits: ClientLimits,
        looks_within: float,
        sign_in: Callable[[JudgedClient, float], bytes | None],
    ) -> None:
        """Make one.

        Args:
            seat: whose it is.
            game: that is played.
            limits: of its core.
            looks_within: how far from the origin an observer looks, along both axes, world units.
            sign_in: gives it tokens.
        """
        super().__init__(seat, game=game, limits=limits, sign_in=sign_in)
        dice = np.random.default_rng(seat.rng.integers(1 << 31))
        name = str(dice.choice(list(game.bots))) if game.bots else None
        self._mind = Mind(game, choose_behaviour(game, name), dice)
        self._dice = dice
        self._looks_within = looks_within

    def _turn(self, client: ReturningClient, now: float, local: float) -> None:
        super()._turn(client, now, local)
        self.note_happened()

    def _decide(self, now: float) -> None:
        client, seconds = self.returning, math.inf
        if client is None:
            return
        if self.role is Role.OBSERVER:
            x, y = self._dice.uniform(-self._looks_within, self._looks_within, 2).tolist()
            seconds = float(self._dice.uniform(*LOOK_S))
            self.looks_at = x, y
            client.look_at(x, y)
        elif self._resting:
            client.hold(0)
        elif self.core is None:
            seconds = LOOK_S[0]
        else:
            record, held_s = self._mind.decide(self.core)
            client.hold(record)
            seconds = max(held_s, 1.0 / self._hz)
        self._decide_at = math.inf if self._resting else now + seconds

    @property
    def _hz(self) -> float:
        rules = None if self.core is None else self.core.rules
        return 1.0 / LOOK_S[0] if rules is None else rules.tick_hz
