"""The game that ships with Sidereal: fly about among asteroids.

It is written on `sidereal.game` and on nothing else of the engine.

* `ships`: the part `flight`: ships, the stick that flies them, and who comes gets one;
* `homes`: the part `home`: where who is new arrives;
* `asteroids`: the part `rocks`: they drift and bounce, in a belt;
* `traffic`: ships whose pilots are the game's own;
* `fight`: the parts `armour`, `shots`, `guns` and `missiles`, and `hurt`: hulls, shields and what
  hurts them;
* `ore`: what rocks are worth;
* `trade`: the part `stations`, where ships dock, and credits;
* `behaviours`: the part `bots`: what bots hold;
* `talking`: the part `talk`: what players say to each other;
* `worlds`: what a new world is made of;
* `play`: the whole game.
"""

from sidereal.games.frontier.asteroids import ASTEROID as ASTEROID
from sidereal.games.frontier.asteroids import rocks as rocks
from sidereal.games.frontier.behaviours.flying import bots as bots
from sidereal.games.frontier.behaviours.mixing import mixed as mixed
from sidereal.games.frontier.fight.armour import armour as armour
from sidereal.games.frontier.fight.armour import hurt as hurt
from sidereal.games.frontier.fight.guns import guns as guns
from sidereal.games.frontier.fight.missiles import missiles as missiles
from sidereal.games.frontier.fight.shots import shots as shots
from sidereal.games.frontier.play import game as game
from sidereal.games.frontier.ships import SHIP as SHIP
from sidereal.games.frontier.ships import Stick as Stick
from sidereal.games.frontier.ships import flight as flight
from sidereal.games.frontier.talking import say as say
from sidereal.games.frontier.talking import shout as shout
from sidereal.games.frontier.talking import talk as talk
from sidereal.games.frontier.trade.stations import stations as stations
