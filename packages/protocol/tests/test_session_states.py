from __future__ import annotations

import itertools

import pytest

from sidereal.protocol.session.states import (
    CLOSE_REASONS,
    TRANSITIONS,
    ClientSignal,
    ClientState,
    next_state,
)

EXPIRED = ClientState.CONNECT_TOKEN_EXPIRED
INVALID = ClientState.INVALID_CONNECT_TOKEN
TIMED_OUT = ClientState.CONNECTION_TIMED_OUT
RESPONSE_TIMED_OUT = ClientState.CONNECTION_RESPONSE_TIMED_OUT
REQUEST_TIMED_OUT = ClientState.CONNECTION_REQUEST_TIMED_OUT
DENIED = ClientState.CONNECTION_DENIED
DISCONNECTED = ClientState.DISCONNECTED
REQUESTING = ClientState.SENDING_CONNECTION_REQUEST
RESPONDING = ClientState.SENDING_CONNECTION_RESPONSE
CONNECTED = ClientState.CONNECTED

# STANDARD.md read a second time, one column per signal in the order of the enum; "." is
# "nothing happens", "n" the next server if the token names one, and then what follows it.
STANDARD = {
    #            start invalid expired challenge denied keep payload discon. silence close
    DISCONNECTED: "req  inv     .       .         .      .    .       .       .       .",
    REQUESTING: "  .    .       exp     resp      n:den  .    .       .       n:rqt   dis",
    RESPONDING: "  .    .       exp     .         n:den  conn .       .       n:rst   dis",
    CONNECTED: "   .    .       .       .         .      conn conn    dis     tmo     dis",
    DENIED: "      .    .       .       .         .      .    .       .       .       .",
    REQUEST_TIMED_OUT: ". . . . . . . . . .",
    RESPONSE_TIMED_OUT: ". . . . . . . . . .",
    TIMED_OUT: ". . . . . . . . . .",
    INVALID: ". . . . . . . . . .",
    EXPIRED: ". . . . . . . . . .",
}
NAMES = {
    "req": REQUESTING,
    "resp": RESPONDING,
    "conn": CONNECTED,
    "dis": DISCONNECTED,
    "den": DENIED,
    "rqt": REQUEST_TIMED_OUT,
    "rst": RESPONSE_TIMED_OUT,
    "tmo": TIMED_OUT,
    "inv": INVALID,
    "exp": EXPIRED,
    ".": None,
}
PAIRS = list(itertools.product(ClientState, ClientSignal))


def expected(state: ClientState, signal: ClientSignal) -> tuple[bool, ClientState | None]:
    word = STANDARD[state].split()[list(ClientSignal).index(signal)]
    return word.startswith("n:"), NAMES[word.removeprefix("n:")]


@pytest.mark.parametrize(("state", "signal"), PAIRS)
def test_pair_without_servers_left_does_what_the_standard_says(
    state: ClientState, signal: ClientSignal
) -> None:
    assert next_state(state, signal, servers_left=False) is expected(state, signal)[1]


@pytest.mark.parametrize(("state", "signal"), PAIRS)
def test_pair_with_servers_left_tries_the_next_instead_of_failing(
    state: ClientState, signal: ClientSignal
) -> None:
    retried, after = expected(state, signal)
    wanted = REQUESTING if retried else after
    assert next_state(state, signal, servers_left=True) is wanted


def test_states_are_numbered_as_in_the_standard() -> None:
    assert [(state.name, state.value) for state in ClientState] == [
        ("CONNECT_TOKEN_EXPIRED", -6),
        ("INVALID_CONNECT_TOKEN", -5),
        ("CONNECTION_TIMED_OUT", -4),
        ("CONNECTION_RESPONSE_TIMED_OUT", -3),
        ("CONNECTION_REQUEST_TIMED_OUT", -2),
        ("CONNECTION_DENIED", -1),
        ("DISCONNECTED", 0),
        ("SENDING_CONNECTION_REQUEST", 1),
        ("SENDING_CONNECTION_RESPONSE", 2),
        ("CONNECTED", 3),
    ]


def test_every_signal_that_ends_a_client_has_a_reason() -> None:
    ending = {signal for (_, signal), after in TRANSITIONS.items() if after <= DISCONNECTED}
    assert set(CLOSE_REASONS) == ending
