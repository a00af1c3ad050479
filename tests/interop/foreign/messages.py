"""The messages that are MessagePack: their tags, channels, and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from .bodies import read_compressed, read_full_records
from .fields import (
    Check,
    boolean,
    integer,
    is_integer,
    numbers,
    octets,
    real,
    rows,
    rules,
    text,
    unpacked,
)
from .octets import Malformed, require

Message: TypeAlias = dict[str, Any]
"""The fields of a message by their names, and its own name under "message"."""

U16: Final = integer(0, (1 << 16) - 1)
U32: Final = integer()
LOOK_MAX: Final = 3e12
USER_DATA_SIZE: Final = 256


class Kind(NamedTuple):
    """A message that there is."""

    name: str
    channel: int
    is_from_server: bool
    fields: Mapping[str, Check]
    optional: int = 0
    """How many fields may be left out at the end."""


Link: TypeAlias = Mapping[int, Kind]

REFUSED: Final = {"reason": U16, "text": text(0, 1000), "description": octets(0, 65_536)}
TICK: Final = {"tick": U32}
LEASES: Final = {"tick": U32, "leases": rows("iiHI")}

CLIENT_LINK: Final[Link] = {
    1: Kind("Hello", 2, False, {"schema_hash": octets(16, 16), "software": text(1, 24)}),
    2: Kind(
        "Welcome",
        2,
        True,
        {
            "schema_hash": octets(16, 16),
            "rules": rules,
            "tick": U32,
            "account": integer(None, None),
            "role": U16,
            "name": text(0, 24),
        },
    ),
    3: Kind("Refused", 2, True, REFUSED, optional=1),
    4: Kind("Assigned", 2, True, {"id": U32, "control_epoch": U32, "tick": U32}),
    6: Kind("LookAt", 2, False, {"x": real(-LOOK_MAX, LOOK_MAX), "y": real(-LOOK_MAX, LOOK_MAX)}),
    7: Kind(
        "Leases",
        3,
        True,
        {
            "tick": U32,
            "x": integer(-(1 << 31), (1 << 31) - 1),
            "y": integer(-(1 << 31), (1 << 31) - 1),
            "radius": integer(0, 7),
            "holders": rows("bbH"),
        },
    ),
    8: Kind(
        "Call",
        2,
        False,
        {"key": octets(16, 16), "action": text(1, 63), "arguments": octets(0, 1024)},
    ),
    9: Kind("Notice", 2, True, {"text": text(0, 1000)}),
    10: Kind("Standstill", 2, True, TICK),
    11: Kind(
        "Receipt",
        2,
        True,
        {"key": octets(16, 16), "outcome": integer(0, 2), "text": text(0, 1000)},
    ),
    12: Kind("Told", 2, True, {"text": text(0, 1000)}),
    13: Kind("Values", 2, True, {"shared": boolean, "component": U16, "row": octets(0, 1150)}),
}

SHARD_LINK: Final[Link] = {
    32: Kind(
        "ShardHello",
        4,
        False,
        {
            "schema_hash": octets(16, 16),
            "name": text(1, 24, is_printable=True),
            "incarnation": octets(16, 16),
            "session": U32,
            "pid": U32,
            "code": octets(16, 16),
            "spare": boolean,
        },
    ),
    33: Kind("ShardWelcome", 4, True, {"shard": U16, "rules": rules, "tick": U32}),
    3: Kind("Refused", 4, True, REFUSED, optional=1),
    34: Kind("Grant", 4, True, LEASES),
    35: Kind("Revoke", 4, True, LEASES),
    36: Kind("Adopt", 4, True, {"tick": U32, "records": read_compressed, "inputs": rows("IIQ")}),
    37: Kind("Release", 4, True, {"tick": U32, "entities": rows("II")}),
    38: Kind("Beat", 2, True, {"tick": U32, "early": integer(None, None)}),
    40: Kind(
        "Load",
        2,
        False,
        {
            "tick": U32,
            "entities": U32,
            "ghosts": U32,
            "guests": U32,
            "cpu": U32,
            "resident": integer(None, None),
            "steps": numbers,
            "slowest": text(0, 80, is_printable=True),
            "slowest_us": U32,
            "shadows": U32,
            "impulse": integer(None, None),
        },
    ),
    41: Kind(
        "Farewell",
        4,
        False,
        {"what": text(0, 80, is_printable=True), "why": text(0, 1000, is_printable=True)},
    ),
    42: Kind("Adopted", 4, False, {"rows": U32}),
    43: Kind("GrantIds", 4, True, {"first": U32, "count": U32}),
    44: Kind("AskIds", 4, False, {}),
    45: Kind("Amend", 4, True, {"tick": U32, "records": read_full_records}),
    46: Kind(
        "Asked",
        4,
        False,
        {"action": text(1, 63), "rows": rows("II", 256), "arguments": octets(0, 65_536)},
    ),
    47: Kind("Drain", 4, False, {}),
    48: Kind("Dismiss", 4, True, {}),
    49: Kind("Shadows", 4, True, {"tick": U32, "entities": rows("IQ")}),
}


def read_message(link: Link, channel: int, is_from_server: bool, body: bytes) -> Message:
    """Read a message that came on a channel.

    Raises:
        Malformed: it is to be dropped and counted.
    """
    array = unpacked(body)
    require(isinstance(array, list) and bool(array), "no array with a tag")
    tag, *values = array
    kind = link.get(tag) if is_integer(tag) else None
    if kind is None:
        raise Malformed("an unknown tag")
    require(kind.channel == channel, f"{kind.name} on another channel")
    require(kind.is_from_server == is_from_server, f"{kind.name} from the other end")
    missing = len(kind.fields) - len(values)
    require(0 <= missing <= kind.optional, f"{kind.name} with missing or extra fields")
    values += [b""] * missing
    said = zip(kind.fields.items(), values, strict=True)
    return {"message": kind.name, **{name: check(value) for (name, check), value in said}}


def write_message(link: Link, name: str, *values: Any) -> tuple[int, bytes]:
    """Write a message: its channel and its bytes."""
    tag, kind = next((tag, kind) for tag, kind in link.items() if kind.name == name)
    return kind.channel, msgspec.msgpack.encode([tag, *values])


def read_user_data(body: bytes) -> Message:
    """Read the user data of a client's token: account, role, name and incarnation."""
    require(len(body) == USER_DATA_SIZE, "user data of another size")
    size = body[0]
    require(not any(body[1 + size :]), "something behind the user data")
    values = unpacked(body[1 : 1 + size])
    require(isinstance(values, list) and len(values) == len(USER_FIELDS), "no user data")
    said = zip(USER_FIELDS.items(), values, strict=True)
    user = {name: check(value) for (name, check), value in said}
    require(len(user["name"].encode()) <= 24, "a name that is too long")
    return user


USER_FIELDS: Final[Mapping[str, Check]] = {
    "account": integer(0, (1 << 63) - 1),
    "role": integer(1, 3),
    "name": text(1, 24),
    "incarnation": octets(16, 16),
}
