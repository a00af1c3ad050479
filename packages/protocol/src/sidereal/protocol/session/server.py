"""The server's end of netcode: many sessions on one UDP address.

Theory of operation. A datagram belongs to the peer with its address. A peer comes into being by a
connection request with an authentic token for this server (an *encryption mapping*), and gets a
slot when it answers a challenge that only someone reachable at its address can have seen. Until
then nothing is sent to it but one answer per request, smaller than the request; to a request
without a good token nothing is sent at all.

Where the standard leaves room this server is stricter, in ways no honest client can notice:

* A challenge token counts only in the handshake it was issued in, and a token opens only one
  session. Otherwise what was recorded of a session could be played again, or into the next one.
* Sequence numbers start at random: per session below 2^40, for challenges and denials above
  2^63. So a key that serves twice (a server was started again) does not meet the same nonce.
* A slot is free again only when its `SessionClosed` was taken, so what is sent to a slot never
  reaches a session the caller has not heard of.

No packet costs a scan over slots; timers are one lazy heap.

Source: netcode 1.02 STANDARD.md, Server-Side Connection Process; IMPLEMENTERS.md.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol.errors import CloseReason, LocalProtocolError
from sidereal.protocol.ids import Address
from sidereal.protocol.limits import CLIENT_SLOTS_MAX
from sidereal.protocol.session import packet
from sidereal.protocol.session.history import TokenHistory
from sidereal.protocol.session.limits import LIMITS, SessionLimits
from sidereal.protocol.session.listing import Listing
from sidereal.protocol.session.packet import Drop, PacketError, Request
from sidereal.protocol.session.peer import NO_SLOT, Peer
from sidereal.protocol.session.replay import ReplayWindow
from sidereal.protocol.session.statistics import SessionServerStatistics
from sidereal.protocol.session.timers import TimerHeap
from sidereal.protocol.session.token import KEY_SIZE, Entropy


class SessionOpened(msgspec.Struct, frozen=True, gc=False):
    """A client got a slot."""

    slot: int
    client_id: int
    user_data: bytes
    """256 bytes, from the connect token."""
    address: Address


class SessionPayload(msgspec.Struct, frozen=True, gc=False):
    """A client with a session sent 1 to 1200 bytes."""

    slot: int
    payload: bytes


class SessionClosed(msgspec.Struct, frozen=True, gc=False):
    """A session ended, whoever ended it; the slot means nothing from here on."""

    slot: int
    reason: CloseReason


class SessionServer:
    """Accepts clients that have a connect token; datagrams in, events and datagrams out."""

    def __init__(
        self,
        *,
        protocol_id: int,
        private_key: bytes,
        public_addresses: Sequence[Address],
        slots_max: int,
        entropy: Entropy,
        now: float,
        limits: SessionLimits = LIMITS,
    ) -> None:
        """Start with all slots free.

        Args:
            protocol_id: unsigned 64 bits.
            private_key: 32 bytes shared with whoever issues connect tokens.
            public_addresses: what tokens call this server, see `Listing`.
            slots_max: sessions at a time, 1 to 4096, and all of them can be closed at once.
            entropy: source of the challenge key and the first sequence numbers.
            now: monotonic seconds.
            limits: what only tuning decides.

        Raises:
            LocalProtocolError: an argument is out of its range.
        """
        if len(private_key) != KEY_SIZE:
            raise LocalProtocolError(f"the private key has {KEY_SIZE} bytes")
        slots_most = min(CLIENT_SLOTS_MAX, limits.datagrams // limits.disconnects)
        if not 1 <= slots_max <= slots_most:
            raise LocalProtocolError(f"slots_max must be 1 to {slots_most}")
        self._protocol_id = protocol_id
        self._private_key = private_key
        self._listing = Listing(public_addresses)
        self._slots_max, self._limits = slots_max, limits
        self._entropy = entropy
        self._associated = packet.associated_data(protocol_id)
        self._challenge_aead = ChaCha20Poly1305(entropy(KEY_SIZE))
        self._challenge_sequence = 0
        # Global packets share their key with the session: they live in the upper half, and the
        # random start keeps two lives of a server apart.
        self._global_sequence = 1 << 63 | int.from_bytes(entropy(8), "little") >> 2
        self._ended = False

        self._peers: dict[Address, Peer] = {}
        self._slots: list[Peer | None] = [None] * slots_max
        self._slots_free = list(range(slots_max))
        self._peer_by_client: dict[int, Peer] = {}
        self._history = TokenHistory(slots_max * limits.tokens_per_slot)
        self._timers: TimerHeap[Peer] = TimerHeap()
        self._events: deque[SessionOpened | SessionClosed] = deque()
        self._datagrams: list[tuple[bytes, Address]] = []

        self._opened = 0
        self._denied = 0
        self._challenged = 0
        self._closed = dict.fromkeys(CloseReason, 0)
        self._datagrams_in = 0
        self._bytes_in = 0
        self._datagrams_out = 0
        self._bytes_out = 0
        self._dropped = dict.fromkeys(Drop, 0)

    # -- datagrams in ---------------------------------------------------------------------------

    def receive_datagram(
        self, datagram: bytes, address: Address, now: float, wall_now: float
    ) -> SessionPayload | None:
        """Take a datagram from the network; a bad one is counted and otherwise ignored.

        Returns:
            The payload, if that is what came; all else becomes events. Events that were there
            before come first.
        """
        self._datagrams_in += 1
        self._bytes_in += len(datagram)
        try:
            if self._ended:
                raise PacketError(Drop.ENDED)
            if datagram[:1] == packet.REQUEST_PREFIX:
                self._take_request_untrusted(datagram, address, now, wall_now)
                return None
            return self._take_packet_untrusted(datagram, address, now)
        except PacketError as error:
            self._dropped[error.reason] += 1
            return None

    def _take_packet_untrusted(
        self, datagram: bytes, address: Address, now: float
    ) -> SessionPayload | None:
        peer = self._peers.get(address)
        if peer is None or peer.expires_at < now:
            raise PacketError(Drop.NO_MAPPING)
        packet_type, body = packet.decode_packet_untrusted(
            datagram, packet.SERVER_ACCEPTS, peer.receive_aead, self._associated, peer.replay
        )
        if packet_type == packet.RESPONSE:
            self._take_response_untrusted(peer, body, now)
            return None
        if peer.slot == NO_SLOT:
            raise PacketError(Drop.NOT_CONNECTED)
        if packet_type == packet.DISCONNECT:
            self._end_session(peer, CloseReason.CLOSED_BY_PEER)
            return None
        peer.received_at = now
        peer.confirmed = True
        return SessionPayload(peer.slot, body) if packet_type == packet.PAYLOAD else None

    def _take_request_untrusted(
        self, datagram: bytes, address: Address, now: float, wall_now: float
    ) -> None:
        request = packet.decode_request_untrusted(
            datagram, self._protocol_id, self._private_key, wall_now
        )
        token = request.token
        if not self._listing.admit(token.server_addresses):
            raise PacketError(Drop.SERVER_NOT_LISTED)
        peer = self._peers.get(address)
        if peer is not None and peer.slot != NO_SLOT:
            raise PacketError(Drop.ADDRESS_CONNECTED)
        if token.client_id in self._peer_by_client:
            raise PacketError(Drop.CLIENT_CONNECTED)
        if not self._history.admit(request.token_mac, address):
            raise PacketError(Drop.TOKEN_USED)
        if not self._slots_free:
            self._deny(ChaCha20Poly1305(token.server_to_client_key), address)
            return
        self._challenge(self._map_peer(peer, request, address, now))

    def _map_peer(self, peer: Peer | None, request: Request, address: Address, now: float) -> Peer:
        """Make or renew the encryption mapping of an address."""
        if peer is not None and (peer.token_mac != request.token_mac or peer.expires_at < now):
            self._forget_peer(peer)
            peer = None
        if peer is None:
            handshake_count = len(self._peers) - len(self._peer_by_client)
            if handshake_count >= self._slots_max * self._limits.handshakes_per_slot:
                raise PacketError(Drop.MAPPINGS_FULL)
            peer = Peer(request, address, self._challenge_sequence)
            self._peers[address] = peer
        if peer.timeout_s >= 0:
            peer.expires_at = now + peer.timeout_s
            if peer.timer_at == math.inf:
                self._timers.arm(peer, peer.expires_at)
        return peer

    def _take_response_untrusted(self, peer: Peer, body: bytes, now: float) -> None:
        sequence, identity = packet.decode_response_untrusted(body, self._challenge_aead)
        if peer.slot != NO_SLOT:
            raise PacketError(Drop.ADDRESS_CONNECTED)
        if (
            not peer.challenge_first <= sequence <= peer.challenge_newest
            or identity != peer.identity
        ):
            raise PacketError(Drop.CHALLENGE_NOT_THEIRS)
        if peer.client_id in self._peer_by_client:
            raise PacketError(Drop.CLIENT_CONNECTED)
        if not self._slots_free:
            self._deny(peer.send_aead, peer.address)
            return
        self._open_session(peer, now)

    # -- sessions -------------------------------------------------------------------------------

    def _open_session(self, peer: Peer, now: float) -> None:
        slot = heapq.heappop(self._slots_free)
        peer.slot = slot
        peer.expires_at = math.inf
        peer.replay = ReplayWindow()
        peer.sequence = int.from_bytes(self._entropy(5), "little")
        peer.received_at = now
        self._slots[slot] = peer
        self._peer_by_client[peer.client_id] = peer
        self._history.spend(peer.token_mac)
        self._opened += 1
        self._events.append(SessionOpened(slot, peer.client_id, peer.user_data, peer.address))
        self._send_keep_alive(peer, now)
        self._timers.arm(peer, min(now + self._limits.keep_alive_s, peer.silent_at))

    def _end_session(self, peer: Peer, reason: CloseReason) -> None:
        self._slots[peer.slot] = None
        del self._peer_by_client[peer.client_id]
        self._closed[reason] += 1
        self._events.append(SessionClosed(peer.slot, reason))
        self._forget_peer(peer)

    def _forget_peer(self, peer: Peer) -> None:
        del self._peers[peer.address]
        self._timers.arm(peer, math.inf)

    # -- time -----------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Tell when to call `handle_timer` at the latest, in monotonic seconds."""
        return self._timers.next()

    def handle_timer(self, now: float, wall_now: float) -> None:
        """Do what is due: keep-alives, time-outs, handshakes that came to nothing."""
        keep_alive_s = self._limits.keep_alive_s
        while (peer := self._timers.pop_due(now)) is not None:
            if peer.slot == NO_SLOT:
                if peer.expires_at <= now:
                    self._forget_peer(peer)
                else:
                    self._timers.arm(peer, peer.expires_at)
                continue
            if peer.silent_at <= now:
                self._end_session(peer, CloseReason.TIMED_OUT)
                continue
            if peer.sent_at + keep_alive_s <= now:
                self._send_keep_alive(peer, now)
            self._timers.arm(peer, min(peer.sent_at + keep_alive_s, peer.silent_at))

    # -- events and datagrams out ---------------------------------------------------------------

    def next_event(self) -> SessionOpened | SessionClosed | None:
        """Take the oldest event."""
        if not self._events:
            return None
        event = self._events.popleft()
        if type(event) is SessionClosed:
            heapq.heappush(self._slots_free, event.slot)
        return event

    def send_payloads(self, slot: int, payloads: Sequence[bytes], now: float) -> None:
        """Encrypt and queue payloads; a slot without a session is ignored.

        Args:
            slot: of `SessionOpened`.
            payloads: 1 to 1200 bytes each.
            now: monotonic seconds.

        Raises:
            LocalProtocolError: a payload is empty or too long.
        """
        peer = self._slots[slot]
        if peer is None:
            return
        packet.check_payloads(payloads)
        if peer.confirmed:
            self._send(peer, packet.PAYLOAD, payloads, now)
            return
        for payload in payloads:
            self._send_keep_alive(peer, now)
            self._send(peer, packet.PAYLOAD, (payload,), now)

    def close_session(self, slot: int, now: float) -> None:
        """End a session and tell its client, ten times; a slot without one is ignored."""
        peer = self._slots[slot]
        if peer is None:
            return
        self._send(peer, packet.DISCONNECT, (b"",) * self._limits.disconnects, now)
        self._end_session(peer, CloseReason.CLOSED_LOCALLY)

    def close(self, now: float) -> None:
        """End all sessions and answer nobody from here on."""
        for slot in range(self._slots_max):
            self.close_session(slot, now)
        for peer in list(self._peers.values()):
            self._forget_peer(peer)
        self._ended = True

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Take the datagrams queued so far, in order."""
        datagrams = self._datagrams
        self._datagrams = []
        return datagrams

    def statistics(self) -> SessionServerStatistics:
        """Report counts and levels."""
        return SessionServerStatistics(
            slots_max=self._slots_max,
            open_count=len(self._peer_by_client),
            handshake_count=len(self._peers) - len(self._peer_by_client),
            opened=self._opened,
            denied=self._denied,
            challenged=self._challenged,
            closed={reason: count for reason, count in self._closed.items() if count},
            datagrams_in=self._datagrams_in,
            bytes_in=self._bytes_in,
            datagrams_out=self._datagrams_out,
            bytes_out=self._bytes_out,
            dropped={reason: count for reason, count in self._dropped.items() if count},
            not_listed=self._listing.refused,
        )

    def _send_keep_alive(self, peer: Peer, now: float) -> None:
        body = packet.encode_keep_alive(peer.slot, self._slots_max)
        self._send(peer, packet.KEEP_ALIVE, (body,), now)

    def _send(self, peer: Peer, packet_type: int, bodies: Sequence[bytes], now: float) -> None:
        sequence = peer.sequence
        peer.sequence = sequence + len(bodies)
        peer.sent_at = now
        self._queue(
            packet.encode_packets(packet_type, sequence, bodies, peer.send_aead, self._associated),
            peer.address,
        )

    def _challenge(self, peer: Peer) -> None:
        peer.challenge_newest = self._challenge_sequence
        self._challenge_sequence += 1
        self._challenged += 1
        body = packet.encode_challenge(peer.challenge_newest, peer.identity, self._challenge_aead)
        self._send_global(packet.CHALLENGE, body, peer.send_aead, peer.address)

    def _deny(self, aead: ChaCha20Poly1305, address: Address) -> None:
        self._denied += 1
        self._send_global(packet.DENIED, b"", aead, address)

    def _send_global(
        self, packet_type: int, body: bytes, aead: ChaCha20Poly1305, address: Address
    ) -> None:
        sequence = self._global_sequence
        self._global_sequence += 1
        self._queue(
            [packet.encode_packet(packet_type, sequence, body, aead, self._associated)], address
        )

    def _queue(self, datagrams: list[bytes], address: Address) -> None:
        room = self._limits.datagrams - len(self._datagrams)
        if len(datagrams) > room:
            self._dropped[Drop.DATAGRAMS_FULL] += len(datagrams) - room
            datagrams = datagrams[:room]
        self._datagrams_out += len(datagrams)
        self._bytes_out += sum(map(len, datagrams))
        self._datagrams += [(datagram, address) for datagram in datagrams]
