"""A snapshot's datagrams, taken apart; `stream` says what is in them.

`read_snapshot_untrusted` walks the sections and runs of one datagram. `gather` joins the rows of
any number of them by sort, so that what came together is applied in one pass.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import SNAPSHOT_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import TICK_MAX, Ints, Rows
from sidereal.protocol.state.private import Private, read_private_untrusted
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.stream import (
    AGED,
    CONTINUED,
    DEFERRED,
    EXTENT,
    MOVES,
    NOW,
    OWN,
    PARTIAL,
    REPLACE,
    RUN,
    RUN_OF_NOW,
    RUN_OF_ONE,
    RUNS_APART,
    RUNS_SHIFT,
    SNAPSHOT_VERSION,
    UNCHANGED,
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
        centre_x: absolute cell in the middle of the window; likewise `centre_y`.
        private: what only its receiver is told, if there is anything.
        unchanged: uint8[…], one bit per place, the lowest first.
        message: the datagram.
    """

    tick: int
    centre_x: int
    centre_y: int
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


_EXTENT: Final = struct.Struct("<HHH")
_NUMBER_BITS_MAX: Final = 42
_FORMS: Final = DEFERRED | UNCHANGED | OWN
_PARTS: Final = REPLACE | PARTIAL | CONTINUED
_ONE_NOW: Final = ((NOW, 1),)
assert _EXTENT.size == EXTENT.itemsize


class _Layout(NamedTuple):
    """What a reader goes by.

    Attributes:
        sizes: bytes of a row by `what`, 0 where there is no such sort.
        window: places.
        cells_max: no cell along an axis is as far from the middle of the world.
    """

    sizes: tuple[int, ...]
    window: int
    cells_max: int
    unchanged_size: int


class _Head(NamedTuple):
    tick: int
    centre_x: int
    centre_y: int
    deferred: int
    unchanged: bytes | None
    own: bool
    end: int


@lru_cache(maxsize=16)
def _row_types(schema: Schema) -> dict[int, np.dtype[Any]]:
    return row_types(schema.rows)


@lru_cache(maxsize=16)
def _layout(schema: Schema, rules: Rules) -> _Layout:
    types = _row_types(schema)
    sizes = tuple(types[what].itemsize if what in types else 0 for what in range(256))
    cells_max = rules.cells_per_side << 31
    return _Layout(sizes, rules.window_side**2, cells_max, unchanged_size(rules))


def read_snapshot_untrusted(schema: Schema, rules: Rules, message: bytes) -> Snapshot:
    """Take a datagram apart.

    Raises:
        WireError: not a snapshot; what its rows hold is not looked at.
    """
    layout = _layout(schema, rules)
    try:
        head = _read_head(layout, message)
        private, at = _read_private(schema, rules, message, head)
        sections, spans = _read_sections(layout, message, head, at)
    except (struct.error, IndexError):
        raise WireError(f"snapshot of {len(message)} bytes is cut short") from None
    tick, centre_x, centre_y, deferred, unchanged, _, _ = head
    if unchanged is None:
        unchanged = _all_but(layout, sections)
    return Snapshot(
        tick, centre_x, centre_y, deferred, private, unchanged, sections, spans, message
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
    except (struct.error, IndexError):
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
    owners: dict[int, list[tuple[int, int]]] = {}
    # A few runs for each section: 0.4 µs each.
    for number, snapshot in enumerate(snapshots):
        first, message = len(table), snapshot.message
        table += [(number, snapshot.tick, *section) for section in snapshot.sections]
        for what, section, count, begin, end in snapshot.spans:
            if what not in pieces:
                pieces[what], owners[what] = [], []
            pieces[what].append(message[begin:end])
            owners[what].append((first + section, count))
    types = _row_types(schema)
    joined = {what: np.frombuffer(b"".join(rows), types[what]) for what, rows in pieces.items()}
    runs = np.array([run for of_sort in owners.values() for run in of_sort], np.int64)
    owner, sections, end = np.repeat(*runs.reshape(-1, 2).T), {}, 0
    for what, rows in joined.items():
        begin, end = end, end + len(rows)
        sections[what] = owner[begin:end]
    columns = np.array(table, np.int64).reshape(-1, 8).T
    of, tick, place, flags, from_tick, to_tick, part, parts = columns
    if NOW in joined:
        now, which = joined.pop(NOW), sections.pop(NOW)
        before = joined.get(MOVES, np.empty(0, types[MOVES]))
        joined[MOVES] = np.concatenate((before, _with_tick(now, tick[which], types[MOVES])))
        sections[MOVES] = np.concatenate((sections.get(MOVES, which[:0]), which))
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
        joined,
        sections,
    )


def _with_tick(rows: Rows, tick: Ints, motion: np.dtype[Any]) -> Rows:
    """Make rows of motion of those that are as of their header's tick."""
    full: Rows = np.empty(len(rows), motion)
    for name in rows.dtype.names or ():
        full[name] = rows[name]
    full["tick"] = tick % (1 << 16)
    return full


