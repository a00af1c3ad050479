"""What a supervisor on this machine tells the server: that one of its shards has died.

It writes a line on the leash of the server, a pipe that nobody else has. A shard whose supervisor
is elsewhere, or that has none, is found dead by its silence.
"""

from __future__ import annotations

import msgspec

from sidereal.protocol.errors import ConfigError


class Death(msgspec.Struct, frozen=True):
    """A shard's process has ended.

    Attributes:
        name: of the shard.
        pid: of the process; another one may have the name by now.
    """

    name: str
    pid: int


def read_death(line: str) -> Death:
    """Read a line of a supervisor.

    Raises:
        ConfigError: it says something else.
    """
    try:
        return msgspec.json.decode(line, type=Death)
    except msgspec.DecodeError as error:
        raise ConfigError(f"a supervisor says {line!r}: {error}") from None
