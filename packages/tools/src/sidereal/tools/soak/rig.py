"""What all visitors share: the server, the air, and who checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.statistics import ConnectionStatistics
from sidereal.protocol.ids import Address
from sidereal.protocol.session.token import generate_connect_token
from sidereal.tools.soak.air import Air, Way
from sidereal.tools.soak.checker import SLACK_S, Checker, encode_user_data
from sidereal.tools.soak.config import CHANNELS, TIMEOUT_S, End, SoakConfig

PROTOCOL_ID: Final = 0x5349_4445_5245_4B01
TOKEN_S: Final = 30
"""How long a token may be used to connect."""
TALLIED: Final = (
    "packets_sent",
    "packets_lost",
    "packets_late",
    "bytes_sent",
    "resends",
    "messages_dropped",
    "messages_stale",
)
"""What is added up of every connection's statistics, at both ends."""


class Move(NamedTuple):
    """A visitor that wants a socket of its own.

    Attributes:
        number: of the visitor.
        address: of the socket it has no more use for.
    """

    number: int
    address: Address | None


class Rig:
    """The server, the links to it, and the books.

    Attributes:
        config: what is to be done.
        address: of the server.
        entropy: source of keys and first sequence numbers.
        server: all visitors' server.
        checker: of all guarantees.
        air: datagrams on their way.
        ways_down: from the server to each socket.
        moves: visitors that want another socket.
        tallied: sums of `TALLIED` over all connections that have begun to end.
        held_back: times an end had too much queued to say more.
        is_closing: nobody comes any more, and nobody talks.
    """

    def __init__(
        self,
        config: SoakConfig,
        address: Address,
        *,
        entropy: Callable[[int], bytes],
        now: float,
    ) -> None:
        self.config = config
        self.address = address
        self.entropy = entropy
        self._private_key = entropy(32)
        self.server = ServerEndpoint(
            protocol_id=PROTOCOL_ID,
            private_key=self._private_key,
            public_addresses=[address],
            slots_max=config.slots,
            channels=CHANNELS,
            entropy=entropy,
            now=now,
        )
        self.checker = Checker()
        self.air = Air()
        self.ways_down: dict[Address, Way] = {}
        self.moves: list[Move] = []
        self.tallied: Counter[str] = Counter()
        self.held_back = 0
        self.is_closing = False
        self._sessions = 0
        self._names = 0

    def name_session(self) -> int:
        """Give a number that no session had."""
        self._sessions += 1
        return self._sessions

    def name_client(self) -> int:
        """Give a client id that nobody had."""
        self._names += 1
        return self._names

    def issue_token(self, session: int, client_id: int, wall_now: float) -> bytes:
        """Issue the connect token of a session."""
        return generate_connect_token(
            protocol_id=PROTOCOL_ID,
            private_key=self._private_key,
            client_id=client_id,
            server_addresses=[self.address],
            user_data=encode_user_data(session),
            expire_s=TOKEN_S,
            timeout_s=TIMEOUT_S,
            wall_now=wall_now,
            entropy=self.entropy,
        )

    def send_server(self, now: float) -> None:
        """Put what the server has to send on its ways."""
        for datagram, destination in self.server.datagrams_to_send(now):
            self.air.send(self.address, self.ways_down.get(destination), datagram, destination, now)

    def heard_by(self, now: float) -> float:
        """When a goodbye said now must have arrived."""
        return now + self.config.reach_s + SLACK_S

    def missed_by(self, now: float) -> float:
        """When a silence that begins now must have been noticed."""
        return self.heard_by(now) + TIMEOUT_S

    def tally(self, session: int, end: End, statistics: ConnectionStatistics | None) -> None:
        """Add up what a connection counted, before it ends; None if it has ended already."""
        if statistics is None:
            return
        for name in TALLIED:
            self.tallied[name] += getattr(statistics, name)
        self.checker.check_honest(session, end, statistics.acks_invalid)
