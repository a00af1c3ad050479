"""The list of attacks: each with its defeat, and with the line of ours that defeats it.

Every attack is a test, and names the defences it runs into: parts of functions. The last test
takes each of them out and sees the attack succeed. So a defence that was lost, or never was one,
turns this file red; one that only changed its wording has to be named anew.

Whoever has no key can do what a network can: send anything from any address, record, repeat, hold
back, damage. A cheater has a good session and says in it whatever suits him. The details of what is
refused (each field, each size, each state) are tested where they are decided: `test_session_*`,
`test_channel_*`, `test_udp`.
"""

from __future__ import annotations

import gc
import struct
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol import limits
from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.acks import ReceivedPackets, SentPackets
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import Acked, Lost, PeerClosed, PeerOpened, Received
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.peer import Peer
from sidereal.protocol.channel.reliable import ReliableReceiver, ReliableSender
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.channel.unreliable import UnreliableSender
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet, token
from sidereal.protocol.session.client import SessionClient
from sidereal.protocol.session.packet import Drop
from sidereal.protocol.session.replay import ReplayWindow
from sidereal.protocol.session.server import (
    SessionClosed,
    SessionOpened,
    SessionPayload,
    SessionServer,
)
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.testing.defences import Attack, AttackList, Defence
from sidereal.protocol.testing.effort import count_lines
from sidereal.protocol.testing.sessions import (
    PRIVATE_KEY,
    PROTOCOL_ID,
    SERVER,
    ClientPayload,
    Flight,
    SessionNetwork,
)

HOME = Address("198.51.100.1", 50001)
"""An honest client, and the victim."""
AWAY = Address("203.0.113.9", 50009)
"""The attacker."""
TOP: Final = (1 << 64) - 1
UNDECIPHERED: Final = "aead.decrypt(_NONCE.pack(sequence), datagram[start:], associated[prefix])"
UNPROVEN: Final = "aead.encrypt(_NONCE.pack(sequence), datagram[start:-16], None)[:-16]"
"""Deciphers just as well (the cipher is its own inverse), but believes what it reads."""
UNOPENED: Final = "crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, associated, nonce, key)"
UNSEALED: Final = (
    "crypto_aead_xchacha20poly1305_ietf_encrypt(sealed[:-16], associated, nonce, key)[:-16]"
)

ATTACKS = AttackList()
defended_by = ATTACKS.defended_by


# -- without a key -----------------------------------------------------------------------------


def hand(network: SessionNetwork, datagram: bytes, source: Address) -> list[bytes]:
    """Give the server a datagram; what it sends because of it."""
    network.arrive(Flight(datagram, source, SERVER))
    return [answer for answer, _ in network.server.datagrams_to_send()]


def request_of(connect_token: bytes) -> bytes:
    return packet.encode_request(token.read_connect_token_untrusted(connect_token))


def seal(connect_token: bytes, packet_type: int, body: bytes, sequence: int = 1 << 50) -> bytes:
    """Encrypt with the client's key."""
    aead = ChaCha20Poly1305(token.read_connect_token_untrusted(connect_token).client_to_server_key)
    associated = packet.associated_data(PROTOCOL_ID)
    return packet.encode_packet(packet_type, sequence, body, aead, associated)


def unseal(connect_token: bytes, datagram: bytes) -> bytes:
    """Decrypt what the server sent to the holder of a token."""
    aead = ChaCha20Poly1305(token.read_connect_token_untrusted(connect_token).server_to_client_key)
    associated = packet.associated_data(PROTOCOL_ID)
    return packet.decode_packet_untrusted(datagram, packet.CLIENT_ACCEPTS, aead, associated, None)[
        1
    ]


def connect(
    network: SessionNetwork, client_id: int = 1, address: Address = HOME
) -> tuple[SessionClient, bytes]:
    connect_token = network.issue_token(client_id)
    client = network.start_client(address, connect_token)
    network.deliver()
    assert client.state is ClientState.CONNECTED
    return client, connect_token


def opened(network: SessionNetwork) -> list[int]:
    """Ids of the clients that got a session, in order."""
    return [event.client_id for event in network.server_events if type(event) is SessionOpened]


def payloads(network: SessionNetwork) -> list[bytes]:
    return [event.payload for event in network.server_events if type(event) is SessionPayload]


def closed(network: SessionNetwork) -> list[CloseReason]:
    return [event.reason for event in network.server_events if type(event) is SessionClosed]


def dropped(end: SessionServer | SessionClient) -> dict[Drop, int]:
    return dict(end.statistics().dropped)


# Spoofed sources.


