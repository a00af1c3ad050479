# /// script
# requires-python = ">=3.11"
# dependencies = ["aioquic>=1.2,<2"]
#
# [tool.uv]
# exclude-newer = "2026-11-15T00:00:00Z"
# ///
"""The same work over QUIC (aioquic): `uv run --script quic.py CASE --seconds N`.

Its sans-I/O connections are driven by a plain loop over non-blocking sockets, without asyncio,
as our ends are. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import socket
import ssl
import time
from importlib.metadata import version

from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    DatagramFrameReceived,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.quic.packet import pull_quic_header
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BURST = 128
MESSAGE_SIZE = 1 << 20
QUEUED = 4
WINDOW = 64 << 20
STALLED_S = 10.0


def make_socket() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        bound.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
    bound.bind(("127.0.0.1", 0))
    return bound


def server_configuration() -> QuicConfiguration:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    configuration = make_configuration(is_client=False)
    configuration.certificate, configuration.private_key = certificate, key
    return configuration


def make_configuration(is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=["benchmark"],
        verify_mode=ssl.CERT_NONE,
        max_datagram_frame_size=1 << 16,
        max_data=WINDOW,
        max_stream_data=WINDOW,
    )


class Pair:
    """A server that sends and a client that receives, taking turns."""

    def __init__(self) -> None:
        self.sockets = make_socket(), make_socket()
        self.addresses = tuple(bound.getsockname() for bound in self.sockets)
        client = QuicConnection(configuration=make_configuration(is_client=True))
        client.connect(self.addresses[0], time.monotonic())
        hello, _ = client.datagrams_to_send(time.monotonic())[0]
        header = pull_quic_header(Buffer(data=hello), host_cid_length=8)
        self.server = QuicConnection(
            configuration=server_configuration(),
            original_destination_connection_id=header.destination_cid,
        )
        self.client = client
        self.server.receive_datagram(hello, self.addresses[1], time.monotonic())
        connected: set[QuicConnection] = set()
        give_up_at = time.monotonic() + STALLED_S
        while len(connected) < 2:
            self.turn()
            for end in (self.server, self.client):
                while (event := end.next_event()) is not None:
                    if isinstance(event, HandshakeCompleted):
                        connected.add(end)
            if time.monotonic() > give_up_at:
                raise AssertionError("no connection over loopback")

    def turn(self) -> None:
        """Send what the server has, take it at the client, and the same the other way."""
        for source, destination in ((0, 1), (1, 0)):
            sender, receiver = (self.server, self.client)[:: 1 - 2 * source]
            self.flush(sender, self.sockets[source], self.addresses[destination])
            self.drain(receiver, self.sockets[destination])
        now = time.monotonic()
        for end in (self.server, self.client):
            due = end.get_timer()
            if due is not None and due <= now:
                end.handle_timer(now)

    def flush(self, end: QuicConnection, bound: socket.socket, address: tuple[str, int]) -> None:
        send = bound.sendto
        for datagram, _ in end.datagrams_to_send(time.monotonic()):
            send(datagram, address)

    def drain(self, end: QuicConnection, bound: socket.socket) -> None:
        receive, take = bound.recvfrom, end.receive_datagram
        now = time.monotonic()
        while True:
            try:
                datagram, address = receive(1500)
            except BlockingIOError:
                return
            take(datagram, address, now)

    def take_events(self) -> list[QuicEvent]:
        """Take what happened at the client."""
        events = []
        while (event := self.client.next_event()) is not None:
            events.append(event)
        return events


def unreliable(seconds: float) -> float:
    """1,000-byte datagram frames delivered per second."""
    pair = Pair()
    burst = [random.Random(1).randbytes(1000) for _ in range(BURST)]
    count, spent = 0, 0.0
    began = time.perf_counter()
    while spent < seconds:
        for message in burst:
            pair.server.send_datagram_frame(message)
        arrived: list[bytes] = []
        while len(arrived) < BURST:
            pair.turn()
            arrived += [e.data for e in pair.take_events() if isinstance(e, DatagramFrameReceived)]
        if arrived != burst:
            raise AssertionError("datagrams arrived that were not sent")
        count += BURST
        spent = time.perf_counter() - began
    return count / spent


def bulk(seconds: float) -> float:
    """Megabytes per second of one stream that carries messages of 1 MiB."""
    pair = Pair()
    message = random.Random(1).randbytes(MESSAGE_SIZE)
    stream = pair.server.get_next_available_stream_id()
    sent = size = 0
    unchecked = bytearray()
    spent = 0.0
    began = time.perf_counter()
    while spent < seconds:
        while sent < size + QUEUED * MESSAGE_SIZE:
            pair.server.send_stream_data(stream, message)
            sent += MESSAGE_SIZE
        pair.turn()
        for event in pair.take_events():
            if isinstance(event, StreamDataReceived):
                size += len(event.data)
                unchecked += event.data
        if len(unchecked) >= MESSAGE_SIZE:
            if unchecked[:MESSAGE_SIZE] != message:
                raise AssertionError("the stream delivered something else")
            del unchecked[:MESSAGE_SIZE]
        spent = time.perf_counter() - began
    return size / spent / 1e6


CASES = {"unreliable_1000B_per_s": unreliable, "bulk_MB_per_s": bulk}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, required=True)
    flags = parser.parse_args()
    value = CASES[flags.case](flags.seconds)
    print(json.dumps({"peer": f"aioquic {version('aioquic')}", "value": value}))


if __name__ == "__main__":
    main()
