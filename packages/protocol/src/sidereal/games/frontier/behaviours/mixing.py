"""A mixed crowd: each bot draws what it does, and keeps to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidereal.game import BotView
from sidereal.games.frontier.behaviours.flying import bots, wander
from sidereal.games.frontier.behaviours.hunting import chase, fight
from sidereal.games.frontier.behaviours.racing import race
from sidereal.games.frontier.behaviours.working import miner, trader
from sidereal.games.frontier.ships import Stick

Behaviour = Callable[[BotView], tuple[Stick, float]]

SHARES: Final[tuple[tuple[Behaviour, int], ...]] = (
    (miner, 4),
    (trader, 3),
    (wander, 2),
    (fight, 2),
    (chase, 1),
    (race, 1),
)
"""What a mixed crowd does, and how many of thirteen do it."""


@bots.bot("mixed")
def mixed(bot: BotView) -> tuple[Stick, float]:
    """Do what was drawn at first."""
    memory = bot.memory
    if "does" not in memory:
        drawn = int(bot.rng.integers(sum(share for _, share in SHARES)))
        for behave, share in SHARES:
            if drawn < share:
                memory["does"] = behave
                break
            drawn -= share
    decision: tuple[Stick, float] = memory["does"](bot)
    return decision
