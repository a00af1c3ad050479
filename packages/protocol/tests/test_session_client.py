from __future__ import annotations

import itertools
import math

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet
from sidereal.protocol.session.client import ClientClosed, SessionClient
from sidereal.protocol.session.limits import LIMITS, SessionLimits
from sidereal.protocol.session.packet import Drop
from sidereal.protocol.session.states import ClientSignal, ClientState, next_state
from sidereal.protocol.session.token import ConnectToken, read_connect_token_untrusted
from sidereal.protocol.testing.sessions import PROTOCOL_ID, SERVER, WALL_START, SessionNetwork

HOME = Address("198.51.100.1", 50001)

BODIES = {
    ClientSignal.DENIED: (packet.DENIED, b""),
    ClientSignal.CHALLENGE: (packet.CHALLENGE, bytes(308)),
    ClientSignal.KEEP_ALIVE: (packet.KEEP_ALIVE, bytes(8)),
    ClientSignal.PAYLOAD: (packet.PAYLOAD, b"p"),
    ClientSignal.DISCONNECT: (packet.DISCONNECT, b""),
}
LIVE_STATES = [
    ClientState.SENDING_CONNECTION_REQUEST,
    ClientState.SENDING_CONNECTION_RESPONSE,
    ClientState.CONNECTED,
]


class Puppet:
    """A server's voice: writes the packets that drive one client."""

    def __init__(
        self,
        *,
        timeout_s: int = 5,
        expire_s: int = 30,
        now: float = 0.0,
        limits: SessionLimits = LIMITS,
    ) -> None:
        self.network = SessionNetwork()
        self.now = now
        self.token_bytes = self.network.issue_token(timeout_s=timeout_s, expire_s=expire_s)
        self.token: ConnectToken = read_connect_token_untrusted(self.token_bytes)
        self.client = SessionClient(
            self.token_bytes,
            entropy=self.network.entropy,
            now=now,
            limits=limits,
        )
        self.aead = ChaCha20Poly1305(self.token.server_to_client_key)
        self.associated = packet.associated_data(PROTOCOL_ID)
        self.sequence = 0

    def write(self, packet_type: int, body: bytes) -> bytes:
        self.sequence += 1
        return packet.encode_packet(packet_type, self.sequence, body, self.aead, self.associated)

    def say(self, signal: ClientSignal) -> None:
        self.client.receive_datagram(self.write(*BODIES[signal]), SERVER, self.now)

    def bring_to(self, state: ClientState) -> None:
        if state >= ClientState.SENDING_CONNECTION_RESPONSE:
            self.say(ClientSignal.CHALLENGE)
        if state is ClientState.CONNECTED:
            self.say(ClientSignal.KEEP_ALIVE)
        assert self.client.state is state

    def dropped(self) -> dict[Drop, int]:
        return dict(self.client.statistics().dropped)


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(LIVE_STATES, BODIES)))
def test_packet_does_in_each_state_what_the_table_says(
    state: ClientState, signal: ClientSignal
) -> None:
    puppet = Puppet()
    puppet.bring_to(state)
    puppet.say(signal)
    after = next_state(state, signal, servers_left=False)
    assert puppet.client.state is (state if after is None else after)
    assert puppet.dropped() == ({Drop.NOT_CONNECTED: 1} if after is None else {})


@pytest.mark.parametrize("state", LIVE_STATES)
def test_close_ends_in_disconnected_from_every_live_state(state: ClientState) -> None:
    puppet = Puppet()
    puppet.bring_to(state)
    puppet.client.close(puppet.now)
    assert puppet.client.state is ClientState.DISCONNECTED
    assert puppet.client.close_reason is CloseReason.CLOSED_LOCALLY
    assert puppet.client.next_timer() is None


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (ClientState.SENDING_CONNECTION_REQUEST, ClientState.CONNECTION_REQUEST_TIMED_OUT),
        (ClientState.SENDING_CONNECTION_RESPONSE, ClientState.CONNECTION_RESPONSE_TIMED_OUT),
        (ClientState.CONNECTED, ClientState.CONNECTION_TIMED_OUT),
    ],
)
def test_silence_for_the_time_out_of_the_token_ends_each_state(
    state: ClientState, ended: ClientState
) -> None:
    puppet = Puppet(timeout_s=3)
    puppet.bring_to(state)
    puppet.client.handle_timer(2.99)
    assert puppet.client.state is state
    puppet.client.handle_timer(3.0)
    assert puppet.client.state is ended
    assert puppet.client.close_reason is CloseReason.TIMED_OUT


@pytest.mark.parametrize(
    "state",
    [ClientState.SENDING_CONNECTION_REQUEST, ClientState.SENDING_CONNECTION_RESPONSE],
)
def test_token_that_expires_during_the_attempt_ends_it(state: ClientState) -> None:
    puppet = Puppet(timeout_s=-1, expire_s=3)
    puppet.bring_to(state)
    puppet.client.handle_timer(2.99)
    assert puppet.client.state is state
    puppet.client.handle_timer(3.0)
    assert puppet.client.state is ClientState.CONNECT_TOKEN_EXPIRED
    assert puppet.client.close_reason is CloseReason.TOKEN_EXPIRED


def test_attempts_at_several_servers_share_the_life_of_the_token() -> None:
    network = SessionNetwork(servers=[SERVER, Address("192.0.2.2", 1), Address("192.0.2.3", 1)])
    network.tamper = lambda _: []
    client = network.start_client(HOME, network.issue_token(timeout_s=4, expire_s=7))
    network.run(6.9)
    assert client.statistics().servers_tried == 2
    network.run(0.2)
    assert client.state is ClientState.CONNECT_TOKEN_EXPIRED


