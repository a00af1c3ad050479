"""Targets of the session layer: connect tokens, packets, and both ends of a session.

Nearly all arbitrary bytes end at an authentication code, and a fuzzer can't guess one. So these
targets also seal the input with the right key: that is what a peer with a token can send.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings
from target import Target, join, split

from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.session import packet, token
from sidereal.protocol.session.client import SessionClient
from sidereal.protocol.session.replay import ReplayWindow
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.session.token import PrivateToken
from sidereal.protocol.testing.sessions import (
    PRIVATE_KEY,
    PROTOCOL_ID,
    SERVER,
    WALL_START,
    SessionNetwork,
)

KEY: Final = bytes(range(100, 132))
NONCE: Final = bytes(range(24))
AEAD: Final = ChaCha20Poly1305(KEY)
ASSOCIATED: Final = packet.associated_data(PROTOCOL_ID)
EXPIRE: Final = WALL_START + 30
PLAIN_SIZE: Final = token.PRIVATE_TOKEN_SIZE - token.MAC_SIZE
HOME: Final = Address("198.51.100.1", 50001)
NEAR: Final = Address("198.51.100.2", 50002)
FAR: Final = Address("2001:db8::3", 50003)
ADDRESSES_TOLD: Final = (HOME, NEAR, FAR, SERVER)
"""Where a server hears the input from."""
ADDRESSES: Final = (SERVER, Address("2001:db8::1", 40001), Address("::ffff:192.0.2.9", 1))
"""What a token may name."""

RAW, SEALED, REQUEST, TRUE, WAIT = range(5)
"""What the low three bits of a message's act say: the body as it is, sealed with the key of its
address, as an authentic private token in a request; what the true client has to say; time passes.
The next two choose the address."""


def seal(body: bytes, aead: ChaCha20Poly1305) -> bytes:
    """Make an authentic packet: prefix, sequence number and content are the input's."""
    prefix = body[:1] or b"\0"
    number = body[1 : 1 + (prefix[0] >> 4)]
    nonce = b"\0\0\0\0" + number[:8].ljust(8, b"\0")
    content = body[1 + len(number) :]
    return prefix + number + aead.encrypt(nonce, content, ASSOCIATED[prefix[0]])


def opened(packet_type: int, sequence: int, body: bytes) -> bytes:
    """Write what `seal` seals."""
    return bytes((1 << 4 | packet_type, sequence)) + body


def seal_plain(plain: bytes) -> bytes:
    """Seal an opened private token, whatever it says."""
    associated = token.VERSION + PROTOCOL_ID.to_bytes(8, "little") + EXPIRE.to_bytes(8, "little")
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain[:PLAIN_SIZE].ljust(PLAIN_SIZE, b"\0"), associated, NONCE, PRIVATE_KEY
    )


def request_of(plain: bytes) -> bytes:
    """Write a connection request around an opened private token."""
    good = token.read_connect_token_untrusted(make_tokens()[0])
    return packet.encode_request(
        replace(good, private_sealed=seal_plain(plain), nonce=NONCE, expire_timestamp=EXPIRE)
    )


@lru_cache(1)
def make_tokens() -> list[bytes]:
    """Issue connect tokens of all shapes."""
    entropy = random.Random(1).randbytes
    shapes = ((ADDRESSES[:1], 30, 5), (ADDRESSES, 0, -1), (ADDRESSES[:1] * 32, -1, 1 << 30))
    return [
        token.generate_connect_token(
            protocol_id=PROTOCOL_ID,
            private_key=PRIVATE_KEY,
            client_id=1,
            server_addresses=addresses,
            user_data=bytes(range(256)),
            expire_s=expire_s,
            timeout_s=timeout_s,
            wall_now=WALL_START,
            entropy=entropy,
        )
        for addresses, expire_s, timeout_s in shapes
    ]


@lru_cache(1)
def make_plains() -> list[bytes]:
    """Open the private parts of `make_tokens`."""
    plains = []
    for issued in make_tokens():
        read = token.read_connect_token_untrusted(issued)
        plains.append(
            token.open_private_token_untrusted(
                read.private_sealed, PROTOCOL_ID, read.expire_timestamp, read.nonce, PRIVATE_KEY
            )
        )
    return plains


# -- one function each ------------------------------------------------------------------------


def read_connect_token(body: bytes) -> None:
    read = token.read_connect_token_untrusted(body)
    assert token.read_connect_token_untrusted(token.encode_connect_token(read)) == read


