"""Sections of snapshots: each is cut once from bytes that are encoded once, for all who need it.

Clients that have a cell up to the same tick need the same section of it. So the rows of a tick's
log are encoded into one string of bytes, in the order of the log. What somebody needs of a cell is
a slice of it, and a slice of the headers of its runs. A section that is too long for a datagram is
cut at rows, and its runs are counted anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.limits import SNAPSHOT_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.heads import encode_section
from sidereal.protocol.state.schema import EVENT_FIRST, Schema
from sidereal.protocol.state.stream import (
    AGED,
    EXTENT,
    NOW,
    PARTIAL,
    REPLACE,
    RUN,
    RUN_OF_NOW,
    RUN_OF_ONE,
    RUN_ROWS_MAX,
    RUNS_APART,
    RUNS_SHIFT,
    SECTION_SIZE_MAX,
    head_size_max,
    row_types,
)
from sidereal.replication.edge.changelog import ChangeLog, Log
from sidereal.replication.edge.cutting import offsets, ranges
from sidereal.replication.edge.moving import as_sent, rows_now


class Asked(NamedTuple):
    """Sections that somebody needs, each once.

    Attributes:
        group: int64[n], of the cell.
        span: int64[n], ticks it goes back; 0 for the whole cell.
        place: int64[n], of the cell.
        parts_max: int64[n], parts in which it may be sent within one tick.
    """

    group: Ints
    span: Ints
    place: Ints
    parts_max: Ints


class Cuts(NamedTuple):
    """What was asked for.

    Attributes:
        parts: int64[asked], in how many parts each is; above `parts_max` they are not written.
        first: int64[asked], where its parts begin in the other arrays.
        size: int64[parts], bytes.
        data: the parts.
        entries: int64[asked, 2], the entries of the log that it holds.
        log: of the tick.
    """

    parts: Ints
    first: Ints
    size: Ints
    data: list[bytes]
    entries: Ints
    log: Log

    @property
    def whole_size(self) -> Ints:
        """int64[asked], bytes of each with all its parts, where they are written."""
        if not len(self.first):
            return self.size
        return np.asarray(np.add.reduceat(self.size, self.first), dtype=np.int64)


class News(NamedTuple):
    """Cells of which clients are to be sent something.

    Attributes:
        row: int64[n], index into the clients at hand, ascending.
        place: int64[n], of the cell.
        since: int64[n], tick since which, -1 for the whole cell.
    """

    row: Ints
    place: Ints
    since: Ints

    def take(self, at: NDArray[Any]) -> News:
        """Some of them."""
        return News(*(column[at] for column in self))


class Sections(NamedTuple):
    """Sections by client; one entry per part.

    Attributes:
        row: int64[n], index into the clients at hand, ascending.
        place: int64[n], of the cell.
        since: int64[n], -1 for a whole cell.
        part: int64[n], below `parts`.
        parts: int64[n], 1 where the section is in one piece.
        size: int64[n], bytes.
        piece: int64[n], which of the pieces that were cut it is.
    """

    row: Ints
    place: Ints
    since: Ints
    part: Ints
    parts: Ints
    size: Ints
    piece: Ints

    @property
    def is_last(self) -> NDArray[np.bool_]:
        """bool[n], whether a section ends with this part."""
        return np.asarray(self.part == self.parts - 1, dtype=np.bool_)

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """bool[n], whether all parts of a section are there."""
        complete = np.ones(len(self.part), np.bool_)
        if self.parts.max(initial=1) > 1:
            # Parts stand one after the other, and the last ones may be missing.
            number = np.cumsum(self.part == 0) - 1
            complete = np.bincount(number, self.is_last)[number] > 0
        return complete

    def take(self, at: NDArray[Any]) -> Sections:
        """Some of them, or in another order."""
        return Sections(*(column[at] for column in self))


def ask(
    changes: ChangeLog,
    group: NDArray[Any],
    since: Ints,
    place: Ints,
    replace_parts: int,
    section_parts: int,
) -> tuple[Asked, Ints]:
    """Find the sections that are needed, each once.

    Args:
        changes: as published.
        group: int[n], of each client's cell, -1 for one that has no group.
        since: int64[n], -1 for the whole cell.
        place: int64[n], of the cell.
        replace_parts: parts in which a whole cell may be sent within one tick.
        section_parts: likewise of any other section.

    Returns:
        The sections, and which of them each client needs, int64[n].
    """
    count, span = changes.group_count, changes.span(since)
    # Spans are few, so there is a table of all cells and spans, and nothing is sorted. What has no
    # group has nothing in it, but places of its own: they stand behind the cells.
    spans = np.flatnonzero(np.bincount(span, minlength=1))
    rank = np.zeros(int(spans.max(initial=0)) + 1, np.int64)
    rank[spans] = np.arange(len(spans))
    cells = np.where(group < 0, count + place, group.astype(np.int64))
    code = cells * len(spans) + rank[span]
    needed = np.zeros((count + changes.rules.window_side**2) * len(spans), np.bool_)
    needed[code] = True
    which = (np.cumsum(needed) - 1)[code]
    cell, at = np.divmod(np.flatnonzero(needed), max(1, len(spans)))
    place_of = np.zeros(len(cell), np.int64)
    place_of[which] = place
    of_span = spans[at]
    parts_max = np.where(of_span == 0, replace_parts, section_parts)
    return Asked(np.minimum(cell, count), of_span, place_of, parts_max), which


def sections_of(news: News, asked: Ints, cuts: Cuts) -> Sections:
    """Put together what clients are sent.

    Args:
        news: what they are to be sent.
        asked: int64[n], which of the sections that were asked for it is.
        cuts: those.
    """
    row, place, since = news
    parts = cuts.parts[asked]
    if parts.max(initial=1) == 1:
        piece = cuts.first[asked]
        return Sections(row, place, since, np.zeros_like(row), parts, cuts.size[piece], piece)
    whole = np.repeat(np.arange(len(row)), parts)
    part = ranges(np.zeros(len(row), np.int64), parts)
    piece = cuts.first[asked][whole] + part
    size = cuts.size[piece]
    return Sections(row[whole], place[whole], since[whole], part, parts[whole], size, piece)


def joined(found: Sequence[tuple[Sections, Cuts]]) -> tuple[Sections, list[bytes]]:
    """Put together the sections that were cut from several logs, and the pieces that they are of.

    Args:
        found: of each log what its clients are sent, at least one.
    """
    if len(found) == 1:
        return found[0][0], found[0][1].data
    moved, data = [], list[bytes]()
    for sections, cuts in found:
        moved.append(sections._replace(piece=sections.piece + len(data)))
        data += cuts.data
    every = Sections(*(np.concatenate(columns) for columns in zip(*moved, strict=True)))
    return every.take(np.argsort(every.row, kind="stable")), data


class _Encoded(NamedTuple):
    """A log as bytes.

    Attributes:
        size: int64[entries], bytes of each row.
        offset: int64[entries + 1], where each begins.
        rows: all of them.
        what: int64[entries], the sort of each row as it travels.
        run: int64[runs + 1], the first entry of each run, and the number of entries.
        runs: `RUN`[runs]
    """

    size: Ints
    offset: Ints
    rows: bytes
    what: Ints
    run: Ints
    runs: NDArray[np.void]


class Layout:
    """Where bytes go in a datagram of one schema and window.

    Attributes:
        head_size: bytes ahead of sections, at most.
        room: bytes left for sections.
        whole_max: bytes of a section, or a part of one, that fits into any datagram.
    """

    def __init__(self, schema: Schema, rules: Rules, private_size: int = 0) -> None:
        """Work out the sizes.

        Args:
            schema: of the rows.
            rules: for the window.
            private_size: bytes of the longest private section.

        Raises:
            ConfigError: an entity's rows, or an event, do not fit into a datagram.
        """
        self.head_size = head_size_max(rules)
        self.room = SNAPSHOT_SIZE_MAX - self.head_size
        types = row_types(schema.rows)
        self._row_size = np.zeros(max(types) + 1, np.int64)
        self._row_size[list(types)] = [dtype.itemsize for dtype in types.values()]
        # Any section that is not longer, and any part, fits a datagram with a private section.
        self.whole_max = self.room - private_size
        self._part_max = self.whole_max - SECTION_SIZE_MAX - EXTENT.itemsize
        entity = int(self._row_size[:NOW].sum()) + RUN.itemsize * len(types)
        event = RUN.itemsize + int(self._row_size[EVENT_FIRST:].max(initial=0))
        for what, size in (("entity", entity), ("event", event)):
            if size > self._part_max:
                raise ConfigError(f"an {what} of {size} bytes cannot be sent in one snapshot")

    def cut(self, changes: ChangeLog, asked: Asked) -> Cuts:
        """Cut sections.

        Args:
            changes: as published.
            asked: what is needed, each once.
        """
        log = changes.log(asked.group, asked.span)
        encoded = self._encode(changes, log)
        first, end = log.find(asked.group, asked.span)
        run_first, run_end = np.searchsorted(encoded.run, (first, end))
        begin, stop = encoded.offset[first], encoded.offset[end]
        spared = (end - first == 1) * np.where(np.append(encoded.what, 0)[first] == NOW, 2, 1)
        heads, head_size = _heads(asked, run_end - run_first, spared)
        run_at, run_stop = run_first * RUN.itemsize, run_end * RUN.itemsize - spared
        size = head_size + run_stop - run_at + stop - begin
        data = _slices(heads, encoded, head_size, run_at, run_stop, begin, stop)
        parts = np.ones(len(size), np.int64)
        entries = np.stack((first, end), axis=1)
        long = np.flatnonzero(size > self.whole_max)
        if not len(long):
            return Cuts(parts, np.arange(len(size)), size, data, entries, log)
        pieces = [[one] for one in data]
        # Only where a crowd changes: 20 µs for each part.
        for at in long.tolist():
            bounds = self._part_bounds(encoded, int(first[at]), int(end[at]))
            parts[at] = len(bounds) - 1
            written = parts[at] <= asked.parts_max[at]
            head = int(asked.place[at]), int(asked.span[at])
            pieces[at] = _parts(head, encoded, bounds) if written else [b""] * int(parts[at])
        data = [piece for of_section in pieces for piece in of_section]
        sizes = np.array([len(piece) for piece in data], np.int64)
        return Cuts(parts, np.cumsum(parts) - parts, sizes, data, entries, log)

    def _encode(self, changes: ChangeLog, log: Log) -> _Encoded:
        starts = log.run_starts()
        sorts = as_sent(changes, log, starts)
        size = self._row_size[sorts]
        offset = offsets(size)
        buffer = np.zeros(int(offset[-1]), np.uint8)
        for what in np.flatnonzero(np.bincount(sorts)).tolist():
            at = np.flatnonzero(sorts == what)
            rows = rows_now(changes, log.row[at]) if what == NOW else changes.rows_of(what)
            width = rows.dtype.itemsize
            # The buffer, seen as one row that begins at each of its bytes.
            places = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, strides=(1,))
            packed = rows.view(f"V{width}")
            places[offset[at]] = packed if what == NOW else packed[log.row[at]]
        length = np.diff(starts, append=len(log.key))
        pieces = -(-length // RUN_ROWS_MAX)
        if pieces.max(initial=1) > 1:
            starts = np.repeat(starts, pieces) + RUN_ROWS_MAX * ranges(0 * starts, pieces)
            length = np.diff(starts, append=len(log.key))
        runs = np.zeros(len(starts), RUN)
        runs["what"], runs["rows"] = sorts[starts], length
        run = np.append(starts, len(log.key))
        return _Encoded(size, offset, buffer.tobytes(), sorts, run, runs)

    def _part_bounds(self, encoded: _Encoded, first: int, end: int) -> list[int]:
        """Share entries out over parts: where each begins, and where the last one ends."""
        cost = encoded.size[first:end].copy()
        starts = encoded.run[(encoded.run >= first) & (encoded.run < end)] - first
        cost[starts] += RUN.itemsize
        filled = np.cumsum(cost)
        bounds, before = [first], 0
        # A part begins with the header of a run, be it in the middle of one.
        room = self._part_max - RUN.itemsize
        while bounds[-1] < end:
            fits = int(np.searchsorted(filled, before + room, side="right"))
            bounds.append(first + fits)
            before = int(filled[fits - 1])
        return bounds


def _heads(asked: Asked, runs: Ints, spared: Ints) -> tuple[NDArray[np.uint8], Ints]:
    """Write what sections begin with, ahead of their runs.

    Args:
        asked: what is needed.
        runs: int64[n], of each; there are less than 256 in what fits into a datagram.
        spared: int64[n], bytes of the head of a run that are left out, of a single row.

    Returns:
        uint8[n, SECTION_SIZE_MAX], and how much of each counts, int64[n].
    """
    is_aged, is_apart = asked.span > 1, runs >= RUN_OF_NOW
    number = np.where(spared == 1, RUN_OF_ONE, np.where(is_apart, RUNS_APART, runs))
    number[spared == RUN.itemsize] = RUN_OF_NOW
    flags = np.where(asked.span == 0, REPLACE, np.where(is_aged, AGED, 0))
    octets = np.stack((asked.place, flags | number << RUNS_SHIFT, asked.span, runs), axis=1)
    octets[~is_aged, 2] = runs[~is_aged]
    return np.minimum(octets, 0xFF).astype(np.uint8), 2 + is_aged.astype(np.int64) + is_apart


def _slices(
    heads: NDArray[np.uint8],
    encoded: _Encoded,
    head_size: Ints,
    run_at: Ints,
    run_stop: Ints,
    begin: Ints,
    stop: Ints,
) -> list[bytes]:
    """Sections in one piece: head, heads of runs and rows of each."""
    head, runs, rows = heads.tobytes(), encoded.runs.tobytes(), encoded.rows
    head_at = np.arange(len(heads)) * SECTION_SIZE_MAX
    columns = head_at, head_at + head_size, run_at, run_stop, begin, stop
    spans = zip(*(column.tolist() for column in columns), strict=True)
    # Each section that somebody needs: 0.5 µs.
    return [head[a:b] + runs[c:d] + rows[e:f] for a, b, c, d, e, f in spans]


def _parts(head: tuple[int, int], encoded: _Encoded, bounds: list[int]) -> list[bytes]:
    """Write a section in parts, given its place and how many ticks it goes back."""
    (place, span), written = head, []
    flags = PARTIAL | (REPLACE if span == 0 else 0)
    for part, (first, end) in enumerate(pairwise(bounds)):
        inside = encoded.run[(encoded.run > first) & (encoded.run < end)]
        starts = np.concatenate(([first], inside))
        counts = np.diff(starts, append=end)
        runs = list(zip(encoded.what[starts].tolist(), counts.tolist(), strict=True))
        begin = encode_section(place, flags, span, runs, (part, len(bounds) - 1, 0))
        written.append(begin + encoded.rows[encoded.offset[first] : encoded.offset[end]])
    return written
