"""What pilots send every tick. PROTOCOL.md, "Inputs"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .messages import Message
from .octets import Malformed, Octets

RECORDS_MAX: Final = 16

Codes = Sequence[int]
"""How many codes each field of a record has, in their order."""

THAT_SHIPS: Final[Codes] = (3, 3, 2, 16)
"""Thrust, turn, brake and fire."""


def read_input(body: bytes, codes: Codes) -> Message:
    """Read an input of a client."""
    return {"message": "Input", **_read(Octets(body), codes)}


def read_routed_input(body: bytes, codes: Codes) -> Message:
    """Read an input on its way to a shard."""
    octets = Octets(body)
    return {"message": "RoutedInput", "id": octets.number("I"), **_read(octets, codes)}


def write_input(control_epoch: int, first: int, records: Sequence[int], codes: Codes) -> bytes:
    """Write an input."""
    head = control_epoch.to_bytes(4, "little") + first.to_bytes(4, "little")
    size = _size(codes)
    packed = b"".join(record.to_bytes(size, "little") for record in records)
    return head + bytes([len(records)]) + packed


def _read(octets: Octets, codes: Codes) -> Message:
    control_epoch, first, count = octets.unpack("IIB")
    if not 1 <= count <= RECORDS_MAX:
        raise Malformed(f"{count} records")
    records = [int.from_bytes(octets.take(_size(codes)), "little") for _ in range(count)]
    octets.end()
    for record in records:
        for there in codes:
            record, code = divmod(record, 1 << _bits(there))
            if code >= there:
                raise Malformed(f"code {code} of {there}")
        if record:
            raise Malformed("bits above those of the controls")
    return {"control_epoch": control_epoch, "first": first, "records": records}


def _bits(codes: int) -> int:
    return (codes - 1).bit_length()


def _size(codes: Codes) -> int:
    return (sum(map(_bits, codes)) + 7) // 8
