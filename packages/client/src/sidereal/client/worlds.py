"""Which world a client says hello to: that of its own game, or the server's as it is described.

Theory of operation. A server refuses whoever says hello with the hash of another schema, and sends
the description of its world. If that is the world of the game that is here, the next session plays
this. If not, it reads the world as it is described, and says the hash of the description. A server
whose world has that hash lets it in; so nothing has to be believed. A server that refuses the very
world that it has described would do so for ever.
"""

from __future__ import annotations

from sidereal.game.declarations import Declarations
from sidereal.game.described import NO_GAME, declare_untrusted
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import WireError
from sidereal.protocol.state.description import say_difference


class Worlds:
    """What the sessions of a client are about.

    Attributes:
        game: of the next session.
        difference: between the game that is here and this one, for people; empty if it is the same,
            or if there is none here.
    """

    def __init__(self, here: Declarations | None) -> None:
        self.game: Declarations = NO_GAME if here is None else here
        self.difference = ""
        self._here = here

    def follow_untrusted(self, body: bytes) -> None:
        """Take the world that a server has described when it refused the one before.

        Raises:
            WireError: it is no other world, or none that can be read.
        """
        if not body:
            raise WireError("it does not describe it")
        described = declare_untrusted(body)
        if described.schema.hash == schema_of(self.game).hash:
            raise WireError("it refuses the world that it describes")
        self.game, self.difference = described, ""
        if self._here is not None:
            here = schema_of(self._here)
            if here.hash == described.schema.hash:
                self.game = self._here
            else:
                self.difference = say_difference(here.description, described.schema.description)
