"""Targets of what travels inside sessions: user data, messages, rows, records; and HTTP forms."""

from __future__ import annotations

import contextlib
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from authority import RULES, ships
from played import SCHEMA, Burst
from target import Target

from sidereal.game.logic import PLAYERS, make_action
from sidereal.game.schema import column_of, name_of
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.limits import NAME_SIZE_MAX
from sidereal.protocol.links import UserData, decode_user_data_untrusted, encode_user_data
from sidereal.protocol.message import codec
from sidereal.protocol.message.inputs import (
    Input,
    RoutedInput,
    decode_input_untrusted,
    decode_routed_input_untrusted,
    encode_input,
    encode_routed_input,
)
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    Hello,
    Leases,
    LookAt,
    Notice,
    Outcome,
    Receipt,
    Refused,
    Role,
    Standstill,
    Told,
    Values,
    Welcome,
)
from sidereal.protocol.message.shard import (
    Adopt,
    Adopted,
    Amend,
    Asked,
    AskIds,
    Beat,
    Dismiss,
    Drain,
    Farewell,
    Grant,
    GrantIds,
    Load,
    Release,
    Revoke,
    Shadows,
    ShardHello,
    ShardWelcome,
)
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.proposals import decode_proposal_untrusted, encode_proposals
from sidereal.protocol.state.quantize import decode_rows_untrusted, encode_rows
from sidereal.protocol.state.records import RecordSender, decode_record_message_untrusted
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, MOTION, Schema
from sidereal.protocol.state.values import valid_values
from sidereal.replication.actions.arguments import Signatures
from sidereal.replication.http.credentials import (
    PASSWORD_LENGTH_MIN,
    PASSWORD_SIZE_MAX,
    read_login_untrusted,
    read_register_untrusted,
)
from sidereal.replication.keeping.names import is_readable, joins, shows

LAYOUT: Final = SCHEMA.controls
MOVES: Final = SCHEMA.numbers[MOTION.name]
BURST: Final = SCHEMA.event_numbers[name_of(Burst)]
SIZE: Final = column_of(Burst, Burst.size)
SORTS: Final = (*SCHEMA.shown, BURST)
DTYPES: Final = (codec.LEASE_ROW, SCHEMA.full_record, SCHEMA.exact_record, SCHEMA.rows[MOVES])
ROWS_MAX: Final = 8
CHANNELS_MAX: Final = 6


ACTIONS: Final = "replication.actions.arguments.Signatures."
CODEC: Final = "protocol.message.codec."
INPUTS: Final = "protocol.message.inputs."
STATE: Final = "protocol.state."
CREDENTIALS: Final = "replication.http.credentials."

# -- messages -----------------------------------------------------------------------------------


def decode_user_data(body: bytes) -> None:
    user = decode_user_data_untrusted(body)
    assert decode_user_data_untrusted(encode_user_data(user)) == user


def user_data_seeds() -> Iterator[bytes]:
    yield encode_user_data(UserData(1, Role.PLAYER, "Ada", bytes(16)))
    yield encode_user_data(UserData((1 << 63) - 1, Role.OPERATOR, "😀" * 6, bytes(range(16))))


def decoding(decode: Callable[[int, bytes], Any]) -> Callable[[bytes], None]:
    """Make a target of a decoder of messages.

    What it reads can be written, and is the same; and it is a message on one channel at most.
    """

    def run(body: bytes) -> None:
        read = []
        for channel in range(CHANNELS_MAX):
            with contextlib.suppress(WireError):
                read.append((channel, decode(channel, body)))
        if not read:
            raise WireError("a message on no channel")
        [(channel, message)] = read
        written = codec.encode_message(message)
        assert codec.encode_message(decode(channel, written)) == written

    return run


def client_messages() -> list[bytes]:
    return [
        codec.encode_message(message)
        for message in (
            Hello(SCHEMA.hash, "fuzz"),
            LookAt(-1e3, 2.5),
            Call(bytes(16), "talk.say", b"\x91\xa5hello"),
        )
    ]


