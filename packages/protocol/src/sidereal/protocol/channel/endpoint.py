"""Sessions and their connections together: what servers and clients hold.

Theory of operation. Datagrams go to the session; the payloads it delivers go to the connection of
their peer; what that delivers becomes events. The other way, messages wait in the connection until
`datagrams_to_send`, which visits only connections to which something happened since the last call:
something was sent or received, or a timer came due.

A peer ends once, with one event, whoever ended it: the peer, silence, our `close_peer`, a channel
that overflowed, or a protocol violation.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from sidereal.protocol.channel.events import (
    SERVER_PEER,
    ClientEvent,
    Closed,
    Opened,
    PeerClosed,
    PeerOpened,
    ServerEvent,
)
from sidereal.protocol.channel.limits import LIMITS, TransportLimits
from sidereal.protocol.channel.peer import Peer
from sidereal.protocol.channel.spec import Budget, ChannelSpec
from sidereal.protocol.channel.statistics import (
    ClientEndpointStatistics,
    ConnectionStatistics,
    ServerEndpointStatistics,
)
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.protocol.session.client import ClientClosed, SessionClient
from sidereal.protocol.session.server import SessionClosed, SessionServer
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.session.timers import TimerHeap


class ServerEndpoint:
    """Many peers on one UDP address."""

    def __init__(
        self,
        *,
        protocol_id: int,
        private_key: bytes,
        public_addresses: Sequence[Address],
        slots_max: int,
        channels: Sequence[ChannelSpec],
        entropy: Callable[[int], bytes],
        now: float,
        budget: Budget | None = None,
        limits: TransportLimits = LIMITS,
    ) -> None:
        """Start with no peers.

        Args:
            protocol_id: unsigned 64 bits.
            private_key: 32 bytes shared with whoever issues connect tokens.
            public_addresses: what tokens call this server.
            slots_max: peers at a time.
            channels: of every connection, in the order of both ends.
            entropy: source of keys and first sequence numbers, and of those left out.
            now: monotonic seconds.
            budget: what may be sent to one peer.
            limits: what only tuning decides.

        Raises:
            LocalProtocolError: an argument is out of its range.
        """
        self._session = SessionServer(
            protocol_id=protocol_id,
            private_key=private_key,
            public_addresses=public_addresses,
            slots_max=slots_max,
            entropy=entropy,
            now=now,
            limits=limits.sessions,
        )
        self._channels = tuple(channels)
        self._budget, self._limits = budget, limits
        self._entropy = entropy
        self._peers: dict[int, Peer] = {}
        self._peer_by_slot: list[Peer | None] = [None] * slots_max
        self._peer_count = 0
        self._touched: dict[int, Peer] = {}
        self._timers: TimerHeap[Peer] = TimerHeap()
        self._events: deque[ServerEvent] = deque()
        self._drain = 0
        self._payloads_malformed = 0
        self._payloads_refused = 0

    # -- in -----------------------------------------------------------------------------------

    def receive_datagram(
        self, datagram: bytes, address: Address, now: float, wall_now: float
    ) -> None:
        """Take a datagram from the network; a bad one is counted and otherwise ignored."""
        received = self._session.receive_datagram(datagram, address, now, wall_now)
        if received is None:
            self._take_session_events(now)
            return
        peer = self._peer_by_slot[received.slot]
        if peer is not None:
            self._receive(peer, received.payload, now)

    def handle_timer(self, now: float, wall_now: float) -> None:
        """Do what is due: keep-alives, time-outs, and note whose packets are to be sent again."""
        self._session.handle_timer(now, wall_now)
        while (peer := self._timers.pop_due(now)) is not None:
            self._touched[peer.number] = peer
        self._take_session_events(now)

    def next_timer(self) -> float | None:
        """When to call `handle_timer` and `datagrams_to_send` at the latest."""
        timers = [self._session.next_timer(), self._timers.next()]
        return min((timer for timer in timers if timer is not None), default=None)

    def next_event(self) -> ServerEvent | None:
        """Take the oldest event."""
        return self._events.popleft() if self._events else None

    def _take_session_events(self, now: float) -> None:
        while (event := self._session.next_event()) is not None:
            peer = self._peer_by_slot[event.slot]
            if isinstance(event, SessionClosed):
                if peer is not None:
                    self._drop(peer, event.reason)
            else:
                self._peer_count += 1
                peer = Peer(
                    self._peer_count,
                    event.slot,
                    self._channels,
                    now,
                    self._budget,
                    self._entropy,
                    self._limits,
                )
                self._peers[peer.number] = self._peer_by_slot[event.slot] = peer
                self._events.append(
                    PeerOpened(peer.number, event.client_id, event.user_data, event.address)
                )

    def _receive(self, peer: Peer, payload: bytes, now: float) -> None:
        if not self._events:
            self._drain += 1
        if peer.is_full(self._drain):
            self._payloads_refused += 1
            return
        if not peer.receive_untrusted(payload, now, self._events):
            self._payloads_malformed += 1
        self._touched[peer.number] = peer
        if peer.connection.close_reason is not None:
            self._close(peer, peer.connection.close_reason, now)
            self._take_session_events(now)
            return
        # A datagram makes nothing due but its own ack.
        at = peer.connection.ack_due_at
        if at is not None and at < peer.timer_at:
            self._timers.arm(peer, at)

    # -- out ----------------------------------------------------------------------------------

    def send(self, peer: int, channel: int, message: bytes, tag: int | None = None) -> None:
        """Queue a message, see `Connection.send`; ignored if the peer is gone.

        Raises:
            LocalProtocolError: there is no such channel, the message is too long, or a reliable
                message has a tag.
        """
        found = self._peers.get(peer)
        if found is not None:
            found.connection.send(channel, message, tag)
            self._touched[peer] = found

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """Take all datagrams that are due, each with its destination."""
        touched, self._touched = self._touched, {}
        for peer in touched.values():
            self._flush(peer, now)
            if peer.connection.close_reason is not None:
                self._close(peer, peer.connection.close_reason, now)
        if touched:
            self._take_session_events(now)
        return self._session.datagrams_to_send()

    def _flush(self, peer: Peer, now: float) -> None:
        self._session.send_payloads(peer.slot, peer.connection.payloads_to_send(now), now)
        peer.note_lost(self._events)
        at = peer.connection.next_timer()
        self._timers.arm(peer, math.inf if at is None else at)

    def allowance(self, peer: int, now: float) -> int:
        """Bytes of unreliable messages that can leave for a peer now; 0 if it is gone."""
        found = self._peers.get(peer)
        return 0 if found is None else found.connection.allowance(now)

    def bound_allowance(self, peer: int, rate: float) -> None:
        """Allow a peer no more bytes per second; ignored if it is gone."""
        found = self._peers.get(peer)
        if found is not None:
            found.connection.bound_allowance(rate)

    # -- ends ---------------------------------------------------------------------------------

    def close_peer(self, peer: int, reason: CloseReason, now: float) -> None:
        """Send a peer what is queued for it, once, and disconnect it; ignored if it is gone."""
        found = self._peers.get(peer)
        if found is not None:
            self._flush(found, now)
            self._close(found, reason, now)
            self._take_session_events(now)

    def close(self, now: float) -> None:
        """Disconnect all peers and answer nobody from here on."""
        for peer in list(self._peers.values()):
            self.close_peer(peer.number, CloseReason.CLOSED_LOCALLY, now)
        self._session.close(now)

    def _close(self, peer: Peer, reason: CloseReason, now: float) -> None:
        self._drop(peer, reason)
        self._session.close_session(peer.slot, now)

    def _drop(self, peer: Peer, reason: CloseReason) -> None:
        del self._peers[peer.number]
        self._peer_by_slot[peer.slot] = None
        self._touched.pop(peer.number, None)
        self._timers.arm(peer, math.inf)
        self._events.append(PeerClosed(peer.number, reason))

    # -- numbers ------------------------------------------------------------------------------

    def connection_statistics(self, peer: int) -> ConnectionStatistics | None:
        """Report a peer's numbers; None if it is gone."""
        found = self._peers.get(peer)
        return None if found is None else found.connection.statistics()

    def statistics(self) -> ServerEndpointStatistics:
        """Report counts."""
        return ServerEndpointStatistics(
            peers=len(self._peers),
            payloads_malformed=self._payloads_malformed,
            payloads_refused=self._payloads_refused,
            session=self._session.statistics(),
        )


