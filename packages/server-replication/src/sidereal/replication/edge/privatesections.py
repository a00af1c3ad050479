"""Private sections as bytes: those of all clients are put together in one buffer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.private import PRIVATE_HEAD
from sidereal.protocol.state.stream import RUN, SECTION
from sidereal.replication.edge.cutting import Cut, offsets

LEAD: Final = np.dtype([*SECTION.descr, *PRIVATE_HEAD.descr])
"""What a section begins with."""


class PrivateSections(NamedTuple):
    """What each client alone is sent in a tick.

    Attributes:
        data: of each client, empty for one to whom there is nothing new.
        size: int64[n], bytes of each.
    """

    data: list[bytes]
    size: Ints

    def begin(self, cut: Cut) -> NDArray[np.bool_]:
        """Tell which datagrams begin with one: the first of each client that has one."""
        begins: NDArray[np.bool_] = (cut.rank == 0) & (self.size[cut.row] > 0)
        return begins


class Pieces(NamedTuple):
    """Rows of one sort.

    Attributes:
        what: the sort.
        of: int64[n], the place of each one's client among those at hand, ascending.
        rows: [n], packed.
    """

    what: int
    of: Ints
    rows: Rows


def put_together(leads: Rows, pieces: Sequence[Pieces]) -> PrivateSections:
    """Write the sections of all clients.

    Args:
        leads: `LEAD`[n], of all clients at hand; how many runs there are is written here.
        pieces: in the order of their sorts; each sort once.

    Mutates:
        leads: the number of runs.
    """
    count = len(leads)
    there = np.zeros((len(pieces), count), np.int64)
    size = np.zeros((len(pieces), count), np.int64)
    for at, piece in enumerate(pieces):
        there[at] = np.bincount(piece.of, minlength=count)
        size[at] = there[at] * piece.rows.dtype.itemsize
    runs = (there > 0).sum(axis=0)
    leads["runs"] = runs
    whole = np.where(runs > 0, LEAD.itemsize + RUN.itemsize * runs + size.sum(axis=0), 0)
    start = offsets(whole)
    buffer = np.zeros(int(start[-1]), np.uint8)
    some = np.flatnonzero(runs)
    _put(buffer, start[some], leads[some])
    run_at = start[:-1] + LEAD.itemsize
    row_at = run_at + RUN.itemsize * runs
    for at, piece in enumerate(pieces):
        some = np.flatnonzero(there[at])
        heads = np.zeros(len(some), RUN)
        heads["what"], heads["rows"] = piece.what, there[at][some]
        _put(buffer, run_at[some], heads)
        nth = np.arange(len(piece.of)) - np.searchsorted(piece.of, piece.of)
        _put(buffer, row_at[piece.of] + nth * piece.rows.dtype.itemsize, piece.rows)
        run_at[some] += RUN.itemsize
        row_at += size[at]
    data, bounds = buffer.tobytes(), start.tolist()
    # Each client: 0.1 µs.
    return PrivateSections([data[a:b] for a, b in pairwise(bounds)], whole)


def _put(buffer: NDArray[np.uint8], at: Ints, rows: Rows) -> None:
    """Write rows into a buffer, each where it belongs."""
    if not len(rows):
        return
    width = rows.dtype.itemsize
    # The buffer, seen as one row that begins at each of its bytes.
    places = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, strides=(1,))
    places[at] = rows.view(f"V{width}")
