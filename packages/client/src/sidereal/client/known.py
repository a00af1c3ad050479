"""Which components are known of each entity, and from which snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.stream import PRESENCE

NEVER = -1


class Known:
    """Presences and components, by row.

    Attributes:
        stamp: int64[numbers, rows], tick of the snapshot that last said how things are with a
            component, 0 for the presence; -1 where none has.
        shows: bool by row, whether all components of an entity were known once.
    """

    def __init__(self, schema: Schema, capacity: int) -> None:
        self.stamp: Ints = np.full((len(schema.components) + 1, capacity), NEVER, np.int64)
        self.shows: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self._numbers = np.array(schema.sent, np.int64)
        self._bits = np.uint64(1) << self._numbers.astype(np.uint64)
        self._bit_of = np.uint64(1) << np.arange(len(self.stamp), dtype=np.uint64)
        self._mask = np.zeros(capacity, np.uint64)
        self._held = np.zeros(capacity, np.uint64)

    def components(self, rows: Ints) -> NDArray[np.uint64]:
        """Masks of the components that entities have, as far as these are known."""
        known: NDArray[np.uint64] = self._mask[rows] & self._held[rows]
        return known

    def take_presence(self, rows: Ints, mask: NDArray[Any], tick: int) -> None:
        """Note which components entities have, by the masks of a snapshot newer than any before."""
        self._mask[rows] = mask
        self._note(PRESENCE, rows, tick)

    def take_components(self, numbers: Ints, rows: Ints, tick: int) -> None:
        """Note which components of which entities are known from a snapshot newer than before."""
        np.bitwise_or.at(self._held, rows, self._bit_of[numbers])
        self._note(numbers, rows, tick)

    def drop(self, rows: Ints, tick: int) -> Iterator[tuple[int, Ints]]:
        """Forget components that a presence of this tick does not name; nothing older counts.

        Returns:
            Numbers of components, and who had them.
        """
        unnamed = (self._mask[rows] & self._bits[:, None]) == 0
        older = self.stamp[self._numbers[:, None], rows] < tick
        which, at = np.nonzero(unnamed & older)
        self.stamp[self._numbers[which], rows[at]] = tick
        had = (self._held[rows[at]] & self._bits[which]) != 0
        which, at = which[had], at[had]
        # Entities that have lost a component are few.
        for place in np.unique(which).tolist():
            mine = rows[at[which == place]]
            self._held[mine] &= ~self._bits[place]
            yield int(self._numbers[place]), mine

    def free(self, rows: Ints) -> None:
        """Forget entities."""
        self.stamp[:, rows] = NEVER
        self.shows[rows] = False
        self._mask[rows] = self._held[rows] = 0

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        self.stamp = grown(self.stamp, capacity, NEVER)
        self.shows = grown(self.shows, capacity, 0)
        self._mask = grown(self._mask, capacity, 0)
        self._held = grown(self._held, capacity, 0)

    def _note(self, what: int | Ints, rows: Ints, tick: int) -> None:
        self.stamp[what, rows] = tick
        is_whole = (self._mask[rows] & ~self._held[rows]) == 0
        self.shows[rows] |= is_whole & (self.stamp[PRESENCE, rows] >= 0)


def grown(array: NDArray[Any], capacity: int, fill: int) -> NDArray[Any]:
    """A longer copy of an array, filled up."""
    longer = np.full((*array.shape[:-1], capacity), fill, dtype=array.dtype)
    longer[..., : array.shape[-1]] = array
    return longer