class ClientEndpoint:
    """One session with a server, and its connection.

    What is sent before `Opened` waits for it; what is sent after the end is ignored.
    """

    def __init__(
        self,
        connect_token: bytes,
        channels: Sequence[ChannelSpec],
        entropy: Callable[[int], bytes],
        now: float,
        budget: Budget | None = None,
        limits: TransportLimits = LIMITS,
    ) -> None:
        """Start to connect; a token that is no good ends the attempt at once, by an event.

        Args:
            connect_token: 2048 bytes, as issued.
            channels: of the connection, in the order of both ends.
            entropy: source of the first sequence number, and of those left out.
            now: monotonic seconds; the token's lifetime counts from here.
            budget: what may be sent.
            limits: what only tuning decides.
        """
        self._session = SessionClient(
            connect_token, entropy=entropy, now=now, limits=limits.sessions
        )
        self._peer = Peer(SERVER_PEER, 0, channels, now, budget, entropy, limits)
        self._events: deque[ClientEvent] = deque()
        self._close_reason: CloseReason | None = None
        self._drain = 0
        self._payloads_refused = 0
        self._take_session_events(now)

    @property
    def state(self) -> ClientState:
        """State of the session."""
        return self._session.state

    @property
    def server_address(self) -> Address | None:
        """Server connected to, or being tried; None if the token was no good."""
        return self._session.server_address

    @property
    def close_reason(self) -> CloseReason | None:
        """Why it ended; None while it has not."""
        return self._close_reason

    def receive_datagram(self, datagram: bytes, address: Address, now: float) -> None:
        """Take a datagram from the network; a bad one is counted and otherwise ignored."""
        payload = self._session.receive_datagram(datagram, address, now)
        if payload is None:
            self._take_session_events(now)
        elif self._close_reason is None:
            self._receive(payload, now)

    def _receive(self, payload: bytes, now: float) -> None:
        if not self._events:
            self._drain += 1
        if self._peer.is_full(self._drain):
            self._payloads_refused += 1
            return
        self._peer.receive_untrusted(payload, now, self._events)
        self._close_on_fault(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due: requests, keep-alives, time-outs."""
        self._session.handle_timer(now)
        self._take_session_events(now)

    def next_timer(self) -> float | None:
        """When to call `handle_timer` and `datagrams_to_send` at the latest."""
        timers = [self._session.next_timer()]
        if self._session.state is ClientState.CONNECTED:
            timers.append(self._peer.connection.next_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    def next_event(self) -> ClientEvent | None:
        """Take the oldest event."""
        return self._events.popleft() if self._events else None

    def send(self, channel: int, message: bytes, tag: int | None = None) -> None:
        """Queue a message, see `Connection.send`.

        Raises:
            LocalProtocolError: there is no such channel, the message is too long, or a reliable
                message has a tag.
        """
        if self._close_reason is None:
            self._peer.connection.send(channel, message, tag)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """Take all datagrams that are due, each with its destination."""
        if self._session.state is ClientState.CONNECTED:
            self._flush(now)
            self._close_on_fault(now)
        return self._session.datagrams_to_send()

    def close(self, now: float) -> None:
        """Send what is queued, once, and leave; ignored after the end."""
        if self._close_reason is None:
            self._flush(now)
            self._end(CloseReason.CLOSED_LOCALLY, now)

    def connection_statistics(self) -> ConnectionStatistics:
        """Report the connection's numbers."""
        return self._peer.connection.statistics()

    def statistics(self) -> ClientEndpointStatistics:
        """Report counts."""
        return ClientEndpointStatistics(
            payloads_malformed=self._peer.payloads_malformed,
            payloads_refused=self._payloads_refused,
            session=self._session.statistics(),
        )

    def _flush(self, now: float) -> None:
        if self._session.state is ClientState.CONNECTED:
            self._session.send_payloads(self._peer.connection.payloads_to_send(now), now)
            self._peer.note_lost(self._events)

    def _take_session_events(self, now: float) -> None:
        while (event := self._session.next_event()) is not None:
            if self._close_reason is not None:
                continue
            if isinstance(event, ClientClosed):
                self._end(event.reason, now)
            else:
                self._events.append(Opened())

    def _close_on_fault(self, now: float) -> None:
        reason = self._peer.connection.close_reason
        if reason is not None and self._close_reason is None:
            self._end(reason, now)

    def _end(self, reason: CloseReason, now: float) -> None:
        self._close_reason = reason
        self._session.close(now)
        self._events.append(Closed(reason))
