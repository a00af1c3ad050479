"""The client's side of a session. PROTOCOL.md, "Connecting" to "The client's states"."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from .octets import Malformed, Octets
from .session import (
    FROM_SERVER,
    Address,
    ConnectToken,
    Kind,
    Packet,
    ReplayWindow,
    open_packet,
    read_token,
    seal_packet,
    write_request,
)

SEND_EVERY_S: Final = 0.1
DISCONNECT_COUNT: Final = 10

Sent = list[tuple[bytes, Address]]


class State(IntEnum):
    """The states of a client."""

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


class ClientSession:
    """One attempt to connect, and the session that comes of it.

    Attributes:
        state: as numbered in the document.
        slot: of the session, and how many the server has.
    """

    def __init__(self, token: bytes, first_sequence: int, now: float) -> None:
        self.state = State.SENDING_CONNECTION_REQUEST
        self.slot: tuple[int, int] | None = None
        self._token: ConnectToken
        # Not there if it is no good; nothing is done in the states below 1.
        self._server = 0
        self._sequence = first_sequence
        self._challenge = b""
        self._replays = ReplayWindow()
        self._started = now
        self._heard = now
        self._sent = -1.0
        self._outbox: Sent = []
        try:
            self._token = read_token(token)
        except Malformed:
            self.state = State.INVALID_CONNECT_TOKEN

    @property
    def address(self) -> Address:
        """The address that the client is talking to."""
        return self._token.addresses[self._server]

    def receive(self, datagram: bytes, source: Address, now: float) -> bytes | None:
        """Take a datagram, and give its payload if it has one; what is malformed is dropped."""
        if self.state <= 0 or source != self.address:
            return None
        token = self._token
        try:
            packet = open_packet(
                datagram, token.protocol_id, token.key_to_client, FROM_SERVER, self._replays
            )
        except Malformed:
            return None
        return self._take(packet, now)

    def _take(self, packet: Packet, now: float) -> bytes | None:
        match packet.kind, self.state:
            case (
                Kind.DENIED,
                State.SENDING_CONNECTION_REQUEST | State.SENDING_CONNECTION_RESPONSE,
            ):
                self._next_server(State.CONNECTION_DENIED, now)
            case (Kind.CHALLENGE, State.SENDING_CONNECTION_REQUEST):
                self._challenge = packet.body
                self.state = State.SENDING_CONNECTION_RESPONSE
                self._heard, self._sent = now, -1.0
            case (Kind.KEEP_ALIVE, State.SENDING_CONNECTION_RESPONSE):
                slot, count = Octets(packet.body).unpack("II")
                self.slot = slot, count
                self.state = State.CONNECTED
                self._heard, self._sent = now, -1.0
            case (Kind.KEEP_ALIVE, State.CONNECTED):
                self._heard = now
            case (Kind.PAYLOAD, State.CONNECTED):
                self._heard = now
                return packet.body
            case (Kind.DISCONNECT, State.CONNECTED):
                self.state = State.DISCONNECTED
        return None

    def _next_server(self, otherwise: State, now: float) -> None:
        if self._server + 1 == len(self._token.addresses):
            self.state = otherwise
            return
        self._server += 1
        self._replays = ReplayWindow()
        self._heard, self._sent = now, -1.0
        self.state = State.SENDING_CONNECTION_REQUEST

    def _seal(self, kind: Kind, body: bytes, now: float) -> None:
        token = self._token
        packet = Packet(kind, self._sequence, body)
        self._sequence += 1
        self._sent = now
        self._outbox.append(
            (seal_packet(packet, token.protocol_id, token.key_to_server), self.address)
        )

    def send(self, payload: bytes, now: float) -> None:
        """Send a payload; the session is connected."""
        assert self.state is State.CONNECTED
        self._seal(Kind.PAYLOAD, payload, now)

    def close(self, now: float) -> None:
        """End the session."""
        if self.state is State.CONNECTED:
            for _ in range(DISCONNECT_COUNT):
                self._seal(Kind.DISCONNECT, b"", now)
        if self.state > 0:
            self.state = State.DISCONNECTED

    def datagrams(self, now: float) -> Sent:
        """Give what is to be sent now, after the time that passed had its effects."""
        self._pass(now)
        if now - self._sent >= SEND_EVERY_S:
            if self.state is State.SENDING_CONNECTION_REQUEST:
                self._outbox.append((write_request(self._token), self.address))
                self._sent = now
            elif self.state is State.SENDING_CONNECTION_RESPONSE:
                self._seal(Kind.RESPONSE, self._challenge, now)
            elif self.state is State.CONNECTED:
                self._seal(Kind.KEEP_ALIVE, bytes(8), now)
        sent, self._outbox = self._outbox, []
        return sent

    def _pass(self, now: float) -> None:
        if self.state <= 0:
            return
        token = self._token
        silent = 0 <= token.time_out_s <= now - self._heard
        if self.state is State.CONNECTED:
            if silent:
                self.state = State.CONNECTION_TIMED_OUT
        elif now - self._started >= token.expires - token.created:
            self.state = State.CONNECT_TOKEN_EXPIRED
        elif silent and self.state is State.SENDING_CONNECTION_REQUEST:
            self._next_server(State.CONNECTION_REQUEST_TIMED_OUT, now)
        elif silent:
            self._next_server(State.CONNECTION_RESPONSE_TIMED_OUT, now)
