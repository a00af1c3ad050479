"""How the rows of a world are laid out, of which one knows the description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from .description import EVENTS_FROM, Description, Field
from .inputs import Codes
from .octets import Octets, read_text, require
from .rows import EventSort, read_id, turned

LETTERS: Final = {
    "<f4": "f",
    "<f8": "d",
    "|i1": "b",
    "<i2": "h",
    "<i4": "i",
    "<i8": "q",
    "|u1": "B",
    "<u2": "H",
    "<u4": "I",
}
UNSIGNED: Final = ((8, "B"), (16, "H"), (32, "I"), (64, "Q"))
SIGNED: Final = ((7, "b"), (15, "h"), (31, "i"), (63, "q"))
VIEWERS: Final = "viewers"


class Row(NamedTuple):
    """An entity's fields by their names: numbers in their units, or text."""

    id: int
    values: dict[str, float | str]


def memory_letter(field: Field) -> str:
    """Say how a field is in memory."""
    return f"{field.type[2:]}s" if field.type[1] == "S" else LETTERS[field.type]


def codes_of(field: Field) -> tuple[int, int]:
    """Say which codes a field with a quantum has: the least and the greatest."""
    if field.is_wrapped:
        return 0, round((field.high - field.low) / field.quantum) - 1
    return round(field.low / field.quantum), round(field.high / field.quantum)


def letter(field: Field) -> str:
    """Say how a field travels: as a code if it has a quantum, else as it is in memory."""
    if not field.quantum:
        return memory_letter(field)
    low, high = codes_of(field)
    sizes = SIGNED if low < 0 else UNSIGNED
    return next(each for bits, each in sizes if -(1 << bits) <= low and high < 1 << bits)


def read_row(fields: Sequence[Field], octets: Octets) -> Row:
    """Read a row of a component.

    Raises:
        Malformed: it is of nobody, or has something that is out of range.
    """
    number = read_id(octets)
    return Row(number, {field.name: _read_value(field, octets) for field in fields})


def event_sorts(world: Description) -> dict[int, EventSort]:
    """Say how the events of a world travel, by their numbers."""
    return {
        number: EventSort(
            "".join(map(letter, event.fields)),
            "".join(map(memory_letter, event.fields)),
            tuple(codes_of(f) if f.quantum else (f.low, f.high) for f in event.fields),
            event.audience != VIEWERS,
        )
        for number, event in enumerate(world.events, EVENTS_FROM)
    }


def control_codes(world: Description) -> Codes:
    """Say how many codes the fields of the controls of a world have."""
    return tuple(control.codes for control in world.controls)


def _read_value(field: Field, octets: Octets) -> float | str:
    (value,) = octets.unpack(letter(field))
    if isinstance(value, bytes):
        return read_text(value)
    low, high = codes_of(field) if field.quantum else (field.low, field.high)
    require(low <= value <= high, f"{field.name} out of range")
    if field.is_wrapped:
        return turned(value, high + 1)
    return float(value * field.quantum) if field.quantum else float(value)