@defended_by(
    packet.decode_response_untrusted,
    "raise PacketError(Drop.CHALLENGE_NOT_AUTHENTIC) from None",
    "plain = sealed",
)
def test_who_cannot_read_the_challenge_opens_no_session() -> None:
    network = SessionNetwork()
    connect_token = network.issue_token()
    # In the victim's name: the challenge goes to the victim.
    assert len(hand(network, request_of(connect_token), HOME)) == 1
    identity = packet.encode_identity(1, bytes(256)).ljust(packet.CHALLENGE_TOKEN_SIZE, b"\0")
    for number in range(3):
        guess = number.to_bytes(8, "little") + identity
        assert hand(network, seal(connect_token, packet.RESPONSE, guess), HOME) == []
    assert opened(network) == []
    assert dropped(network.server) == {Drop.CHALLENGE_NOT_AUTHENTIC: 3}
    network.run(6.0)
    assert network.server.statistics().handshake_count == 0


@defended_by(SessionServer._take_response_untrusted, "or identity != peer.identity", "")
def test_a_challenge_issued_to_another_opens_no_session() -> None:
    network = SessionNetwork()
    victims, own = network.issue_token(1), network.issue_token(2)
    # In the victim's name before and after, so that its number alone does not tell.
    hand(network, request_of(victims), HOME)
    (challenge,) = hand(network, request_of(own), AWAY)
    hand(network, request_of(victims), HOME)
    response = seal(victims, packet.RESPONSE, unseal(own, challenge))
    assert hand(network, response, HOME) == []
    assert opened(network) == []
    assert dropped(network.server) == {Drop.CHALLENGE_NOT_THEIRS: 1}


@defended_by(
    SessionServer._take_packet_untrusted,
    "self._peers.get(address)",
    "next(iter(self._peers.values()))",
)
def test_packets_count_only_from_the_address_of_their_session() -> None:
    network = SessionNetwork()
    _, connect_token = connect(network)
    datagram = seal(connect_token, packet.PAYLOAD, b"x")
    for source in (AWAY, Address(HOME.host, AWAY.port), Address(AWAY.host, HOME.port)):
        hand(network, datagram, source)
    assert payloads(network) == []
    assert dropped(network.server) == {Drop.NO_MAPPING: 3}
    hand(network, datagram, HOME)
    assert payloads(network) == [b"x"]


@defended_by(SessionClient.receive_datagram, "address != self.server_address")
def test_a_client_listens_only_to_the_address_it_speaks_to() -> None:
    network = SessionNetwork()
    client, _ = connect(network)
    network.server.send_payloads(0, [b"x"], network.now)
    ((datagram, _),) = network.server.datagrams_to_send()
    assert client.receive_datagram(datagram, AWAY, network.now) is None
    assert client.receive_datagram(datagram, SERVER, network.now) == b"x"
    assert dropped(client) == {Drop.WRONG_ADDRESS: 1}


# Amplification: `test_answers_of_a_server_are_smaller_than_what_caused_them` has the handshake.


@defended_by(
    SessionServer._take_request_untrusted,
    "self._challenge(self._map_peer(peer, request, address, now))",
    "self._open_session(self._map_peer(peer, request, address, now), now)",
)
def test_nobody_is_sent_what_only_an_answered_challenge_brings() -> None:
    hall = Hall()
    request = request_of(hall.issue_token(1))
    for _ in range(10):
        hall.server.receive_datagram(request, HOME, hall.now, hall.wall_now)
        while (event := hall.server.next_event()) is not None:
            assert isinstance(event, PeerOpened)
            hall.server.send(event.peer, UNRELIABLE, bytes(1000))
        answers = hall.server.datagrams_to_send(hall.now)
        assert sum(len(answer) for answer, _ in answers) < len(request) / 3


@defended_by(token.open_private_token_untrusted, UNOPENED, UNSEALED)
@defended_by(packet.decode_request_untrusted, "expire <= wall_now")
@defended_by(
    SessionServer._take_request_untrusted,
    "not self._listing.admit(token.server_addresses)",
)
def test_a_bad_token_gets_no_answer_at_all() -> None:
    network = SessionNetwork()
    bad = {
        "sealed by the attacker": network.issue_token(private_key=bytes(32)),
        "expired": network.issue_token(expire_s=0),
        "for another server": network.issue_token(servers=[AWAY]),
        "for another protocol": network.issue_token(protocol_id=PROTOCOL_ID + 1),
    }
    for why, connect_token in bad.items():
        assert hand(network, request_of(connect_token), AWAY) == [], why
    # Its own token, to which it gives a longer life.
    own = bytearray(request_of(network.issue_token()))
    own[22:30] = b"\xff" * 8
    assert hand(network, bytes(own), AWAY) == []


