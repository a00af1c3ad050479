"""What the fields of messages may be: each check gives what a field says, or refuses it."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from .octets import Malformed, require

U32_MAX: Final = (1 << 32) - 1
Check: TypeAlias = Callable[[Any], Any]


class Rules(NamedTuple):
    """The rules of a world, in the order in which they travel."""

    tick_hz: int
    steps_per_tick: int
    sector_size: float
    cell_size: float
    view_radius: int
    speed_max: float
    ages: tuple[int, int, int]
    """Reorder, tombstones, record age: in ticks."""

    @property
    def cells_per_sector(self) -> int:
        """Cells along the side of a sector."""
        return round(self.sector_size / self.cell_size)


def unpacked(body: bytes) -> Any:
    """Read MessagePack."""
    try:
        return msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise Malformed("no MessagePack") from error


def is_integer(value: Any) -> bool:
    """Say whether something is an integer, and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def integer(least: int | None = 0, greatest: int | None = U32_MAX) -> Check:
    """Make a check for integers; none for a bound that there is not."""

    def check(value: Any) -> int:
        require(is_integer(value), "no integer")
        require(least is None or value >= least, "too small")
        require(greatest is None or value <= greatest, "too large")
        return int(value)

    return check


def real(least: float = -math.inf, greatest: float = math.inf) -> Check:
    """Make a check for finite numbers."""

    def check(value: Any) -> float:
        require(is_integer(value) or isinstance(value, float), "no number")
        require(math.isfinite(value) and least <= value <= greatest, "a number out of range")
        return float(value)

    return check


def text(least: int, greatest: int, is_printable: bool = False) -> Check:
    """Make a check for texts of so many characters."""

    def check(value: Any) -> str:
        require(isinstance(value, str), "no text")
        require(least <= len(value) <= greatest, "a text of a wrong length")
        require(not is_printable or value.isprintable(), "a text that is not printable")
        return str(value)

    return check


def octets(least: int, greatest: int) -> Check:
    """Make a check for bytes of so many."""

    def check(value: Any) -> bytes:
        require(isinstance(value, bytes), "no bytes")
        require(least <= len(value) <= greatest, "a wrong number of bytes")
        return bytes(value)

    return check


def rows(layout: str, greatest: int | None = None) -> Check:
    """Make a check for rows of one layout, one after the other."""
    form = struct.Struct("<" + layout)

    def check(value: Any) -> list[list[int]]:
        require(isinstance(value, bytes), "no bytes")
        require(len(value) % form.size == 0, "a part of a row")
        require(greatest is None or len(value) <= greatest * form.size, "too many rows")
        return [list(row) for row in form.iter_unpack(value)]

    return check


def numbers(value: Any) -> list[int]:
    """Check for u32 numbers as bytes."""
    return [number for (number,) in map(tuple, rows("I")(value))]


def boolean(value: Any) -> bool:
    """Check for a boolean."""
    require(isinstance(value, bool), "neither true nor false")
    return bool(value)


def rules(value: Any) -> Rules:
    """Check for the rules of a world."""
    require(isinstance(value, list) and len(value) == len(Rules._fields), "no rules")
    tick_hz, steps, sector, cell, radius, speed, ages = value
    require(isinstance(ages, list) and len(ages) == 3, "no ages")
    cell_size, sector_size = real()(cell), real()(sector)
    require(cell_size > 0, "a cell of no size")
    ratio = sector_size / cell_size
    require(1 <= ratio <= 15 and ratio == round(ratio), "no whole number of cells in a sector")
    speed_max = real(greatest=250)(speed)
    require(speed_max > 0, "no speed")
    reorder = integer(1)(ages[0])
    tombstones = integer(reorder + 1, 256)(ages[1])
    record_age = integer(tombstones + 1, 32_768)(ages[2])
    counts = integer(1, 120)(tick_hz), integer(1, 16)(steps)
    aged = reorder, tombstones, record_age
    return Rules(*counts, sector_size, cell_size, integer(1, 7)(radius), speed_max, aged)
