"""When entities were held last: whoever was so lately does not go home."""

from __future__ import annotations

from typing import Final

import numpy as np

_NEVER: Final = -(1 << 40)


class Held:
    """The newest tick at which each entity was held, by its row and its network id."""

    def __init__(self) -> None:
        self._tick = np.empty(0, np.int64)
        self._net_id = np.empty(0, np.uint32)

    def note(self, rows: np.ndarray, net_id: np.ndarray, tick: np.ndarray | int) -> None:
        """Note that entities are held.

        Args:
            rows: int64[n], each once.
            net_id: uint32[n], theirs: a row may be another entity's by and by.
            tick: when; one or int64[n].
        """
        more = int(rows.max(initial=-1)) + 1 - len(self._tick)
        if more > 0:
            more = max(more, len(self._tick))
            self._tick = np.concatenate([self._tick, np.full(more, _NEVER)])
            self._net_id = np.concatenate([self._net_id, np.zeros(more, np.uint32)])
        self._tick[rows], self._net_id[rows] = tick, net_id

    def since(self, rows: np.ndarray, net_id: np.ndarray, tick: int) -> np.ndarray:
        """Tell how many ticks ago entities were held last, int64[n]; very many for never.

        Args:
            rows: int64[n].
            net_id: uint32[n], theirs.
            tick: the current one.
        """
        since = np.full(len(rows), tick - _NEVER)
        known = np.flatnonzero(rows < len(self._tick))
        known = known[self._net_id[rows[known]] == net_id[known]]
        since[known] = tick - self._tick[rows[known]]
        return since
