"""What was in the datagrams that were lost, record by record.

Datagrams are sealed. An eavesdropper that knows the private keys of both endpoints reads the
sessions' keys from the connection requests that pass, and with these it opens what is lost.

What was lost **healed** if its receiver was in the same session when everybody was found to agree
in the end: by then something had told it the same, or something newer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sidereal.protocol.channel.packet import Part, decode_packet_untrusted
from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.links import PLAYER_CHANNELS, SHARD_CHANNELS
from sidereal.protocol.message import codec
from sidereal.protocol.message.inputs import (
    decode_input_untrusted,
    decode_routed_input_untrusted,
)
from sidereal.protocol.message.player import Leases, PlayerChannel
from sidereal.protocol.message.shard import ShardChannel
from sidereal.protocol.rules import Rules
from sidereal.protocol.session import packet
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.protocol.state.records import decode_record_message_untrusted
from sidereal.protocol.state.schema import EVENT_FIRST, MOTION, WHOLE, Schema
from sidereal.protocol.state.snapshot import read_snapshot_untrusted
from sidereal.protocol.state.stream import GONE, MOVED, NOW, PRESENCE

PRESENT: Final = "server: presence"
REFERENCE: Final = "server: reference"
COMPONENT: Final = "server: component"
EVENT: Final = "server: event"
LEFT_CELL: Final = "server: tombstone, left the cell"
LEFT_WORLD: Final = "server: tombstone, left the world"
OWN_SHIP: Final = "server: own ship"
PILOTED: Final = "server: component that only its pilot is told"
PRIVATE_EVENT: Final = "server: event that only some are told"
LEASE: Final = "server: lease"
INPUT: Final = "client: input"
PROPOSED: Final = "shard: proposed row"
PROPOSED_COMPONENT: Final = "shard: proposed row of a component"
EMITTED: Final = "shard: event"
PROPOSED_WHOLE: Final = "shard: proposed whole entity"
PROPOSED_END: Final = "shard: proposed end"
NOTHING_PROPOSED: Final = "shard: proposal without rows"
GHOST: Final = "authority: ghost"
ROUTED_INPUT: Final = "authority: input"

_COLUMNS: Final = (
    *(PRESENT, REFERENCE, COMPONENT, EVENT, LEFT_CELL, LEFT_WORLD, OWN_SHIP, PILOTED),
    *(PRIVATE_EVENT, LEASE, INPUT),
    *(PROPOSED, PROPOSED_COMPONENT, PROPOSED_WHOLE, PROPOSED_END, EMITTED, NOTHING_PROPOSED),
    *(GHOST, ROUTED_INPUT),
)
_IN_COLUMNS: Final = (Leases,)
"""Messages whose rows are counted, not they themselves."""

_SENDERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "client": codec.FROM_CLIENT,
    "server": codec.FROM_SERVER,
    "shard": codec.FROM_SHARD,
    "authority": codec.FROM_AUTHORITY,
}
_DECODERS: Final = {
    "client": codec.decode_client_untrusted,
    "server": codec.decode_server_untrusted,
    "shard": codec.decode_shard_untrusted,
    "authority": codec.decode_authority_untrusted,
}
_SESSION: Final = {
    packet.REQUEST: "session: request",
    packet.DENIED: "session: denied",
    packet.CHALLENGE: "session: challenge",
    packet.RESPONSE: "session: response",
    packet.KEEP_ALIVE: "session: keep-alive",
    packet.DISCONNECT: "session: disconnect",
}
_ALL_TYPES: Final = (1 << 7) - 1
ACKS: Final = "session: nothing but acks"


def _kinds_of(sender: str) -> Iterator[str]:
    for messages in _SENDERS[sender].values():
        for kind in get_args(messages) or (messages,):
            if kind not in _IN_COLUMNS:
                yield f"{sender}: {kind.__name__}"
    yield f"{sender}: piece of a long message"


KINDS: Final = (
    *_COLUMNS,
    *(kind for sender in _SENDERS for kind in sorted(set(_kinds_of(sender)))),
    *(ACKS, *_SESSION.values()),
)
"""Every kind of record there is."""


class Endpoint(NamedTuple):
    """A public endpoint of the authority.

    Attributes:
        protocol_id: of its link.
        private_key: that connect tokens are sealed with.
        peer: who comes there, "client" or "shard".
        server: what the authority is called there.
    """

    protocol_id: int
    private_key: bytes
    peer: str
    server: str


class _Session(NamedTuple):
    """One direction of a session.

    Attributes:
        sender: who sends in it, as in `Endpoint`.
    """

    sender: str
    aead: ChaCha20Poly1305
    associated: tuple[bytes, ...]


class Losses:
    """Counts what was lost.

    Attributes:
        lost: records by kind.
    """

    def __init__(self, schema: Schema, rules: Rules) -> None:
        self.lost: Counter[str] = Counter()
        self._schema = schema
        self._motion = schema.numbers[MOTION.name]
        self._rules = rules
        self._endpoints: dict[Address, Endpoint] = {}
        self._sessions: dict[tuple[Address, Address], _Session] = {}
        self._lost_by_receiver: dict[tuple[Address, Address], Counter[str]] = {}

    def learn(self, address: Address, endpoint: Endpoint) -> None:
        """Learn the key of a public endpoint, and who talks to whom there."""
        self._endpoints[address] = endpoint

    def see(self, source: Address, destination: Address, datagram: bytes) -> None:
        """See a datagram pass: a connection request tells the keys of a session."""
        endpoint = self._endpoints.get(destination)
        if datagram[0] != packet.REQUEST or endpoint is None:
            return
        try:
            token = packet.decode_request_untrusted(
                datagram, endpoint.protocol_id, endpoint.private_key, 0.0
            ).token
        except WireError:
            return
        associated = packet.associated_data(endpoint.protocol_id)
        for way, sender, key in (
            ((source, destination), endpoint.peer, token.client_to_server_key),
            ((destination, source), endpoint.server, token.server_to_client_key),
        ):
            self._sessions[way] = _Session(sender, ChaCha20Poly1305(key), associated)

    def lose(self, source: Address, destination: Address, datagram: bytes) -> None:
        """Count what is in a datagram that does not arrive."""
        found = Counter(self._records_in(source, destination, datagram))
        self.lost += found
        self._lost_by_receiver.setdefault((source, destination), Counter()).update(found)

    def healed(self, present: set[Address | None]) -> Counter[str]:
        """Tell what has healed, when everybody agrees.

        Args:
            present: the addresses of all who are in a session in the end.
        """
        healed: Counter[str] = Counter()
        for (source, destination), found in self._lost_by_receiver.items():
            if source in present or destination in present:
                healed += found
        return healed

    # -- inside a datagram --------------------------------------------------------------------

    def _records_in(self, source: Address, destination: Address, datagram: bytes) -> Iterator[str]:
        if datagram[0] == packet.REQUEST:
            yield _SESSION[packet.REQUEST]
            return
        session = self._sessions.get((source, destination))
        if session is None:
            return
        try:
            kind, body = packet.decode_packet_untrusted(
                datagram, _ALL_TYPES, session.aead, session.associated, None
            )
            if kind != packet.PAYLOAD:
                yield _SESSION[kind]
                return
            channels = PLAYER_CHANNELS if session.sender in _PLAYERS else SHARD_CHANNELS
            reliable = [spec.delivery.is_reliable for spec in channels]
            parts = decode_packet_untrusted(body, reliable).parts
            if not parts:
                yield ACKS
            for part in parts:
                yield from self._records_of(session.sender, part)
        except WireError:
            # Nonsense on purpose: nobody is to learn anything from it.
            return

    def _records_of(self, sender: str, part: Part) -> Iterator[str]:
        if part.fragments > 1:
            yield f"{sender}: piece of a long message"
            return
        for body in part.bodies:
            if sender == "server" and part.channel == PlayerChannel.SNAPSHOT:
                yield from self._records_of_snapshot(body)
            elif sender == "shard" and part.channel == ShardChannel.PROPOSAL:
                _, runs = decode_proposal_untrusted(self._schema, body)
                motion = self._schema.numbers[MOTION.name]
                sorts = {motion: PROPOSED, WHOLE: PROPOSED_WHOLE, GONE: PROPOSED_END}
                for number, rows in runs:
                    sort = sorts.get(number, PROPOSED_COMPONENT)
                    yield from [EMITTED if number >= EVENT_FIRST else sort] * len(rows)
                if not runs:
                    yield NOTHING_PROPOSED
            elif sender == "authority" and part.channel == ShardChannel.GHOST:
                _, rows = decode_record_message_untrusted(self._schema.full_record, body)
                yield from [GHOST] * len(rows)
            elif sender == "client" and part.channel == PlayerChannel.CONTROLS:
                pressed = decode_input_untrusted(body, self._schema.controls)
                yield from [INPUT] * len(pressed.records)
            elif sender == "authority" and part.channel == ShardChannel.CONTROLS:
                routed = decode_routed_input_untrusted(body, self._schema.controls)
                yield from [ROUTED_INPUT] * len(routed.input.records)
            else:
                message = _DECODERS[sender](part.channel, body)
                if isinstance(message, Leases):
                    yield from [LEASE] * (len(message.rows) // codec.HOLDER_ROW.itemsize)
                else:
                    yield f"{sender}: {type(message).__name__}"

    def _records_of_snapshot(self, body: bytes) -> Iterator[str]:
        snapshot = read_snapshot_untrusted(self._schema, self._rules, body)
        sorts = {PRESENCE: PRESENT, self._motion: REFERENCE, NOW: REFERENCE}
        sorts |= {GONE: LEFT_WORLD, MOVED: LEFT_CELL}
        for what, _, rows, *_ in snapshot.spans:
            sort = EVENT if what >= EVENT_FIRST else sorts.get(what, COMPONENT)
            yield from [sort] * rows
        if snapshot.private is not None:
            yield OWN_SHIP
            yield from [PILOTED] * len(snapshot.private.components)
            for what, packed in snapshot.private.events:
                size = self._schema.private_events[what].itemsize
                yield from [PRIVATE_EVENT] * (len(packed) // size)


_PLAYERS: Final = ("client", "server")
