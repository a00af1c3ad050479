from __future__ import annotations

import math

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol import limits
from sidereal.protocol.errors import CloseReason, LocalProtocolError
from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet
from sidereal.protocol.session.client import SessionClient
from sidereal.protocol.session.history import TokenHistory
from sidereal.protocol.session.limits import SessionLimits
from sidereal.protocol.session.listing import Listing
from sidereal.protocol.session.packet import Drop
from sidereal.protocol.session.server import (
    SessionClosed,
    SessionOpened,
    SessionPayload,
    SessionServer,
)
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.session.token import read_connect_token_untrusted
from sidereal.protocol.testing.sessions import PRIVATE_KEY, PROTOCOL_ID, SERVER, SessionNetwork

HOME = Address("198.51.100.1", 50001)
AWAY = Address("198.51.100.2", 50002)
ASSOCIATED = packet.associated_data(PROTOCOL_ID)


def address_of(number: int) -> Address:
    return Address(f"198.51.{100 + number // 250}.{number % 250}", 50000)


def dropped(network: SessionNetwork) -> dict[Drop, int]:
    return dict(network.server.statistics().dropped)


def request_of(network: SessionNetwork, token: bytes) -> bytes:
    client = SessionClient(token, entropy=network.entropy, now=network.now)
    return client.datagrams_to_send()[0][0]


def hand(network: SessionNetwork, datagram: bytes, address: Address = HOME) -> list[bytes]:
    """Give the server a datagram and return its answers."""
    came = network.server.receive_datagram(datagram, address, network.now, network.wall_now)
    if came is not None:
        network.server_events.append(came)
    return [answer for answer, _ in network.server.datagrams_to_send()]


def write_packet(token: bytes, packet_type: int, body: bytes) -> bytes:
    """Encrypt with the client's key, far from the numbers the client itself uses."""
    aead = ChaCha20Poly1305(read_connect_token_untrusted(token).client_to_server_key)
    return packet.encode_packet(packet_type, 1 << 60, body, aead, ASSOCIATED)


def connect(network: SessionNetwork, client_id: int, address: Address) -> SessionClient:
    client = network.start_client(address, network.issue_token(client_id))
    network.deliver()
    assert client.state is ClientState.CONNECTED
    return client


def test_slots_are_given_lowest_first() -> None:
    network = SessionNetwork()
    for number in range(3):
        connect(network, number, address_of(number))
    network.clients[address_of(1)].close(network.now)
    network.deliver()
    connect(network, 9, AWAY)
    opened = [event.slot for event in network.server_events if isinstance(event, SessionOpened)]
    assert opened == [0, 1, 2, 1]


def test_full_server_denies() -> None:
    network = SessionNetwork(slots_max=1)
    connect(network, 1, HOME)
    answers = hand(network, request_of(network, network.issue_token(2)), AWAY)
    assert [answer[0] & 15 for answer in answers] == [packet.DENIED]
    statistics = network.server.statistics()
    assert (statistics.denied, statistics.handshake_count, statistics.open_count) == (1, 0, 1)


def test_server_that_fills_up_during_a_handshake_denies_the_response() -> None:
    network = SessionNetwork(slots_max=1)
    network.tamper = lambda flight: [] if flight.datagram[0] & 15 == 3 else [flight]
    late = network.start_client(HOME, network.issue_token(1))
    network.deliver()
    network.tamper = lambda flight: [flight]
    connect(network, 2, AWAY)
    network.run(0.2)
    assert late.state is ClientState.CONNECTION_DENIED


def test_4096_clients_fit() -> None:
    network = SessionNetwork(slots_max=limits.CLIENT_SLOTS_MAX)
    for number in (0, 1, 2):
        connect(network, number, address_of(number))
    assert network.server.statistics().slots_max == 4096
    with pytest.raises(LocalProtocolError, match="1 to 4096"):
        SessionNetwork(slots_max=limits.CLIENT_SLOTS_MAX + 1)


def test_silent_client_times_out_by_its_token() -> None:
    network = SessionNetwork()
    connect(network, 1, HOME)
    network.tamper = lambda flight: [] if flight.source == HOME else [flight]
    network.run(4.9)
    assert network.server.statistics().open_count == 1
    network.run(0.2)
    assert network.server_events[-1] == SessionClosed(0, CloseReason.TIMED_OUT)
    assert network.server.statistics().closed == {CloseReason.TIMED_OUT: 1}


