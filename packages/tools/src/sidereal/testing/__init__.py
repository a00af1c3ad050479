"""For the tests of games: a whole world in one process, on virtual time, repeatable byte for byte.

The fixture `sidereal_world` of the pytest plugin makes a `World`; who joins it is a `Player`.

* `world`: the world, its shards, its network, and what is asked of it;
* `player`: somebody at the controls, and what their client shows; `pilots`: a bot at them;
* `places`: which shard simulates what, and who is put where;
* `happenings`: calls that were refused, and what went wrong in the game's code;
* `checks`: what must be true after every run.
"""

from sidereal.client.events import ReceiptCame as ReceiptCame
from sidereal.protocol.errors import GameFailedError as GameFailedError
from sidereal.protocol.message.player import Outcome as Outcome
from sidereal.testing.checks import BrokenWorldError as BrokenWorldError
from sidereal.testing.happenings import Refused as Refused
from sidereal.testing.player import Player as Player
from sidereal.testing.world import World as World
