"""The whole game."""

from __future__ import annotations

from sidereal.game import Game
from sidereal.games.frontier.asteroids import belt, rocks
from sidereal.games.frontier.behaviours import bots
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.talking import talk
from sidereal.games.frontier.worlds import worlds

game = Game("frontier", parts=[flight, rocks, belt(), worlds, talk, bots])
