"""The whole game."""

from __future__ import annotations

from sidereal.game import Game
from sidereal.games.frontier.asteroids import ASTEROID, belt, rocks
from sidereal.games.frontier.behaviours.flying import bots
from sidereal.games.frontier.fight.armour import armour
from sidereal.games.frontier.fight.guns import guns
from sidereal.games.frontier.fight.missiles import missiles
from sidereal.games.frontier.fight.shots import shots
from sidereal.games.frontier.fight.wrecks import wrecks
from sidereal.games.frontier.homes import home
from sidereal.games.frontier.ore.books import books
from sidereal.games.frontier.ore.breaking import breaking
from sidereal.games.frontier.ore.cargo import LUMP, cargo
from sidereal.games.frontier.ore.growth import SIGHT, growth
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.talking import talk
from sidereal.games.frontier.trade.docking import docking
from sidereal.games.frontier.trade.market import market
from sidereal.games.frontier.trade.races import races
from sidereal.games.frontier.trade.stations import stations
from sidereal.games.frontier.traffic.kinds import traffic
from sidereal.games.frontier.traffic.law import law
from sidereal.games.frontier.traffic.minds import minds
from sidereal.games.frontier.traffic.pilots import pilots
from sidereal.games.frontier.traffic.upkeep import upkeep
from sidereal.games.frontier.worlds import worlds

game = Game(
    "frontier",
    parts=[
        flight,
        home,
        rocks,
        belt(kinds=(ASTEROID, LUMP)),
        worlds,
        talk,
        traffic,
        minds,
        pilots,
        upkeep,
        armour,
        law,
        books,
        shots,
        guns,
        missiles,
        cargo,
        breaking,
        wrecks,
        growth,
        stations,
        market,
        races,
        bots,
        docking,  # last of those that move ships: it holds them still
    ],
    ghost_range=SIGHT,  # the farthest that any system looks
)
