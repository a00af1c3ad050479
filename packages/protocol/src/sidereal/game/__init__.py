"""What a game is made of: the only thing that a game's modules import from the engine.

Declarations and typing, nothing that runs: shards, the replication server and clients do that.

* `column`, `record`, `component`: columns, and three sorts of records: components, controls,
  events; `keys`: what controls may be bound to;
* `builtin`: the components that the engine brings;
* `kind`: what entities are; `touching`: which of them touch each other;
* `logic`: models, systems, rules, actions; `look`: how faces draw kinds; `panel`: what they show
  beside the picture;
* `part`: collects all of these; a `Game` is made of parts;
* `step`, `pairs`: what game code is handed, `bots`: what that of bots is;
* `spawns`: records of what it spawns;
* `load`, `declarations`: a whole game, checked and numbered; `ordering` is theirs;
* `schema`, `bits`: the same in the words of the links; `models` runs what both ends compute;
* `words`: what may stand in a line that people read;
* `described`: a game whose code is not here, by what its server says of it.
"""

from msgspec import Meta as Meta

from sidereal.game.bots import BotView as BotView
from sidereal.game.builtin import Body as Body
from sidereal.game.builtin import Label as Label
from sidereal.game.builtin import Motion as Motion
from sidereal.game.builtin import Parent as Parent
from sidereal.game.builtin import Pilot as Pilot
from sidereal.game.column import ANGLE as ANGLE
from sidereal.game.column import F4 as F4
from sidereal.game.column import F8 as F8
from sidereal.game.column import I1 as I1
from sidereal.game.column import I2 as I2
from sidereal.game.column import I4 as I4
from sidereal.game.column import I8 as I8
from sidereal.game.column import LINEAR as LINEAR
from sidereal.game.column import STEP as STEP
from sidereal.game.column import U1 as U1
from sidereal.game.column import U2 as U2
from sidereal.game.column import U4 as U4
from sidereal.game.column import Bools as Bools
from sidereal.game.column import Entity as Entity
from sidereal.game.column import Floats as Floats
from sidereal.game.column import Indices as Indices
from sidereal.game.column import Text as Text
from sidereal.game.column import field as field
from sidereal.game.component import ALL as ALL
from sidereal.game.component import AUTHORITY as AUTHORITY
from sidereal.game.component import EVERYONE as EVERYONE
from sidereal.game.component import PILOT as PILOT
from sidereal.game.component import SECTOR as SECTOR
from sidereal.game.component import SHARD as SHARD
from sidereal.game.component import SHARDS as SHARDS
from sidereal.game.component import VIEWERS as VIEWERS
from sidereal.game.component import Component as Component
from sidereal.game.component import Controls as Controls
from sidereal.game.component import Event as Event
from sidereal.game.component import Held as Held
from sidereal.game.component import Press as Press
from sidereal.game.component import angle as angle
from sidereal.game.component import axis as axis
from sidereal.game.component import hold as hold
from sidereal.game.component import press as press
from sidereal.game.component import role as role
from sidereal.game.kind import Kind as Kind
from sidereal.game.logic import PLAYERS as PLAYERS
from sidereal.game.logic import SYSTEMS as SYSTEMS
from sidereal.game.logic import Stage as Stage
from sidereal.game.part import Game as Game
from sidereal.game.part import Part as Part
from sidereal.game.step import Authority as Authority
from sidereal.game.step import Player as Player
from sidereal.game.step import Rows as Rows
from sidereal.game.step import Step as Step
from sidereal.game.step import Transaction as Transaction
from sidereal.game.step import WorldBuilder as WorldBuilder
from sidereal.game.words import is_line as is_line
