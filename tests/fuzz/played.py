"""The game of the targets: ships and rocks of the one that ships, and something that happens."""

from __future__ import annotations

from typing import Final

from sidereal.game import ALL, F4, PILOT, U1, Event, Game, Part, field
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.games.frontier import flight, rocks, talk
from sidereal.protocol.state.schema import Schema


class Burst(Event, name="bursts.burst"):
    """Something bursts."""

    size: F4 = field(1, low=0, high=100, quantum=0.5)
    colour: U1 = field(0, low=0, high=9)


class Whisper(Event, to=PILOT, name="bursts.whisper"):
    """A pilot is told something."""

    loud: U1 = field(0, low=0, high=9)


class Gong(Event, to=ALL, name="bursts.gong"):
    """All are."""


bursts = Part("bursts")
bursts.declare(Burst, Whisper, Gong)

GAME: Final = declare(Game("fuzzed", parts=[flight, rocks, talk, bursts]))
SCHEMA: Final[Schema] = schema_of(GAME)
