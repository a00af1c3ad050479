"""A game in which ships fly about among rocks, and nobody is hurt: all pilots fly all the time."""

from __future__ import annotations

from typing import Final

from sidereal.game import Game
from sidereal.games.frontier import bots, flight, rocks
from sidereal.games.frontier.worlds import strew_belt

FLIGHTS: Final = "benchmarks.flights:game"
"""What commands call it that run in the root of the project."""

game = Game("flights", parts=[flight, rocks, bots])
game.world("belt", bots="wander")(strew_belt)
