"""Bots that race: they fly through the gates of the course, in their order."""

from __future__ import annotations

from sidereal.game import BotView
from sidereal.games.frontier.behaviours.flying import bots, wander
from sidereal.games.frontier.behaviours.sights import nearest_of, sees
from sidereal.games.frontier.behaviours.steering import fly_to
from sidereal.games.frontier.ships import Stick
from sidereal.games.frontier.trade.races import GATE, GATES, Gate, Lap


@bots.bot("race")
def race(bot: BotView) -> tuple[Stick, float]:
    """Fly to the gate that is next, again and again."""
    if not sees(bot):
        return wander(bot)
    due = int(bot.own[Lap].next[0]) % len(GATES)
    return fly_to(bot, *_place_of(bot, due))


def _place_of(bot: BotView, number: int) -> tuple[float, float]:
    """Find a gate: where it is seen, else where the chart has it."""
    rows = bot.others.rows(GATE)
    seen = nearest_of(bot, rows[bot.others[Gate].number[rows] == number])
    return GATES[number] if seen is None else (seen.x, seen.y)