@defended_by(token.open_private_token_untrusted, UNOPENED, UNSEALED)
def test_a_flood_of_strangers_leaves_nothing_behind() -> None:
    network = SessionNetwork()
    seen = bytearray(request_of(network.issue_token()))
    with memory_grows_by_less_than(10_000):
        for number in range(2000):
            source = Address(f"203.0.{number // 250}.{number % 250}", 1 + number)
            seen[-2:] = number.to_bytes(2, "little")
            for datagram in (bytes(seen), b"\x15" + bytes(40), b"\x43" + bytes(330), b""):
                network.server.receive_datagram(datagram, source, network.now, network.wall_now)
    assert network.server.datagrams_to_send() == []
    assert network.server.statistics().handshake_count == 0
    assert network.server.next_timer() is None


@defended_by(
    SessionServer._map_peer,
    "handshake_count >= self._slots_max * self._limits.handshakes_per_slot",
)
def test_stolen_tokens_hold_no_more_than_some_handshakes_and_not_for_long() -> None:
    network = SessionNetwork(slots_max=4)
    most = 4 * LIMITS.sessions.handshakes_per_slot
    for number in range(2 * most):
        request = request_of(network.issue_token(number))
        hand(network, request, Address(AWAY.host, 1 + number))
    assert network.server.statistics().handshake_count == most
    assert dropped(network.server) == {Drop.MAPPINGS_FULL: most}
    network.run(5.1)
    assert network.server.statistics().handshake_count == 0
    connect(network)


# Replay.


@defended_by(packet.decode_packet_untrusted, "window.is_replay(sequence)")
def test_a_payload_played_again_is_not_delivered_again() -> None:
    network = SessionNetwork()
    client, _ = connect(network)
    network.tamper = lambda flight: [flight] * 3
    client.send_payloads([b"buy"], network.now)
    network.server.send_payloads(0, [b"sold"], network.now)
    network.deliver()
    assert payloads(network) == [b"buy"]
    assert network.client_events[HOME].count(ClientPayload(b"sold")) == 1
    assert dropped(network.server) == dropped(client) == {Drop.REPLAYED: 2}


@defended_by(ReplayWindow.is_replay, "age >= REPLAY_WINDOW_SIZE or ", "")
def test_a_payload_held_back_until_nobody_remembers_its_number_is_dropped() -> None:
    network = SessionNetwork()
    client, _ = connect(network)
    client.send_payloads([b"held back"], network.now)
    ((held_back, _),) = client.datagrams_to_send()
    client.send_payloads([b"later"] * limits.REPLAY_WINDOW_SIZE, network.now)
    network.deliver()
    for _ in range(2):
        hand(network, held_back, HOME)
    assert set(payloads(network)) == {b"later"}


def end_session(network: SessionNetwork) -> tuple[list[bytes], bytes]:
    """Hold a session, and end it; what was recorded of its client, and its token."""
    client, connect_token = connect(network)
    client.send_payloads([b"buy"], network.now)
    network.deliver()
    client.close(network.now)
    network.deliver()
    return [flight.datagram for flight in network.flights if flight.source == HOME], connect_token


@defended_by(SessionServer._open_session, "self._history.spend(peer.token_mac)", "pass")
def test_a_recorded_session_is_not_answered() -> None:
    network = SessionNetwork()
    recorded, _ = end_session(network)
    assert [hand(network, datagram, HOME) for datagram in recorded] == [[]] * len(recorded)
    assert payloads(network) == [b"buy"]
    assert dropped(network.server)[Drop.TOKEN_USED] == 1


@defended_by(SessionServer._open_session, "self._history.spend(peer.token_mac)", "pass")
def test_nothing_recorded_of_a_session_counts_in_the_next() -> None:
    """Under the same keys all of it would be authentic: payloads, and a disconnect."""
    for seed in range(6):
        network = SessionNetwork(seed=seed)
        recorded, connect_token = end_session(network)
        network.start_client(HOME, connect_token)
        network.deliver()
        for datagram in recorded:
            hand(network, datagram, HOME)
        assert payloads(network) == [b"buy"]
        assert closed(network) == [CloseReason.CLOSED_BY_PEER]


@defended_by(
    SessionServer._take_response_untrusted,
    "not peer.challenge_first <= sequence <= peer.challenge_newest",
)
def test_a_response_held_back_does_not_count_in_a_later_handshake() -> None:
    network = SessionNetwork()
    network.tamper = lambda flight: [] if flight.datagram[0] & 15 == packet.RESPONSE else [flight]
    network.start_client(HOME, network.issue_token())
    network.deliver()
    request, response = (flight.datagram for flight in network.flights if flight.source == HOME)
    network.clients.clear()
    network.run(5.1)
    assert len(hand(network, request, HOME)) == 1
    assert hand(network, response, HOME) == []
    assert opened(network) == []
    assert dropped(network.server) == {Drop.CHALLENGE_NOT_THEIRS: 1}


