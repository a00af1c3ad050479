"""When something changed last in every cell; and when, but for how one entity moves there.

Of each cell it is known which entity moves there **alone**: nothing but its motion has changed
since a tick. Somebody to whom that motion is no news asks for the newest change but for it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints

NEVER: Final = -1
NOBODY: Final = -1


class Changed(NamedTuple):
    """Changes; cells may repeat.

    Attributes:
        group: int64[n], the cell of each.
        tick: int64[n]
    """

    group: Ints
    tick: Ints


class Newest:
    """Ticks by group, with one entry more, so that group -1 is one in which nothing ever is."""

    def __init__(self) -> None:
        """Begin without groups."""
        self._newest: Ints = np.full(1, NEVER, np.int64)
        # Who moves alone, and the tick of the newest change but for that.
        self._row: Ints = np.full(1, NOBODY, np.int64)
        self._others: Ints = np.full(1, NEVER, np.int64)

    @property
    def group_count(self) -> int:
        """Groups it answers for."""
        return len(self._newest) - 1

    def reserve(self, group_count: int) -> None:
        """Answer for groups below this number."""
        more = group_count - self.group_count
        if more > 0:
            self._newest, self._row, self._others = (
                np.insert(array, -1, np.full(more, NEVER))
                for array in (self._newest, self._row, self._others)
            )

    def forget(self, groups: NDArray[np.int32]) -> None:
        """Begin anew with groups."""
        self._newest[groups], self._row[groups] = NEVER, NOBODY

    def note(self, changed: Changed, moving: Ints, moved: Changed) -> None:
        """Note all that has changed since the last time.

        Args:
            changed: anything but motion.
            moving: int64[m], rows of entities whose motion has changed, each once.
            moved: in which cells they are, and when it did.
        """
        before = self._newest.copy()
        for each in (changed, moved):
            np.maximum.at(self._newest, each.group, each.tick)
        count = np.bincount(moved.group, minlength=len(before))
        count[changed.group] = 2
        several = np.flatnonzero(count > 1)
        self._row[several] = NOBODY
        alone = count[moved.group] == 1
        rows, groups = moving[alone], moved.group[alone]
        fresh = groups[self._row[groups] != rows]
        self._others[fresh] = before[fresh]
        self._row[groups] = rows

    def of(self, group: NDArray[Any]) -> Ints:
        """Tick of the newest change of groups, -1 for none and for group -1; any shape."""
        newest: Ints = self._newest[group]
        return newest

    def but_for(self, group: Ints, row: Ints) -> Ints:
        """Tick of the newest change of groups, but for how one entity moves in each.

        Args:
            group: int64[n], 0 or more.
            row: int64[n], of the world.
        """
        is_alone = self._row[group] == row
        return np.where(is_alone, self._others[group], self._newest[group])