def read_private_token(body: bytes) -> None:
    read = token.read_private_token_untrusted(body)
    sealed = token.seal_private_token(read, PROTOCOL_ID, EXPIRE, NONCE, PRIVATE_KEY)
    assert _open(sealed) == read


def _open(sealed: bytes) -> PrivateToken:
    return token.read_private_token_untrusted(
        token.open_private_token_untrusted(sealed, PROTOCOL_ID, EXPIRE, NONCE, PRIVATE_KEY)
    )


def open_private_token(body: bytes) -> None:
    plain = token.open_private_token_untrusted(body, PROTOCOL_ID, EXPIRE, NONCE, PRIVATE_KEY)
    assert seal_plain(plain) == body


def decode_packet(body: bytes) -> None:
    """Decode the input as it is and sealed; only what is sealed may be authentic."""
    everything = (1 << 7) - 1
    for datagram in (body, seal(body, AEAD)):
        replay = ReplayWindow()
        try:
            packet_type, content = packet.decode_packet_untrusted(
                datagram, everything, AEAD, ASSOCIATED, replay
            )
        except WireError:
            continue
        assert datagram is not body
        size = (body[0] >> 4) + 1
        assert (packet_type, content) == (body[0] & 15, body[size:])
        window_counts = packet_type >= packet.KEEP_ALIVE
        assert replay.is_replay(int.from_bytes(body[1:size], "little")) is window_counts


def decode_request(body: bytes) -> None:
    """Decode the input as it is, and as an authentic private token in a request."""
    for datagram in (body, request_of(body)):
        try:
            packet.decode_request_untrusted(datagram, PROTOCOL_ID, PRIVATE_KEY, WALL_START)
        except WireError:
            continue


def decode_keep_alive(body: bytes) -> None:
    assert packet.encode_keep_alive(*packet.decode_keep_alive_untrusted(body)) == body


def decode_response(body: bytes) -> None:
    """Decode the input as it is, and as an authentic challenge token."""
    sequence, identity = int.from_bytes(body[:8], "little"), body[8:272].ljust(264, b"\0")
    sealed = packet.encode_challenge(sequence, identity, AEAD)
    assert packet.decode_response_untrusted(sealed, AEAD) == (sequence, identity)
    packet.decode_response_untrusted(body, AEAD)


# -- the two ends -------------------------------------------------------------------------------


def run_server(body: bytes) -> None:
    """Tell a server with one client and one handshake what the input says."""
    network = SessionNetwork(slots_max=2)
    keys = {}
    for number, address in enumerate((HOME, NEAR), 1):
        issued = network.issue_token(number)
        network.start_client(address, issued)
        keys[address] = token.read_connect_token_untrusted(issued).client_to_server_key
        if address is HOME:
            network.deliver()
    _pass_on(network, NEAR)
    for act, content in split(body):
        address = ADDRESSES_TOLD[act >> 3 & 3]
        if act & 7 == TRUE:
            _pass_on(network, address)
            continue
        if act & 7 >= WAIT:
            network.now += len(content) / 100
            network.server.handle_timer(network.now, network.wall_now)
            network.server.datagrams_to_send()
            continue
        datagram = content
        if act & 7 == SEALED:
            datagram = seal(content, ChaCha20Poly1305(keys.get(address, KEY)))
        elif act & 7 == REQUEST:
            datagram = request_of(content)
        network.server.receive_datagram(datagram, address, network.now, network.wall_now)
        answers = network.server.datagrams_to_send()
        assert sum(len(answer) for answer, _ in answers) <= len(datagram)
        assert all(destination == address for _, destination in answers)
        while network.server.next_event() is not None:
            pass
    numbers = network.server.statistics()
    assert 0 <= numbers.open_count == numbers.opened - sum(numbers.closed.values()) <= 2
    assert numbers.handshake_count >= 0


def _pass_on(network: SessionNetwork, address: Address) -> None:
    """Carry what the true client at an address has to say, and the answer back."""
    client = network.clients.get(address)
    for datagram, _ in client.datagrams_to_send() if client else ():
        network.server.receive_datagram(datagram, address, network.now, network.wall_now)
    for datagram, destination in network.server.datagrams_to_send():
        if destination in network.clients:
            network.clients[destination].receive_datagram(datagram, SERVER, network.now)


