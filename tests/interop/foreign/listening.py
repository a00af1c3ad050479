"""One who listens to a session with its token, its keys, and both ends' ears."""

from __future__ import annotations

from dataclasses import dataclass

from .channels import Inbound, Message
from .octets import Malformed
from .packets import Channel, Packet
from .session import (
    FROM_CLIENT,
    FROM_SERVER,
    Kind,
    PrivatePart,
    Replay,
    ReplayWindow,
    open_packet,
    open_private,
    read_request,
)


@dataclass(frozen=True)
class Heard:
    """What a datagram brought.

    Attributes:
        kind: of the session's packet; None if it had come before.
        payload: of a payload packet.
        packet: what that holds; None if it had come before.
        messages: what arrived by it, in order.
    """

    kind: Kind | None
    payload: bytes = b""
    packet: Packet | None = None
    messages: tuple[Message, ...] = ()


class Ear:
    """One end of a session, as far as it hears.

    Attributes:
        inbound: its channels.
        is_connected: whether it had a keep-alive.
        has_ended: whether it had a disconnect.
    """

    def __init__(
        self,
        protocol_id: int,
        server_key: bytes,
        private: PrivatePart,
        channels: tuple[Channel, ...],
        *,
        is_server: bool,
    ) -> None:
        self.inbound = Inbound(channels)
        self.is_connected = False
        self.has_ended = False
        self._protocol_id = protocol_id
        self._server_key = server_key
        self._private = private
        self._is_server = is_server
        self._key = private.key_to_server if is_server else private.key_to_client
        self._kinds = FROM_CLIENT if is_server else FROM_SERVER
        self._replays = ReplayWindow()

    def hear(self, datagram: bytes, now: float) -> Heard:
        """Take a datagram.

        Raises:
            Malformed: the document does not allow it.
            Violation: nor what is in it.
        """
        if self._is_server and datagram[:1] == bytes([Kind.REQUEST]):
            request = read_request(datagram)
            if request.protocol_id != self._protocol_id:
                raise Malformed("a request for somebody else")
            if open_private(request, self._server_key) != self._private:
                raise Malformed("a request with another token")
            return Heard(Kind.REQUEST)
        try:
            packet = open_packet(datagram, self._protocol_id, self._key, self._kinds, self._replays)
        except Replay:
            return Heard(None)
        self.is_connected |= packet.kind is Kind.KEEP_ALIVE
        self.has_ended |= packet.kind is Kind.DISCONNECT
        if packet.kind is not Kind.PAYLOAD or not (self._is_server or self.is_connected):
            return Heard(packet.kind)
        before = self.inbound.malformed
        carried, messages = self.inbound.take(packet.body, now)
        if self.inbound.malformed > before:
            raise Malformed("a payload that is no packet")
        return Heard(packet.kind, packet.body, carried, tuple(messages))