def server_messages() -> list[bytes]:
    return [
        codec.encode_message(message)
        for message in (
            Welcome(SCHEMA.hash, RULES, 5, 1, Role.PLAYER, "Ada"),
            Refused(CloseReason.WORLD_FULL, "the world is full"),
            Assigned(1, 1, 5),
            Leases(5, -1, 2, 4, np.array([(-4, 4, 1), (0, 0, 2)], codec.HOLDER_ROW).tobytes()),
            Told("Ada: hello"),
            Notice("wait a moment"),
            Standstill(7),
            Receipt(bytes(16), Outcome.REFUSED, "dock first"),
            Values(True, 6, bytes(4)),
        )
    ]


ASKED: Final = np.array([(1, 2), (2, 0)], codec.ASKED_ROW).tobytes()


def shard_messages() -> list[bytes]:
    return [
        codec.encode_message(message)
        for message in (
            ShardHello(SCHEMA.hash, "one", bytes(16), 1, 1, bytes(16), spare=False),
            Load(5, 1, 2, 3, 4, 1 << 40, bytes(8), "system mine.mend", 700, 3, 250),
            Farewell("system mine.mend", "it raised"),
            Adopted(7),
            Asked("talk.say", ASKED, b"\x92\x91\xa5hello\x91\xa2hi"),
            AskIds(),
            Drain(),
        )
    ]


def authority_messages() -> list[bytes]:
    release = np.array([[1, 9], [2, 9]], "<u4").tobytes()
    return [
        codec.encode_message(message)
        for message in (
            ShardWelcome(1, RULES, 5),
            Refused(CloseReason.FENCED, "silent"),
            Grant(5, lease_rows(2)),
            Revoke(6, lease_rows(1)),
            Adopt(5, ships(2).tobytes(), np.array([(1, 7, 3)], codec.INPUT_ROW).tobytes()),
            Release(6, release),
            GrantIds(65_536, 65_536),
            Amend(6, ships(1).tobytes()),
            Dismiss(),
            Shadows(6, np.array([(3, 1), (9, 0)], codec.SHADOW_ROW).tobytes()),
            Beat(6, -1500),
        )
    ]


def decode_input(body: bytes) -> None:
    assert encode_input(decode_input_untrusted(body, LAYOUT), LAYOUT) == body


def decode_routed_input(body: bytes) -> None:
    assert encode_routed_input(decode_routed_input_untrusted(body, LAYOUT), LAYOUT) == body


def inputs() -> list[bytes]:
    return [encode_input(Input(1, 7, records), LAYOUT) for records in ((5, 33), (0,) * 16)]


def routed_inputs() -> list[bytes]:
    return [encode_routed_input(RoutedInput(1, Input(1, 7, (5, 33))), LAYOUT)]


def lease_rows(count: int) -> bytes:
    return np.array([(n, -n, 1, 3) for n in range(count)], codec.LEASE_ROW).tobytes()


# -- rows and records -----------------------------------------------------------------------------


def decode_rows(body: bytes) -> None:
    dtype = DTYPES[body[0] % len(DTYPES)] if body else DTYPES[0]
    rows = codec.decode_rows_untrusted(body[1:], dtype, ROWS_MAX)
    assert len(rows) <= ROWS_MAX
    assert rows.tobytes() == body[1:]


def row_seeds() -> Iterator[bytes]:
    yield b"\0" + lease_rows(ROWS_MAX)
    yield b"\1" + ships(1).tobytes()


def decode_records(body: bytes) -> None:
    tick, rows = decode_record_message_untrusted(SCHEMA.full_record, body)
    assert 0 <= tick < 1 << 32
    assert body.endswith(rows.tobytes())


def rows_of(dtype: np.dtype, count: int, tick: int, epoch: int = 1) -> np.ndarray:
    rows, like = np.zeros(count, dtype), ships(count)
    for name in set(dtype.names or ()) & set(like.dtype.names or ()):
        rows[name] = like[name]
    rows["epoch"] = epoch
    if "tick" in rows.dtype.names:
        rows["tick"] = tick
    else:
        rows["nth"], rows[SIZE] = tick + np.arange(count), 2.5
    return rows


