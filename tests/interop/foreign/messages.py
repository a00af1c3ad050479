"""What travels as MessagePack. PROTOCOL.md, "Messages" and "User data of connect tokens"."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from .octets import Malformed, Octets

Check = Callable[[Any], Any]
"""Gives the value of a field, or None if it is out of range."""
Message = dict[str, Any]
"""The fields of a message by their names, and its own as `message`."""


def integer(low: int, high: int) -> Check:
    """Allow integers from one to another, both included."""
    return lambda value: value if type(value) is int and low <= value <= high else None


def number(low: float, high: float) -> Check:
    """Allow floats from one to another, and integers in their place."""
    return lambda value: (
        float(value) if type(value) in (int, float) and low <= value <= high else None
    )


def text(least: int, most: int) -> Check:
    """Allow texts by their characters."""
    return lambda value: value if type(value) is str and least <= len(value) <= most else None


def boolean(value: Any) -> bool | None:
    """Allow true and false."""
    return value if type(value) is bool else None


def name_of_24_bytes(value: Any) -> str | None:
    """Allow texts by their bytes."""
    return value if type(value) is str and 1 <= len(value.encode()) <= 24 else None


def sized(least: int, most: int) -> Check:
    """Allow bytes by their size."""
    return lambda value: value if type(value) is bytes and least <= len(value) <= most else None


def rows(layout: str, least: int = 0, most: int = 1 << 20) -> Check:
    """Allow packed rows by their count."""

    def check(value: Any) -> list[tuple[int, ...]] | None:
        if type(value) is not bytes:
            return None
        octets, found = Octets(value), []
        while octets.left:
            found.append(octets.unpack(layout))
        return found if least <= len(found) <= most else None

    return check


def numbers(layout: str, least: int = 0, most: int = 1 << 20) -> Check:
    """Allow packed numbers by their count."""
    check = rows(layout, least, most)

    def flat(value: Any) -> list[int] | None:
        found = check(value)
        return None if found is None else [first for (first,) in found]

    return flat


ANY: Final = integer(-(1 << 63), (1 << 64) - 1)
U16: Final = integer(0, 0xFFFF)
U32: Final = integer(0, 0xFFFFFFFF)
I32: Final = integer(-(1 << 31), (1 << 31) - 1)
HASH: Final = sized(16, 16)
NAME: Final = text(1, 24)
ROLE: Final = integer(1, 3)
LEASES: Final = rows("iiHI")
POSITION: Final = number(-3e12, 3e12)
FINITE: Final = number(-sys.float_info.max, sys.float_info.max)


class Rules(NamedTuple):
    """The numbers that both ends run on."""

    tick_hz: int
    steps_per_tick: int
    sector_size: float
    cell_size: float
    view_radius: int
    speed_max: float
    streams: list[int]

    @property
    def reorder_ticks(self) -> int:
        """How much older than the newest something may be that still counts."""
        return self.streams[0]

    @property
    def tombstone_ticks(self) -> int:
        """For how long a cell remembers who has left it."""
        return self.streams[1]

    @property
    def cells_per_sector(self) -> int:
        """Cells along an edge of a sector."""
        return round(self.sector_size / self.cell_size)


def stream_limits(value: Any) -> list[int] | None:
    """Allow for how long both ends go by what is old."""
    if type(value) is not list or len(value) != 3 or None in map(integer(1, 32_768), value):
        return None
    reorder, tombstones, age = value
    return value if reorder < tombstones <= 256 and tombstones < age else None


_RULE_CHECKS: Final = (
    *(integer(1, 120), integer(1, 16)),
    *(FINITE, FINITE, integer(1, 7)),
    FINITE,
    stream_limits,
)


def rules(value: Any) -> Rules | None:
    """Allow the rules of a world."""
    if type(value) is not list or len(value) != len(_RULE_CHECKS):
        return None
    found = [check(item) for check, item in zip(_RULE_CHECKS, value, strict=True)]
    if None in found:
        return None
    read = Rules(*found)
    fits = read.cell_size > 0 and read.sector_size % read.cell_size == 0
    fits = fits and read.cell_size <= read.sector_size <= 15 * read.cell_size
    return read if fits and 0 < read.speed_max <= 250 else None


class Kind(NamedTuple):
    """A kind of message: its name, ways, channel and fields, and values of what may be left out."""

    name: str
    ways: str
    channel: int
    fields: Mapping[str, Check]
    left_out: tuple[Any, ...] = ()


Link = Mapping[int, Kind]
"""The messages of a link by their tags."""

CHANGE: Final = {"tick": U32, "leases": LEASES}
SQUARE: Final = {
    "tick": U32,
    "x": I32,
    "y": I32,
    "radius": integer(0, 7),
    "holders": rows("bbH"),
}
WELCOME: Final = {
    "schema_hash": HASH,
    "rules": rules,
    "tick": U32,
    "account": ANY,
    "role": U16,
    "name": text(0, 24),
}
LOAD: Final = {
    "tick": U32,
    "entities": U32,
    "ghosts": U32,
    "guests": U32,
    "cpu": U32,
    "resident": ANY,
    "steps": numbers("I"),
    "slowest": text(0, 80),
    "slowest_us": U32,
}
REFUSED: Final = {"reason": U16, "text": text(0, 1000), "description": sized(0, 1 << 16)}
SHARD_HELLO: Final = {
    "schema_hash": HASH,
    "name": NAME,
    "incarnation": HASH,
    "session": U32,
    "pid": U32,
    "code": HASH,
}
FAREWELL: Final = {"what": text(0, 80), "why": text(0, 1000)}

ASKED: Final = {"action": text(1, 63), "rows": rows("II"), "arguments": sized(0, 1 << 16)}
CALL: Final = {"key": HASH, "action": text(1, 63), "arguments": sized(0, 1024)}

CLIENT_LINK: Final[Link] = {
    1: Kind("Hello", "→", 2, {"schema_hash": HASH, "software": NAME}),
    2: Kind("Welcome", "←", 2, WELCOME),
    3: Kind("Refused", "←", 2, REFUSED, left_out=(b"",)),
    4: Kind("Assigned", "←", 2, {"id": U32, "control_epoch": U32, "tick": U32}),
    6: Kind("LookAt", "→", 2, {"x": POSITION, "y": POSITION}),
    7: Kind("Leases", "←", 3, SQUARE),
    8: Kind("Call", "→", 2, CALL),
    9: Kind("Notice", "←", 2, {"text": text(0, 1000)}),
    10: Kind("Standstill", "←", 2, {"tick": U32}),
    11: Kind("Receipt", "←", 2, {"key": HASH, "outcome": integer(0, 2), "text": text(0, 1000)}),
    12: Kind("Told", "←", 2, {"text": text(0, 1000)}),
    13: Kind("Values", "←", 2, {"shared": boolean, "component": U16, "row": sized(0, 1150)}),
}
SHARD_LINK: Final[Link] = {
    32: Kind("ShardHello", "→", 4, SHARD_HELLO),
    33: Kind("ShardWelcome", "←", 4, {"shard": U16, "rules": rules, "tick": U32}),
    3: Kind("Refused", "←", 4, REFUSED, left_out=(b"",)),
    34: Kind("Grant", "←", 4, CHANGE),
    35: Kind("Revoke", "←", 4, CHANGE),
    36: Kind("Adopt", "←", 4, {"tick": U32, "records": sized(0, 1 << 20), "inputs": rows("IIQ")}),
    37: Kind("Release", "←", 4, {"tick": U32, "entities": rows("II")}),
    38: Kind("Beat", "←", 2, {"tick": U32, "early": ANY}),
    40: Kind("Load", "→", 2, LOAD),
    41: Kind("Farewell", "→", 4, FAREWELL),
    42: Kind("Adopted", "→", 4, {"rows": U32}),
    46: Kind("Asked", "→", 4, ASKED),
    43: Kind("GrantIds", "←", 4, {"first": U32, "count": U32}),
    44: Kind("AskIds", "→", 4, {}),
    45: Kind("Amend", "←", 4, {"tick": U32, "records": sized(0, 1 << 20)}),
}
USER_DATA: Final = {
    "account": integer(0, (1 << 63) - 1),
    "role": ROLE,
    "name": name_of_24_bytes,
    "incarnation": HASH,
}


def read_message(link: Link, channel: int, is_from_server: bool, body: bytes) -> Message:
    """Read a message of a link."""
    found = _unpacked(body)
    if type(found) is not list or not found or type(found[0]) is not int:
        raise Malformed("no tagged array")
    kind = link.get(found[0])
    if kind is None or kind.channel != channel:
        raise Malformed(f"tag {found[0]} on channel {channel}")
    if kind.ways not in ("↔", "←" if is_from_server else "→"):
        raise Malformed(f"{kind.name} from the wrong end")
    values = found[1:]
    missing = len(kind.fields) - len(values)
    if 0 < missing <= len(kind.left_out):
        values += kind.left_out[-missing:]
    return {"message": kind.name, **_checked(values, kind.fields)}


def read_user_data(user_data: bytes) -> Message:
    """Read what a session may do out of the private part of its token."""
    octets = Octets(user_data)
    packed = octets.take(octets.number("B"))
    octets.zeros()
    return _checked(_unpacked(packed), USER_DATA)


def write_message(tag: int, *fields: Any) -> bytes:
    """Write a message."""
    return msgspec.msgpack.encode([tag, *fields])


def write_array(values: Sequence[Any]) -> bytes:
    """Write the arguments of a call."""
    return msgspec.msgpack.encode(list(values))


def _unpacked(packed: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("not MessagePack") from error


def _checked(values: Any, fields: Mapping[str, Check]) -> Message:
    if type(values) is not list or len(values) != len(fields):
        raise Malformed("missing or extra fields")
    checked = {name: fields[name](value) for name, value in zip(fields, values, strict=True)}
    for name, value in checked.items():
        if value is None:
            raise Malformed(f"{name} is out of range")
    return checked
