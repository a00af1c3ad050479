"""The client's end of netcode: one connect token, at most one session.

Theory of operation. The client tries the servers of its token one after the other: it sends
requests until it is challenged, answers until it hears a keep-alive, and is then connected. All
decisions about the state are in `states`; this file says what each state sends and when it has
been silent for too long.

A client lives for one attempt with one token; to connect again take another token. A server opens
one session for each, unless it was started again: sequence numbers start at random below 2^40, so
that keys do not meet the same nonce again then either.

Only the server knows what time it is: it judges when a token expires. A client's own clock may be
off by hours. So the client reads from the token how long it lasts, never until when, and counts
from the moment it got it.

Source: netcode 1.02 STANDARD.md, Client State Machine.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet
from sidereal.protocol.session.limits import LIMITS, SessionLimits
from sidereal.protocol.session.packet import Drop, PacketError
from sidereal.protocol.session.replay import ReplayWindow
from sidereal.protocol.session.states import (
    CLOSE_REASONS,
    ClientSignal,
    ClientState,
    next_state,
)
from sidereal.protocol.session.statistics import SessionClientStatistics
from sidereal.protocol.session.token import ConnectToken, Entropy, read_connect_token_untrusted

_SIGNALS: Final = {
    packet.DENIED: ClientSignal.DENIED,
    packet.CHALLENGE: ClientSignal.CHALLENGE,
    packet.KEEP_ALIVE: ClientSignal.KEEP_ALIVE,
    packet.PAYLOAD: ClientSignal.PAYLOAD,
    packet.DISCONNECT: ClientSignal.DISCONNECT,
}
_KEEP_ALIVE_BODY: Final = packet.encode_keep_alive(0, 0)


class ClientOpened(msgspec.Struct, frozen=True, gc=False):
    """The client is connected."""

    slot: int
    slots_max: int


class ClientClosed(msgspec.Struct, frozen=True, gc=False):
    """The attempt or the session ended; the last event."""

    reason: CloseReason


class SessionClient:
    """Connects with a connect token; datagrams in, events and datagrams out."""

    state: ClientState
    close_reason: CloseReason | None
    """Why it ended, once it has."""
    server_address: Address | None
    """Server connected to, or being tried; None if the token was no good."""

    def __init__(
        self,
        connect_token: bytes,
        *,
        entropy: Entropy,
        now: float,
        limits: SessionLimits = LIMITS,
    ) -> None:
        """Start to connect, or end at once if the token is no good.

        Args:
            connect_token: 2048 bytes, as issued.
            entropy: source of the first sequence number.
            now: monotonic seconds; the token's lifetime counts from here.
            limits: what only tuning decides.
        """
        self.state = ClientState.DISCONNECTED
        self.close_reason = None
        self.server_address = None
        self._limits = limits
        self._timeout_s = math.inf
        self._token: ConnectToken | None = None
        self._server_index = 0
        self._sequence = int.from_bytes(entropy(5), "little")
        self._replay = ReplayWindow()
        self._response_body = b""
        self._silent_at = math.inf
        self._expires_at = math.inf
        self._send_at = math.inf
        self._events: deque[ClientOpened | ClientClosed] = deque()
        self._datagrams: list[tuple[bytes, Address]] = []
        self._datagrams_in = 0
        self._bytes_in = 0
        self._datagrams_out = 0
        self._bytes_out = 0
        self._dropped = dict.fromkeys(Drop, 0)
        try:
            token = read_connect_token_untrusted(connect_token)
        except WireError:
            self._apply(ClientSignal.TOKEN_INVALID, now)
            return
        self._token = token
        self.server_address = token.server_addresses[0]
        self._timeout_s = token.timeout_s if token.timeout_s > 0 else math.inf
        self._associated = packet.associated_data(token.protocol_id)
        self._send_aead = ChaCha20Poly1305(token.client_to_server_key)
        self._receive_aead = ChaCha20Poly1305(token.server_to_client_key)
        self._expires_at = now + (token.expire_timestamp - token.create_timestamp)
        self._apply(ClientSignal.START, now)

    # -- datagrams in ---------------------------------------------------------------------------

    def receive_datagram(self, datagram: bytes, address: Address, now: float) -> bytes | None:
        """Take a datagram from the network; a bad one is counted and otherwise ignored.

        Returns:
            The payload, if that is what came; all else becomes events. Events that were there
            before come first.
        """
        self._datagrams_in += 1
        self._bytes_in += len(datagram)
        try:
            if self.close_reason is not None:
                raise PacketError(Drop.ENDED)
            if address != self.server_address:
                raise PacketError(Drop.WRONG_ADDRESS)
            return self._take_packet_untrusted(datagram, now)
        except PacketError as error:
            self._dropped[error.reason] += 1
            return None

    def _take_packet_untrusted(self, datagram: bytes, now: float) -> bytes | None:
        packet_type, body = packet.decode_packet_untrusted(
            datagram, packet.CLIENT_ACCEPTS, self._receive_aead, self._associated, self._replay
        )
        if packet_type == packet.PAYLOAD and self.state is ClientState.CONNECTED:
            # The table says that nothing changes; this is the way nearly all packets go.
            self._heard(now)
            return body
        before = self.state
        signal = _SIGNALS[packet_type]
        if next_state(before, signal, self._servers_left()) is None:
            raise PacketError(Drop.NOT_CONNECTED)
        self._heard(now)
        if signal is ClientSignal.CHALLENGE:
            self._response_body = body
        elif signal is ClientSignal.KEEP_ALIVE and before is not ClientState.CONNECTED:
            self._events.append(ClientOpened(*packet.decode_keep_alive_untrusted(body)))
        self._apply(signal, now)
        return None

    def _heard(self, now: float) -> None:
        self._silent_at = now + self._timeout_s

    # -- state ----------------------------------------------------------------------------------

    def _servers_left(self) -> bool:
        return self._token is not None and self._server_index + 1 < len(
            self._token.server_addresses
        )

    def _apply(self, signal: ClientSignal, now: float) -> None:
        before = self.state
        after = next_state(before, signal, self._servers_left())
        if after is None:
            return
        self.state = after
        if after <= ClientState.DISCONNECTED:
            self.close_reason = CLOSE_REASONS[signal]
            self._send_at = self._silent_at = self._expires_at = math.inf
            self._events.append(ClientClosed(self.close_reason))
            return
        if after is ClientState.SENDING_CONNECTION_REQUEST:
            if before is not ClientState.DISCONNECTED:
                assert self._token is not None
                self._server_index += 1
                self.server_address = self._token.server_addresses[self._server_index]
            self._replay = ReplayWindow()
            self._heard(now)
        elif after is ClientState.CONNECTED:
            self._expires_at = math.inf
        if after is not before or after is ClientState.SENDING_CONNECTION_REQUEST:
            self._send_for_state(now)

    def _send_for_state(self, now: float) -> None:
        """Send what the state sends, and say when to send it again."""
        if self.state is ClientState.SENDING_CONNECTION_REQUEST:
            assert self._token is not None
            # Requests are not encrypted, but count like all packets.
            self._sequence += 1
            self._queue([packet.encode_request(self._token)])
            self._send_at = now + self._limits.again_s
        elif self.state is ClientState.SENDING_CONNECTION_RESPONSE:
            self._send(packet.RESPONSE, (self._response_body,), now)
            self._send_at = now + self._limits.again_s
        else:
            self._send(packet.KEEP_ALIVE, (_KEEP_ALIVE_BODY,), now)

    # -- time -----------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Tell when to call `handle_timer` at the latest, in monotonic seconds."""
        at = min(self._send_at, self._silent_at, self._expires_at)
        return None if at == math.inf else at

    def handle_timer(self, now: float) -> None:
        """Do what is due: send again, give up on a server, end."""
        if self._expires_at <= now:
            self._apply(ClientSignal.TOKEN_EXPIRED, now)
        elif self._silent_at <= now:
            self._apply(ClientSignal.SILENCE, now)
        elif self._send_at <= now:
            self._send_for_state(now)

    # -- events and datagrams out ---------------------------------------------------------------

    def next_event(self) -> ClientOpened | ClientClosed | None:
        """Take the oldest event."""
        return self._events.popleft() if self._events else None

    def send_payloads(self, payloads: Sequence[bytes], now: float) -> None:
        """Encrypt and queue payloads; ignored unless connected.

        Args:
            payloads: 1 to 1200 bytes each.
            now: monotonic seconds.

        Raises:
            LocalProtocolError: a payload is empty or too long.
        """
        packet.check_payloads(payloads)
        if payloads and self.state is ClientState.CONNECTED:
            self._send(packet.PAYLOAD, payloads, now)

    def close(self, now: float) -> None:
        """End, and tell the server ten times; nothing happens if it has already ended."""
        if self.state > ClientState.DISCONNECTED:
            self._send(packet.DISCONNECT, (b"",) * self._limits.disconnects, now)
            self._apply(ClientSignal.CLOSE, now)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Take the datagrams queued so far, in order."""
        datagrams = self._datagrams
        self._datagrams = []
        return datagrams

    def statistics(self) -> SessionClientStatistics:
        """Report counts."""
        return SessionClientStatistics(
            servers_tried=0 if self._token is None else self._server_index + 1,
            datagrams_in=self._datagrams_in,
            bytes_in=self._bytes_in,
            datagrams_out=self._datagrams_out,
            bytes_out=self._bytes_out,
            dropped={reason: count for reason, count in self._dropped.items() if count},
        )

    def _send(self, packet_type: int, bodies: Sequence[bytes], now: float) -> None:
        sequence = self._sequence
        self._sequence = sequence + len(bodies)
        self._send_at = now + self._limits.keep_alive_s
        self._queue(
            packet.encode_packets(packet_type, sequence, bodies, self._send_aead, self._associated)
        )

    def _queue(self, datagrams: list[bytes]) -> None:
        assert self.server_address is not None
        room = self._limits.datagrams - len(self._datagrams)
        if len(datagrams) > room:
            self._dropped[Drop.DATAGRAMS_FULL] += len(datagrams) - room
            datagrams = datagrams[:room]
        self._datagrams_out += len(datagrams)
        self._bytes_out += sum(map(len, datagrams))
        self._datagrams += [(datagram, self.server_address) for datagram in datagrams]