def ghost_messages(count: int, tick: int) -> list[bytes]:
    """Write rows as the server tells ghosts."""
    rows, sender = rows_of(SCHEMA.full_record, count, tick), RecordSender(SCHEMA.full_record, 100)
    sent = sender.collect(tick, np.arange(count), np.full(count, tick), rows)
    return [message for message, _ in sent]


def proposals(numbers: Iterable[int], count: int, tick: int, epoch: int = 1) -> list[bytes]:
    """Write rows of components as a shard proposes them."""
    runs = [(n, rows_of(SCHEMA.proposed_rows[n], count, tick, epoch)) for n in numbers]
    return [message for message, _ in encode_proposals(tick, runs)]


def record_seeds() -> list[bytes]:
    return [*ghost_messages(2, 7), *ghost_messages(1, 0)]


def decode_proposal(body: bytes) -> None:
    tick, runs = decode_proposal_untrusted(SCHEMA, body)
    assert 0 <= tick < 1 << 32
    assert b"".join(bytes((n, len(rows))) + rows.tobytes() for n, rows in runs) == body[6:]


def proposal_seeds() -> list[bytes]:
    return [
        *proposals((1,), 2, 7),
        *proposals((1, 2, 3), 1, 0),
        *proposals((BURST,), 3, 8),
        *proposals((64, 66), 2, 3),
        *proposals((), 0, 9),
    ]


