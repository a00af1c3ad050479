"""Foreign and real decoders agree about what is malformed, and about what the rest says.

What is decoded is recorded traffic, as it is and with a few bytes changed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pytest

from sidereal.client.leases import LeaseMap
from sidereal.client.replica import Replica as RealReplica
from sidereal.protocol.channel.packet import Part, decode_packet_untrusted
from sidereal.protocol.errors import ConfigError, WireError
from sidereal.protocol.links import decode_user_data_untrusted
from sidereal.protocol.message import codec
from sidereal.protocol.message.codec import decode_server_untrusted
from sidereal.protocol.message.player import Leases, Welcome
from sidereal.protocol.message.shard import (
    Adopt,
    Amend,
    Farewell,
    Load,
    ShardHello,
    ShardWelcome,
)
from sidereal.protocol.rules import check_rules
from sidereal.protocol.session.token import read_connect_token_untrusted
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.protocol.state.records import decode_record_message_untrusted

from .foreign import messages, packets
from .foreign.bodies import read_ghosts, read_proposal
from .foreign.content import plain
from .foreign.holders import read_square
from .foreign.inputs import Codes, read_input, read_routed_input
from .foreign.messages import CLIENT_LINK, Message, read_message, read_user_data
from .foreign.octets import Malformed
from .foreign.packets import Fragment, Run, Unreliable, read_packet
from .foreign.replica import Replica
from .foreign.snapshots import Grid, read_snapshot
from .foreign.tokens import read_token
from .listener import CLIENT, CODES, SERVER, Listener
from .recorder import said
from .recorder.happening import RULES, SCHEMA

RECORDINGS = Path(__file__).parent / "recordings"
CASES = 3000
BULK: Final = {("client", CLIENT): 0, ("shard", SERVER): 0, ("shard", CLIENT): 1}
"""Channels of snapshots, proposals and ghosts, by link and the end at which they arrive."""
PRESSED: Final = {("client", SERVER): 1, ("shard", CLIENT): 3}
"""Channels of inputs, likewise."""
DECODE: Final[dict[tuple[str, str], Callable[[int, bytes], Any]]] = {
    ("client", SERVER): codec.decode_client_untrusted,
    ("client", CLIENT): codec.decode_server_untrusted,
    ("shard", SERVER): codec.decode_shard_untrusted,
    ("shard", CLIENT): codec.decode_authority_untrusted,
}
PRINTABLE: Final[dict[type, tuple[str, ...]]] = {
    ShardHello: ("name",),
    Load: ("slowest",),
    Farewell: ("what", "why"),
}
"""Texts of shards in which nothing may be that can't be printed."""

T = TypeVar("T")


def finished(name: str) -> Listener:
    listener = Listener((RECORDINGS / f"{name}.jsonl").read_text())
    listener.finish()
    return listener


def changed(bodies: list[bytes], seed: int, fixed: int = 0) -> Iterator[bytes]:
    """Give bodies as they are, then some of them with a few bytes changed behind the first ones."""
    yield from bodies
    rng = random.Random(seed)
    for _ in range(CASES):
        body = bytearray(rng.choice(bodies))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(fixed, max(fixed + 1, len(body)))
            match rng.randrange(5):
                case 0:
                    body[at : at + 1] = bytes([rng.choice((0, 1, 2, 127, 128, 129, 255))])
                case 1:
                    body[at : at + 1] = bytes([rng.randrange(256)])
                case 2 if rng.random() < 0.3:
                    del body[at:]
                case 3 if rng.random() < 0.3:
                    body += rng.randbytes(rng.randint(1, 9))
                case _ if at < len(body):
                    body[at] ^= 1 << rng.randrange(8)
        yield bytes(body)


def compare(
    cases: Iterator[bytes], foreign: Callable[[bytes], T], real: Callable[[bytes], T]
) -> None:
    refused = agreed = 0
    for body in cases:
        mine = outcome(body, foreign, Malformed)
        other = outcome(body, real, WireError)
        assert mine == other, body.hex()
        refused += mine is None
        agreed += mine is not None
    assert refused > CASES / 10
    assert agreed > CASES / 10


def outcome(body: bytes, read: Callable[[bytes], T], refusal: type[Exception]) -> T | None:
    try:
        return read(body)
    except refusal:
        return None


