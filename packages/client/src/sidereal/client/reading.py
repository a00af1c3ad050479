"""Snapshots taken apart and checked, several at once, before anything of them is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.quantize import outside_rows
from sidereal.protocol.state.schema import EVENT_FIRST, KIND, Schema
from sidereal.protocol.state.snapshot import Gathered, Snapshot, gather, read_snapshot_untrusted
from sidereal.protocol.state.stream import GONE, PRESENCE

NOBODY: Final = np.empty(0, np.int64)


class Read(NamedTuple):
    """Datagrams in the order in which they came, and all that they say, as arrays."""

    snapshots: list[Snapshot]
    all: Gathered


class Lined(NamedTuple):
    """Rows of several sorts one after the other, so that they are looked up at once.

    Attributes:
        sorts: of the rows, ascending.
        first: int64[sorts + 1], where the rows of each begin, and where the last end.
        number: int64[n], the sort of each row.
        net_id: int64[n]
        section: int64[n], which section each belongs to.
    """

    sorts: list[int]
    first: Ints
    number: Ints
    net_id: Ints
    section: Ints


def line_up(every: Gathered) -> Lined:
    """Line up the rows of the presence and of all components."""
    sorts = sorted(what for what in every.rows if what < GONE)
    first = np.zeros(len(sorts) + 1, np.int64)
    np.cumsum([len(every.rows[what]) for what in sorts], out=first[1:])
    if not sorts:
        return Lined(sorts, first, NOBODY, NOBODY, NOBODY)
    net_id = np.concatenate([every.rows[what]["id"] for what in sorts], dtype=np.int64)
    section = np.concatenate([every.section[what] for what in sorts])
    return Lined(sorts, first, np.repeat(sorts, np.diff(first)), net_id, section)


def named(every: Gathered, what: int, counts: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Give the network ids in rows of a sort, and their sections, of sections that count."""
    if what not in every.rows:
        return NOBODY, NOBODY
    section = every.section[what]
    here = counts[section]
    return every.rows[what]["id"][here].astype(np.int64), section[here]


def read_untrusted(schema: Schema, rules: Rules, messages: Sequence[bytes]) -> Read:
    """Read datagrams; those that are no snapshot of this schema are left out."""
    snapshots = []
    for message in messages:
        try:
            snapshots.append(read_snapshot_untrusted(schema, rules, message))
        except WireError:
            continue
    gathered = gather(schema, snapshots)
    wrong = np.zeros(len(snapshots), np.bool_)
    for what, rows in gathered.rows.items():
        outside = _outside(schema, rules, what, rows)
        if what >= EVENT_FIRST:
            outside |= _untimely(gathered, what)
        if outside.any():
            wrong[gathered.of[gathered.section[what][outside]]] = True
    if not wrong.any():
        return Read(snapshots, gathered)
    right = [snapshot for snapshot, bad in zip(snapshots, wrong, strict=True) if not bad]
    return Read(right, gather(schema, right))


def _outside(schema: Schema, rules: Rules, what: int, rows: Rows) -> NDArray[np.bool_]:
    """Tell which rows hold what no row may hold."""
    outside: NDArray[np.bool_] = rows["id"] == NET_ID_NONE
    if what == PRESENCE:
        mask = rows["mask"].astype(np.uint64)
        outside |= (mask & ~np.uint64(schema.mask_sent)) != 0
        outside |= (~mask & np.uint64(schema.mask_places)) != 0
        low, _ = KIND.bounds
        outside |= rows["kind"] < low
    elif what < GONE or what >= EVENT_FIRST:
        outside |= outside_rows(schema, what, rows, rules)
    return outside


def _untimely(every: Gathered, what: int) -> NDArray[np.bool_]:
    """Tell which events are not of the ticks of their section; a whole cell has none."""
    section = every.section[what]
    tick = every.tick[section] - every.rows[what]["age"]
    within = (tick > every.from_tick[section]) & (tick <= every.to_tick[section])
    return np.asarray(~within | every.replace[section], dtype=np.bool_)
