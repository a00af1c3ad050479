"""Listens to what is sent to one end of a session, as somebody who has its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .octets import Malformed
from .packets import Channel, Packet, read_packet
from .receiving import Inbound
from .sealed import TO_CLIENT, TO_SERVER, Kind, Opener, Repeated
from .tokens import PrivatePart, open_private, read_request


@dataclass(frozen=True)
class Heard:
    """What a datagram brought.

    Attributes:
        kind: what it is; none if it came before.
        payload: that is in it, or nothing.
        packet: the same, read.
        messages: of the packet, with their channels, as far as it is their turn.
    """

    kind: Kind | None
    payload: bytes = b""
    packet: Packet | None = None
    messages: list[tuple[int, bytes]] = field(default_factory=list)


class Ear:
    """Hears all datagrams that come to one end.

    Attributes:
        inbound: what came.
    """

    def __init__(
        self,
        protocol_id: int,
        server_key: bytes,
        private: PrivatePart,
        channels: Sequence[Channel],
        *,
        is_server: bool,
    ) -> None:
        key = private.key_to_server if is_server else private.key_to_client
        self.inbound = Inbound(channels)
        self._opener = Opener(protocol_id, key, TO_SERVER if is_server else TO_CLIENT)
        self._channels = tuple(channels)
        self._protocol_id, self._server_key, self._private = protocol_id, server_key, private
        self._is_server = is_server

    def hear(self, datagram: bytes, at: float) -> Heard:
        """Take a datagram that came at some time, in seconds.

        Raises:
            Malformed: the document does not allow it.
        """
        if datagram[:1] == b"\0":
            return self._hear_request(datagram)
        try:
            kind, body = self._opener.open(datagram)
        except Repeated:
            return Heard(None)
        if kind is not Kind.PAYLOAD:
            return Heard(kind)
        packet = read_packet(body, self._channels)
        _, messages = self.inbound.take(packet, at)
        return Heard(kind, body, packet, messages)

    def _hear_request(self, datagram: bytes) -> Heard:
        request = read_request(datagram)
        if not self._is_server or request.protocol_id != self._protocol_id:
            raise Malformed("a request to somebody else")
        if open_private(request, self._server_key) != self._private:
            raise Malformed("a request of another session")
        return Heard(Kind.REQUEST)
