"""Motion that has just changed, which is most of what is sent: its tick is that of the snapshot."""

from __future__ import annotations

import numpy as np

from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.stream import MOVES, NOW
from sidereal.replication.edge.changelog import ChangeLog, Log


def as_sent(changes: ChangeLog, log: Log, starts: Ints) -> Ints:
    """Give the sorts as which entries travel: motion without its tick, if a run is all of now."""
    moves = np.flatnonzero(log.what == MOVES)
    if not len(moves):
        return log.what
    is_now = np.zeros(len(log.what), np.bool_)
    is_now[moves] = changes.rows_of(MOVES)["tick"][log.row[moves]] == changes.tick % (1 << 16)
    length = np.diff(starts, append=len(is_now))
    return np.where(np.repeat(np.logical_and.reduceat(is_now, starts), length), NOW, log.what)


def rows_now(changes: ChangeLog, row: Ints) -> Rows:
    """Rows of motion without their ticks."""
    motion = changes.rows_of(MOVES)
    size = motion.dtype.itemsize
    begin = motion.dtype.fields["tick"][1] if motion.dtype.fields else 0
    end = begin + motion.dtype["tick"].itemsize
    octets = motion.view(f"V{size}")[row].view(np.uint8).reshape(len(row), size)
    kept: Rows = np.concatenate((octets[:, :begin], octets[:, end:]), axis=1)
    return kept.view(changes.row_types[NOW])[:, 0]