def run_client(body: bytes) -> None:
    """Tell a client what the input says, in the state that its first byte chooses."""
    network = SessionNetwork()
    issued = make_tokens()[0]
    client = network.start_client(HOME, issued)
    aead = ChaCha20Poly1305(token.read_connect_token_untrusted(issued).server_to_client_key)
    if body[:1] == b"\2":
        network.deliver()
    for act, content in split(body[1:]):
        if act & 7 >= WAIT:
            network.now += len(content) / 100
            client.handle_timer(network.now)
            continue
        datagram = seal(content, aead) if act & 7 == SEALED else content
        client.receive_datagram(datagram, SERVER, network.now)
        client.send_payloads([b"x"], network.now)
    _check_client(client, network.now)


def _check_client(client: SessionClient, now: float) -> None:
    ended = client.state <= ClientState.DISCONNECTED
    assert (client.close_reason is not None) is ended
    client.close(now)
    assert client.state <= ClientState.DISCONNECTED
    assert client.next_timer() is None


# -- seeds --------------------------------------------------------------------------------------


def packet_seeds() -> Iterator[bytes]:
    yield opened(packet.DENIED, 0, b"")
    yield opened(packet.CHALLENGE, 1, bytes(308))
    yield opened(packet.RESPONSE, 2, bytes(308))
    yield opened(packet.KEEP_ALIVE, 3, bytes(8))
    yield opened(packet.PAYLOAD, 4, b"payload")
    yield opened(packet.DISCONNECT, 255, b"")
    yield bytes((8 << 4 | packet.PAYLOAD,)) + b"\xff" * 8 + b"payload"


def request_seeds() -> Iterator[bytes]:
    for issued in make_tokens():
        yield packet.encode_request(token.read_connect_token_untrusted(issued))
    yield from make_plains()


def server_seeds() -> Iterator[bytes]:
    home, near, far = (number << 3 for number in range(3))
    stranger = b"\3" + make_plains()[0][1:]
    request = packet.encode_request(token.read_connect_token_untrusted(make_tokens()[0]))
    payload = opened(packet.PAYLOAD, 9, b"payload")
    yield join((home | SEALED, opened(packet.KEEP_ALIVE, 0, bytes(8))), (home | SEALED, payload))
    yield join((home | SEALED, payload), (home | WAIT, bytes(600)), (home | SEALED, payload))
    yield join((home | SEALED, opened(packet.DISCONNECT, 9, b"")), (home | WAIT, bytes(9)))
    yield join((near | SEALED, opened(packet.RESPONSE, 9, bytes(308))), (near | SEALED, payload))
    yield join((near | TRUE, b""), (near | SEALED, payload), (far | REQUEST, stranger))
    yield join((far | REQUEST, stranger), (far | WAIT, bytes(700)), (home | REQUEST, stranger))
    yield join((far | RAW, request), (home | RAW, request))


def client_seeds() -> Iterator[bytes]:
    challenge = SEALED, opened(packet.CHALLENGE, 1, bytes(308))
    keep_alive = SEALED, opened(packet.KEEP_ALIVE, 2, bytes(8))
    for state in (b"\1", b"\2"):
        yield state + join(challenge, keep_alive)
        yield state + join((SEALED, opened(packet.DENIED, 1, b"")))
        yield state + join((SEALED, opened(packet.PAYLOAD, 200, b"payload")), (WAIT, bytes(20)))
        yield state + join((SEALED, opened(packet.DISCONNECT, 250, b"")), (WAIT, bytes(600)))


TOKEN: Final = "protocol.session.token."
PACKET: Final = "protocol.session.packet."
TARGETS: Final = (
    Target(TOKEN + "read_connect_token_untrusted", read_connect_token, make_tokens),
    Target(TOKEN + "read_private_token_untrusted", read_private_token, make_plains),
    Target(
        TOKEN + "open_private_token_untrusted",
        open_private_token,
        lambda: [seal_plain(plain) for plain in make_plains()],
    ),
    Target(PACKET + "decode_packet_untrusted", decode_packet, packet_seeds),
    Target(PACKET + "decode_request_untrusted", decode_request, request_seeds),
    Target(PACKET + "decode_keep_alive_untrusted", decode_keep_alive, lambda: [bytes(range(8))]),
    Target(
        PACKET + "decode_response_untrusted",
        decode_response,
        lambda: [packet.encode_challenge(7, bytes(264), AEAD)],
    ),
    Target("protocol.session.server.SessionServer", run_server, server_seeds, (), 4096, 100),
    Target("protocol.session.client.SessionClient", run_client, client_seeds, (), 4096, 100),
)
