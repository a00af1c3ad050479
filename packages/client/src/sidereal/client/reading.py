"""Snapshots taken apart and checked, several at once, before anything of them is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Rows
from sidereal.protocol.state.quantize import outside_rows
from sidereal.protocol.state.schema import EVENT_FIRST, KIND, Schema
from sidereal.protocol.state.snapshot import Gathered, Snapshot, gather, read_snapshot_untrusted
from sidereal.protocol.state.stream import GONE, PRESENCE


class Read(NamedTuple):
    """Datagrams in the order in which they came, and all that they say, as arrays."""

    snapshots: list[Snapshot]
    all: Gathered


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
