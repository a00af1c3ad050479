"""What models spawn says which input it comes from: the pilot's client shows it already.

The client counts what an input spawns while it flies it, as this does, and so does another shard
that flies the input again after a handover. So a key (`protocol.state.spawnkeys`) means one entity,
whoever spawns it.

A tick may go by the input of the tick before, if no other has come. What is spawned then goes on
counting, and has a key that no client has spawned anything by.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import are_among
from sidereal.protocol.state.schema import DIFFERS, PREDICTED
from sidereal.protocol.state.spawnkeys import KEY_FIELDS, NTH_MAX, pack_keys, write_keys
from sidereal.shard.population import Ints, Population


class SpawnKeys:
    """Counts what each input spawns, by row of a population."""

    def __init__(self, population: Population) -> None:
        self._population = population
        number = population.columns.schema.numbers[PREDICTED.name]
        self._bit = np.uint64(1 << number)
        self._last: NDArray[np.int64] = np.zeros((3, 0), np.int64)
        # By row: the control epoch and the input that have spawned last, and how often.

    def sign(self, born: NDArray[np.void], by: Ints) -> None:
        """Say in records of what is spawned which input it comes from.

        Args:
            born: `Schema.full_record[n]`
            by: int64[n], rows of those that spawn, each once.

        Mutates:
            fields of `PREDICTED` in the records of those that a pilot spawns.
        """
        columns = self._population.columns
        more = columns.capacity - self._last.shape[1]
        if more > 0:
            self._last = np.concatenate([self._last, np.zeros((3, more), np.int64)], axis=1)
        epoch, input_seq = columns["control_epoch"][by], columns["input_seq"][by]
        before = self._last[:, by]
        nth = np.where((before[0] == epoch) & (before[1] == input_seq), before[2], 0)
        self._last[:, by] = epoch, input_seq, nth + 1
        signed = np.flatnonzero((epoch > 0) & (input_seq > 0) & (nth <= NTH_MAX))
        born[DIFFERS[0]][signed] |= self._bit
        keyed, ids = born[signed], columns.net_id[by[signed]]
        write_keys(keyed, ids, epoch[signed], input_seq[signed], nth[signed])
        born[signed] = keyed

    def are_here(self, born: NDArray[np.void]) -> NDArray[np.bool_]:
        """Tell whose keys somebody has already: an input is flown again after a handover.

        Args:
            born: `Schema.full_record[n]`, signed.

        Returns:
            bool[n]
        """
        columns = self._population.columns
        there = np.flatnonzero(columns.mask & self._bit)
        signed = born[DIFFERS[0]] & self._bit != 0
        known = pack_keys({name: columns[name][there] for name in KEY_FIELDS})
        here: NDArray[np.bool_] = signed & are_among(pack_keys(born), known)
        return here

    def forget(self, rows: Ints) -> None:
        """Forget entities that leave their rows."""
        self._last[:, rows[rows < self._last.shape[1]]] = 0