@defended_by(
    SessionServer.__init__, "ChaCha20Poly1305(entropy(KEY_SIZE))", "ChaCha20Poly1305(bytes(32))"
)
def test_a_recorded_handshake_opens_nothing_at_a_server_started_again() -> None:
    network = SessionNetwork()
    connect(network)
    recorded = [flight.datagram for flight in network.flights if flight.source == HOME]
    network.start_server(SERVER)
    for datagram in recorded:
        hand(network, datagram, HOME)
    assert opened(network) == [1]


# Tokens used again, or elsewhere.


@defended_by(
    SessionServer._take_request_untrusted,
    "not self._history.admit(request.token_mac, address)",
)
def test_a_token_serves_only_the_first_address_that_used_it() -> None:
    network = SessionNetwork()
    request = request_of(network.issue_token())
    assert len(hand(network, request, HOME)) == 1
    for source in (AWAY, Address(HOME.host, AWAY.port), Address(AWAY.host, HOME.port)):
        assert hand(network, request, source) == []
    assert len(hand(network, request, HOME)) == 1
    assert dropped(network.server) == {Drop.TOKEN_USED: 3}


@defended_by(SessionServer._take_request_untrusted, "token.client_id in self._peer_by_client")
@defended_by(SessionServer._take_response_untrusted, "peer.client_id in self._peer_by_client")
def test_a_client_id_holds_one_session_however_many_tokens_it_has() -> None:
    network = SessionNetwork()
    network.tamper = lambda flight: [] if flight.datagram[0] & 15 == packet.RESPONSE else [flight]
    network.start_client(AWAY, network.issue_token(1))
    network.deliver()
    network.tamper = lambda flight: [flight]
    connect(network, 1, HOME)
    assert hand(network, request_of(network.issue_token(1)), Address(AWAY.host, 1)) == []
    network.run(0.15)
    assert opened(network) == [1]
    assert dropped(network.server) == {Drop.CLIENT_CONNECTED: 2}


# Damage.


def hold_conversation(network: SessionNetwork) -> None:
    """Every kind of packet, both ways."""
    client, _ = connect(network)
    network.start_client(AWAY, network.issue_token(2))
    client.send_payloads([b"ping"], network.now)
    network.server.send_payloads(0, [b"pong"], network.now)
    network.deliver()
    client.close(network.now)
    network.deliver()


def damage_all(damaged: Callable[[bytes], Iterator[bytes]]) -> None:
    """Hold a conversation in which damaged copies of each datagram arrive before it does."""
    plain, spoilt = SessionNetwork(slots_max=1), SessionNetwork(slots_max=1)

    def precede(flight: Flight) -> Iterator[Flight]:
        assert len(spoilt.flights) <= len(plain.flights)
        for datagram in damaged(flight.datagram):
            yield flight._replace(datagram=datagram)
        yield flight

    spoilt.tamper = precede
    for network in (plain, spoilt):
        hold_conversation(network)
    assert {flight.datagram[0] & 15 for flight in plain.flights} == set(range(7))
    assert spoilt.flights == plain.flights
    assert spoilt.server_events == plain.server_events
    assert spoilt.client_events == plain.client_events


def with_a_bit_flipped(datagram: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(datagram)):
        flipped = bytearray(datagram)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def with_another_size(datagram: bytes) -> Iterator[bytes]:
    for size in range(len(datagram)):
        yield datagram[:size]
    for more in (1, 7, 16, 200, 1300, 60_000):
        yield datagram + bytes(more)


@defended_by(packet.decode_packet_untrusted, UNDECIPHERED, UNPROVEN)
@defended_by(token.open_private_token_untrusted, UNOPENED, UNSEALED)
def test_no_flipped_bit_in_any_field_of_any_packet_changes_anything() -> None:
    damage_all(with_a_bit_flipped)


@defended_by(packet.decode_packet_untrusted, "size < _PACKET_SIZE_MIN")
@defended_by(packet.decode_request_untrusted, "len(datagram) != _REQUEST.size")
def test_truncated_and_lengthened_datagrams_change_nothing() -> None:
    damage_all(with_another_size)


@defended_by(packet.decode_packet_untrusted, "not 1 <= len(body) <= PAYLOAD_SIZE_MAX")
def test_a_payload_that_no_honest_client_can_send_is_dropped() -> None:
    network = SessionNetwork()
    _, connect_token = connect(network)
    for sequence, size in enumerate((0, 1201, 1270, 2000, 60_000), 1 << 50):
        hand(network, seal(connect_token, packet.PAYLOAD, bytes(size), sequence), HOME)
    assert payloads(network) == []


