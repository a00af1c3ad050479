"""A client without sockets and clocks: session, channels and messages together."""

from __future__ import annotations

from typing import Any

from .channels import Violation
from .connection import Connection
from .content import ToClient
from .handshake import ClientSession, Sent, State
from .inputs import RECORDS_MAX, THAT_SHIPS, write_input
from .messages import Message, write_array, write_message
from .packets import CLIENT_LINK
from .session import Address

CONTROLS, COMMAND = 1, 2
HELLO, LOOK_AT, CALL = 1, 6, 8


class Client:
    """One stay in the world.

    Attributes:
        session: its session.
        content: what the server has sent.
        messages: what arrived, in order.
    """

    def __init__(self, token: bytes, schema_hash: bytes, first_sequence: int, now: float) -> None:
        self.session = ClientSession(token, first_sequence, now)
        self.content = ToClient()
        self.messages: list[Message] = []
        self._connection = Connection(CLIENT_LINK)
        self._entries: list[tuple[int, int]] = []
        self._entry = 0
        self._command(HELLO, schema_hash, "foreign")

    @property
    def is_idle(self) -> bool:
        """Whether everything that was said has arrived."""
        return self._connection.is_idle

    def call(self, key: bytes, action: str, *arguments: Any) -> None:
        """Ask for an action; a call that is repeated has the key that it had."""
        self._command(CALL, key, action, write_array(arguments))

    def look_at(self, x: float, y: float) -> None:
        """Move the centre of interest."""
        self._command(LOOK_AT, x, y)

    def hold(self, record: int) -> None:
        """Hold controls for a tick; without a ship nothing happens."""
        own = self.content.replica.pilot.own if self.content.replica else None
        if self.content.ship is None:
            return
        ship, control_epoch = self.content.ship
        self._entry += 1
        self._entries.append((self._entry, record))
        if own is not None and (own.id, own.control_epoch) == (ship, control_epoch):
            self._entries = [entry for entry in self._entries if entry[0] > own.newest_input]
        self._entries = self._entries[-RECORDS_MAX:]
        if self._entries:
            records = [held for _, held in self._entries]
            message = write_input(control_epoch, self._entries[0][0], records, THAT_SHIPS)
            self._connection.say(CONTROLS, message)

    def _command(self, tag: int, *fields: Any) -> None:
        self._connection.say(COMMAND, write_message(tag, *fields))

    def receive(self, datagram: bytes, source: Address, now: float) -> None:
        """Take a datagram.

        Raises:
            Malformed: a message is not what the document says.
        """
        payload = self.session.receive(datagram, source, now)
        if payload is None:
            return
        try:
            messages = self._connection.take(payload, now)
        except Violation:
            self.session.close(now)
            return
        for channel, body in messages:
            self.messages.append(self.content.take(channel, body))

    def datagrams(self, now: float) -> Sent:
        """Give what is to be sent now."""
        if self.session.state is State.CONNECTED:
            self._flush(now)
        return self.session.datagrams(now)

    def close(self, now: float) -> None:
        """Send what is queued, once, and leave."""
        if self.session.state is State.CONNECTED:
            self._flush(now)
        self.session.close(now)

    def _flush(self, now: float) -> None:
        for payload in self._connection.payloads(now):
            self.session.send(payload, now)
