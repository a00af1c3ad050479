"""A snapshot's datagram, taken apart; `stream` says what is in it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import SNAPSHOT_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.changelog import Ints, Rows
from sidereal.protocol.state.schema import MOTION, Schema
from sidereal.protocol.state.stream import (
    CONTINUED,
    EXTENT,
    HEADER,
    OWN,
    OWN_BLOCK,
    PARTIAL,
    REPLACE,
    SECTION,
    SNAPSHOT_VERSION,
    TOMBSTONE,
    unchanged_size,
)


class Snapshot(NamedTuple):
    """One datagram, read; the arrays by section have one length.

    Attributes:
        own: `OWN_BLOCK`[1], or None.
        unchanged: bool[window], by place.
        place: int64[n]
        replace: bool[n]
        continued: bool[n]
        part: int64[n], below `parts`.
        parts: int64[n], 1 for a whole section.
        from_tick: int64[n]
        to_tick: int64[n]
        reference_section: int64[references], which section each belongs to; likewise
            `attribute_section` and `tombstone_section`.
        tombstone_tick: int64[tombstones]
    """

    tick: int
    sector_x: int
    sector_y: int
    cell: int
    deferred: int
    own: Rows | None
    unchanged: NDArray[np.bool_]
    place: Ints
    replace: NDArray[np.bool_]
    continued: NDArray[np.bool_]
    part: Ints
    parts: Ints
    from_tick: Ints
    to_tick: Ints
    references: Rows
    reference_section: Ints
    attributes: Rows
    attribute_section: Ints
    tombstones: Rows
    tombstone_section: Ints
    tombstone_tick: Ints


class _Reader:
    """Takes rows off the front of a message."""

    def __init__(self, message: bytes) -> None:
        if len(message) > SNAPSHOT_SIZE_MAX:
            raise WireError(f"snapshot of {len(message)} bytes")
        self._message = message
        self._offset = 0

    def take(self, dtype: np.dtype[Any], count: int) -> Rows:
        size = dtype.itemsize * count
        if self._offset + size > len(self._message):
            raise WireError(f"snapshot of {len(self._message)} bytes is cut short")
        rows = np.frombuffer(self._message, dtype, count, self._offset)
        self._offset += size
        return rows

    def finish(self) -> None:
        if self._offset != len(self._message):
            raise WireError(f"{len(self._message) - self._offset} bytes too many in a snapshot")


_BYTE: Final = np.dtype("u1")
_OWN_BOUNDS: Final = tuple(field.bounds for field in MOTION.fields)
"""What may stand in an own block: it leaves the flight model with numbers that can be drawn."""


class _Head(NamedTuple):
    tick: int
    section_count: int
    sector_x: int
    sector_y: int
    cell: int
    deferred: int
    unchanged: Rows
    own: Rows | None


class _Sections(NamedTuple):
    rows: Rows
    part: Ints
    parts: Ints
    to_tick: Ints


def read_snapshot_untrusted(schema: Schema, rules: Rules, message: bytes) -> Snapshot:
    """Take a datagram apart.

    Raises:
        WireError: not a snapshot; what its records hold is not looked at.
    """
    reader = _Reader(message)
    tick, section_count, sector_x, sector_y, cell, deferred, bits, own = _take_head(reader, rules)
    unchanged = np.unpackbits(bits.view(np.uint8), bitorder="little").view(np.bool_)
    sections = _take_sections(reader, section_count, tick, unchanged, rules)
    rows = sections.rows
    which = np.arange(section_count)
    reference_section = np.repeat(which, rows["references"])
    attribute_section = np.repeat(which, rows["attributes"])
    tombstone_section = np.repeat(which, rows["gone"])
    references = reader.take(schema.wire_record, len(reference_section))
    attributes = reader.take(schema.attribute_record, len(attribute_section))
    tombstones = reader.take(TOMBSTONE, len(tombstone_section))
    reader.finish()
    return Snapshot(
        tick=tick,
        sector_x=sector_x,
        sector_y=sector_y,
        cell=cell,
        deferred=deferred,
        own=own,
        unchanged=unchanged[: rules.window_side**2],
        place=rows["place"].astype(np.int64),
        replace=(rows["flags"] & REPLACE) != 0,
        continued=(rows["flags"] & CONTINUED) != 0,
        part=sections.part,
        parts=sections.parts,
        from_tick=sections.to_tick - rows["age"],
        to_tick=sections.to_tick,
        references=references,
        reference_section=reference_section,
        attributes=attributes,
        attribute_section=attribute_section,
        tombstones=tombstones,
        tombstone_section=tombstone_section,
        tombstone_tick=tick - (tick - tombstones["tick"].astype(np.int64)) % (1 << 16),
    )


def read_own_untrusted(rules: Rules, message: bytes) -> tuple[int, Rows | None]:
    """Read a datagram only as far as it tells of its receiver.

    Returns:
        its tick and, if there is one, the own block, `OWN_BLOCK[1]`.

    Raises:
        WireError: it does not begin like a snapshot.
    """
    head = _take_head(_Reader(message), rules)
    return head.tick, head.own


def _take_head(reader: _Reader, rules: Rules) -> _Head:
    version, flags, section_count, tick, sector_x, sector_y, cell, deferred = reader.take(
        HEADER, 1
    )[0].item()
    if version != SNAPSHOT_VERSION or flags & ~OWN or cell >= rules.cells_per_side**2:
        raise WireError(f"snapshot version {version}, flags {flags}, cell {cell}")
    bits = reader.take(_BYTE, unchanged_size(rules))
    own = _take_own(reader) if flags & OWN else None
    return _Head(tick, section_count, sector_x, sector_y, cell, deferred, bits, own)


def _take_own(reader: _Reader) -> Rows:
    own = reader.take(OWN_BLOCK, 1)
    *_, x, y, vx, vy, heading, spin = own[0].item()
    # NaN is within no bounds.
    for value, (low, high) in zip((x, y, vx, vy, heading, spin), _OWN_BOUNDS, strict=True):
        if not low <= value <= high:
            raise WireError(f"own block with {value}, not {low} to {high}")
    return own


def _take_sections(
    reader: _Reader, count: int, tick: int, unchanged: NDArray[np.bool_], rules: Rules
) -> _Sections:
    rows = reader.take(SECTION, count)
    flags, place = rows["flags"], rows["place"].astype(np.int64)
    partial, continued = (flags & PARTIAL) != 0, (flags & CONTINUED) != 0
    extents = reader.take(EXTENT, int(np.count_nonzero(partial)))
    part, parts = np.zeros(count, np.int64), np.ones(count, np.int64)
    to_tick = np.full(count, tick, dtype=np.int64)
    part[partial], parts[partial] = extents["part"], extents["parts"]
    to_tick[partial] -= extents["to_age"]
    window = rules.window_side**2
    if (
        unchanged[window:].any()
        or (place >= window).any()
        or unchanged[place].any()
        or (flags > (REPLACE | PARTIAL | CONTINUED)).any()
        or (continued & ~partial).any()
        or (part >= parts).any()
        or (to_tick < 0).any()
    ):
        raise WireError("snapshot with an impossible section")
    return _Sections(rows, part, parts, to_tick)
