"""The flags that `sidereal up` and `sidereal replication` share: a world, and who may see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from sidereal.game.load import DEFAULT_GAME
from sidereal.tools.settings import Database, GameName, Names


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldFlags:
    """What the flags of these names say; the replication server checks them."""

    http: str = "127.0.0.1:7070"
    """host:port of the HTTP endpoint; port 0 here and below is any free one."""
    public_clients: str | None = None
    """IP address and port that connect tokens name, when clients reach the server by another one
    than its own: through `sidereal netsim`, or a router that translates addresses."""
    database: Database = "embedded"
    """embedded, or the postgresql:// URL of a server; one with a password belongs into the
    variable, because everybody on the machine can read flags."""
    data_dir: Path = Path(".sidereal")
    """Where the embedded database lives."""
    game: GameName = DEFAULT_GAME
    """What is played, as module:name: the same in every process of a world."""
    world: str | None = None
    """What a new world is made from, and what the bots of `sidereal up` do in it, by its name in
    the game; without it the first of the game. A world that was begun as another one is refused,
    and goes on without this. A wrong name is answered with those that are."""
    seed: int = 1
    """Of a new world, and of the bots of `sidereal up`."""
    clamp: Annotated[bool, Parameter(negative="")] = False
    """Bring saved values into ranges that the game has narrowed; without it the server refuses to
    start where that would change any."""
    operator: Names = None
    """Name of an account that may operate; may be given again. docs/OPERATING.md says who may
    register it."""
    observers: str | None = None
    """Who may watch: none, accounts or anyone; without it anyone on loopback, else accounts."""
    player_rate: int = 4000
    """Kilobytes a second that a player is sent of the world at most."""
    observer_rate: int = 1000
    """The same for an observer or operator."""
    host_name: Names = None
    """Name by which HTTP requests call this server, beside its addresses; may be given again."""
    proxy: Names = None
    """IP address of a reverse proxy whose X-Forwarded-For is believed; may be given again."""

    def settings(self) -> dict[str, Any]:
        """Give them as fields of `ReplicationConfig`."""
        return {
            **{name: getattr(self, name) for name in ("http", "public_clients", "database")},
            **{name: getattr(self, name) for name in ("data_dir", "game", "world")},
            **{name: getattr(self, name) for name in ("seed", "clamp", "observers")},
            **{name: getattr(self, name) for name in ("player_rate", "observer_rate")},
            "operators": tuple(self.operator or ()),
            "host_names": tuple(self.host_name or ()),
            "proxies": tuple(self.proxy or ()),
        }

    def arguments(self) -> list[str]:
        """Write them as arguments of `sidereal replication`.

        All but the database: everybody can read arguments, and its URL may hold a password.
        """
        return list(self._words())

    def _words(self) -> Iterator[str]:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None or value is False or field.name == "database":
                continue
            for item in value if isinstance(value, list) else [value]:
                yield "--" + field.name.replace("_", "-")
                if item is not True:
                    yield str(item)


NOTHING_GIVEN: Final = WorldFlags()
