"""The game of tests that need none in particular: ships and rocks of the one that ships."""

from __future__ import annotations

from typing import Final

from sidereal.game import Game
from sidereal.game.declarations import Declarations, declare
from sidereal.games.frontier import flight, rocks, talk

FLYING: Final[Declarations] = declare(Game("flying", parts=[flight, rocks, talk]))