def test_token_that_expires_later_does_not_end_a_session() -> None:
    network = SessionNetwork()
    client = network.start_client(HOME, network.issue_token(expire_s=3))
    network.run(10.0)
    assert client.state is ClientState.CONNECTED


@pytest.mark.parametrize("server_s", [0.0, 1e9, 4e9])
def test_a_token_lasts_from_when_the_client_got_it_whatever_time_the_server_says_it_is(
    server_s: float,
) -> None:
    network = SessionNetwork()
    network.now = server_s - WALL_START
    token = network.issue_token(expire_s=3)
    network.now = 0.0
    client = network.start_client(HOME, token)
    assert client.datagrams_to_send()
    client.handle_timer(math.nextafter(3.0, 0.0))
    assert client.close_reason is None
    client.handle_timer(3.0)
    assert client.state is ClientState.CONNECT_TOKEN_EXPIRED
    assert client.next_event() == ClientClosed(CloseReason.TOKEN_EXPIRED)


@pytest.mark.parametrize("token", [b"", bytes(2048), b"NETCODE 1.02\0" + bytes(2035)])
def test_bytes_that_are_no_token_end_at_once(token: bytes) -> None:
    client = SessionClient(token, entropy=bytes, now=0.0)
    assert client.state is ClientState.INVALID_CONNECT_TOKEN
    assert client.close_reason is CloseReason.TOKEN_INVALID
    assert client.server_address is None
    assert client.next_timer() is None
    client.close(0.0)
    client.send_payloads([b"x"], 0.0)
    client.receive_datagram(bytes(40), SERVER, 0.0)
    client.handle_timer(1e9)
    assert client.datagrams_to_send() == []
    assert client.state is ClientState.INVALID_CONNECT_TOKEN


def test_denied_by_the_only_server_is_denied() -> None:
    network = SessionNetwork(slots_max=1)
    network.start_client(Address("198.51.100.2", 2), network.issue_token(1))
    network.deliver()
    client = network.start_client(HOME, network.issue_token(2))
    network.deliver()
    assert client.state is ClientState.CONNECTION_DENIED
    assert client.close_reason is CloseReason.DENIED
    assert network.client_events[HOME] == [ClientClosed(CloseReason.DENIED)]


def test_negative_time_out_never_times_out() -> None:
    puppet = Puppet(timeout_s=-1)
    puppet.bring_to(ClientState.CONNECTED)
    puppet.client.handle_timer(1e9)
    assert puppet.client.state is ClientState.CONNECTED


def test_packets_put_the_time_out_off() -> None:
    puppet = Puppet(timeout_s=3)
    puppet.bring_to(ClientState.CONNECTED)
    for puppet.now, signal in ((2.0, ClientSignal.PAYLOAD), (4.0, ClientSignal.KEEP_ALIVE)):
        puppet.say(signal)
    puppet.client.handle_timer(6.9)
    assert puppet.client.state is ClientState.CONNECTED
    puppet.client.handle_timer(7.0)
    assert puppet.client.close_reason is CloseReason.TIMED_OUT


def test_requests_and_responses_are_repeated_ten_times_a_second() -> None:
    puppet = Puppet(timeout_s=60)
    for state in LIVE_STATES[:2]:
        puppet.client.datagrams_to_send()
        for step in range(1, 101):
            puppet.client.handle_timer(puppet.now + step * 0.01)
        sent = puppet.client.datagrams_to_send()
        assert 9 <= len(sent) <= 10
        assert {datagram[0] & 15 for datagram, _ in sent} == {
            packet.REQUEST if state is LIVE_STATES[0] else packet.RESPONSE
        }
        puppet.now += 1.0
        puppet.say(ClientSignal.CHALLENGE)


@pytest.mark.parametrize("packet_type", [packet.REQUEST, packet.RESPONSE])
def test_types_only_a_client_sends_are_not_accepted(packet_type: int) -> None:
    puppet = Puppet()
    puppet.client.receive_datagram(puppet.write(packet_type, bytes(308)), SERVER, 0.0)
    assert puppet.dropped() == {Drop.TYPE_NOT_ACCEPTED: 1}


@settings(derandomize=True, deadline=None, max_examples=200)
@given(state=st.sampled_from(LIVE_STATES), datagram=st.binary(max_size=1400))
def test_arbitrary_bytes_change_nothing_and_raise_nothing(
    state: ClientState, datagram: bytes
) -> None:
    puppet = Puppet()
    puppet.bring_to(state)
    puppet.client.receive_datagram(datagram, SERVER, 0.0)
    assert puppet.client.state is state
    assert sum(puppet.dropped().values()) == 1


def test_datagrams_nobody_takes_are_dropped_above_the_limit() -> None:
    puppet = Puppet(limits=SessionLimits(datagrams=20, disconnects=5))
    puppet.bring_to(ClientState.CONNECTED)
    puppet.client.datagrams_to_send()
    for _ in range(25):
        puppet.client.send_payloads([b"x"], puppet.now)
    assert len(puppet.client.datagrams_to_send()) == 20
    assert puppet.client.statistics().dropped == {Drop.DATAGRAMS_FULL: 5}


def test_the_first_server_of_a_token_is_tried_first() -> None:
    others = [Address("192.0.2.7", 40000), Address("192.0.2.8", 40000)]
    network = SessionNetwork()
    token = network.issue_token(servers=[others[0], SERVER, others[1]])
    client = SessionClient(token, entropy=network.entropy, now=0.0)
    assert client.server_address == others[0]
    assert [address for _, address in client.datagrams_to_send()] == [others[0]]
