"""Messages as plain values, as the real ends read them, under the names of PROTOCOL.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from sidereal.game.bits import layout_of
from sidereal.protocol.message import player, shard
from sidereal.protocol.message.codec import (
    ASKED_ROW,
    HOLDER_ROW,
    INPUT_ROW,
    LEASE_ROW,
    SHADOW_ROW,
    decode_authority_untrusted,
    decode_client_untrusted,
    decode_rows_untrusted,
    decode_server_untrusted,
    decode_shard_untrusted,
)
from sidereal.protocol.message.inputs import (
    Input,
    decode_input_untrusted,
    decode_routed_input_untrusted,
)
from sidereal.protocol.message.player import PlayerChannel
from sidereal.protocol.message.shard import ShardChannel
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.protocol.state.records import decode_record_message_untrusted
from sidereal.protocol.state.snapshot import glance_untrusted
from sidereal.tools.simulate.game import Stick

from .happening import RULES, SCHEMA

Plain = dict[str, Any]

LAYOUT: Final = layout_of(Stick)
ROWS_MAX: Final = 1 << 17
_RELEASED: Final = np.dtype([("id", "<u4"), ("epoch", "<u4")])


def at_client(channel: int, body: bytes) -> Plain:
    """Read what arrived at a client."""
    if channel == PlayerChannel.SNAPSHOT:
        return {"message": "Snapshot", "tick": glance_untrusted(SCHEMA, RULES, body)[0]}
    return named(decode_server_untrusted(channel, body))


def from_client(channel: int, body: bytes) -> Plain:
    """Read what arrived from a client."""
    if channel == PlayerChannel.CONTROLS:
        return {"message": "Input", **_pressed(decode_input_untrusted(body, LAYOUT))}
    return named(decode_client_untrusted(channel, body))


def at_shard(channel: int, body: bytes) -> Plain:
    """Read what arrived at a shard."""
    if channel == ShardChannel.GHOST:
        tick, records = decode_record_message_untrusted(SCHEMA.full_record, body)
        return {"message": "Ghosts", "tick": tick, "rows": listed(records)}
    if channel == ShardChannel.CONTROLS:
        routed = decode_routed_input_untrusted(body, LAYOUT)
        return {"message": "RoutedInput", "id": routed.net_id, **_pressed(routed.input)}
    return named(decode_authority_untrusted(channel, body))


def from_shard(channel: int, body: bytes) -> Plain:
    """Read what arrived from a shard."""
    if channel == ShardChannel.PROPOSAL:
        tick, runs = decode_proposal_untrusted(SCHEMA, body)
        rows = [[number, [_plain(row) for row in rows.tolist()]] for number, rows in runs]
        return {"message": "Proposals", "tick": tick, "runs": rows}
    return named(decode_shard_untrusted(channel, body))


def named(message: msgspec.Struct) -> Plain:
    """Give the fields of a message by their names."""
    name = type(message).__name__
    values = [*msgspec.structs.astuple(message)]
    readers = _READERS.get(type(message), {})
    fields = _FIELDS[type(message)]
    for at, field in enumerate(fields):
        if field in readers:
            values[at] = readers[field](values[at])
        elif isinstance(values[at], bytes):
            values[at] = values[at].hex()
    return {"message": name, **dict(zip(fields, values, strict=True))}


def listed(records: np.ndarray) -> list[list[Any]]:
    """Give exact or full records as lists, the traits of full ones as a list of their own."""
    listed = []
    # A few hundred rows in all.
    for record in records.tolist():
        row = _plain(record)
        exact = len(SCHEMA.exact_record.names or ())
        listed.append([*row[:exact], row[exact:] or None])
    return listed


def _plain(row: tuple[Any, ...]) -> list[Any]:
    return [field.decode() if isinstance(field, bytes) else field for field in row]


def _packed(dtype: Any) -> Callable[[bytes], list[Any]]:
    def read(body: bytes) -> list[Any]:
        rows = decode_rows_untrusted(body, np.dtype(dtype), ROWS_MAX)
        return [list(row) if isinstance(row, tuple) else row for row in rows.tolist()]

    return read


def _pressed(message: Input) -> Plain:
    control_epoch, first, records = message
    return {"control_epoch": control_epoch, "first": first, "records": list(records)}


def _records(body: bytes) -> list[list[Any]]:
    return listed(decode_rows_untrusted(body, SCHEMA.full_record, ROWS_MAX))


def _rules(rules: Any) -> list[Any]:
    listed: list[Any] = msgspec.to_builtins(rules)
    return listed


_CHANGE: Final = ("tick", "leases")
_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    player.Hello: ("schema_hash", "software"),
    player.Welcome: ("schema_hash", "rules", "tick", "account", "role", "name"),
    player.Refused: ("reason", "text", "description"),
    player.Assigned: ("id", "control_epoch", "tick"),
    player.LookAt: ("x", "y"),
    player.Leases: ("tick", "x", "y", "radius", "holders"),
    player.Call: ("key", "action", "arguments"),
    player.Notice: ("text",),
    player.Standstill: ("tick",),
    player.Receipt: ("key", "outcome", "text"),
    player.Told: ("text",),
    player.Values: ("shared", "component", "row"),
    shard.ShardHello: ("schema_hash", "name", "incarnation", "session", "pid", "code", "spare"),
    shard.ShardWelcome: ("shard", "rules", "tick"),
    shard.Grant: _CHANGE,
    shard.Revoke: _CHANGE,
    shard.Adopt: ("tick", "records", "inputs"),
    shard.Release: ("tick", "entities"),
    shard.Beat: ("tick", "early"),
    shard.Load: (
        *("tick", "entities", "ghosts", "guests", "cpu", "resident", "steps"),
        *("slowest", "slowest_us", "shadows", "impulse"),
    ),
    shard.Farewell: ("what", "why"),
    shard.Adopted: ("rows",),
    shard.Asked: ("action", "rows", "arguments"),
    shard.GrantIds: ("first", "count"),
    shard.AskIds: (),
    shard.Amend: ("tick", "records"),
    shard.Drain: (),
    shard.Dismiss: (),
    shard.Shadows: ("tick", "entities"),
}
_LEASES: Final = {"leases": _packed(LEASE_ROW)}
_READERS: Final[dict[type, dict[str, Callable[[Any], Any]]]] = {
    player.Welcome: {"rules": _rules},
    player.Leases: {"holders": _packed(HOLDER_ROW)},
    shard.ShardWelcome: {"rules": _rules},
    shard.Grant: _LEASES,
    shard.Revoke: _LEASES,
    shard.Adopt: {"records": _records, "inputs": _packed(INPUT_ROW)},
    shard.Amend: {"records": _records},
    shard.Release: {"entities": _packed(_RELEASED)},
    shard.Asked: {"rows": _packed(ASKED_ROW)},
    shard.Load: {"steps": _packed("<u4")},
    shard.Shadows: {"entities": _packed(SHADOW_ROW)},
}