def listed(part: Part | packets.Part) -> list[Any]:
    match part:
        case Unreliable(channel, message):
            return [channel, 0, 0, 1, [message]]
        case Run(channel, first, bodies):
            return [channel, first, 0, 1, list(bodies)]
        case Fragment(channel, number, index, count, piece):
            return [channel, number, index, count, [piece]]
    return [part.channel, part.message_id, part.fragment, part.fragments, part.bodies]


@pytest.mark.parametrize("name", ["client", "shard", "channels"])
def test_about_packets(name: str) -> None:
    listener = finished(name)
    channels = listener.channels
    reliable = [channel.guarantee.is_reliable for channel in channels]

    def foreign(payload: bytes) -> list[Any]:
        packet = read_packet(payload, channels)
        ack = packet.ack
        said = (ack.newest, ack.bits, ack.delay) if ack else (-1, 0, 0)
        return [packet.sequence, packet.wants_ack, *said, [*map(listed, packet.parts)]]

    def real(payload: bytes) -> list[Any]:
        packet = decode_packet_untrusted(payload, reliable)
        said = (packet.ack, packet.ack_bits, round(packet.ack_delay_s * 1e4))
        return [packet.sequence, packet.ack_wanted, *said, [*map(listed, packet.parts)]]

    payloads = [heard.payload for heard in listener.heard.values() if heard.payload]
    compare(changed(payloads, 1), foreign, real)


def test_about_leases() -> None:
    bodies = [body for channel, body in finished("client").arrived[CLIENT] if channel == 3]

    def foreign(body: bytes) -> list[Any]:
        message = read_message(CLIENT_LINK, 3, True, body)
        holders = read_square(message, {})
        return [[*sector, shard] for sector, shard in sorted(holders.items())]

    def real(body: bytes) -> list[Any]:
        message = decode_server_untrusted(3, body)
        assert isinstance(message, Leases)
        leases = LeaseMap()
        leases.apply_untrusted(message)
        return sorted(map(list, leases.rows.tolist()))

    compare(changed(bodies, 3), foreign, real)


def test_about_snapshots() -> None:
    listener = finished("client")
    bodies = [body for channel, body in listener.arrived[CLIENT] if channel == 0]
    grid = Grid(RULES.cell_size, RULES.cells_per_side, RULES.view_radius_cells)

    def foreign(body: bytes) -> list[Any]:
        streams, tick_hz = RULES.streams, RULES.tick_hz
        replica = Replica(grid, streams.reorder_ticks, streams.tombstone_ticks, tick_hz)
        replica.take(read_snapshot(body, grid, listener.world))
        own = replica.pilot.own
        flown = own and [*own[:4], *(round(value, 6) for value in own[4:])]
        happened = sorted([event.tick, event.id, event.sort] for event in replica.happened)
        return [replica.newest, replica.centre, sorted(replica.visible()), flown, happened]

    def real(body: bytes) -> list[Any]:
        replica = RealReplica(SCHEMA, RULES)
        if not replica.apply_untrusted([body], 0.0):
            raise WireError("dropped")
        centre = replica.coverage.centre_x, replica.coverage.centre_y
        ids = sorted(replica.columns.net_id[replica.rows()].tolist())
        own = replica.private.answer()
        flown = own and [*own[:4], *(round(value, 6) for value in own.state[:6])]
        happened = sorted(
            [tick, subject, each.number]
            for each in replica.happenings.due(math.inf)
            for tick, subject in zip(each.tick.tolist(), each.subject.tolist(), strict=True)
        )
        return [replica.newest_tick, centre, ids, flown, happened]

    compare(changed(bodies, 2), foreign, real)


@pytest.mark.parametrize("end", [SERVER, CLIENT])
@pytest.mark.parametrize("name", ["client", "shard"])
def test_about_messages(name: str, end: str) -> None:
    link = messages.CLIENT_LINK if name == "client" else messages.SHARD_LINK
    # The channel stands in front of each, so that it gets changed like all else.
    bodies = [
        bytes([channel]) + body
        for channel, body in finished(name).arrived[end]
        if channel not in (BULK.get((name, end)), PRESSED.get((name, end))) and len(body) < 2000
    ]

    def foreign(body: bytes) -> Message:
        message = read_message(link, int.from_bytes(body[:1], "big"), end == CLIENT, body[1:])
        if message["message"] in ("Adopt", "Amend"):
            raise Malformed("rows are looked at elsewhere")
        return plain(message)

    def real(body: bytes) -> Message:
        message = DECODE[name, end](int.from_bytes(body[:1], "big"), body[1:])
        if isinstance(message, Welcome | ShardWelcome):
            try:
                check_rules(message.rules)
            except ConfigError as error:
                raise WireError(str(error)) from error
        if isinstance(message, Adopt | Amend):
            raise WireError("rows are looked at elsewhere")
        if not all(
            getattr(message, name).isprintable() for name in PRINTABLE.get(type(message), ())
        ):
            raise WireError("the server judges it behind the decoder")
        return said.named(message)

    compare(changed(bodies, 3), foreign, real)