def test_handshake_without_response_is_forgotten_after_the_time_out() -> None:
    network = SessionNetwork()
    assert len(hand(network, request_of(network, network.issue_token()))) == 1
    assert network.server.statistics().handshake_count == 1
    network.run(4.9)
    assert network.server.statistics().handshake_count == 1
    network.run(0.2)
    assert network.server.statistics().handshake_count == 0
    assert network.server.next_timer() is None


def test_response_after_the_mapping_expired_is_ignored_even_before_the_timer() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    challenge = hand(network, client.datagrams_to_send()[0][0])[0]
    client.receive_datagram(challenge, SERVER, network.now)
    response = client.datagrams_to_send()[0][0]
    network.now = 5.1
    assert hand(network, response) == []
    assert dropped(network) == {Drop.NO_MAPPING: 1}


def test_repeated_request_renews_the_mapping() -> None:
    network = SessionNetwork()
    request = request_of(network, network.issue_token())
    hand(network, request)
    network.run(4.0)
    hand(network, request)
    network.run(4.0)
    assert network.server.statistics().handshake_count == 1
    network.run(1.1)
    assert network.server.statistics().handshake_count == 0


# -- bad requests: no answer, and a count ----------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "reason"),
    [
        (1, Drop.VERSION),
        (13, Drop.VERSION),
        (14, Drop.PROTOCOL_ID),
        (21, Drop.PROTOCOL_ID),
        (22, Drop.TOKEN_NOT_AUTHENTIC),
        (30, Drop.TOKEN_NOT_AUTHENTIC),
        (53, Drop.TOKEN_NOT_AUTHENTIC),
        (54, Drop.TOKEN_NOT_AUTHENTIC),
        (1061, Drop.TOKEN_NOT_AUTHENTIC),
        (1062, Drop.TOKEN_NOT_AUTHENTIC),
        (1077, Drop.TOKEN_NOT_AUTHENTIC),
    ],
)
def test_request_with_a_damaged_field_is_dropped(offset: int, reason: Drop) -> None:
    network = SessionNetwork()
    request = bytearray(request_of(network, network.issue_token(expire_s=32)))
    request[offset] ^= 1
    assert hand(network, bytes(request)) == []
    assert dropped(network) == {reason: 1}


@pytest.mark.parametrize("size", [1, 54, 1077, 1079])
def test_request_of_another_size_is_dropped(size: int) -> None:
    network = SessionNetwork()
    request = request_of(network, network.issue_token()).ljust(1079, b"\0")[:size]
    assert hand(network, request) == []
    assert dropped(network) == {Drop.REQUEST_SIZE: 1}


def test_token_for_another_protocol_is_dropped() -> None:
    network = SessionNetwork()
    token = network.issue_token(protocol_id=PROTOCOL_ID + 1)
    assert hand(network, request_of(network, token)) == []
    assert dropped(network) == {Drop.PROTOCOL_ID: 1}


def test_token_sealed_with_another_key_is_dropped() -> None:
    network = SessionNetwork()
    assert hand(network, request_of(network, network.issue_token(private_key=bytes(32)))) == []
    assert dropped(network) == {Drop.TOKEN_NOT_AUTHENTIC: 1}


def test_expired_token_is_dropped_on_the_second() -> None:
    network = SessionNetwork()
    request = request_of(network, network.issue_token(expire_s=30))
    network.now = 29.999
    assert len(hand(network, request)) == 1
    network.now = 30.0
    assert hand(network, request) == []
    assert dropped(network) == {Drop.TOKEN_EXPIRED: 1}


