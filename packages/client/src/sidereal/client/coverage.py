"""Which cells the replica knows, and from when to when.

For every cell of the window, the replica has everything that happened there from the tick `since`
up to the tick `have`. It begins with a section of the whole cell, which sets both. Another section
counts only if it continues from there without a gap, so what is lost leaves no hole. A cell that
leaves the window is forgotten. What was sent before it left says nothing after it has come back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.changelog import Ints
from sidereal.protocol.state.snapshot import Snapshot
from sidereal.protocol.state.stream import places_around

UNKNOWN = -1
"""In `have`: nothing is known of the cell."""


class Replaced(NamedTuple):
    """A cell that has been sent whole: who was not named in it is not there."""

    cell_x: int
    cell_y: int
    tick: int


class _Parts:
    """What has come of a section in parts."""

    def __init__(self, parts: int, continued: bool) -> None:
        self.missing = set(range(parts))
        self.parts = parts
        self.continued = continued


class Coverage:
    """The window of cells, by place (see `protocol.state.stream`).

    Attributes:
        newest_tick: of any snapshot, -1 before the first.
        centre_x: absolute cell of the newest snapshot's centre; likewise `centre_y`.
        cell_x: int64[window], absolute cells; likewise `cell_y`.
        have: int64[window], tick up to which each cell is known, or -1.
        since: int64[window], tick from which on it is known without a gap.
        moved_tick: when the window last moved.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        window = rules.window_side**2
        self.newest_tick = -1
        self.centre_x = self.centre_y = 0
        self.cell_x, self.cell_y = places_around(0, 0, rules)
        self.have: Ints = np.full(window, UNKNOWN, np.int64)
        self.since: Ints = np.full(window, UNKNOWN, np.int64)
        self.moved_tick = -1
        self._absent: Ints = np.full(window, -1, np.int64)
        self._parts: dict[tuple[int, int], _Parts] = {}

    @property
    def known_to(self) -> int:
        """Tick up to which every cell of the window is known, -1 when one is not."""
        return int(self.have.min())

    @property
    def known_from(self) -> int:
        """Tick from which on every cell of the window, as it is now, is known without a gap."""
        return max(int(self.since.max()), self.moved_tick)

    def follow(self, tick: int, centre_x: int, centre_y: int) -> bool:
        """Take over the window of a snapshot if it is the newest.

        Returns:
            whether the window is another than before.
        """
        before = self.newest_tick
        if tick <= before:
            return False
        self.newest_tick = tick
        if before >= 0 and (centre_x, centre_y) == (self.centre_x, self.centre_y):
            return False
        cell_x, cell_y = places_around(centre_x, centre_y, self.rules)
        entered = (cell_x != self.cell_x) | (cell_y != self.cell_y)
        self.centre_x, self.centre_y = centre_x, centre_y
        self.cell_x, self.cell_y = cell_x, cell_y
        self.have[entered] = self.since[entered] = UNKNOWN
        # They were not in the window before: what was sent up to then is of an earlier time in it.
        self._absent[entered] = before
        self.moved_tick = tick
        self._parts = {key: parts for key, parts in self._parts.items() if not entered[key[0]]}
        return True

    def around(self, centre_x: int, centre_y: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Give the cells of a snapshot's window by place, and which of them are in this one."""
        if (centre_x, centre_y) == (self.centre_x, self.centre_y):
            return self.cell_x, self.cell_y, np.ones(len(self.have), np.bool_)
        cell_x, cell_y = places_around(centre_x, centre_y, self.rules)
        return cell_x, cell_y, (cell_x == self.cell_x) & (cell_y == self.cell_y)

    def applies(self, snapshot: Snapshot, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which sections say something new that continues what is known, bool[sections].

        Args:
            snapshot: as read.
            inside: bool[window], which cells of its window are in this one.
        """
        place = snapshot.place
        have = self.have[place]
        fits = inside[place] & (snapshot.tick > self._absent[place])
        return fits & (snapshot.to_tick > have) & (snapshot.replace | (have >= snapshot.from_tick))

    def note(
        self, snapshot: Snapshot, inside: NDArray[np.bool_], applies: NDArray[np.bool_]
    ) -> list[Replaced]:
        """Note that a snapshot's sections and unchanged cells have been applied.

        Returns:
            Cells that are sent whole with it.
        """
        unchanged = snapshot.unchanged & inside & (snapshot.tick > self._absent) & (self.have >= 0)
        self.have[unchanged] = np.maximum(self.have[unchanged], snapshot.tick)
        replaced = []
        # A few dozen sections at most: 0.3 µs each.
        for at in np.flatnonzero(applies).tolist():
            place, to_tick = int(snapshot.place[at]), int(snapshot.to_tick[at])
            if snapshot.parts[at] > 1 and not self._all_parts(snapshot, at, place, to_tick):
                continue
            if to_tick <= self.have[place]:
                continue
            self.have[place] = to_tick
            if snapshot.replace[at]:
                self.since[place] = to_tick
                cell = int(self.cell_x[place]), int(self.cell_y[place])
                replaced.append(Replaced(*cell, to_tick))
        if self._parts:
            self._drop_parts()
        return replaced

    def known_up_to(self, cell_x: Ints, cell_y: Ints) -> Ints:
        """Tick up to which cells are known, -1 outside the window; int64[n]."""
        side = self.rules.window_side
        place = cell_y % side * side + cell_x % side
        inside = (self.cell_x[place] == cell_x) & (self.cell_y[place] == cell_y)
        return np.where(inside, self.have[place], UNKNOWN)

    def _all_parts(self, snapshot: Snapshot, at: int, place: int, to_tick: int) -> bool:
        continued, count = bool(snapshot.continued[at]), int(snapshot.parts[at])
        parts = self._parts.get((place, to_tick))
        if parts is None or parts.parts != count or parts.continued != continued:
            parts = self._parts[place, to_tick] = _Parts(count, continued)
        parts.missing.discard(int(snapshot.part[at]))
        return not parts.missing

    def _drop_parts(self) -> None:
        """Forget parts of what is known by now, or will never be complete.

        A sender has one continued section of a cell at a time, for as long as it takes. The parts
        of all others are sent within one tick.
        """
        continued: dict[int, int] = {}
        for (place, to_tick), parts in self._parts.items():
            if parts.continued:
                continued[place] = max(to_tick, continued.get(place, to_tick))
        oldest = self.newest_tick - self.rules.streams.reorder_ticks
        self._parts = {
            (place, to_tick): parts
            for (place, to_tick), parts in self._parts.items()
            if to_tick > self.have[place]
            and (to_tick == continued[place] if parts.continued else to_tick >= oldest)
        }
