from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol.errors import CloseReason, LocalProtocolError
from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet
from sidereal.protocol.session.client import ClientClosed, ClientOpened
from sidereal.protocol.session.server import SessionClosed, SessionOpened, SessionPayload
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.session.token import read_connect_token_untrusted
from sidereal.protocol.testing.sessions import (
    PROTOCOL_ID,
    SERVER,
    ClientPayload,
    Flight,
    SessionNetwork,
)

HOME = Address("198.51.100.1", 50001)
AWAY = Address("198.51.100.2", 50002)
OTHER_SERVER = Address("192.0.2.2", 40000)


def kinds(network: SessionNetwork, source: Address) -> list[int]:
    return [flight.datagram[0] & 15 for flight in network.flights if flight.source == source]


def test_client_with_a_good_token_connects() -> None:
    network = SessionNetwork()
    user_data = bytes(range(256))
    client = network.start_client(HOME, network.issue_token(77, user_data=user_data))
    network.deliver()
    assert client.state is ClientState.CONNECTED
    assert client.server_address == SERVER
    assert network.client_events[HOME] == [ClientOpened(slot=0, slots_max=4)]
    assert network.server_events == [SessionOpened(0, 77, user_data, HOME)]


def test_handshake_is_request_challenge_response_keep_alive() -> None:
    network = SessionNetwork()
    network.start_client(HOME, network.issue_token())
    network.deliver()
    assert kinds(network, HOME) == [packet.REQUEST, packet.RESPONSE, packet.KEEP_ALIVE]
    assert kinds(network, SERVER) == [packet.CHALLENGE, packet.KEEP_ALIVE]


def test_handshake_over_ipv6() -> None:
    server, home = Address("2001:db8::1", 40000), Address("2001:db8::2", 50001)
    network = SessionNetwork(servers=[server])
    client = network.start_client(home, network.issue_token())
    network.deliver()
    assert client.state is ClientState.CONNECTED


def test_server_known_by_another_spelling_of_its_address_accepts() -> None:
    network = SessionNetwork(servers=[Address("2001:0db8::0001", 40000)])
    token = network.issue_token(servers=[Address("2001:db8:0:0::1", 40000)])
    network.start_client(HOME, token)
    request = network.clients[HOME].datagrams_to_send()[0][0]
    network.server.receive_datagram(request, HOME, 0.0, network.wall_now)
    assert network.server.statistics().challenged == 1


@pytest.mark.parametrize("lost", range(5))
def test_loss_of_any_one_datagram_of_the_handshake_is_made_up_for(lost: int) -> None:
    network = SessionNetwork()
    seen = 0

    def lose(flight: Flight) -> list[Flight]:
        nonlocal seen
        seen += 1
        return [] if seen == lost + 1 else [flight]

    network.tamper = lose
    client = network.start_client(HOME, network.issue_token())
    network.run(0.5)
    assert client.state is ClientState.CONNECTED
    network.server.send_payloads(0, [b"hello"], network.now)
    client.send_payloads([b"hi"], network.now)
    network.deliver()
    assert ClientPayload(b"hello") in network.client_events[HOME]
    assert SessionPayload(0, b"hi") in network.server_events


@pytest.mark.parametrize("size", [1, 50, 1200])
def test_payloads_travel_both_ways(size: int) -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    network.deliver()
    client.send_payloads([b"c" * size], network.now)
    network.server.send_payloads(0, [b"s" * size], network.now)
    network.deliver()
    assert network.server_events[-1] == SessionPayload(0, b"c" * size)
    assert network.client_events[HOME][-1] == ClientPayload(b"s" * size)
    assert max(len(flight.datagram) for flight in network.flights[5:]) <= size + 25


@pytest.mark.parametrize("size", [0, 1201])
def test_payload_of_a_size_that_cannot_travel_is_our_error(size: int) -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    network.deliver()
    with pytest.raises(LocalProtocolError, match="1 to 1200"):
        client.send_payloads([bytes(size)], network.now)
    with pytest.raises(LocalProtocolError, match="1 to 1200"):
        network.server.send_payloads(0, [bytes(size)], network.now)


