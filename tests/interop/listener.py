"""Follows a recording with foreign ears, and checks what they hear against what was recorded."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .foreign import packets
from .foreign.content import FromShard, Reader, ToClient, ToServer, ToShard, plain
from .foreign.listening import Ear, Heard
from .foreign.octets import nearest
from .foreign.packets import Ack, Channel, Guarantee
from .foreign.receiving import DELAY_UNIT_S, Arrivals
from .foreign.rows import BASE, EventSort
from .foreign.tokens import PrivatePart, open_private, read_request, read_token, shard_key

CODES: Final = (2, 2, 2, 2, 2, 16, 7)
"""Of the controls in what was recorded: five that are held, a press, an axis of three steps."""
FOLLOWERS: Final = frozenset({4})
"""Kinds in what was recorded that have a parent and no body."""
SERVER, CLIENT = "server", "client"
ENDS: Final = (SERVER, CLIENT)
GUARANTEES: Final = {
    "UNRELIABLE": Guarantee.UNRELIABLE,
    "UNRELIABLE_SEQUENCED": Guarantee.SEQUENCED,
    "RELIABLE_UNORDERED": Guarantee.UNORDERED,
    "RELIABLE_ORDERED": Guarantee.ORDERED,
}


class Digests:
    """Takes messages for what they are: a channel, a size, and bytes."""

    def take(self, channel: int, body: bytes) -> Any:
        """Sum a message up."""
        return [channel, len(body), hashlib.blake2b(body, digest_size=8).hexdigest()]


class View(NamedTuple):
    """What a real end made of it all, and what is to be compared with it."""

    end: str
    at: float
    picture: Any


class Listener:
    """Reads a recording line by line.

    Attributes:
        session: what one has to know to listen.
        private: the private part of the session's token.
        channels: of the link.
        events: that the game declares.
        world: what may come in snapshots.
        ears: one at each end: what is lost on the way is not heard there.
        wire: one at each end of the wire: it hears all that was sent, in order.
        readers: of what arrives at each end.
        heard: what every datagram brought to the wire's ear, by its number.
        arrived: channel and bytes of all that arrived at each end.
        understood: the same, read.
    """

    def __init__(self, text: str) -> None:
        (_, self.session), *self._lines = map(json.loads, text.splitlines())
        self.protocol_id, self.server_key, self.private = self._open()
        self.channels = self._make_channels()
        self.events = {
            int(number): EventSort(layout, proposed, tuple(map(tuple, ranges)), is_private)
            for number, (layout, proposed, ranges, is_private) in self.session.get(
                "events", {}
            ).items()
        }
        self.world = BASE._replace(events=self.events)
        self.ears = {end: self._ear(end) for end in ENDS}
        self.wire = {end: self._ear(end) for end in ENDS}
        self.readers: dict[str, Reader] = self._make_readers()
        self.heard: dict[int, Heard] = {}
        self.arrived: dict[str, list[tuple[int, bytes]]] = {end: [] for end in ENDS}
        self.understood: dict[str, list[Any]] = {end: [] for end in ENDS}
        self._datagrams: dict[int, bytes] = {}
        self._gone: set[str] = set()

    def follow(self) -> Iterator[View]:
        """Read on to the next view; what is understood must be what was recorded.

        Raises:
            Malformed: the document does not allow a datagram or a message.
        """
        awaited: dict[str, deque[Any]] = {end: deque() for end in ENDS}
        for what, at, end, *rest in self._lines:
            if what == "sent":
                self._take_sent(end, rest[0], bytes.fromhex(rest[1]), at)
            elif what == "came" and end not in self._gone:
                awaited[end].extend(self._take_came(end, self._datagrams[rest[0]], at))
            elif what == "said":
                assert awaited[end].popleft() == rest[0], f"{end} at {at} s"
            elif what == "view":
                assert not awaited[end], f"the {end} missed something before {at} s"
                yield View(end, at, rest[0])
            elif what == "left":
                self._gone.add(end)
        assert awaited == {end: deque() for end in ENDS}

    def finish(self) -> None:
        """Read the whole recording."""
        for _ in self.follow():
            pass

    def _take_sent(self, end: str, number: int, datagram: bytes, at: float) -> None:
        other = CLIENT if end == SERVER else SERVER
        heard = self.wire[other].hear(datagram, at)
        assert heard.kind is not None, f"datagram {number} repeats a sequence number"
        self.heard[number], self._datagrams[number] = heard, datagram
        if heard.packet is not None and heard.packet.ack is not None:
            check_ack(heard.packet.ack, self.ears[end].inbound.arrivals, at)

    def _take_came(self, end: str, datagram: bytes, at: float) -> Iterator[Any]:
        for channel, body in self.ears[end].hear(datagram, at).messages:
            message = plain(self.readers[end].take(channel, body))
            self.arrived[end].append((channel, body))
            self.understood[end].append(message)
            yield message

    def _open(self) -> tuple[int, bytes, PrivatePart]:
        if self.session["link"] == "shard":
            # Nobody but the shard has its token; the request says enough.
            key = shard_key(self.session["secret"])
            first = next(line for line in self._lines if line[0] == "sent")
            request = read_request(bytes.fromhex(first[4]))
            return request.protocol_id, key, open_private(request, key)
        token = read_token(bytes.fromhex(self.session["token"]))
        key = bytes.fromhex(self.session["private_key"])
        return token.protocol_id, key, open_private(token, key)

    def _ear(self, end: str) -> Ear:
        is_server = end == SERVER
        return Ear(
            self.protocol_id, self.server_key, self.private, self.channels, is_server=is_server
        )

    def _make_channels(self) -> tuple[Channel, ...]:
        match self.session["link"]:
            case "client":
                return packets.CLIENT_CHANNELS
            case "shard":
                return packets.SHARD_CHANNELS
            case channels:
                return tuple(Channel(name, GUARANTEES[name], size) for name, size in channels)

    def _make_readers(self) -> dict[str, Reader]:
        match self.session["link"]:
            case "client":
                return {SERVER: ToServer(CODES), CLIENT: ToClient(self.world)}
            case "shard":
                return {SERVER: FromShard(self.events, FOLLOWERS), CLIENT: ToShard(CODES)}
            case _:
                return {SERVER: Digests(), CLIENT: Digests()}


def check_ack(ack: Ack, arrivals: Arrivals, at: float) -> None:
    """Check that an ack is the truth about what came to the end that says it."""
    assert nearest(ack.newest, 16, arrivals.newest) == arrivals.newest
    assert abs(ack.delay * DELAY_UNIT_S - (at - arrivals.newest_at)) <= DELAY_UNIT_S
    for bit in range(32 * ack.words):
        assert bool(ack.bits >> bit & 1) == arrivals.has(arrivals.newest - 1 - bit)
