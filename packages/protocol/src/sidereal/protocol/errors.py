"""The errors of Sidereal, by whose fault they are."""

from __future__ import annotations

import enum


class SiderealError(Exception):
    """Anything Sidereal raises on purpose."""


class WireError(SiderealError):
    """Bytes from the network that are not what they claim to be: drop and count."""


class RemoteProtocolError(SiderealError):
    """The peer broke the protocol with well-formed bytes: close its session with a reason."""


class LocalProtocolError(SiderealError):
    """Our own misuse of the protocol: a bug, so crash."""


class GameError(SiderealError):
    """A game's code asks the engine for something that can't be; the message says what to do."""


class ConfigError(SiderealError):
    """A configuration that cannot work; the message lists every problem at once (exit 2)."""


class UnavailableError(SiderealError):
    """Something needed is not there, in one line with its remedy (exit 69)."""


class GameFailedError(SiderealError):
    """A game's code went wrong; the message says all of it in one line.

    Attributes:
        what: went wrong, as in `system mygame.mend`.
        tick: in which.
    """

    def __init__(self, what: str, tick: int, words: str) -> None:
        super().__init__(words)
        self.what = what
        self.tick = tick


class StoreError(SiderealError):
    """The database refused, failed or could not be reached."""


class CloseReason(enum.IntEnum):
    """Why a session or a player's stay ended; the value travels on the wire."""

    UNKNOWN = 0
    CLOSED_BY_PEER = 1
    TIMED_OUT = 2
    DENIED = 3
    """The server had no room."""
    TOKEN_EXPIRED = 4
    TOKEN_INVALID = 5
    CHANNEL_OVERFLOW = 6
    """A reliable channel's memory limit was reached."""
    PROTOCOL_VIOLATION = 7
    SCHEMA_MISMATCH = 8
    PROTOCOL_MISMATCH = 9
    LOGGED_IN_ELSEWHERE = 10
    """Of a shard: a newer session has its name."""
    SHUTTING_DOWN = 11
    FENCED = 12
    """A shard whose leases were given to others."""
    ROLE_FORBIDDEN = 13
    WORLD_FULL = 14
    CLOSED_LOCALLY = 15
    """This end closed the session; never on the wire."""
    GAME_FAILED = 16
    """The code of the game that is played failed when the player came."""