def test_payloads_to_an_unconfirmed_client_follow_keep_alives() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    # What the client sends once connected is lost, and so is the keep-alive of the server.
    network.tamper = lambda flight: [] if flight.datagram[0] & 15 == packet.KEEP_ALIVE else [flight]
    network.deliver()
    assert client.state is ClientState.SENDING_CONNECTION_RESPONSE
    network.tamper = lambda flight: [flight]
    network.flights.clear()
    network.server.send_payloads(0, [b"first"], network.now)
    network.deliver()
    assert kinds(network, SERVER) == [packet.KEEP_ALIVE, packet.PAYLOAD]
    assert network.client_events[HOME] == [ClientOpened(0, 4), ClientPayload(b"first")]
    network.flights.clear()
    network.server.send_payloads(0, [b"second"], network.now)
    network.deliver()
    assert kinds(network, SERVER) == [packet.PAYLOAD]


def test_payload_that_overtakes_the_keep_alive_is_discarded() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    network.tamper = lambda flight: (
        [] if flight.source == SERVER and flight.datagram[0] & 15 == 4 else [flight]
    )
    network.deliver()
    network.server.send_payloads(0, [b"early"], network.now)
    network.deliver()
    assert client.state is ClientState.SENDING_CONNECTION_RESPONSE
    assert network.client_events[HOME] == []
    assert client.statistics().dropped == {packet.Drop.NOT_CONNECTED: 1}


def test_idle_session_is_kept_alive_four_times_a_second() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token(timeout_s=5))
    network.deliver()
    network.flights.clear()
    network.run(20.0)
    assert client.state is ClientState.CONNECTED
    assert network.server.statistics().open_count == 1
    assert 78 <= len(kinds(network, HOME)) <= 80
    assert 78 <= len(kinds(network, SERVER)) <= 80
    assert set(kinds(network, HOME) + kinds(network, SERVER)) == {packet.KEEP_ALIVE}


def test_busy_session_needs_no_keep_alives() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    network.deliver()
    network.flights.clear()
    for _ in range(40):
        network.run(0.05)
        client.send_payloads([b"c"], network.now)
        network.server.send_payloads(0, [b"s"], network.now)
        network.deliver()
    assert set(kinds(network, HOME) + kinds(network, SERVER)) == {packet.PAYLOAD}


def test_client_that_closes_says_so_ten_times_and_frees_its_slot() -> None:
    network = SessionNetwork(slots_max=1)
    client = network.start_client(HOME, network.issue_token())
    network.deliver()
    network.flights.clear()
    client.close(network.now)
    network.deliver()
    assert kinds(network, HOME) == [packet.DISCONNECT] * 10
    assert client.state is ClientState.DISCONNECTED
    assert network.client_events[HOME][-1] == ClientClosed(CloseReason.CLOSED_LOCALLY)
    assert network.server_events[-1] == SessionClosed(0, CloseReason.CLOSED_BY_PEER)
    newcomer = network.start_client(AWAY, network.issue_token(2))
    network.deliver()
    assert newcomer.state is ClientState.CONNECTED


def test_server_that_closes_a_session_says_so_ten_times() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    network.deliver()
    network.flights.clear()
    network.server.close_session(0, network.now)
    network.deliver()
    assert kinds(network, SERVER) == [packet.DISCONNECT] * 10
    assert client.close_reason is CloseReason.CLOSED_BY_PEER
    assert client.state is ClientState.DISCONNECTED
    assert network.server_events[-1] == SessionClosed(0, CloseReason.CLOSED_LOCALLY)
    assert network.server.next_timer() is None


def test_one_disconnect_packet_of_the_ten_is_enough() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token())
    network.deliver()
    network.server.close_session(0, network.now)
    datagrams = network.server.datagrams_to_send()
    client.receive_datagram(datagrams[9][0], SERVER, network.now)
    assert client.state is ClientState.DISCONNECTED


def test_closed_server_ends_all_sessions_and_answers_nobody() -> None:
    network = SessionNetwork()
    token = network.issue_token(9)
    for client_id, address in enumerate((HOME, AWAY)):
        network.start_client(address, network.issue_token(client_id))
    network.deliver()
    network.server.close(network.now)
    network.deliver()
    for client in network.clients.values():
        assert client.close_reason is CloseReason.CLOSED_BY_PEER
    late = network.start_client(Address("198.51.100.3", 3), token)
    network.run(1.0)
    assert late.state is ClientState.SENDING_CONNECTION_REQUEST
    assert network.server.statistics().dropped[packet.Drop.ENDED] >= 10


