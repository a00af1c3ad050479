"""Private sections as bytes: those of all clients are put together in one buffer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.private import (
    AGED,
    ANSWERS,
    FLIGHT,
    FLIGHT_FIRST,
    FLOWN,
    INPUTS,
    LAG_MOST,
    LAGS,
    MOVES,
    REPLACE,
    RUNS,
)
from sidereal.protocol.state.stream import PRESENCE, RUN
from sidereal.replication.edge.cutting import Cut, offsets

LEAD_SIZE_MAX: Final = 5
"""Bytes of form, flight, age, lag and number of runs."""


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


class Leads(NamedTuple):
    """What the sections of clients begin with.

    Attributes:
        since: int64[n], tick since which each says what has changed, -1 for all that there is.
        flight: int64[n], of what is flown.
        lag: int64[n], how far the state of that lies behind the tick.
        tick: of all.
    """

    since: Ints
    flight: Ints
    lag: Ints
    tick: int


def put_together(leads: Leads, pieces: Sequence[Pieces], motion: int) -> PrivateSections:
    """Write the sections of all clients.

    Args:
        leads: of all clients at hand.
        pieces: in the order in which they stand in a section; each sort once.
        motion: the sort that is motion.
    """
    flags = {PRESENCE: FLOWN, motion: MOVES, INPUTS: ANSWERS}
    count = len(leads.since)
    there = np.zeros((len(pieces), count), np.int64)
    size = np.zeros((len(pieces), count), np.int64)
    forms = np.zeros(count, np.int64)
    for at, piece in enumerate(pieces):
        there[at] = np.bincount(piece.of, minlength=count)
        size[at] = there[at] * piece.rows.dtype.itemsize
        forms |= flags.get(piece.what, RUNS) * (there[at] > 0)
    is_run = np.array([piece.what not in flags for piece in pieces], np.bool_)
    runs = (there[is_run] > 0).sum(axis=0)
    lead, lead_size = _write_leads(leads, forms, runs)
    whole = np.where(forms > 0, lead_size + RUN.itemsize * runs + size.sum(axis=0), 0)
    start = offsets(whole)
    buffer = np.zeros(int(start[-1]) + LEAD_SIZE_MAX, np.uint8)
    some = np.flatnonzero(forms)
    # What counts for nothing of a lead is written over by what follows.
    _put(buffer, start[some], lead[some])
    run_at = start[:-1] + lead_size
    row_at = run_at + RUN.itemsize * runs
    for at, piece in enumerate(pieces):
        some = np.flatnonzero(there[at])
        if is_run[at]:
            heads = np.zeros(len(some), RUN)
            heads["what"], heads["rows"] = piece.what, there[at][some]
            _put(buffer, run_at[some], heads)
            run_at[some] += RUN.itemsize
        nth = np.arange(len(piece.of)) - np.searchsorted(piece.of, piece.of)
        _put(buffer, row_at[piece.of] + nth * piece.rows.dtype.itemsize, piece.rows)
        row_at += size[at]
    data, bounds = buffer.tobytes(), start.tolist()
    # Each client: 0.1 µs.
    return PrivateSections([data[a:b] for a, b in pairwise(bounds)], whole)


def _write_leads(leads: Leads, forms: Ints, runs: Ints) -> tuple[Rows, Ints]:
    """Write leads, LEAD_SIZE_MAX bytes each, and tell how many of these count, int64[n].

    Mutates:
        forms: what the ages and lags are is added, where there is anything.
    """
    age = np.where(leads.since < 0, 0, leads.tick - leads.since)
    kind = np.where(leads.since < 0, REPLACE, np.where(age == 1, 0, AGED))
    forms |= np.where(forms > 0, kind, 0)
    flight = leads.flight % (1 << 8)
    forms |= np.where((forms > 0) & (flight != FLIGHT_FIRST), FLIGHT, 0)
    forms |= np.where(((forms & (MOVES | ANSWERS)) > 0) & (leads.lag != 0), LAGS, 0)
    octets = np.zeros((len(forms), LEAD_SIZE_MAX), np.uint8)
    octets[:, 0] = forms
    size = np.ones(len(forms), np.int64)
    lag = np.clip(leads.lag, -LAG_MOST, LAG_MOST) % (1 << 8)
    for flag, values in ((FLIGHT, flight), (AGED, age), (LAGS, lag), (RUNS, runs)):
        at = np.flatnonzero(forms & flag)
        octets[at, size[at]] = values[at]
        size[at] += 1
    return octets.view(f"V{LEAD_SIZE_MAX}")[:, 0], size


def _put(buffer: NDArray[np.uint8], at: Ints, rows: Rows) -> None:
    """Write rows into a buffer, each where it belongs."""
    if not len(rows):
        return
    width = rows.dtype.itemsize
    # The buffer, seen as one row that begins at each of its bytes.
    places = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, strides=(1,))
    places[at] = rows.view(f"V{width}")
