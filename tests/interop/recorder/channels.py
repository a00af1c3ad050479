"""The four guarantees on a bad link, between two bare endpoints, with ids and acks of all widths.

The first server of the client's token does not answer, the second has an IPv6 address.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np

from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import Closed, PeerClosed, PeerOpened, Received
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.ids import Address
from sidereal.protocol.session.token import generate_connect_token

from .transcript import CLIENT, SERVER, STEP_S, WALL_START, Transcript, overheard

SEED: Final = 7
PROTOCOL_ID: Final = 0x5349444552455401
NOBODY: Final = Address("192.0.2.9", 4009)
AT: Final = Address("2001:db8::7:1", 40_000)
FROM: Final = Address("2001:db8::8:1", 50_000)
MEMORY_SIZE: Final = 64 << 10
CHANNELS: Final = tuple(ChannelSpec(delivery, memory_max=MEMORY_SIZE) for delivery in Delivery)

TALK_S: Final = 2.25
BURST_S: Final = 2.5
BURST_PACKETS: Final = 320
CLOSE_S: Final = 3.75
END_S: Final = 4.25


class Talk:
    """Two endpoints that say all kinds of things on all channels.

    Attributes:
        transcript: of their session.
        said: what each end said on each channel, in order.
    """

    def __init__(self, seed: int = SEED) -> None:
        self.now = 0.0
        self._rng = np.random.default_rng([seed, 0])
        key = self._rng.bytes(32)
        token = generate_connect_token(
            protocol_id=PROTOCOL_ID,
            private_key=key,
            client_id=1,
            server_addresses=[NOBODY, AT],
            user_data=self._rng.bytes(256),
            expire_s=30,
            timeout_s=1,
            wall_now=WALL_START,
            entropy=self._rng.bytes,
        )
        channels = [[spec.delivery.name, spec.memory_max] for spec in CHANNELS]
        session = {"link": channels, "token": token.hex(), "private_key": key.hex()}
        self.transcript = Transcript([seed, 1], session)
        self._server = ServerEndpoint(
            protocol_id=PROTOCOL_ID,
            private_key=key,
            public_addresses=[AT],
            slots_max=2,
            channels=CHANNELS,
            entropy=self._rng.bytes,
            now=0.0,
        )
        self._client = ClientEndpoint(token, CHANNELS, self._rng.bytes, 0.0)
        self._peer = 0

    def play(self) -> None:
        """Let everything happen."""
        with overheard(self._listen):
            for step in range(round(END_S / STEP_S)):
                self.now = step * STEP_S
                self._turn(step)

    def _turn(self, step: int) -> None:
        now, wall_now = self.now, WALL_START + self.now
        for end, datagram in self.transcript.arrivals(now):
            if end == SERVER:
                self._server.receive_datagram(datagram, FROM, now, wall_now)
            else:
                self._client.receive_datagram(datagram, AT, now)
        self._server.handle_timer(now, wall_now)
        self._client.handle_timer(now)
        self._take_events()
        if self._peer and step % 8 == 0 and now < TALK_S:
            self._say(CLIENT)
            self._say(SERVER)
        if now == BURST_S:
            self._burst()
        if now == CLOSE_S:
            self._client.close(now)
        self._flush()

    def _burst(self) -> None:
        """Say many small things, each in a packet of its own: acks get wide."""
        for number in range(BURST_PACKETS):
            self._client.send(0, bytes([number & 255]))
            self._flush()

    def _flush(self) -> None:
        for datagram, _ in self._server.datagrams_to_send(self.now):
            self.transcript.send(SERVER, datagram, self.now)
        for datagram, address in self._client.datagrams_to_send(self.now):
            self.transcript.send(CLIENT, datagram, self.now, to_nobody=address == NOBODY)

    def _say(self, end: str) -> None:
        rng = self._rng
        for channel, spec in enumerate(CHANNELS):
            for _ in range(int(rng.integers(0, 3))):
                size = int(rng.integers(0, 40))
                if spec.delivery.is_reliable and rng.random() < 0.1:
                    size += int(rng.integers(600, 4000))
                # A pattern that begins with its number: no two are alike.
                message = (rng.bytes(min(size, 4)) * 1024)[:size]
                if end == SERVER:
                    self._server.send(self._peer, channel, message)
                else:
                    self._client.send(channel, message)

    def _take_events(self) -> None:
        while self._server.next_event() is not None:
            pass
        while self._client.next_event() is not None:
            pass

    def _listen(self, endpoint: Any, event: Any) -> None:
        end = SERVER if endpoint is self._server else CLIENT
        if isinstance(event, Received):
            self.transcript.say(end, [event.channel, *digest(event.message)], self.now)
        elif isinstance(event, PeerOpened):
            self._peer = event.peer
        elif isinstance(event, PeerClosed | Closed):
            self._peer = 0
            self.transcript.leave(end, self.now)


def digest(message: bytes) -> tuple[int, str]:
    """Give the size of a message and a few bytes that depend on all of it."""
    return len(message), hashlib.blake2b(message, digest_size=8).hexdigest()
