"""Sections of snapshots as arrays, how large they are, and their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.limits import SNAPSHOT_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.changelog import Ints, Rows
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.stream import (
    EXTENT,
    HEADER,
    OWN_BLOCK,
    PARTIAL,
    REPLACE,
    SECTION,
    TOMBSTONE,
    CellStream,
    Changes,
    unchanged_size,
)
from sidereal.replication.edge.cutting import Cut, offsets, ranges, split_evenly


class Sections(NamedTuple):
    """Sections by client; one entry per part.

    Attributes:
        row: int64[n], index into the clients at hand, ascending.
        place: int64[n], of the cell.
        since: int64[n], -1 for a whole cell.
        part: int64[n], below `parts`.
        parts: int64[n], 1 where the section is in one piece.
        size: int64[n], bytes.
        changes: which rows of the stream's logs it holds.
    """

    row: Ints
    place: Ints
    since: Ints
    part: Ints
    parts: Ints
    size: Ints
    changes: Changes

    @property
    def is_last(self) -> NDArray[np.bool_]:
        """bool[n], whether a section ends with this part."""
        return np.asarray(self.part == self.parts - 1, dtype=np.bool_)

    def take(self, at: NDArray[Any]) -> Sections:
        """Some of them, or in another order."""
        row, place, since, part, parts, size = (array[at] for array in self[:6])
        changes = Changes(*(array[at] for array in self.changes))
        return Sections(row, place, since, part, parts, size, changes)


class Layout:
    """Where bytes go in a datagram of one schema and window.

    Attributes:
        head: header and unchanged bits.
        room: bytes left for the own block and sections.
        part_room: bytes of rows in a part that surely fits a datagram with an own block.
    """

    def __init__(self, schema: Schema, rules: Rules) -> None:
        """Work out the sizes.

        Raises:
            ConfigError: a record is too long for a datagram, or too short to count in a byte.
        """
        head: list[Any] = [*HEADER.descr, ("unchanged", "u1", (unchanged_size(rules),))]
        self.head: np.dtype[Any] = np.dtype(head)
        self.room = SNAPSHOT_SIZE_MAX - self.head.itemsize
        self._reference_size = schema.wire_record.itemsize
        self._attribute_size = schema.attribute_record.itemsize
        sizes = (self._reference_size, self._attribute_size, TOMBSTONE.itemsize)
        # A part of an evenly split section has up to one row of each kind more than the mean.
        overhead = SECTION.itemsize + EXTENT.itemsize + OWN_BLOCK.itemsize
        self.part_room = self.room - overhead - sum(sizes)
        if self.part_room < sum(sizes) or self.room // min(sizes) > np.iinfo(np.uint8).max:
            raise ConfigError(f"records of {sizes} bytes cannot be sent in snapshots")

    def sections_of(
        self, row: Ints, place: Ints, since: Ints, part: Ints, parts: Ints, changes: Changes
    ) -> Sections:
        """Put sections together with their sizes."""
        size = SECTION.itemsize + np.where(parts > 1, EXTENT.itemsize, 0)
        size += changes.references * self._reference_size
        size += changes.attributes * self._attribute_size
        size += changes.tombstones * TOMBSTONE.itemsize
        return Sections(row, place, since, part, parts, size, changes)

    def parts_of(self, sections: Sections) -> Ints:
        """In how many parts sections in one piece have to be split, int64[n]."""
        rows_size = sections.size - SECTION.itemsize
        fits = sections.size <= self.room - OWN_BLOCK.itemsize
        return np.where(fits, 1, -(-rows_size // self.part_room))

    def split(self, sections: Sections) -> Sections:
        """Split the sections that are too long for a datagram."""
        parts = self.parts_of(sections)
        if parts.max(initial=1) == 1:
            return sections
        parent = np.repeat(np.arange(len(parts)), parts)
        part, total = ranges(np.zeros(len(parts), np.int64), parts), parts[parent]
        columns: list[Ints] = []
        for first, count in zip(sections.changes[::2], sections.changes[1::2], strict=True):
            begin, rows = split_evenly(count, parent, part, total)
            columns += [first[parent] + begin, rows]
        whole = sections.take(parent)
        return self.sections_of(whole.row, whole.place, whole.since, part, total, Changes(*columns))

    def bodies(
        self, stream: CellStream, sections: Sections, cut: Cut
    ) -> Iterator[tuple[bytes, ...]]:
        """Give what follows the own block of each datagram, in pieces.

        Args:
            stream: as published.
            sections: all that `cut` covers, in its order.
            cut: the datagrams.
        """
        partial, whole = sections.parts > 1, sections.since < 0
        changes = sections.changes
        heads = np.zeros(len(sections.row), SECTION)
        heads["place"] = sections.place
        heads["flags"] = np.where(whole, REPLACE, 0) | np.where(partial, PARTIAL, 0)
        heads["age"] = np.where(whole, 0, stream.tick - sections.since)
        heads["references"] = changes.references
        heads["attributes"] = changes.attributes
        heads["gone"] = changes.tombstones
        extents = np.zeros(np.count_nonzero(partial), EXTENT)
        extents["part"], extents["parts"] = sections.part[partial], sections.parts[partial]
        pieces = [
            (heads, np.ones(len(heads), np.int64)),
            (extents, partial.astype(np.int64)),
            (_gather(stream.references, changes[0:2]), changes.references),
            (_gather(stream.attributes, changes[2:4]), changes.attributes),
            (_gather(stream.tombstones, changes[4:6]), changes.tombstones),
        ]
        # In most ticks at least one of these is empty for every client: it is left out.
        filled = [_slices(rows, count, cut) for rows, count in pieces if len(rows)]
        return zip(*filled, strict=True) if filled else iter([()] * len(cut.row))


def _gather(rows: Rows, spans: tuple[Ints, ...]) -> Rows:
    return rows.take(ranges(*spans))


def _slices(rows: Rows, count: Ints, cut: Cut) -> list[bytes]:
    """The rows of each datagram as bytes, given how many each section has."""
    packed, size = rows.tobytes(), rows.dtype.itemsize
    bounds = offsets(count) * size
    begin, end = bounds[cut.first].tolist(), bounds[cut.end].tolist()
    return [packed[a:b] for a, b in zip(begin, end, strict=True)]
