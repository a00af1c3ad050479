"""Which cells the replica knows, and from when to when.

For every cell of the window, the replica has everything that happened there from the tick `since`
up to the tick `have`. It begins with a section of the whole cell, which sets both. Another section
moves `have` only if it continues from there without a gap. What it says is true with a gap, too,
and is applied; only what else happened in the gap is not known. A cell that leaves the window is
forgotten. What was sent before it left says nothing after it has come back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.stream import places_around

UNKNOWN = -1
"""In `have`: nothing is known of the cell."""


class Replaced(NamedTuple):
    """A cell that has been sent whole: who was not named in it is not there."""

    cell_x: int
    cell_y: int
    tick: int


class Told(NamedTuple):
    """Sections of the snapshots of one tick, as `Gathered` has them."""

    tick: int
    place: Ints
    replace: NDArray[np.bool_]
    continued: NDArray[np.bool_]
    from_tick: Ints
    to_tick: Ints
    part: Ints
    parts: Ints


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

    def counts(self, told: Told, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which sections say something that is not known yet, bool[sections].

        Args:
            told: as read.
            inside: bool[window], which cells of their window are in this one.
        """
        place = told.place
        fits = inside[place] & (told.tick > self._absent[place])
        return np.asarray(fits & (told.to_tick > self.have[place]), dtype=np.bool_)

    def note(
        self,
        told: Told,
        unchanged: NDArray[np.bool_],
        inside: NDArray[np.bool_],
        counts: NDArray[np.bool_],
    ) -> list[Replaced]:
        """Note that sections, those that count, and unchanged cells are applied.

        Returns:
            Cells that are sent whole with them.
        """
        continues = counts & (told.replace | (self.have[told.place] >= told.from_tick))
        same = unchanged & inside & (told.tick > self._absent) & (self.have >= 0)
        self.have[same] = np.maximum(self.have[same], told.tick)
        replaced = []
        # A few dozen sections at most: 0.3 µs each.
        for at in np.flatnonzero(counts).tolist():
            place, to_tick = int(told.place[at]), int(told.to_tick[at])
            if told.parts[at] > 1 and not self._all_parts(told, at, place, to_tick):
                continue
            if not continues[at] or to_tick <= self.have[place]:
                continue
            self.have[place] = to_tick
            if told.replace[at]:
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

    def _all_parts(self, told: Told, at: int, place: int, to_tick: int) -> bool:
        continued, count = bool(told.continued[at]), int(told.parts[at])
        parts = self._parts.get((place, to_tick))
        if parts is None or parts.parts != count or parts.continued != continued:
            parts = self._parts[place, to_tick] = _Parts(count, continued)
        parts.missing.discard(int(told.part[at]))
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