def decode_rows_of_sorts(body: bytes) -> None:
    """Decode rows of a sort; what they say is in range, and written again the same."""
    number = SORTS[body[0] % len(SORTS)] if body else MOVES
    dtype = SCHEMA.rows[number]
    rows = np.frombuffer(body, dtype, max(0, len(body) - 1) // dtype.itemsize, min(1, len(body)))
    where = {"origin_x": 250.0, "origin_y": -500.0}
    values = decode_rows_untrusted(SCHEMA, number, rows, RULES, **where)
    for field in SCHEMA.component(number).fields:
        assert valid_values(field, values[field.name]).all(), field.name
    tick = rows["tick"] if number == MOVES else 0
    again = encode_rows(SCHEMA, number, values, rows["id"], RULES, tick=tick, **where)
    if number == BURST:
        again["age"] = rows["age"]
    assert again.tobytes() == rows.tobytes()


def rows_of_sorts() -> Iterator[bytes]:
    for at, number in enumerate(SORTS):
        records = rows_of(SCHEMA.proposed_rows[number], 3, 7)
        values = {field.name: records[field.name] for field in SCHEMA.component(number).fields}
        yield bytes([at]) + encode_rows(SCHEMA, number, values, records["id"], RULES).tobytes()
    yield b""


# -- declarations ----------------------------------------------------------------------------------


def explain(body: bytes) -> None:
    text = SCHEMA.explain_untrusted(body, "another game")
    assert text.isprintable()
    assert text == "another game" or text.startswith("the game here is not the server's: ")


def descriptions() -> Iterator[bytes]:
    yield BASE_SCHEMA.description.encode()
    further = Component("hull", (Field("hp", "f4", "hp", 0, 100, 0.5),), Replication.ATTRIBUTE)
    yield Schema((*BASE_COMPONENTS[::-1], further)).description.encode()


# -- actions ------------------------------------------------------------------------------------


class Cargo(msgspec.Struct, array_like=True):
    """An argument that holds others."""

    name: str
    masses: dict[str, float]


def trade(
    tx: Any,
    amount: Annotated[int, msgspec.Meta(ge=1, le=500)],
    cargo: list[Cargo],
    note: Annotated[str, msgspec.Meta(max_length=9)] | None = None,
) -> None:
    """Nothing runs it: its arguments are read."""


SIGNATURES: Final = Signatures([make_action("market.trade", trade, 1.0, durable=True)])


def read_call(body: bytes) -> None:
    """Read a name, up to a zero, and arguments: what comes out is what the signature says."""
    name, _, arguments = body.partition(b"\0")
    action = SIGNATURES.find_untrusted(name.decode("latin-1"), PLAYERS)
    amount, cargo, note = SIGNATURES.read_untrusted(action, arguments)
    assert 1 <= amount <= 500
    assert all(math.isfinite(mass) for one in cargo for mass in one.masses.values())
    assert note is None or len(note) <= 9


def read_calls(body: bytes) -> None:
    """Read the arguments of several calls."""
    action = SIGNATURES.find_untrusted("market.trade", PLAYERS)
    for call in SIGNATURES.split_untrusted(body):
        amount, _, _ = SIGNATURES.read_untrusted(action, call)
        assert 1 <= amount <= 500


def call_seeds() -> Iterator[bytes]:
    for arguments in ([7, [["ore", {"raw": 2.5, "pure": 1}]], "fragile"], [1, []]):
        yield b"market.trade\0" + msgspec.msgpack.encode(arguments)


# -- forms ----------------------------------------------------------------------------------------


def read_register(body: bytes) -> None:
    form = read_register_untrusted(body)
    folded = unicodedata.normalize("NFKC", form.name)
    assert is_readable(form.name)
    assert joins(folded)
    assert shows(folded)
    assert form.name.strip() == form.name
    assert 1 <= len(form.name.encode()) <= NAME_SIZE_MAX
    assert len(form.password) >= PASSWORD_LENGTH_MIN
    assert len(form.password.encode()) <= PASSWORD_SIZE_MAX


def read_login(body: bytes) -> None:
    form = read_login_untrusted(body)
    assert is_readable(form.name)
    assert not form.anonymous or not (form.name or form.password)
    assert len(form.password.encode()) <= PASSWORD_SIZE_MAX


REGISTER: Final = (
    b'{"name": "Ada", "password": "correct horse"}',
    '{"name": "Ånna 😀", "password": "grüße überall"}'.encode(),
)
LOGIN: Final = (
    b'{"anonymous": true}',
    b'{"anonymous": false, "name": "Ada", "password": "correct horse", "role": "observer"}',
    b'{"name": "A\\u0041\\ud83d\\ude00", "password": "\\t\\n secret"}',
)

TARGETS: Final = (
    Target(ACTIONS + "find_untrusted", read_call, call_seeds),
    Target(ACTIONS + "read_untrusted", read_call, call_seeds),
    Target(
        ACTIONS + "split_untrusted",
        read_calls,
        lambda: [msgspec.msgpack.encode([[7, [], "fragile"], [1, []]]), b"\x90"],
    ),
    Target("protocol.links.decode_user_data_untrusted", decode_user_data, user_data_seeds),
    Target(
        CODEC + "decode_client_untrusted", decoding(codec.decode_client_untrusted), client_messages
    ),
    Target(
        CODEC + "decode_server_untrusted", decoding(codec.decode_server_untrusted), server_messages
    ),
    Target(
        CODEC + "decode_shard_untrusted", decoding(codec.decode_shard_untrusted), shard_messages
    ),
    Target(
        CODEC + "decode_authority_untrusted",
        decoding(codec.decode_authority_untrusted),
        authority_messages,
    ),
    Target(INPUTS + "decode_input_untrusted", decode_input, inputs),
    Target(INPUTS + "decode_routed_input_untrusted", decode_routed_input, routed_inputs),
    Target(CODEC + "decode_rows_untrusted", decode_rows, row_seeds),
    Target(STATE + "records.decode_record_message_untrusted", decode_records, record_seeds),
    Target(STATE + "proposals.decode_proposal_untrusted", decode_proposal, proposal_seeds),
    Target(STATE + "quantize.decode_rows_untrusted", decode_rows_of_sorts, rows_of_sorts),
    Target(STATE + "schema.Schema.explain_untrusted", explain, descriptions),
    Target(CREDENTIALS + "read_register_untrusted", read_register, lambda: REGISTER),
    Target(CREDENTIALS + "read_login_untrusted", read_login, lambda: LOGIN),
)