@pytest.mark.parametrize(
    ("name", "end", "foreign", "real"),
    [
        ("client", SERVER, read_input, said.from_client),
        ("shard", CLIENT, read_routed_input, said.at_shard),
    ],
)
def test_about_inputs(
    name: str,
    end: str,
    foreign: Callable[[bytes, Codes], Message],
    real: Callable[[int, bytes], Message],
) -> None:
    on = PRESSED[name, end]
    bodies = [body for channel, body in finished(name).arrived[end] if channel == on]
    cases = changed(bodies, 7)
    compare(cases, lambda body: foreign(body, CODES), lambda body: real(on, body))


def cut(bodies: list[bytes], head: int) -> Iterator[bytes]:
    """Messages as they are, with other numbers in their head, and of another length."""
    rng = np.random.default_rng(4)
    for body in bodies:
        yield body
        for at in range(head):
            yield body[:at] + rng.bytes(1) + body[at + 1 :]
        yield body[:-1]
        yield body + b"\0"


def test_about_the_length_of_ghosts() -> None:
    def foreign(body: bytes) -> tuple[int, int]:
        rows = read_ghosts(body)
        return rows.tick, len(rows.bodies)

    def real(body: bytes) -> tuple[int, int]:
        tick, records = decode_record_message_untrusted(SCHEMA.full_record, body)
        return tick, len(records)

    for body in cut([body for at, body in finished("shard").arrived[CLIENT] if at == 1], 4):
        assert outcome(body, foreign, Malformed) == outcome(body, real, WireError), body.hex()


def test_about_the_runs_of_proposals() -> None:
    listener = finished("shard")

    def foreign(body: bytes) -> list[Any]:
        proposal = read_proposal(body, listener.events)
        return [proposal.tick, *((what, len(rows)) for what, rows in proposal.runs)]

    def real(body: bytes) -> list[Any]:
        tick, runs = decode_proposal_untrusted(SCHEMA, body)
        return [tick, *((number, len(rows)) for number, rows in runs)]

    for body in cut([body for at, body in listener.arrived[SERVER] if at == 0], 8):
        assert outcome(body, foreign, Malformed) == outcome(body, real, WireError), body.hex()


def test_about_user_data() -> None:
    user_data = finished("client").private.user_data

    def real(body: bytes) -> Message:
        user = decode_user_data_untrusted(body)
        fields = user.account, user.role, user.name, user.incarnation
        return dict(zip(("account", "role", "name", "incarnation"), fields, strict=True))

    def foreign(body: bytes) -> Message:
        if len(body) != 256:
            raise Malformed("sizes are the token's business")
        return read_user_data(body)

    used = user_data[0] + 1

    def cases() -> Iterator[bytes]:
        for body in changed([user_data[:used]], 5):
            yield body.ljust(256, b"\0")

    compare(cases(), foreign, real)


def test_about_tokens() -> None:
    token = bytes.fromhex(finished("channels").session["token"])
    addresses = 13 + 3 * 8 + 24 + 1024 + 4

    def foreign(body: bytes) -> list[Any]:
        read = read_token(body)
        return [read.protocol_id, read.created, read.expires, len(read.addresses)]

    def real(body: bytes) -> list[Any]:
        read = read_connect_token_untrusted(body)
        times = read.create_timestamp, read.expire_timestamp
        return [read.protocol_id, *times, len(read.server_addresses)]

    def cases() -> Iterator[bytes]:
        for body in changed([token[:37]], 6):
            yield (body + token[37:])[: 2048 if len(body) == 37 else None]
        for at, value in ((0, 0), (0, 33), (4, 0), (4, 3), (11, 3), (3, 1)):
            body = bytearray(token)
            body[addresses + at] = value
            yield bytes(body)

    compare(cases(), foreign, real)
