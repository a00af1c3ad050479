"""Rows of the components of any game, by a description. PROTOCOL.md, "Components and rows"."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import msgspec

from .octets import Malformed, Octets, text_of, within

BASE: Final = 7
"""Components that every world has; their rows are laid out in the document."""
LETTERS: Final = {
    **{"<f4": "f", "<f8": "d", "|i1": "b", "<i2": "h", "<i4": "i", "<i8": "q"},
    **{"|u1": "B", "<u2": "H", "<u4": "I"},
}
CODES: Final = {
    False: ((1 << 8, "B"), (1 << 16, "H"), (1 << 32, "I")),
    True: ((1 << 7, "b"), (1 << 15, "h"), (1 << 31, "i")),
}
"""Letters of the types of codes, by whether any is negative; each with what is beyond it."""


class Column(NamedTuple):
    """A field of a row: how it is laid out, and what its codes stand for.

    Attributes:
        first: least code of a field with a quantum, else its least value; likewise `last`.
    """

    name: str
    letter: str
    first: float
    last: float
    quantum: float
    wraps: bool


class Described(NamedTuple):
    """A row of a component."""

    id: int
    values: dict[str, Any]


def read_columns(description: bytes) -> dict[int, tuple[Column, ...]]:
    """Give the columns of the game's own components, by their numbers."""
    _, components, *_ = msgspec.msgpack.decode(description)
    return {
        number: tuple(_column(*field) for field in component[6])
        for number, component in enumerate(components, 1)
        if number > BASE
    }


def read_row(columns: tuple[Column, ...], octets: Octets) -> Described:
    """Read a row."""
    number = octets.number("I")
    within("id", number, 1, math.inf)
    return Described(number, {column.name: _value(column, octets) for column in columns})


def _column(
    name: str,
    dtype: str,
    unit: str,
    low: float,
    high: float,
    quantum: float,
    wraps: bool,
    axis: str,
) -> Column:
    if axis:
        raise Malformed(f"a place {name}")
    if not quantum:
        letter = f"{dtype[2:]}s" if dtype.startswith("|S") else LETTERS[dtype]
        return Column(name, letter, low, high, 0.0, False)
    first, last = round(low / quantum), round(high / quantum)
    if wraps:
        first, last = 0, round((high - low) / quantum) - 1
    for beyond, letter in CODES[first < 0]:
        if -beyond <= first and last < beyond:
            return Column(name, letter, first, last, quantum, wraps)
    raise Malformed(f"{name} has too many codes")


def _value(column: Column, octets: Octets) -> Any:
    read = octets.number(column.letter)
    if isinstance(read, bytes):
        return text_of(read)
    within(column.name, read, column.first, column.last)
    if not column.quantum:
        return read
    value = read * column.quantum
    steps = column.last + 1
    return value - steps * column.quantum if column.wraps and read >= steps / 2 else value
