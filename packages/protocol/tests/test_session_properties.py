"""What holds for a session whatever the network does to it."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet
from sidereal.protocol.session.replay import ReplayWindow
from sidereal.protocol.session.server import SessionPayload
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.testing.sessions import (
    PRIVATE_KEY,
    PROTOCOL_ID,
    ClientPayload,
    Flight,
    SessionNetwork,
)

HOME = Address("198.51.100.1", 50001)
AWAY = Address("198.51.100.2", 50002)
AEAD = ChaCha20Poly1305(bytes(range(32)))
ASSOCIATED = packet.associated_data(PROTOCOL_ID)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)
u64 = st.integers(0, (1 << 64) - 1)


@PROPERTY
@given(sequence=u64, payload=st.binary(min_size=1, max_size=1200))
def test_packet_round_trips(sequence: int, payload: bytes) -> None:
    datagram = packet.encode_packet(packet.PAYLOAD, sequence, payload, AEAD, ASSOCIATED)
    assert len(datagram) == 1 + max(1, -(-sequence.bit_length() // 8)) + len(payload) + 16
    decoded = packet.decode_packet_untrusted(
        datagram, packet.CLIENT_ACCEPTS, AEAD, ASSOCIATED, ReplayWindow()
    )
    assert decoded == (packet.PAYLOAD, payload)


@PROPERTY
@given(st.binary(max_size=1400))
def test_decoders_raise_nothing_but_wire_error(body: bytes) -> None:
    with pytest.raises(WireError):
        packet.decode_packet_untrusted(body, 127, AEAD, ASSOCIATED, ReplayWindow())
    with pytest.raises(WireError):
        packet.decode_request_untrusted(body, PROTOCOL_ID, PRIVATE_KEY, 0.0)
    with pytest.raises(WireError):
        packet.decode_response_untrusted(body, AEAD)
    if len(body) != 8:
        with pytest.raises(WireError):
            packet.decode_keep_alive_untrusted(body)


@PROPERTY
@given(
    datagram=st.one_of(
        st.binary(max_size=1400),
        st.binary(min_size=1077, max_size=1077).map(lambda rest: b"\0" + rest),
        st.binary(min_size=1024, max_size=1024).map(
            lambda rest: (
                b"\0NETCODE 1.02\0" + PROTOCOL_ID.to_bytes(8, "little") + b"\xff" * 32 + rest
            )
        ),
    ),
    connected=st.booleans(),
)
def test_arbitrary_bytes_get_no_answer_and_raise_nothing(datagram: bytes, connected: bool) -> None:
    network = SessionNetwork()
    if connected:
        network.start_client(HOME, network.issue_token())
        network.deliver()
    network.server.receive_datagram(datagram, HOME, network.now, network.wall_now)
    assert network.server.datagrams_to_send() == []
    assert sum(network.server.statistics().dropped.values()) == 1
    assert network.server.statistics().open_count == connected


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 1 << 32))
def test_bad_network_repeats_and_invents_nothing(seed: int) -> None:
    network = SessionNetwork(seed=seed)
    rng = random.Random(seed)
    held: list[Flight] = []

    def worsen(flight: Flight) -> list[Flight]:
        held.append(flight)
        arrivals = [flight] if rng.random() < 0.7 else []
        if rng.random() < 0.5:
            arrivals.append(rng.choice(held))
        if rng.random() < 0.3:
            damaged = bytearray(flight.datagram)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            arrivals.append(flight._replace(datagram=bytes(damaged)))
        if rng.random() < 0.2 and flight.source in (HOME, AWAY):
            arrivals.append(flight._replace(source=rng.choice((HOME, AWAY))))
        return arrivals

    network.tamper = worsen
    clients = {
        HOME: network.start_client(HOME, network.issue_token(1)),
        AWAY: network.start_client(AWAY, network.issue_token(2)),
    }
    sent: set[bytes] = set()
    for step in range(40):
        network.run(0.05)
        for name, client in clients.items():
            if client.state is ClientState.CONNECTED:
                sent.add(text := f"{name.host} {step}".encode())
                client.send_payloads([text], network.now)
        for slot in (0, 1):
            sent.add(text := f"slot {slot} {step}".encode())
            network.server.send_payloads(slot, [text], network.now)
    assert all(client.state is ClientState.CONNECTED for client in clients.values())
    received = [e.payload for e in network.server_events if isinstance(e, SessionPayload)]
    for events in network.client_events.values():
        received += [e.payload for e in events if isinstance(e, ClientPayload)]
    assert len(received) > 60
    assert len(received) == len(set(received))
    assert set(received) <= sent
    assert network.server.statistics().open_count == 2
