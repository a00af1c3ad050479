"""Cutting what clients are sent into datagrams, for all clients at once."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.heads import encode_lead
from sidereal.protocol.state.stream import DEFERRED, OWN, UNCHANGED

_FIT_PASSES: Final = 3
"""How often what is left of the room is looked at again: each time smaller sections may fit."""


class Cut(NamedTuple):
    """Datagrams, by client, each with the sections from `first` to below `end`.

    Attributes:
        row: int64[n], whose it is; every row has at least one.
        rank: int64[n], number within the row, from 0.
        first: int64[n]
        end: int64[n]
    """

    row: Ints
    rank: Ints
    first: Ints
    end: Ints

    def take(self, keep: NDArray[np.bool_]) -> Cut:
        """Some of the datagrams."""
        return Cut(self.row[keep], self.rank[keep], self.first[keep], self.end[keep])


def cut_datagrams(row: Ints, size: Ints, row_count: int, room_first: Ints, room: int) -> Cut:
    """Fill datagrams with sections in their order.

    Args:
        row: int64[sections], ascending, whose each is.
        size: int64[sections], bytes, none above the room of any datagram.
        row_count: clients.
        room_first: int64[row_count], bytes in the first datagram of each.
        room: bytes in every other.
    """
    offset = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    rows = np.arange(row_count, dtype=np.int64)
    at = np.searchsorted(row, rows)
    end_of = np.searchsorted(row, rows, side="right")
    left = room_first
    pieces: list[Cut] = []
    while len(rows):
        end = np.searchsorted(offset, offset[at] + left, side="right") - 1
        end = np.minimum(end, end_of)
        pieces.append(Cut(rows, np.full(len(rows), len(pieces)), at, end))
        more = end < end_of
        rows, at, end_of = rows[more], end[more], end_of[more]
        left = np.full(len(rows), room)
    cut = Cut(*(np.concatenate(column) for column in zip(*pieces, strict=True)))
    order = np.lexsort((cut.rank, cut.row))
    return Cut(*(column[order] for column in cut))


def write_heads(
    cut: Cut,
    place: Ints,
    unchanged: NDArray[np.bool_],
    deferred: Ints,
    own: NDArray[np.bool_],
    centres: list[bytes],
    tick: int,
) -> list[bytes]:
    """Write what every datagram begins with.

    Args:
        cut: the datagrams.
        place: int64[sections], of the cell of each.
        unchanged: bool[rows, window], which places of each row are.
        deferred: int64[n], how many cells are put off, of whose each is.
        own: bool[n], whether it has a private section.
        centres: of the windows of whose each is, as bytes.
        tick: of all of them.
    """
    put_off = np.minimum(deferred, np.iinfo(np.uint8).max)
    # Mostly the unchanged places are just those of which the datagram says nothing.
    has = np.zeros((len(cut.row), unchanged.shape[1]), np.bool_)
    has[np.repeat(np.arange(len(cut.row)), cut.end - cut.first), place] = True
    has_bits = (has == unchanged[cut.row]).any(axis=1)
    forms = DEFERRED * (put_off > 0) | UNCHANGED * has_bits | OWN * own
    leads = {form: encode_lead(form, tick) for form in np.unique(forms).tolist()}
    packed = np.packbits(unchanged, axis=1, bitorder="little")
    size, bits = packed.shape[1], packed.tobytes()
    heads = []
    columns = cut.row * size, forms, put_off
    # One datagram per turn: about 0.5 µs.
    for centre, at, form, put in zip(centres, *(one.tolist() for one in columns), strict=True):
        head = leads[form] + centre + (bytes((put,)) if form & DEFERRED else b"")
        heads.append(head + bits[at : at + size] if form & UNCHANGED else head)
    return heads


def fit(
    row: Ints, size: Ints, is_last: NDArray[np.bool_], room: Ints, usual: Ints
) -> NDArray[np.bool_]:
    """Choose the sections that go: in their order, without those for which there is no room left.

    One that is left out is nearer to the front the next time. A first one that will never fit goes
    all the same.

    Args:
        row: int64[n], ascending, whose each is.
        size: int64[n], bytes.
        is_last: bool[n], whether a section ends with this part of it.
        room: int64[rows], bytes for each row now.
        usual: int64[rows], bytes that there are for each row sooner or later.

    Returns:
        bool[n]
    """
    number: Ints = np.cumsum(is_last) - is_last
    last = np.flatnonzero(is_last)
    owner, whole = row[last], np.bincount(number, size).astype(np.int64)
    is_first = np.diff(owner, prepend=-1) > 0
    goes = is_first & (whole > usual[owner]) & (room[owner] > 0)
    left = room.copy()
    left[owner[goes]] = 0
    for _ in range(_FIT_PASSES):
        may = np.flatnonzero(~goes & (whole <= left[owner]))
        filled = np.cumsum(whole[may])
        begin = np.searchsorted(owner[may], owner[may])
        filled -= (filled - whole[may])[begin]
        may = may[filled <= left[owner[may]]]
        goes[may] = True
        left -= np.bincount(owner[may], whole[may], len(left)).astype(np.int64)
    return goes[number]


def ranges(first: Ints, count: Ints) -> Ints:
    """Write out `first[i] … first[i] + count[i] - 1` for every i, one after another."""
    end = np.cumsum(count)
    spread = np.repeat(first - (end - count), count)
    spread += np.arange(len(spread))
    return spread


def offsets(count: Ints) -> Ints:
    """Where each of consecutive runs begins, and where the last ends, int64[n + 1]."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
