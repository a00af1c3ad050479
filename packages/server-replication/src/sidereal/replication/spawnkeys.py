"""Which inputs of pilots have spawned what already, so that each of it comes once.

Whoever adopts an entity flies it again by the inputs that are not in its record, and so spawns
again what they spawn. What the former owner has spawned by them may have come, or may not: its key
tells (`PREDICTED`). A key is remembered for longer than inputs are flown again.
"""

from __future__ import annotations

import numpy as np

from sidereal.protocol.state.schema import PREDICTED, Schema
from sidereal.protocol.state.spawnkeys import pack_keys


class SpawnKeys:
    """Keys of what has come into the world lately."""

    def __init__(self, schema: Schema, kept_ticks: int) -> None:
        """Begin with none.

        Args:
            schema: for the component.
            kept_ticks: for which a key is remembered.
        """
        self._bit = np.uint64(1 << schema.numbers[PREDICTED.name])
        self._schema = schema
        self._kept_ticks = kept_ticks
        # By key, in the order in which they came: at which tick.
        self._came: dict[int, int] = {}

    def known(self, records: np.ndarray) -> np.ndarray:
        """Tell whose key has come before, bool[n].

        Args:
            records: `Schema.full_record[n]`, of what is new.
        """
        known = np.zeros(len(records), np.bool_)
        signed, keys = self._keys_of(records)
        known[signed] = [key in self._came for key in keys]  # 0.1 µs each
        return known

    def note(self, records: np.ndarray, tick: int) -> None:
        """Note that these came, `Schema.full_record[n]`; forget what is too old."""
        _, keys = self._keys_of(records)
        self._came |= dict.fromkeys(keys, tick)
        while self._came:
            oldest = next(iter(self._came))
            if self._came[oldest] >= tick - self._kept_ticks:
                break
            del self._came[oldest]

    def _keys_of(self, records: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """Find who has a key, int64[m], and give them."""
        signed = np.flatnonzero(self._schema.masks_of(records) & self._bit)
        return signed, pack_keys(records[signed]).tolist()