def test_token_for_other_servers_is_dropped() -> None:
    network = SessionNetwork()
    for elsewhere in (Address(SERVER.host, SERVER.port + 1), Address("192.0.2.9", SERVER.port)):
        token = network.issue_token(servers=[elsewhere])
        assert hand(network, request_of(network, token)) == []
    assert dropped(network) == {Drop.SERVER_NOT_LISTED: 2}


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_a_server_that_listens_everywhere_is_found_by_every_address(everywhere: str) -> None:
    listing = Listing([Address(everywhere, 7072), Address("203.0.113.7", 17072)])
    for host, port in (("192.0.2.1", 7072), ("::1", 7072), ("203.0.113.7", 17072)):
        assert listing.admit((Address(host, port),))
    assert not listing.refused
    for host, port in (("192.0.2.1", 7073), ("203.0.113.8", 17072)):
        assert not listing.admit((Address(host, port),))
        assert listing.refused == (Address(host, port),)


def test_request_from_a_connected_address_is_dropped() -> None:
    network = SessionNetwork()
    connect(network, 1, HOME)
    assert hand(network, request_of(network, network.issue_token(2)), HOME) == []
    assert dropped(network) == {Drop.ADDRESS_CONNECTED: 1}


def test_oldest_token_is_forgotten_when_the_history_is_full() -> None:
    history = TokenHistory(2)
    assert history.admit(b"a", HOME)
    assert history.admit(b"b", HOME)
    assert not history.admit(b"a", AWAY)
    assert history.admit(b"c", HOME)
    assert history.admit(b"a", AWAY)
    assert not history.admit(b"c", AWAY)
    history.spend(b"c")
    assert not history.admit(b"c", HOME)
    history.spend(b"d")
    assert not history.admit(b"a", HOME)
    assert history.admit(b"c", HOME)


# -- packets of a session ----------------------------------------------------------------------


def test_payload_before_the_response_is_dropped() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    hand(network, client.datagrams_to_send()[0][0])
    client.close(network.now)
    for datagram, _ in client.datagrams_to_send():
        assert hand(network, datagram) == []
    assert dropped(network) == {Drop.NOT_CONNECTED: 10}


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", Drop.TOO_SMALL),
        (b"\x15" + bytes(16), Drop.TOO_SMALL),
        (b"\x85" + bytes(18), Drop.TOO_SMALL),
        (b"\x15" + bytes(1300), Drop.TOO_LARGE),
        (b"\x17" + bytes(30), Drop.TYPE_INVALID),
        (b"\x1f" + bytes(30), Drop.TYPE_INVALID),
        (b"\x10" + bytes(30), Drop.TYPE_NOT_ACCEPTED),
        (b"\x11" + bytes(30), Drop.TYPE_NOT_ACCEPTED),
        (b"\x12" + bytes(30), Drop.TYPE_NOT_ACCEPTED),
        (b"\x05" + bytes(30), Drop.SEQUENCE_SIZE),
        (b"\x95" + bytes(30), Drop.SEQUENCE_SIZE),
        (b"\x15" + bytes(30), Drop.REPLAYED),
        (b"\x85" + b"\xff" * 30, Drop.NOT_AUTHENTIC),
    ],
)
def test_malformed_packet_of_a_session_is_dropped(datagram: bytes, reason: Drop) -> None:
    network = SessionNetwork()
    connect(network, 1, HOME)
    assert hand(network, datagram) == []
    assert dropped(network) == {reason: 1}


@pytest.mark.parametrize(
    ("packet_type", "size"),
    [(3, 0), (3, 307), (3, 309), (4, 0), (4, 7), (4, 9), (5, 0), (5, 1201), (6, 1)],
)
def test_authentic_packet_of_the_wrong_size_is_dropped(packet_type: int, size: int) -> None:
    network = SessionNetwork()
    token = network.issue_token()
    network.start_client(HOME, token)
    network.deliver()
    assert hand(network, write_packet(token, packet_type, bytes(size))) == []
    assert dropped(network) == {Drop.BODY_SIZE: 1}


def test_datagrams_nobody_takes_are_dropped_above_the_limit() -> None:
    network = SessionNetwork(limits=SessionLimits(datagrams=20, disconnects=5))
    connect(network, 1, HOME)
    for _ in range(25):
        network.server.send_payloads(0, [b"x"], network.now)
    assert len(network.server.datagrams_to_send()) == 20
    assert dropped(network) == {Drop.DATAGRAMS_FULL: 5}