def _read_number(message: bytes, at: int) -> tuple[int, int]:
    """Read a number whose size varies; returns where it ends, too."""
    number = 0
    for shift in range(0, _NUMBER_BITS_MAX, 7):
        octet = message[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < 0x80:
            return number, at
    raise WireError("snapshot with a number that does not end")


def _read_head(layout: _Layout, message: bytes) -> _Head:
    if len(message) > SNAPSHOT_SIZE_MAX:
        raise WireError(f"snapshot of {len(message)} bytes")
    form = message[0]
    tick, at = _read_number(message, 1)
    low_x, at = _read_number(message, at)
    low_y, at = _read_number(message, at)
    x, y = low_x >> 1 ^ -(low_x & 1), low_y >> 1 ^ -(low_y & 1)
    least, most = -layout.cells_max, layout.cells_max
    if form & ~_FORMS != SNAPSHOT_VERSION or tick > TICK_MAX:
        raise WireError(f"snapshot of form {form}, tick {tick}")
    if not (least <= x < most and least <= y < most):
        raise WireError(f"snapshot around cell {x}, {y}")
    deferred, unchanged = 0, None
    if form & DEFERRED:
        deferred = message[at]
        at += 1
    if form & UNCHANGED:
        unchanged = message[at : at + layout.unchanged_size]
        at += layout.unchanged_size
        if at > len(message) or int.from_bytes(unchanged, "little") >> layout.window:
            raise WireError("snapshot is cut short, or has an unchanged place outside the window")
    return _Head(tick, x, y, deferred, unchanged, bool(form & OWN), at)


def _read_private(
    schema: Schema, rules: Rules, message: bytes, head: _Head
) -> tuple[Private | None, int]:
    """Read the private section, if there is one; returns where the others begin, too."""
    if not head.own:
        return None, head.end
    centre = head.centre_x, head.centre_y
    return read_private_untrusted(schema, rules, message, head.end, head.tick, centre)


def _read_sections(
    layout: _Layout, message: bytes, head: _Head, at: int
) -> tuple[list[Section], list[Span]]:
    sections: list[Section] = []
    spans: list[Span] = []
    # A datagram has a few sections, and these a few runs: 0.9 and 0.4 µs each.
    while at < len(message):
        number = len(sections)
        section, runs, at = _read_section(layout, message, head, at)
        sections.append(section)
        for what, count in runs:
            size = layout.sizes[what] * count
            if not size:
                raise WireError(f"snapshot with {count} rows of sort {what}")
            spans.append((what, number, count, at, at + size))
            at += size
    if at != len(message):
        raise WireError("snapshot is cut short in its rows")
    return sections, spans


def _read_section(
    layout: _Layout, message: bytes, head: _Head, at: int
) -> tuple[Section, Iterable[tuple[int, int]], int]:
    """Read a section up to its rows.

    Returns:
        It, the sort and number of rows of each run, and where the rows begin.
    """
    place, form = message[at], message[at + 1]
    at += 2
    flags, runs, unchanged = form & _PARTS, form >> RUNS_SHIFT, head.unchanged
    is_now, is_one = runs == RUN_OF_NOW, runs == RUN_OF_ONE
    age = 0 if flags & REPLACE else 1
    if form & AGED:
        age = message[at]
        at += 1
    if runs == RUNS_APART:
        runs = message[at]
        at += 1
    part, parts, to_age = 0, 1, 0
    if flags & PARTIAL:
        part, parts, to_age = _EXTENT.unpack_from(message, at)
        at += _EXTENT.size
    to_tick = head.tick - to_age
    rows = at + (0 if is_now else 1 if is_one else RUN.itemsize * runs)
    if (
        place >= layout.window
        or (unchanged is not None and unchanged[place >> 3] >> (place & 7) & 1)
        or form & (REPLACE | AGED) == REPLACE | AGED
        or flags & (PARTIAL | CONTINUED) == CONTINUED
        or part >= parts
        or to_tick < 0
        or rows > len(message)
    ):
        raise WireError("snapshot with an impossible section")
    section = place, flags, to_tick - age, to_tick, part, parts
    if is_now:
        return section, _ONE_NOW, rows
    if is_one:
        return section, ((message[at], 1),), rows
    return section, zip(message[at:rows:2], message[at + 1 : rows : 2], strict=True), rows


def _all_but(layout: _Layout, sections: Sequence[Section]) -> bytes:
    """Give the bits of all places of which there is no section."""
    bits = (1 << layout.window) - 1
    for place, *_ in sections:
        bits &= ~(1 << place)
    return bits.to_bytes(layout.unchanged_size, "little")


def unchanged_places(rules: Rules, unchanged: Sequence[bytes]) -> NDArray[np.bool_]:
    """Tell which places are unchanged by what any of several datagrams says, bool[window]."""
    every = int.from_bytes(unchanged[0], "little")
    for bits in unchanged[1:]:
        every |= int.from_bytes(bits, "little")
    packed = np.frombuffer(every.to_bytes(len(unchanged[0]), "little"), np.uint8)
    places = np.unpackbits(packed, bitorder="little")[: rules.window_side**2]
    return places.view(np.bool_)
