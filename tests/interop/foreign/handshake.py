"""The client's side of a session: it connects, stays, and leaves."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from .octets import Malformed
from .sealed import TO_CLIENT, Kind, Opener, Sealer
from .tokens import NEVER, Address, Token, read_token, write_request

REPEAT_S: Final = 0.1
"""Between requests, and between responses."""
KEEP_ALIVE_S: Final = 0.25
GOODBYES: Final = 10


class State(IntEnum):
    """Of a client; 0 after an end and all negative ones are final."""

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


class Session:
    """A client's session with one of the servers of its token.

    Attributes:
        state: where it has come to.
        slot: its slot and how many there are, once it is connected.
    """

    def __init__(self, token: bytes, sequence: int, now: float) -> None:
        self.state = State.SENDING_CONNECTION_REQUEST
        self.slot: tuple[int, int] | None = None
        self._outgoing: list[bytes] = []
        self._servers: deque[Address] = deque()
        try:
            self._token = read_token(token)
        except Malformed:
            self.state = State.INVALID_CONNECT_TOKEN
            return
        self._begun = now
        self._sealer = Sealer(self._token.protocol_id, self._token.key_to_server, sequence)
        self._servers.extend(self._token.addresses)
        self._begin(now)

    @property
    def address(self) -> Address:
        """The server that it talks to, or talked to last."""
        return self._servers[0]

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        return self.state <= State.DISCONNECTED

    def receive(self, datagram: bytes, source: Address, now: float) -> bytes | None:
        """Take a datagram; give the payload that is in it, if there is one."""
        if self.is_over or source != self.address:
            return None
        try:
            kind, body = self._opener.open(datagram)
        except Malformed:
            return None
        return self._take(kind, body, now)

    def send(self, payload: bytes, now: float) -> None:
        """Send a payload, if it is connected."""
        if self.state is State.CONNECTED:
            self._seal(Kind.PAYLOAD, payload, now)

    def close(self, now: float) -> None:
        """End the session."""
        if self.state is State.CONNECTED:
            for _ in range(GOODBYES):
                self._seal(Kind.DISCONNECT, b"", now)
        if not self.is_over:
            self.state = State.DISCONNECTED

    def datagrams(self, now: float) -> Iterator[tuple[bytes, Address]]:
        """Let time pass, and give all datagrams that are to be sent, and where to."""
        if not self.is_over:
            self._look_at_clocks(now)
        if not self.is_over:
            self._repeat(now)
        outgoing, self._outgoing = self._outgoing, []
        for datagram in outgoing:
            yield datagram, self.address

    def _begin(self, now: float) -> None:
        token = self._token
        self.state = State.SENDING_CONNECTION_REQUEST
        self._opener = Opener(token.protocol_id, token.key_to_client, TO_CLIENT)
        self._challenge = b""
        self._heard_at, self._sent_at = now, now - REPEAT_S

    def _next_server(self, otherwise: State, now: float) -> None:
        if len(self._servers) == 1:
            self.state = otherwise
        else:
            self._servers.popleft()
            self._begin(now)

    def _take(self, kind: Kind, body: bytes, now: float) -> bytes | None:
        connecting = self.state < State.CONNECTED
        if kind is Kind.DENIED and connecting:
            self._next_server(State.CONNECTION_DENIED, now)
        elif kind is Kind.CHALLENGE and self.state is State.SENDING_CONNECTION_REQUEST:
            self.state = State.SENDING_CONNECTION_RESPONSE
            self._challenge = body
            self._heard_at, self._sent_at = now, now - REPEAT_S
        elif kind is Kind.KEEP_ALIVE and self.state is State.SENDING_CONNECTION_RESPONSE:
            self.state = State.CONNECTED
            slot, slots = struct.unpack("<II", body)
            self.slot, self._heard_at = (slot, slots), now
            self._seal(Kind.KEEP_ALIVE, bytes(8), now)
        elif self.state is State.CONNECTED and kind is Kind.DISCONNECT:
            self.state = State.DISCONNECTED
        elif self.state is State.CONNECTED and kind in (Kind.KEEP_ALIVE, Kind.PAYLOAD):
            self._heard_at = now
            return body if kind is Kind.PAYLOAD else None
        return None

    def _look_at_clocks(self, now: float) -> None:
        token, state = self._token, self.state
        time_out_s = token.time_out_s
        if state < State.CONNECTED and now - self._begun >= lifetime(token):
            self.state = State.CONNECT_TOKEN_EXPIRED
        elif 0 < time_out_s <= now - self._heard_at:
            if state is State.CONNECTED:
                self.state = State.CONNECTION_TIMED_OUT
            elif state is State.SENDING_CONNECTION_REQUEST:
                self._next_server(State.CONNECTION_REQUEST_TIMED_OUT, now)
            else:
                self._next_server(State.CONNECTION_RESPONSE_TIMED_OUT, now)

    def _repeat(self, now: float) -> None:
        silent_s = now - self._sent_at
        if self.state is State.CONNECTED:
            if silent_s >= KEEP_ALIVE_S:
                self._seal(Kind.KEEP_ALIVE, bytes(8), now)
        elif silent_s < REPEAT_S:
            return
        elif self.state is State.SENDING_CONNECTION_RESPONSE:
            self._seal(Kind.RESPONSE, self._challenge, now)
        else:
            self._outgoing.append(write_request(self._token))
            self._sent_at = now

    def _seal(self, kind: Kind, body: bytes, now: float) -> None:
        self._outgoing.append(self._sealer.seal(kind, body))
        self._sent_at = now


def lifetime(token: Token) -> float:
    """Say how long an attempt to connect may last, in seconds."""
    return float("inf") if token.expires == NEVER else token.expires - token.created
