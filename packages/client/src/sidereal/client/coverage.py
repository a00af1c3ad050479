"""Which cells the replica knows, and from when to when.

For every cell of the window, the replica has everything that happened there from the tick `since`
up to the tick `have`. It begins with a section of the whole cell, which sets both. Another section
moves `have` only if it continues from there without a gap. What it says is true with a gap, too,
and is applied; only what else happened in the gap is not known. It is remembered which ticks behind
a gap are known, and `have` moves to the end of them when what was lost is sent again. A cell that
leaves the window is forgotten. What was sent before it left says nothing after it has come back.
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


class Noted(NamedTuple):
    """What sections have led to.

    Attributes:
        replaced: cells that are sent whole with them.
        complete: bool[sections], whether with each all has come that it is a part of.
    """

    replaced: list[Replaced]
    complete: NDArray[np.bool_]


class Told(NamedTuple):
    """Sections of the snapshots of one tick, as `Gathered` has them.

    Attributes:
        is_all: whether no cell was put off.
    """

    tick: int
    is_all: bool
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
        self.came: set[int] = set()
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
        heard: int64[window], newest tick of which nothing of each cell is missed, as far as can be
            told: what is lost may turn out to be so later.
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
        self.heard: Ints = np.full(window, UNKNOWN, np.int64)
        self.moved_tick = -1
        self._absent: Ints = np.full(window, -1, np.int64)
        self._parts: dict[tuple[int, int], _Parts] = {}
        self._ahead: dict[int, list[tuple[int, int]]] = {}
        # Ticks behind a gap that are known, from one to another, by place, in order.

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
        self.have[entered] = self.since[entered] = self.heard[entered] = UNKNOWN
        # They were not in the window before: what was sent up to then is of an earlier time in it.
        self._absent[entered] = before
        self.moved_tick = tick
        self._parts = {key: parts for key, parts in self._parts.items() if not entered[key[0]]}
        self._ahead = {at: ticks for at, ticks in self._ahead.items() if not entered[at]}
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
    ) -> Noted:
        """Note that sections, those that count, and unchanged cells are applied."""
        same = unchanged & inside & (told.tick > self._absent) & (self.have >= 0)
        self.have[same] = np.maximum(self.have[same], told.tick)
        replaced = []
        complete = counts & (told.parts == 1)
        # A few dozen sections at most: 0.3 µs each.
        for at in np.flatnonzero(counts).tolist():
            place, to_tick = int(told.place[at]), int(told.to_tick[at])
            if told.parts[at] > 1:
                if not self._all_parts(told, at, place, to_tick):
                    continue
                complete[at] = True
            if to_tick <= self.have[place]:
                continue
            if told.replace[at]:
                self.have[place] = self.since[place] = to_tick
                cell = int(self.cell_x[place]), int(self.cell_y[place])
                replaced.append(Replaced(*cell, to_tick))
            elif told.from_tick[at] <= self.have[place]:
                self.have[place] = to_tick
            else:
                self._ahead.setdefault(place, []).append((int(told.from_tick[at]), to_tick))
        if self._ahead:
            self._close_gaps()
        np.maximum(self.heard, self.have, out=self.heard)
        if told.is_all:
            whole = inside & (told.tick > self._absent) & (self.have >= 0)
            whole[list(self._ahead)] = False
            self.heard[whole] = np.maximum(self.heard[whole], told.tick)
        if self._parts:
            self._drop_parts()
        return Noted(replaced, complete)

    def heard_up_to(self, cell_x: Ints, cell_y: Ints) -> Ints:
        """Tick up to which cells were heard of, -1 outside the window; int64[n]."""
        side = self.rules.window_side
        place = cell_y % side * side + cell_x % side
        inside = (self.cell_x[place] == cell_x) & (self.cell_y[place] == cell_y)
        return np.where(inside, self.heard[place], UNKNOWN)

    def _all_parts(self, told: Told, at: int, place: int, to_tick: int) -> bool:
        continued, count = bool(told.continued[at]), int(told.parts[at])
        parts = self._parts.get((place, to_tick))
        if parts is None or parts.parts != count or parts.continued != continued:
            parts = self._parts[place, to_tick] = _Parts(count, continued)
        parts.came.add(int(told.part[at]))
        return len(parts.came) == parts.parts

    def _close_gaps(self) -> None:
        """Move `have` over ticks that it has reached; forget those that are too old to matter."""
        oldest = self.newest_tick - self.rules.streams.tombstone_ticks
        for place, ticks in list(self._ahead.items()):
            have = int(self.have[place])
            apart: list[tuple[int, int]] = []
            for begin, end in sorted(ticks):
                if begin <= have:
                    have = max(have, end)
                elif apart and begin <= apart[-1][1]:
                    apart[-1] = apart[-1][0], max(apart[-1][1], end)
                elif end >= oldest:
                    apart.append((begin, end))
            self.have[place] = have
            self._ahead[place] = apart
            if not apart:
                del self._ahead[place]

    def _drop_parts(self) -> None:
        """Forget parts of what is known by now, or will never be complete.

        The parts of a continued section are sent until it is too old to say who has left; those of
        all others within one tick.
        """
        streams, newest = self.rules.streams, self.newest_tick
        ages = {True: streams.tombstone_ticks, False: streams.reorder_ticks}
        self._parts = {
            (place, to_tick): parts
            for (place, to_tick), parts in self._parts.items()
            if to_tick > self.have[place] and newest - to_tick <= ages[parts.continued]
        }