@defended_by(ReplayWindow.advance, "min(-age, REPLAY_WINDOW_SIZE)", "-age")
def test_numbers_near_the_top_overflow_nothing() -> None:
    network = SessionNetwork()
    _, connect_token = connect(network)
    numbers = [TOP - 1, TOP, TOP, TOP - 1, TOP - 255, TOP - 256, 1 << 63, 1 << 50, 0]
    for number in numbers:
        body = number.to_bytes(8, "little")
        hand(network, seal(connect_token, packet.PAYLOAD, body, number), HOME)
    delivered = [int.from_bytes(body, "little") for body in payloads(network)]
    assert delivered == [TOP - 1, TOP, TOP - 255]
    connect(network, 2, AWAY)


@defended_by(packet.decode_packet_untrusted, "not 2 <= start <= 9")
def test_numbers_beyond_the_top_are_dropped() -> None:
    network = SessionNetwork()
    connect(network)
    for size in (0, *range(9, 16)):
        hand(network, bytes([size << 4 | packet.PAYLOAD]) + b"\xff" * 60, HOME)
    assert payloads(network) == []


# Forged disconnects; `test_nothing_recorded_of_a_session_counts_in_the_next` has recorded ones.


@defended_by(packet.decode_packet_untrusted, UNDECIPHERED, UNPROVEN)
def test_a_disconnect_without_the_key_ends_nothing() -> None:
    network = SessionNetwork()
    client, connect_token = connect(network)
    _, own = connect(network, 2, AWAY)
    forged = [b"\x16" + bytes(17), b"\x86" + b"\xff" * 24, seal(own, packet.DISCONNECT, b"")]
    # What it sees of the session, as another type.
    alive = seal(connect_token, packet.KEEP_ALIVE, bytes(8))
    forged.append(bytes([alive[0] ^ packet.KEEP_ALIVE ^ packet.DISCONNECT]) + alive[1:])
    forged.append(forged[-1][:-8])
    for datagram in forged:
        hand(network, datagram, HOME)
        client.receive_datagram(datagram, SERVER, network.now)
    assert closed(network) == []
    assert client.state is ClientState.CONNECTED


# -- with a session ----------------------------------------------------------------------------

UNRELIABLE, ORDERED, UNORDERED = range(3)
MEMORY: Final = 64 << 10
CHANNELS = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=MEMORY),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=MEMORY),
    ChannelSpec(Delivery.RELIABLE_UNORDERED, memory_max=MEMORY),
)
FULL: Final = bytes(limits.FRAGMENT_SIZE)