def test_client_tries_the_next_server_when_denied() -> None:
    network = SessionNetwork(servers=[SERVER, OTHER_SERVER], slots_max=1)
    network.start_client(AWAY, network.issue_token(1, servers=[SERVER]))
    network.deliver()
    client = network.start_client(HOME, network.issue_token(2))
    network.deliver()
    assert client.state is ClientState.CONNECTED
    assert client.server_address == OTHER_SERVER
    assert client.statistics().servers_tried == 2


def test_client_tries_the_next_server_when_one_is_silent() -> None:
    network = SessionNetwork(servers=[SERVER, OTHER_SERVER])
    network.tamper = lambda flight: [] if flight.destination == SERVER else [flight]
    client = network.start_client(HOME, network.issue_token(timeout_s=5))
    network.run(4.9)
    assert client.server_address == SERVER
    network.run(0.2)
    assert client.server_address == OTHER_SERVER
    assert client.state is ClientState.CONNECTED


def test_client_tries_the_next_server_when_its_responses_are_lost() -> None:
    network = SessionNetwork(servers=[SERVER, OTHER_SERVER])
    network.tamper = lambda flight: (
        [] if flight.destination == SERVER and flight.datagram[0] & 15 == 3 else [flight]
    )
    client = network.start_client(HOME, network.issue_token(timeout_s=5))
    network.run(4.9)
    assert client.server_address == SERVER
    network.run(1.0)
    assert client.state is ClientState.CONNECTED
    assert client.server_address == OTHER_SERVER


def test_next_server_is_heard_whatever_numbers_the_last_one_used() -> None:
    network = SessionNetwork(servers=[SERVER, OTHER_SERVER])
    token = network.issue_token(timeout_s=5)
    client = network.start_client(HOME, token)
    aead = ChaCha20Poly1305(read_connect_token_untrusted(token).server_to_client_key)
    datagram = packet.encode_packet(
        packet.PAYLOAD, 1 << 62, b"far ahead", aead, packet.associated_data(PROTOCOL_ID)
    )
    network.arrive(Flight(datagram, SERVER, HOME))
    network.tamper = lambda flight: [] if flight.destination == SERVER else [flight]
    network.run(5.5)
    assert client.state is ClientState.CONNECTED
    assert client.server_address == OTHER_SERVER


def test_no_key_ever_meets_a_nonce_twice() -> None:
    network = SessionNetwork(servers=[SERVER, OTHER_SERVER])
    token = network.issue_token(timeout_s=5, expire_s=60)
    for life in range(6):
        if life == 5:
            network.tamper = lambda flight: [] if flight.destination == SERVER else [flight]
        client = network.start_client(HOME, token)
        network.run(6.0)
        assert client.state is ClientState.CONNECTED
        client.send_payloads([b"c"], network.now)
        network.server.send_payloads(0, [b"s"], network.now)
        network.deliver()
        client.close(network.now)
        network.deliver()
        network.start_server(SERVER)
    public = read_connect_token_untrusted(token)
    # Requests are the same clear text each time: only encrypted packets use a key.
    used = [
        (flight.source == HOME, flight.datagram[1 : 1 + (flight.datagram[0] >> 4)])
        for flight in network.flights
        if flight.datagram[0]
    ]
    assert public.client_to_server_key != public.server_to_client_key
    assert len(used) == len(set(used)) > 100


def test_answers_of_a_server_are_smaller_than_what_caused_them() -> None:
    network = SessionNetwork(slots_max=1)
    sizes: list[tuple[int, int]] = []

    def measure(flight: Flight) -> list[Flight]:
        if flight.destination == SERVER:
            before = network.server.statistics().bytes_out
            network.arrive(flight)
            sizes.append((len(flight.datagram), network.server.statistics().bytes_out - before))
            return []
        return [flight]

    network.tamper = measure
    network.start_client(HOME, network.issue_token(1))
    network.deliver()
    network.start_client(AWAY, network.issue_token(2))
    network.run(3.0)
    assert any(answer for _, answer in sizes)
    assert all(answer < cause for cause, answer in sizes)