def test_clients_behind_one_address_are_told_apart_by_their_ports() -> None:
    network = SessionNetwork()
    for number in range(3):
        client = connect(network, number, Address(HOME.host, 1000 + number))
        client.send_payloads([b"%d" % number], network.now)
    network.deliver()
    for number in range(3):
        assert SessionPayload(number, b"%d" % number) in network.server_events


def test_slot_is_free_again_only_when_its_end_was_taken() -> None:
    network = SessionNetwork(slots_max=1)
    client = connect(network, 1, HOME)
    client.close(network.now)
    for datagram, _ in client.datagrams_to_send():
        hand(network, datagram)
    request = request_of(network, network.issue_token(2))
    assert hand(network, request, AWAY)[0][0] & 15 == packet.DENIED
    assert network.server.next_event() == SessionClosed(0, CloseReason.CLOSED_BY_PEER)
    assert hand(network, request, AWAY)[0][0] & 15 == packet.CHALLENGE


def test_sending_to_and_closing_an_empty_slot_do_nothing() -> None:
    network = SessionNetwork()
    network.server.send_payloads(2, [b"x"], 0.0)
    network.server.close_session(2, 0.0)
    assert network.server.datagrams_to_send() == []
    assert network.server.next_event() is None


def test_thousand_idle_sessions_wake_only_for_what_is_due() -> None:
    network = SessionNetwork(slots_max=1000)
    for number in range(300):
        connect(network, number, address_of(number))
    network.clients.clear()
    network.server.datagrams_to_send()
    network.server.handle_timer(0.05, network.wall_now)
    assert network.server.datagrams_to_send() == []
    timer = network.server.next_timer()
    assert timer is not None
    assert math.isclose(timer, 0.25)
    network.server.handle_timer(timer, network.wall_now)
    assert len(network.server.datagrams_to_send()) == 300


@pytest.mark.parametrize(
    "changes",
    [
        {"private_key": bytes(31)},
        {"slots_max": 0},
        {"slots_max": 5, "limits": SessionLimits(datagrams=40, disconnects=10)},
        {"public_addresses": []},
        {"public_addresses": [Address("localhost", 5)]},
    ],
)
def test_server_that_cannot_work_is_our_error(changes: dict[str, object]) -> None:
    arguments: dict[str, object] = {
        "protocol_id": PROTOCOL_ID,
        "private_key": PRIVATE_KEY,
        "public_addresses": [SERVER],
        "slots_max": 4,
        "entropy": bytes,
        "now": 0.0,
    }
    with pytest.raises(LocalProtocolError):
        SessionServer(**(arguments | changes))  # type: ignore[arg-type]


def test_what_comes_and_goes_is_counted() -> None:
    network = SessionNetwork()
    client = connect(network, 1, HOME)
    client.send_payloads([b"abc"], network.now)
    network.server.send_payloads(0, [b"d"], network.now)
    network.deliver()
    came, went = (
        [datagram for datagram, source, _ in network.flights if (source == HOME) is inwards]
        for inwards in (True, False)
    )
    server, home = network.server.statistics(), client.statistics()
    for counted in (
        (server.datagrams_in, server.bytes_in, server.datagrams_out, server.bytes_out),
        (home.datagrams_out, home.bytes_out, home.datagrams_in, home.bytes_in),
    ):
        assert counted == (len(came), sum(map(len, came)), len(went), sum(map(len, went)))
    assert (server.opened, server.challenged, server.denied) == (1, 1, 0)


def test_a_handshake_without_a_time_out_is_not_over_at_once() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token(timeout_s=-1))
    ((request, _),) = client.datagrams_to_send()
    (challenge,) = hand(network, request)
    network.server.handle_timer(network.now, network.wall_now)
    client.receive_datagram(challenge, SERVER, network.now)
    network.deliver()
    assert client.state is ClientState.CONNECTED
    network.run(100.0)
    assert client.state is ClientState.CONNECTED


def test_a_response_in_the_very_moment_of_the_time_out_counts() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token(timeout_s=5))
    ((request, _),) = client.datagrams_to_send()
    (challenge,) = hand(network, request)
    client.receive_datagram(challenge, SERVER, network.now)
    network.now += 5.0
    for response, _ in client.datagrams_to_send():
        hand(network, response)
    assert network.server.statistics().open_count == 1
