"""The client's state machine.

A client starts in `DISCONNECTED` and wants to be in `CONNECTED`; negative states are errors, and
like `DISCONNECTED` after an end they are final. Whatever is not in the table changes nothing.
While servers of the token are left to try, a failure before `CONNECTED` starts over with the
next one instead of ending the attempt.

Source: netcode 1.02 STANDARD.md, Client State Machine.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from sidereal.protocol.errors import CloseReason


class ClientState(enum.IntEnum):
    """States of a client, numbered as in the standard."""

    CONNECT_TOKEN_EXPIRED = -6
    INVALID_CONNECT_TOKEN = -5
    CONNECTION_TIMED_OUT = -4
    CONNECTION_RESPONSE_TIMED_OUT = -3
    CONNECTION_REQUEST_TIMED_OUT = -2
    CONNECTION_DENIED = -1
    DISCONNECTED = 0
    SENDING_CONNECTION_REQUEST = 1
    SENDING_CONNECTION_RESPONSE = 2
    CONNECTED = 3


class ClientSignal(enum.Enum):
    """What can happen to a client."""

    START = enum.auto()
    """It has a token that reads well."""
    TOKEN_INVALID = enum.auto()
    TOKEN_EXPIRED = enum.auto()
    CHALLENGE = enum.auto()
    """The server being tried has sent a challenge packet."""
    DENIED = enum.auto()
    """The server being tried has sent a connection denied packet."""
    KEEP_ALIVE = enum.auto()
    """The server has sent a keep-alive packet."""
    PAYLOAD = enum.auto()
    """The server has sent a payload packet."""
    DISCONNECT = enum.auto()
    """The server has sent a disconnect packet."""
    SILENCE = enum.auto()
    """Nothing came for the time-out of the token."""
    CLOSE = enum.auto()
    """This end wants no more."""


_S = ClientState
_I = ClientSignal

TRANSITIONS: Final[Mapping[tuple[ClientState, ClientSignal], ClientState]] = {
    (_S.DISCONNECTED, _I.START): _S.SENDING_CONNECTION_REQUEST,
    (_S.DISCONNECTED, _I.TOKEN_INVALID): _S.INVALID_CONNECT_TOKEN,
    (_S.SENDING_CONNECTION_REQUEST, _I.CHALLENGE): _S.SENDING_CONNECTION_RESPONSE,
    (_S.SENDING_CONNECTION_REQUEST, _I.DENIED): _S.CONNECTION_DENIED,
    (_S.SENDING_CONNECTION_REQUEST, _I.SILENCE): _S.CONNECTION_REQUEST_TIMED_OUT,
    (_S.SENDING_CONNECTION_REQUEST, _I.TOKEN_EXPIRED): _S.CONNECT_TOKEN_EXPIRED,
    (_S.SENDING_CONNECTION_REQUEST, _I.CLOSE): _S.DISCONNECTED,
    (_S.SENDING_CONNECTION_RESPONSE, _I.KEEP_ALIVE): _S.CONNECTED,
    (_S.SENDING_CONNECTION_RESPONSE, _I.DENIED): _S.CONNECTION_DENIED,
    (_S.SENDING_CONNECTION_RESPONSE, _I.SILENCE): _S.CONNECTION_RESPONSE_TIMED_OUT,
    (_S.SENDING_CONNECTION_RESPONSE, _I.TOKEN_EXPIRED): _S.CONNECT_TOKEN_EXPIRED,
    (_S.SENDING_CONNECTION_RESPONSE, _I.CLOSE): _S.DISCONNECTED,
    (_S.CONNECTED, _I.KEEP_ALIVE): _S.CONNECTED,
    (_S.CONNECTED, _I.PAYLOAD): _S.CONNECTED,
    (_S.CONNECTED, _I.DISCONNECT): _S.DISCONNECTED,
    (_S.CONNECTED, _I.SILENCE): _S.CONNECTION_TIMED_OUT,
    (_S.CONNECTED, _I.CLOSE): _S.DISCONNECTED,
}

CLOSE_REASONS: Final[Mapping[ClientSignal, CloseReason]] = {
    _I.TOKEN_INVALID: CloseReason.TOKEN_INVALID,
    _I.TOKEN_EXPIRED: CloseReason.TOKEN_EXPIRED,
    _I.DENIED: CloseReason.DENIED,
    _I.DISCONNECT: CloseReason.CLOSED_BY_PEER,
    _I.SILENCE: CloseReason.TIMED_OUT,
    _I.CLOSE: CloseReason.CLOSED_LOCALLY,
}
"""Why a client ended, by the signal that ended it."""

_RETRIED: Final = frozenset({_I.DENIED, _I.SILENCE})


def next_state(state: ClientState, signal: ClientSignal, servers_left: bool) -> ClientState | None:
    """Look up what a signal does.

    Args:
        state: before.
        signal: what happened.
        servers_left: whether the token names a server not tried yet.

    Returns:
        State after, or None if the signal means nothing in this state.
    """
    after = TRANSITIONS.get((state, signal))
    if servers_left and signal in _RETRIED and after is not None and state is not _S.CONNECTED:
        return _S.SENDING_CONNECTION_REQUEST
    return after
