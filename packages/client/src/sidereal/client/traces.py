"""Where entities were that are known no more: what happened to them may be shown a moment later.

The picture is behind what has come, and what was lost comes later still. So an entity may have
ended, or gone out of view, by the time that an event of it is shown. Its last motion is kept for
that, of as many as were let go of last.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.columns import Columns

_FIELDS: Final = ("x", "y", "vx", "vy")

Floats = NDArray[np.float64]


class Traces:
    """The last motion of those that were let go of."""

    def __init__(self, most: int) -> None:
        """Begin without any.

        Args:
            most: that are kept; of more the oldest are forgotten.
        """
        self._net_id = np.zeros(most, np.uint32)
        self._tick: Ints = np.zeros(most, np.int64)
        self._motion: Floats = np.zeros((len(_FIELDS), most))
        self._serial: Ints = np.full(most, -1, np.int64)
        self._next = 0

    def note(self, columns: Columns, rows: Ints) -> None:
        """Keep where these are, int64[n], before they are let go of."""
        rows = rows[-len(self._net_id) :]
        serial = self._next + np.arange(len(rows))
        at = serial % len(self._net_id)
        self._next += len(rows)
        self._net_id[at], self._tick[at] = columns.net_id[rows], columns.tick[rows]
        self._serial[at] = serial
        for kept, name in zip(self._motion, _FIELDS, strict=True):
            kept[at] = columns[name][rows]

    def find(self, net_id: NDArray[np.uint32], tick: Ints, tick_s: float) -> tuple[Floats, Floats]:
        """Find where entities were at a tick, by the last that is known of them.

        Args:
            net_id: uint32[n]
            tick: int64[n]
            tick_s: length of a tick in seconds.

        Returns:
            x and y, float64[n] each, world units; NaN for one that is not remembered.
        """
        serial = np.where(self._net_id == net_id[:, None], self._serial, -1)
        at = serial.argmax(axis=1)
        x, y, vx, vy = self._motion[:, at]
        elapsed_s = (tick - self._tick[at]) * tick_s
        unknown = serial.max(axis=1, initial=-1) < 0
        x, y = x + vx * elapsed_s, y + vy * elapsed_s
        x[unknown] = y[unknown] = np.nan
        return x, y
