"""How the rows of a world are laid out, of which one knows the description."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from .description import BASE as BASE_NAMES
from .description import EVENTS_FROM, NEAR, PILOT, ROLE, Description, Field
from .inputs import Codes
from .octets import Octets, read_text, require
from .rows import EventSort, Values, World, read_id, turned

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
    values: Values


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
    return Row(number, read_fields(fields, octets))


def read_fields(fields: Sequence[Field], octets: Octets) -> Values:
    """Read fields as they travel in sections of cells."""
    return {field.name: _read_value(field, octets) for field in fields}


def read_memory(fields: Sequence[Field], octets: Octets) -> Values:
    """Read fields as they are in memory."""
    return {field.name: _read_exact(field, octets) for field in fields}


def world_of(description: Description) -> World:
    """Say what may come in snapshots of a world."""
    numbered = tuple(enumerate(description.components, 1))
    further = numbered[len(BASE_NAMES) :]
    return World(
        components={
            number: partial(read_fields, each.fields)
            for number, each in further
            if each.sent == NEAR or each.sent.startswith(ROLE)
        },
        flown={
            number: partial(read_memory, each.fields)
            for number, each in numbered[1:]
            if each.is_predicted or each.sent == PILOT
        },
        events=event_sorts(description),
    )


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
    if not field.quantum:
        return _read_exact(field, octets)
    (code,) = octets.unpack(letter(field))
    low, high = codes_of(field)
    require(low <= code <= high, f"{field.name} out of range")
    return turned(code, high + 1) if field.is_wrapped else float(code * field.quantum)


def _read_exact(field: Field, octets: Octets) -> float | str:
    (value,) = octets.unpack(memory_letter(field))
    if isinstance(value, bytes):
        return read_text(value)
    require(field.low <= value <= field.high, f"{field.name} out of range")
    return float(value)
