"""A snapshot's datagrams, taken apart; `stream` says what is in them.

`read_snapshot_untrusted` walks the sections and runs of one datagram. `gather` joins the rows of
any number of them by sort, so that what came together is applied in one pass.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import SNAPSHOT_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.private import PRIVATE, Private, read_private_untrusted
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.stream import (
    CONTINUED,
    EXTENT,
    HEADER,
    PARTIAL,
    REPLACE,
    RUN,
    SECTION,
    SNAPSHOT_VERSION,
    row_types,
    unchanged_size,
)

Section = tuple[int, int, int, int, int, int]
"""What a datagram says of one cell, or a part of it: place, flags, `from_tick`, `to_tick`, which
part, and of how many. It is plain, as there are many: a named tuple takes seven times as long."""

Span = tuple[int, int, int, int, int]
"""Where the rows of a run are: their sort, the section that they belong to by its place in the
datagram, how many they are, and where they begin and end in its bytes."""


class Snapshot(NamedTuple):
    """One datagram, read.

    Attributes:
        private: what only its receiver is told, if there is anything.
        unchanged: uint8[…], one bit per place, the lowest first.
        message: the datagram.
    """

    tick: int
    sector_x: int
    sector_y: int
    cell: int
    deferred: int
    private: Private | None
    unchanged: bytes
    sections: list[Section]
    spans: list[Span]
    message: bytes


class Gathered(NamedTuple):
    """Several datagrams as arrays.

    Attributes:
        of: int64[sections], which datagram each section is in; the other arrays by section are
            what `Section` says.
        rows: rows by `what`, read-only.
        section: int64[rows] by `what`, which section each row belongs to.
    """

    of: Ints
    tick: Ints
    place: Ints
    replace: NDArray[np.bool_]
    continued: NDArray[np.bool_]
    from_tick: Ints
    to_tick: Ints
    part: Ints
    parts: Ints
    rows: dict[int, Rows]
    section: dict[int, Ints]


_HEADER: Final = struct.Struct("<BBHIiiBB")
_SECTION: Final = struct.Struct("<BBBB")
_EXTENT: Final = struct.Struct("<HHH")
_PRIVATE: Final = bytes((PRIVATE,))
assert (_HEADER.size, _SECTION.size) == (HEADER.itemsize, SECTION.itemsize)
assert _EXTENT.size == EXTENT.itemsize


class _Layout(NamedTuple):
    """What a reader goes by.

    Attributes:
        sizes: bytes of a row by `what`, 0 where there is no such sort.
        window: places.
    """

    sizes: tuple[int, ...]
    window: int
    cells: int
    unchanged_size: int


class _Head(NamedTuple):
    tick: int
    section_count: int
    sector_x: int
    sector_y: int
    cell: int
    deferred: int
    unchanged: bytes
    end: int


@lru_cache(maxsize=16)
def _layout(schema: Schema, rules: Rules) -> _Layout:
    types = row_types(schema.rows)
    sizes = tuple(types[what].itemsize if what in types else 0 for what in range(256))
    return _Layout(sizes, rules.window_side**2, rules.cells_per_side**2, unchanged_size(rules))


def read_snapshot_untrusted(schema: Schema, rules: Rules, message: bytes) -> Snapshot:
    """Take a datagram apart.

    Raises:
        WireError: not a snapshot; what its rows hold is not looked at.
    """
    layout = _layout(schema, rules)
    try:
        head = _read_head(layout, message)
        private, at = _read_private(schema, rules, message, head)
        sections, spans = _read_sections(layout, message, head, at, private is not None)
    except struct.error:
        raise WireError(f"snapshot of {len(message)} bytes is cut short") from None
    return Snapshot(
        head.tick,
        head.sector_x,
        head.sector_y,
        head.cell,
        head.deferred,
        private,
        head.unchanged,
        sections,
        spans,
        message,
    )


def glance_untrusted(schema: Schema, rules: Rules, message: bytes) -> tuple[int, Private | None]:
    """Read a datagram only as far as it tells of its receiver.

    Returns:
        its tick and, if there is one, the private section.

    Raises:
        WireError: it does not begin like a snapshot.
    """
    try:
        head = _read_head(_layout(schema, rules), message)
        private, _ = _read_private(schema, rules, message, head)
    except struct.error:
        raise WireError(f"snapshot of {len(message)} bytes is cut short") from None
    return head.tick, private


def gather(schema: Schema, snapshots: Sequence[Snapshot]) -> Gathered:
    """Join the sections of datagrams, and their rows by sort.

    Args:
        schema: of the rows.
        snapshots: in any order.
    """
    table: list[tuple[int, ...]] = []
    pieces: dict[int, list[bytes]] = {}
    owners: dict[int, list[int]] = {}
    counts: dict[int, list[int]] = {}
    # A few runs for each section: 0.4 µs each.
    for number, snapshot in enumerate(snapshots):
        first, message = len(table), snapshot.message
        table += [(number, snapshot.tick, *section) for section in snapshot.sections]
        for what, section, count, begin, end in snapshot.spans:
            if what not in pieces:
                pieces[what], owners[what], counts[what] = [], [], []
            pieces[what].append(message[begin:end])
            owners[what].append(first + section)
            counts[what].append(count)
    types = row_types(schema.rows)
    columns = np.array(table, np.int64).reshape(-1, 8).T
    of, tick, place, flags, from_tick, to_tick, part, parts = columns
    return Gathered(
        of,
        tick,
        place,
        (flags & REPLACE) != 0,
        (flags & CONTINUED) != 0,
        from_tick,
        to_tick,
        part,
        parts,
        {what: np.frombuffer(b"".join(of_sort), types[what]) for what, of_sort in pieces.items()},
        {what: np.repeat(owners[what], counts[what]) for what in pieces},
    )


def _read_head(layout: _Layout, message: bytes) -> _Head:
    if len(message) > SNAPSHOT_SIZE_MAX:
        raise WireError(f"snapshot of {len(message)} bytes")
    version, flags, count, tick, sector_x, sector_y, cell, deferred = _HEADER.unpack_from(message)
    if version != SNAPSHOT_VERSION or flags or cell >= layout.cells:
        raise WireError(f"snapshot version {version}, flags {flags}, cell {cell}")
    at = _HEADER.size
    unchanged = message[at : at + layout.unchanged_size]
    at += layout.unchanged_size
    if at > len(message) or int.from_bytes(unchanged, "little") >> layout.window:
        raise WireError("snapshot is cut short, or has an unchanged place outside the window")
    return _Head(tick, count, sector_x, sector_y, cell, deferred, unchanged, at)


def _read_private(
    schema: Schema, rules: Rules, message: bytes, head: _Head
) -> tuple[Private | None, int]:
    """Read the first section if it is private; returns where the others begin, too."""
    if not head.section_count or message[head.end : head.end + 1] != _PRIVATE:
        return None, head.end
    _, flags, age, runs = _SECTION.unpack_from(message, head.end)
    if flags & ~REPLACE:
        raise WireError(f"private section with flags {flags}")
    side = rules.cells_per_side
    centre = (
        head.sector_x * side + head.cell % side,
        head.sector_y * side + head.cell // side,
    )
    span = flags == REPLACE, head.tick - age, head.tick
    at = head.end + _SECTION.size
    return read_private_untrusted(schema, rules, message, at, runs, span, centre)


def _read_sections(
    layout: _Layout, message: bytes, head: _Head, at: int, first: int
) -> tuple[list[Section], list[Span]]:
    sections: list[Section] = []
    spans: list[Span] = []
    sizes, unchanged = layout.sizes, head.unchanged
    # A datagram has a few sections, and these a few runs: 0.8 and 0.4 µs each.
    for number in range(head.section_count - first):
        place, flags, age, runs = _SECTION.unpack_from(message, at)
        at += _SECTION.size
        part, parts, to_age = 0, 1, 0
        if flags & PARTIAL:
            part, parts, to_age = _EXTENT.unpack_from(message, at)
            at += _EXTENT.size
        to_tick, rows = head.tick - to_age, at + RUN.itemsize * runs
        if (
            place >= layout.window
            or unchanged[place >> 3] >> (place & 7) & 1
            or flags > (REPLACE | PARTIAL | CONTINUED)
            or flags & (PARTIAL | CONTINUED) == CONTINUED
            or part >= parts
            or to_tick < 0
            or rows > len(message)
        ):
            raise WireError("snapshot with an impossible section")
        sections.append((place, flags, to_tick - age, to_tick, part, parts))
        for run in range(at, rows, RUN.itemsize):
            what, count = message[run], message[run + 1]
            size = sizes[what] * count
            if not size:
                raise WireError(f"snapshot with {count} rows of sort {what}")
            spans.append((what, number, count, rows, rows + size))
            rows += size
        at = rows
        if at > len(message):
            raise WireError("snapshot is cut short in its rows")
    if at != len(message):
        raise WireError(f"{len(message) - at} bytes too many in a snapshot")
    return sections, spans


def unchanged_places(rules: Rules, unchanged: Sequence[bytes]) -> NDArray[np.bool_]:
    """Tell which places are unchanged by what any of several datagrams says, bool[window]."""
    every = int.from_bytes(unchanged[0], "little")
    for bits in unchanged[1:]:
        every |= int.from_bytes(bits, "little")
    packed = np.frombuffer(every.to_bytes(len(unchanged[0]), "little"), np.uint8)
    places = np.unpackbits(packed, bitorder="little")[: rules.window_side**2]
    return places.view(np.bool_)
