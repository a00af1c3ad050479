"""A client: it connects, says hello, sees the world, flies, and leaves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from .connection import Connection
from .content import Overfull, ToClient
from .described import control_codes, world_of
from .description import read_description, schema_hash
from .handshake import Session, State
from .inputs import RECORDS_MAX, THAT_SHIPS, Codes, write_input
from .messages import CLIENT_LINK, Message, write_message
from .octets import Malformed, nearest
from .packets import CLIENT_CHANNELS
from .receiving import Violation
from .rows import BASE, World
from .tokens import Address

SOFTWARE: Final = "foreign"
INPUTS: Final = 1


class Client:
    """A client of a world.

    Attributes:
        session: with the server.
        content: what it was told.
        messages: all that came on channels 2 and 3, read.
        malformed: how many messages were dropped.
    """

    def __init__(
        self,
        token: bytes,
        schema_hash: bytes,
        sequence: int,
        now: float,
        codes: Codes = THAT_SHIPS,
        world: World = BASE,
    ) -> None:
        self.session = Session(token, sequence, now)
        self.content = ToClient(world)
        self.messages: list[Message] = []
        self.malformed = 0
        self._codes = codes
        self._schema_hash = schema_hash
        self._connection = Connection(CLIENT_CHANNELS, sequence)
        self._has_said_hello = False
        self._control_epoch = 0
        self._next_record = 1
        self._records: deque[tuple[int, int]] = deque(maxlen=RECORDS_MAX)

    @property
    def applied(self) -> int:
        """The newest record that is known to be applied, 0 if none is."""
        replica = self.content.replica
        own = replica.pilot.own if replica else None
        if own is None or own.control_epoch != self._control_epoch:
            return 0
        return nearest(own.newest_input, 16, self._next_record - 1)

    def receive(self, datagram: bytes, source: Address, now: float) -> None:
        """Take a datagram."""
        payload = self.session.receive(datagram, source, now)
        if payload is None:
            return
        try:
            for channel, body in self._connection.take(payload, now):
                self._take(channel, body)
        except (Violation, Overfull):
            self.close(now)

    def datagrams(self, now: float) -> Iterator[tuple[bytes, Address]]:
        """Give the datagrams that are to be sent now, and where to."""
        if self.session.state is State.CONNECTED:
            if not self._has_said_hello:
                self._say("Hello", self._schema_hash, SOFTWARE)
                self._has_said_hello = True
            for payload in self._connection.payloads(now):
                self.session.send(payload, now)
        yield from self.session.datagrams(now)

    def hold(self, record: int) -> None:
        """Make the record of a tick, and say all that were not applied yet."""
        if not self._control_epoch:
            return
        self._records.append((self._next_record, record))
        self._next_record += 1
        self._drop_applied()
        if self._records:
            first, records = self._records[0][0], [held for _, held in self._records]
            body = write_input(self._control_epoch, first, records, self._codes)
            self._connection.say(INPUTS, body)

    def call(self, key: bytes, action: str, *arguments: Any) -> None:
        """Ask for an action."""
        self._say("Call", key, action, msgspec.msgpack.encode(arguments))

    def look_at(self, x: float, y: float) -> None:
        """Look at a place, as an observer."""
        self._say("LookAt", x, y)

    def close(self, now: float) -> None:
        """End the session."""
        self.session.close(now)

    def _take(self, channel: int, body: bytes) -> None:
        try:
            message = self.content.take(channel, body)
        except Malformed:
            self.malformed += 1
            return
        if channel != 0:
            self.messages.append(message)
        if message["message"] == "Assigned":
            self._fly(message["control_epoch"])

    def _fly(self, control_epoch: int) -> None:
        if control_epoch != self._control_epoch:
            self._control_epoch, self._next_record = control_epoch, 1
            self._records.clear()

    def _say(self, name: str, *values: Any) -> None:
        channel, body = write_message(CLIENT_LINK, name, *values)
        self._connection.say(channel, body)

    def _drop_applied(self) -> None:
        while self._records and self._records[0][0] <= self.applied:
            self._records.popleft()


def strange_client(token: bytes, description: bytes, sequence: int, now: float) -> Client:
    """Make a client of a world that it knows by its description alone."""
    known = read_description(description)
    codes, world = control_codes(known), world_of(known)
    return Client(token, schema_hash(description), sequence, now, codes, world)
