"""What pilots hold: records of controls, and the messages that carry them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from .octets import Octets, require

Codes: TypeAlias = tuple[int, ...]
"""How many codes each field of the controls can have, in their order."""

THAT_SHIPS: Final[Codes] = (3, 3, 2, 16, 3, 2, 2, 1024, 16, 16, 16)
"""Of the game that ships: thrust, turn, brake, fire, strafe, shoot, aimed, aim, dock, sell and
mend."""
RECORDS_MAX: Final = 16


def widths(codes: Codes) -> list[int]:
    """Say how many bits each field takes."""
    return [(count - 1).bit_length() for count in codes]


def record_size(codes: Codes) -> int:
    """Say how many bytes a record takes."""
    return (sum(widths(codes)) + 7) // 8


def read_input(body: bytes, codes: Codes) -> dict[str, Any]:
    """Read an input of a client."""
    return {"message": "Input", **_read(Octets(body), codes)}


def read_routed_input(body: bytes, codes: Codes) -> dict[str, Any]:
    """Read an input as shards are sent it."""
    octets = Octets(body)
    subject = octets.number("I")
    return {"message": "RoutedInput", "id": subject, **_read(octets, codes)}


def write_input(control_epoch: int, first: int, records: Sequence[int], codes: Codes) -> bytes:
    """Write an input: some records, and the number of the first one."""
    size = record_size(codes)
    head = struct.pack("<IIB", control_epoch, first, len(records))
    return head + b"".join(record.to_bytes(size, "little") for record in records)


def _read(octets: Octets, codes: Codes) -> dict[str, Any]:
    control_epoch, first, count = octets.unpack("IIB")
    require(1 <= count <= RECORDS_MAX, "not 1 to 16 records")
    size = record_size(codes)
    records = [int.from_bytes(octets.take(size), "little") for _ in range(count)]
    octets.end()
    for record in records:
        _judge(record, codes)
    return {"control_epoch": control_epoch, "first": first, "records": records}


def _judge(record: int, codes: Codes) -> None:
    for count, width in zip(codes, widths(codes), strict=True):
        require(record & ((1 << width) - 1) < count, "a code that there is not")
        record >>= width
    require(record == 0, "a bit that there is not")
