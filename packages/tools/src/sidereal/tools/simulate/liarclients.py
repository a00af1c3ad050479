"""A client that has an account and lies.

It has a session and a connection as any client has, and writes what it likes into them: inputs out
of order, far ahead, of another shape, for a ship or a pilot that it is not; messages on channels
that are not theirs, and noise. Its acks may say that everything came. In the end it does
one thing without measure, its `Finale`, and must be closed for it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import ARGUMENTS_SIZE_MAX, CALL_KEY_SIZE, PAYLOAD_SIZE_MAX
from sidereal.protocol.links import PLAYER_BUDGET, PLAYER_CHANNELS
from sidereal.protocol.message.codec import decode_server_untrusted, encode_message
from sidereal.protocol.message.inputs import Input, encode_input
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    ClientMessage,
    Hello,
    LookAt,
    PlayerChannel,
)
from sidereal.protocol.session.client import ClientOpened, SessionClient
from sidereal.protocol.state.schema import Schema
from sidereal.tools.simulate.bookings import GRANT
from sidereal.tools.simulate.lies import Lies
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import Arrival, Process

SPEAKS_EVERY_S: Final = 0.05
"""How often it says something: more often than there are ticks."""

LIES_S: Final = 0.5
"""It flies and lies for so long at least before it comes to its finale."""

LEAVES_AT_S: Final = 4.5
"""When it leaves, if it was not closed before."""

CLOSED_WITHIN_S: Final = 0.5
"""How long a flood or noise may last."""

FLOOD_MESSAGES: Final = 300
"""Messages of a flood each time that it speaks."""

WRONG_ACTIONS: Final = ("simulated.hail", "simulated.nothing", "x" * 63)

WRONG_ARGUMENTS: Final = (
    b"",
    b"\xc1",
    b"\x91" * ARGUMENTS_SIZE_MAX,
    bytes(ARGUMENTS_SIZE_MAX),
    *map(
        msgspec.msgpack.encode,
        ([], [""], [None], [1], ["a", "b"], [math.nan], ["x" * 241], {"text": "a"}, "text", [[[]]]),
    ),
)
"""What is none of the arguments of any action."""

IS_RELIABLE: Final = [spec.delivery.is_reliable for spec in PLAYER_CHANNELS]
"""Of each channel."""


class Finale(enum.IntEnum):
    """What a lying client does in the end."""

    FLOOD = 0
    """It sends hundreds of messages at once."""
    NONSENSE = 1
    """It sends payloads that are no packets."""
    ACKS = 2
    """From the beginning it acks whatever it was sent, and what it was not."""


class LyingClientProcess(Process):
    """A client that lies.

    Attributes:
        closed: whether its session is over.
        net_id: of the ship it flies, 0 before.
    """

    honest = False

    def __init__(
        self,
        name: str,
        host: str,
        network: Network,
        rng: np.random.Generator,
        *,
        finale: Finale,
        raves_from: float,
        schema: Schema,
        sees_gaps: bool,
        lies: Lies,
        sign_in: Callable[[float], bytes | None],
    ) -> None:
        """Make one that has not come yet.

        Args:
            name: for people.
            host: its address.
            network: to send by.
            rng: for keys and lies.
            finale: what it does in the end.
            raves_from: when that begins, virtual seconds.
            schema: that it speaks.
            sees_gaps: whether what does not come was never sent: its links lose nothing.
            lies: where they are written down.
            sign_in: gives a token.
        """
        super().__init__(name, host, network, rng)
        self.closed = False
        self.net_id = 0
        self._finale = finale
        self._raves_from = raves_from
        self._keys: list[bytes] = []
        self._schema = schema
        self._sees_gaps = sees_gaps
        self._lies = lies
        self._sign_in = sign_in
        self._session: SessionClient | None = None
        self._connection: Connection | None = None
        self._came: set[int] = set()
        self._control_epoch = self._seq = 0
        self._speaks_at = self._flies_since = math.inf

    def come(self, at: float) -> None:
        """Come into the world, at a time to come."""
        self._speaks_at = at
        self._note_due()

    # -- its shell ----------------------------------------------------------------------------

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        if self._session is None or self._connection is None:
            return
        for datagram, source in arrivals:
            payload = self._session.receive_datagram(datagram, source, local)
            if payload is not None:
                self._came.add(int.from_bytes(payload[:2], "little"))
                for channel, bodies in self._connection.receive_payload(payload, local):
                    for body in bodies:
                        self._listen(channel, body)
            self._take_events()

    def _work(self, now: float, local: float) -> None:
        if self._session is None:
            self._begin(now, local)
            return
        self._session.handle_timer(local)
        self._take_events()
        if now >= LEAVES_AT_S:
            self._session.close(local)
            self._take_events()
        elif now >= self._speaks_at and self.address is not None:
            self._speaks_at = now + SPEAKS_EVERY_S
            self._speak(now, local)
        if self.address is not None:
            self._send(self._session.datagrams_to_send(), now)
        if self.closed:
            self.address, self._speaks_at = None, math.inf

    def _next_due(self) -> float:
        if self._session is None or self.closed:
            return self._speaks_at
        timer = self._session.next_timer()
        return min(self._speaks_at, math.inf if timer is None else self._virtual(timer))

    def _begin(self, now: float, local: float) -> None:
        token = self._sign_in(now)
        if token is None:
            self._speaks_at = now + 10 * SPEAKS_EVERY_S
            return
        self._open_port()
        self._session = SessionClient(token, entropy=self.rng.bytes, now=local)
        self._connection = Connection(PLAYER_CHANNELS, local, PLAYER_BUDGET, self.rng.bytes)

    def _take_events(self) -> None:
        assert self._session is not None
        while (event := self._session.next_event()) is not None:
            if isinstance(event, ClientOpened):
                self._say(PlayerChannel.COMMAND, Hello(self._schema.hash, "a liar"))
            else:
                self.closed = True
                self.fallen.append(event.reason.name)

    def _listen(self, channel: int, body: bytes) -> None:
        if channel == PlayerChannel.SNAPSHOT:
            return
        try:
            message = decode_server_untrusted(channel, body)
        except WireError:
            return
        if isinstance(message, Assigned):
            self.net_id, self._control_epoch = message.net_id, message.control_epoch

    # -- what it says -------------------------------------------------------------------------

    def _speak(self, now: float, local: float) -> None:
        assert self._session is not None
        assert self._connection is not None
        if self.net_id:
            self._flies_since = min(self._flies_since, now)
            self._seq += 1
            lie = CLIENT_LIES[int(self.rng.integers(len(CLIENT_LIES)))]
            self._lies.told[lie.__name__] += 1
            lie(self)
        raves = now >= max(self._raves_from, self._flies_since + LIES_S)
        if raves and self._finale is Finale.FLOOD:
            self._lies.provoke(self.name, now, CLOSED_WITHIN_S)
            for number in range(FLOOD_MESSAGES):
                self._connection.send(PlayerChannel.SNAPSHOT, number.to_bytes(2, "little"))
        payloads = self._connection.payloads_to_send(local)
        if raves and self._finale is Finale.NONSENSE:
            self._lies.provoke(self.name, now, CLOSED_WITHIN_S)
            payloads += [self._noise(PAYLOAD_SIZE_MAX, b"\0\0\xff") for _ in _ENOUGH]
        if self.net_id and self._finale is Finale.ACKS:
            payloads = [self._ack_everything(payload, now) for payload in payloads]
        self._session.send_payloads(payloads, local)

    def _ack_everything(self, payload: bytes, now: float) -> bytes:
        """Write into a packet that all before the newest one have come, sent or not."""
        words = payload[wire.HEADER_SIZE - 1] & ~wire.ACK_WANTED
        if words in (0, wire.ALL_CAME):
            return payload
        packet = wire.decode_packet_untrusted(payload, IS_RELIABLE)
        oldest = max(min(self._came), packet.ack - 32 * words)
        if set(range(oldest, packet.ack + 1)) - self._came:
            self._lies.told["acks never earned"] += 1
            if self._sees_gaps:
                self._lies.provoke(self.name, now, 0.0)
        ack = wire.encode_ack(packet.ack, packet.ack_delay_s, -1, words)
        head = wire.encode_header(packet.sequence, packet.ack_wanted, ack)
        return head + payload[wire.HEADER_SIZE + len(wire.encode_ack(0, 0.0, 0, words)) :]

    def _say(self, channel: int, message: ClientMessage) -> None:
        assert self._connection is not None
        self._connection.send(channel, encode_message(message))

    def _noise(self, size_max: int, head: bytes = b"") -> bytes:
        return head + self.rng.bytes(int(self.rng.integers(1, size_max - len(head))))

    def press(self, first_seq: int, count: int = 1, *, pilot: int = 0) -> None:
        """Send inputs of drawn records.

        Args:
            first_seq: number of the first.
            count: how many.
            pilot: added to the control epoch.
        """
        epoch = (self._control_epoch + pilot) % (1 << 32)
        first = min(max(0, first_seq), 0xFFFF_FFFF)
        self._send_input(Input(epoch, first, self._draw(count)))

    def _draw(self, count: int) -> tuple[int, ...]:
        """Draw records of the stick, each bit of which says something by itself."""
        drawn = self.rng.integers(0, self._schema.controls.all_bits + 1, count)
        return tuple(drawn.tolist())

    def _send_input(self, message: Input, more: bytes = b"") -> None:
        assert self._connection is not None
        body = encode_input(message, self._schema.controls) + more
        self._connection.send(PlayerChannel.CONTROLS, body)

    def in_order(self) -> None:
        """Press the next input, and others for those before it."""
        self.press(self._seq - 3, 4)

    def out_of_order(self) -> None:
        """Press inputs of long ago."""
        self.press(self._seq - int(self.rng.integers(5, 40)), 3)

    def far_ahead(self) -> None:
        """Press inputs that nobody can have made yet, after one that somebody can."""
        self.in_order()
        self.press(self._seq + int(self.rng.integers(30, 1 << 31)), 2)

    def of_another_pilot(self) -> None:
        """Press for a pilot that it is not."""
        self.press(self._seq, 2, pilot=int(self.rng.integers(-3, 4)))

    def of_another_shape(self) -> None:
        """Press what the controls have not, and more or fewer records than are said."""
        layout, (one, two) = self._schema.controls, self._draw(2)
        unknown = one | layout.all_bits + 1
        self._send_input(Input(self._control_epoch, self._seq, (unknown, two)))
        self._send_input(Input(self._control_epoch, self._seq, (one, two)), more=b"\0")
        self._send_input(Input(self._control_epoch, self._seq, ()))
        self._send_input(Input(self._control_epoch, self._seq, self._draw(17)))

    def on_wrong_channels(self) -> None:
        """Say each thing where another one is said."""
        self._say(PlayerChannel.CONTROLS, Hello(self._schema.hash, "again"))
        self._say(PlayerChannel.LEASES, LookAt(0.0, 0.0))

    def out_of_turn(self) -> None:
        """Say what a pilot that has joined may not."""
        self._say(PlayerChannel.COMMAND, Hello(self._schema.hash, "again"))
        self._say(PlayerChannel.COMMAND, LookAt(1e12, -1e12))

    def call_for_anything(self) -> None:
        """Ask for actions with every wrong argument, and again under keys of calls before."""
        if not self._keys or self.rng.random() < 0.7:
            self._keys.append(self.rng.bytes(CALL_KEY_SIZE))
        key = self._keys[int(self.rng.integers(len(self._keys)))]
        action = WRONG_ACTIONS[int(self.rng.integers(len(WRONG_ACTIONS)))]
        arguments = WRONG_ARGUMENTS[int(self.rng.integers(len(WRONG_ARGUMENTS)))]
        if self.rng.random() < 0.3:
            action, arguments = GRANT, msgspec.msgpack.encode([1])
        self._say(PlayerChannel.COMMAND, Call(key, action, arguments))

    def noise(self) -> None:
        """Say nothing that can be read, on all channels."""
        assert self._connection is not None
        for channel in PlayerChannel:
            self._connection.send(channel, self._noise(100))


_ENOUGH: Final = range(LIMITS.malformed_payloads + 1)

CLIENT_LIES: Final[tuple[Callable[[LyingClientProcess], Any], ...]] = (
    LyingClientProcess.in_order,
    LyingClientProcess.out_of_order,
    LyingClientProcess.far_ahead,
    LyingClientProcess.of_another_pilot,
    LyingClientProcess.of_another_shape,
    LyingClientProcess.on_wrong_channels,
    LyingClientProcess.out_of_turn,
    LyingClientProcess.call_for_anything,
    LyingClientProcess.noise,
)
"""What it may say at a time; the first of them is what an honest one says, but for the controls."""