@contextmanager
def memory_traced() -> Iterator[Callable[[], int]]:
    """Give a function that tells how many bytes more are allocated than at first."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@contextmanager
def memory_grows_by_less_than(size: int) -> Iterator[None]:
    """Check how many bytes more are allocated than before, at the most."""
    with memory_traced():
        yield
        _, most = tracemalloc.get_traced_memory()
    assert most < size


class Hall:
    """A server endpoint and whoever is connected to it, with no way in between.

    Attributes:
        events: of the server, all of them.
        sent_size: bytes sent to each address.
    """

    def __init__(self, slots_max: int = 4) -> None:
        self.network = SessionNetwork()
        self.now = 0.0
        self.clients: dict[Address, ClientEndpoint | Cheater] = {}
        self.events: list[PeerOpened | Received | Acked | Lost | PeerClosed] = []
        self.sent_size: Counter[Address] = Counter()
        self.server = ServerEndpoint(
            protocol_id=PROTOCOL_ID,
            private_key=PRIVATE_KEY,
            public_addresses=[SERVER],
            slots_max=slots_max,
            channels=CHANNELS,
            entropy=self.network.entropy,
            now=0.0,
        )

    @property
    def wall_now(self) -> float:
        return self.network.wall_now + self.now

    def issue_token(self, client_id: int) -> bytes:
        return self.network.issue_token(client_id)

    def join_honest(self, address: Address = HOME) -> ClientEndpoint:
        connect_token = self.issue_token(len(self.clients))
        entropy = self.network.entropy
        client = ClientEndpoint(connect_token, CHANNELS, entropy, self.now)
        self.clients[address] = client
        self.run(0.1)
        assert client.state is ClientState.CONNECTED
        return client

    def join_cheater(self, address: Address = AWAY) -> Cheater:
        cheater = Cheater(self, self.issue_token(len(self.clients)))
        self.clients[address] = cheater
        self.run(0.1)
        assert cheater.session.state is ClientState.CONNECTED
        return cheater

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(max(1, round(seconds / 0.05))):
            self.now += 0.05
            self.server.handle_timer(self.now, self.wall_now)
            for client in self.clients.values():
                client.handle_timer(self.now)
            while self.exchange():
                pass

    def exchange(self) -> bool:
        """Carry what there is; returns whether there was anything."""
        for address, client in list(self.clients.items()):
            for datagram, _ in client.datagrams_to_send(self.now):
                self.server.receive_datagram(datagram, address, self.now, self.wall_now)
        while (event := self.server.next_event()) is not None:
            self.events.append(event)
        answers = self.server.datagrams_to_send(self.now)
        for answer, address in answers:
            self.sent_size[address] += len(answer)
            if address in self.clients:
                self.clients[address].receive_datagram(answer, SERVER, self.now)
        return bool(answers)

    @property
    def closed(self) -> list[CloseReason]:
        return [event.reason for event in self.events if isinstance(event, PeerClosed)]


class Cheater:
    """A client with a good session and payloads of its own making.

    Attributes:
        heard: packets from the server.
    """

    def __init__(self, hall: Hall, connect_token: bytes) -> None:
        self.hall = hall
        self.session = SessionClient(
            connect_token,
            entropy=hall.network.entropy,
            now=hall.now,
        )
        self.heard: list[wire.Packet] = []
        self._sequence = 0

    def receive_datagram(self, datagram: bytes, address: Address, now: float) -> None:
        payload = self.session.receive_datagram(datagram, address, now)
        if payload is not None:
            self.heard.append(wire.decode_packet_untrusted(payload, RELIABLE))

    def handle_timer(self, now: float) -> None:
        self.session.handle_timer(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        return self.session.datagrams_to_send()

    def say(self, parts: bytes, *, ack: bytes = b"", step: int = 1) -> None:
        """Send a packet, and have it taken in."""
        self._sequence += step
        payload = wire.encode_header(self._sequence, bool(parts), ack) + parts
        self.session.send_payloads([payload], self.hall.now)
        self.hall.exchange()


RELIABLE = [spec.delivery.is_reliable for spec in CHANNELS]


def fragment(message_id: int, index: int, count: int, body: bytes = FULL) -> bytes:
    return wire.encode_fragment_head(UNORDERED, len(body), message_id, index, count) + body


def run_of(message_id: int, *bodies: bytes, channel: int = UNORDERED) -> bytes:
    return wire.encode_run(channel, message_id, bodies)


# Fragments.


@defended_by(ReliableReceiver._hold, "self.memory_size > self._memory_max")
def test_a_flood_of_first_fragments_is_found_out_before_it_fills_the_memory() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    with memory_grows_by_less_than(2 * MEMORY):
        for message_id in range(500):
            cheater.say(fragment(message_id, 0, limits.FRAGMENTS_MAX))
    assert hall.closed == [CloseReason.PROTOCOL_VIOLATION]


@defended_by(ReliableReceiver._complete, "self._hold(_OVERHEAD)", "pass")
def test_a_flood_of_tiny_fragments_is_found_out_before_it_fills_the_memory() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    for message_id in range(MEMORY // limits.MESSAGE_OVERHEAD_SIZE):
        cheater.say(fragment(message_id, 1, 2, b"x"))
    assert hall.closed == [CloseReason.PROTOCOL_VIOLATION]


@defended_by(ServerEndpoint._drop, "self._peer_by_slot[peer.slot] = None", "pass")
def test_messages_never_finished_are_held_as_long_as_the_session_and_hurt_nobody() -> None:
    hall = Hall()
    cheater, honest = hall.join_cheater(), hall.join_honest()
    with memory_traced() as grown:
        for index in range(MEMORY // limits.FRAGMENT_SIZE - 2):
            cheater.say(fragment(0, index, limits.FRAGMENTS_MAX))
        honest.send(UNORDERED, b"hello")
        hall.run(1.0)
        assert Received(2, UNORDERED, b"hello") in hall.events
        assert hall.closed == []
        assert MEMORY / 2 < grown() < 2 * MEMORY
        cheater.session.close(hall.now)
        hall.run(1.0)
        gc.collect()
        assert hall.closed == [CloseReason.CLOSED_BY_PEER]
        assert grown() < MEMORY / 2


@defended_by(ReliableReceiver._complete, "reassembly.count != part.fragments")
@defended_by(ReliableReceiver.receive, "message_id in self._reassemblies")
def test_fragments_that_contradict_each_other_are_found_out() -> None:
    for second in (fragment(0, 1, 3), run_of(0, b"whole")):
        hall = Hall()
        cheater = hall.join_cheater()
        cheater.say(fragment(0, 0, 2))
        cheater.say(second)
        assert hall.closed == [CloseReason.PROTOCOL_VIOLATION]


@defended_by(wire._decode_fragment, "not 2 <= count <= limits.FRAGMENTS_MAX or index >= count")
@defended_by(Peer.receive_untrusted, "self.payloads_malformed > self._malformed_max")
def test_a_session_that_talks_nonsense_is_closed() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    for index in range(2, 2 + LIMITS.malformed_payloads):
        cheater.say(fragment(0, index, 2))
    assert hall.closed == []
    cheater.say(fragment(0, 0, limits.FRAGMENTS_MAX + 1))
    assert hall.closed == [CloseReason.PROTOCOL_VIOLATION]
    assert not any(isinstance(event, Received) for event in hall.events)


# Acks.


@defended_by(SentPackets.restore_ack, "0 <= sequence < self.next_sequence", "True")
def test_acks_of_packets_never_sent_settle_nothing() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    hall.server.send(1, UNRELIABLE, b"news", tag=7)
    hall.run(0.1)
    for ack in (1, 500, 0x7FFF, 0x8000, 0xFFFF):
        cheater.say(b"", ack=wire.encode_ack(ack, 0.0, TOP, 2))
    assert Acked(1, [7]) not in hall.events
    statistics = hall.server.connection_statistics(1)
    assert statistics is not None
    assert statistics.acks_invalid == 5
    cheater.say(b"", ack=wire.encode_ack(0, 0.0, TOP, 2))
    assert Acked(1, [7]) in hall.events
    assert hall.closed == []


@defended_by(SentPackets.take_acked, "self._awaited &= ~(news << behind)", "pass")
def test_an_ack_counts_once() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    for tag in range(40):
        hall.server.send(1, UNRELIABLE, b"news", tag)
        hall.run(0.05)
    for bits in range(3):
        cheater.say(b"", ack=wire.encode_ack(39, 0.0, bits, 1))
    acked = [event.tags for event in hall.events if isinstance(event, Acked)]
    assert acked == [[39], [38], [37]]


@defended_by(
    SentPackets.take_acked, 'raise RemoteProtocolError("an ack of a packet that never was")', "pass"
)
def test_who_acks_what_never_came_is_found_out() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    for _ in range(60):
        for _ in range(10):
            hall.server.send(1, UNRELIABLE, bytes(1000))
        hall.exchange()
        cheater.say(b"", ack=wire.encode_ack(cheater.heard[-1].sequence, 6.0, TOP, 2))
        hall.run(0.05)
    assert hall.closed == [CloseReason.PROTOCOL_VIOLATION]


@defended_by(Connection._give_up_old, "self._budget.starve()", "pass")
def test_who_only_keeps_a_session_alive_is_sent_next_to_nothing() -> None:
    """It may have left its address, and flood whoever has it now."""
    hall = Hall()
    cheater = hall.join_cheater()
    sizes = []
    for _ in range(15):
        before = hall.sent_size[AWAY]
        for _ in range(20):
            for _ in range(10):
                hall.server.send(1, UNRELIABLE, bytes(1000), tag=1)
            hall.run(0.05)
        sizes.append(hall.sent_size[AWAY] - before)
    keep_alives = 10 * 40
    assert max(sizes) > 50_000
    assert max(sizes[-5:]) < 2 * LIMITS.congestion.silent_rate + keep_alives
    assert hall.closed == []
    assert cheater.session.state is ClientState.CONNECTED


@defended_by(ReceivedPackets.acks_sent, "self.owed_since = None", "pass")
def test_one_ack_answers_all_that_came_at_once() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    asks = wire.encode_unreliable_head(UNRELIABLE, 0)
    packets = [wire.encode_header(number, True, b"") + asks for number in range(250)]
    cheater.session.send_payloads(packets, hall.now)
    hall.run(2.0)
    (ack,) = cheater.heard
    assert (ack.ack, ack.ack_bits, ack.parts) == (249, (1 << 249) - 1, [])


@defended_by(ReceivedPackets.admit, " & _SPAN_MASK", "")
def test_leaps_of_the_packet_sequence_fill_no_memory() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    cheater.say(b"")
    with memory_grows_by_less_than(50_000):
        for step in (2047, 1, 2047, 2047) * 150 + (32_767,) * 10:
            cheater.say(b"", step=step)
    assert hall.closed == []


# Reliable windows.


@defended_by(ReliableReceiver._is_news, "ahead >= limits.RELIABLE_WINDOW_MAX")
def test_a_message_beyond_the_window_is_found_out() -> None:
    for channel in (ORDERED, UNORDERED):
        hall = Hall()
        cheater = hall.join_cheater()
        cheater.say(run_of(limits.RELIABLE_WINDOW_MAX - 1, b"", channel=channel))
        assert hall.closed == []
        cheater.say(run_of(limits.RELIABLE_WINDOW_MAX, b"", channel=channel))
        assert hall.closed == [CloseReason.PROTOCOL_VIOLATION]


@defended_by(ReliableReceiver._deliver, "self._hold(len(body) + _OVERHEAD)", "pass")
def test_messages_that_wait_for_one_that_never_comes_do_not_fill_the_memory() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    with memory_grows_by_less_than(2 * MEMORY):
        for message_id in range(1, 500):
            cheater.say(run_of(message_id, FULL, channel=ORDERED))
    assert hall.closed == [CloseReason.PROTOCOL_VIOLATION]


@defended_by(ReliableReceiver._is_news, "ahead < 0 or message_id in self._ahead")
def test_a_message_that_comes_again_with_another_body_is_dropped() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    for message_id in (0, 2, 0, 2, 0xFFFF_FFFF):
        for channel in (ORDERED, UNORDERED):
            body = b"%d" % len(hall.events)
            cheater.say(run_of(message_id, body, channel=channel))
    received = [event.channel for event in hall.events if isinstance(event, Received)]
    assert received == [ORDERED, UNORDERED, UNORDERED]
    assert hall.closed == []


@defended_by(ReliableSender.push, "size > self._memory_max")
def test_a_peer_that_never_acks_the_first_message_is_closed_when_the_memory_is_full() -> None:
    hall = Hall()
    cheater = hall.join_cheater()
    most = 0
    for _ in range(200):
        hall.server.send(1, ORDERED, bytes(1000))
        hall.run(0.05)
        statistics = hall.server.connection_statistics(1)
        most = max(most, statistics.queued_size if statistics else 0)
        for heard in cheater.heard:
            if not any(part.message_id == 0 for part in heard.parts):
                cheater.say(b"", ack=wire.encode_ack(heard.sequence, 0.0, 0, 1))
        cheater.heard.clear()
    assert MEMORY / 2 < most <= MEMORY
    assert hall.closed == [CloseReason.CHANNEL_OVERFLOW]


# Peers that do not read, and floods that mean nothing.


@defended_by(UnreliableSender.push, "self.memory_size > self._memory_max")
def test_what_a_peer_does_not_read_in_time_is_dropped() -> None:
    hall = Hall()
    hall.join_cheater()
    with memory_grows_by_less_than(2 * MEMORY):
        for _ in range(1000):
            hall.server.send(1, UNRELIABLE, bytes(1000))
    assert hall.closed == []


@defended_by(ServerEndpoint._receive, "peer.is_full(self._drain)")
def test_a_flood_of_empty_messages_fills_no_memory_and_drowns_nobody() -> None:
    hall = Hall()
    cheater, honest = hall.join_cheater(), hall.join_honest()
    honest.send(ORDERED, b"hello")
    empty = wire.encode_unreliable_head(UNRELIABLE, 0) * 398
    flood = [wire.encode_header(number, True, b"") + empty for number in range(100)]
    cheater.session.send_payloads(flood, hall.now)
    hall.exchange()
    received = [event for event in hall.events if isinstance(event, Received)]
    assert Received(2, ORDERED, b"hello") in received
    memory = sum(spec.memory_max for spec in CHANNELS)
    assert len(received) * limits.MESSAGE_OVERHEAD_SIZE < 1.5 * memory
    refused = hall.server.statistics().payloads_refused
    assert refused > 90
    # Once all that was taken there is an ear for it again.
    cheater.say(b"")
    assert hall.server.statistics().payloads_refused == refused


@defended_by(
    SessionServer._take_packet_untrusted,
    "self._peers.get(address)",
    "([peer for peer in self._peers.values() if peer.address == address] or [None])[0]",
)
def test_no_datagram_costs_more_where_there_are_more_sessions() -> None:
    efforts = []
    for count in (5, 50):
        hall = Hall(slots_max=100)
        for number in range(count):
            cheater = hall.join_cheater(Address(AWAY.host, 1 + number))
        cheater.session.send_payloads([wire.encode_header(0, False, b"")], hall.now)
        ((payload, _),) = cheater.session.datagrams_to_send()
        effort = []
        for datagram, source in (
            (payload, Address(AWAY.host, count)),
            (payload, HOME),
            (request_of(hall.issue_token(1000)), HOME),
            (b"\x15" + bytes(40), HOME),
        ):
            receive = hall.server.receive_datagram
            effort.append(count_lines(partial(receive, datagram, source, hall.now, hall.wall_now)))
            effort.append(count_lines(partial(hall.server.datagrams_to_send, hall.now)))
        efforts.append(effort)
    assert efforts[0] == efforts[1]


# -- what the defences are worth -----------------------------------------------------------------

SUCCESS: Final = (
    AssertionError,
    ArithmeticError,
    LookupError,
    MemoryError,
    ValueError,
    struct.error,
)
"""What was to be prevented happened, or the server is down."""


@pytest.mark.parametrize(
    ("attack", "defence"),
    ATTACKS.cases,
    ids=[f"{attack.__name__}-{defence}" for attack, defence in ATTACKS.cases],
)
def test_an_attack_succeeds_when_its_defence_is_taken_out(
    attack: Attack, defence: Defence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defence.function, "__code__", defence.taken_out())
    with pytest.raises(SUCCESS):
        attack()
