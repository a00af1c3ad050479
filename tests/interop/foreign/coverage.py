"""Up to which tick a client knows the cells of its window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from .rows import Event
from .snapshots import Cell, Grid, Section

UNKNOWN: Final = -1
AGE_MAX: Final = 255
"""Of an event, in ticks."""


@dataclass(slots=True)
class Parts:
    """A section of which not all parts have come."""

    came: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)


class Coverage:
    """What is known of the cells of the newest window.

    Attributes:
        newest: tick of the newest snapshot, −1 at first.
        centre: of the newest window.
        moved_at: the snapshot with which the window last moved.
    """

    def __init__(self, grid: Grid, reorder_ticks: int, tombstone_ticks: int) -> None:
        self.newest = -1
        self.centre: Cell = (0, 0)
        self.moved_at = -1
        self._grid = grid
        self._reorder_ticks, self._tombstone_ticks = reorder_ticks, tombstone_ticks
        self._have: dict[Cell, int] = {}
        self._whole: dict[Cell, int] = {}
        self._intervals: dict[Cell, list[tuple[int, int]]] = {}
        self._parts: dict[tuple[object, ...], Parts] = {}
        self._windows: dict[int, Cell] = {}
        self._taken: set[tuple[Cell, int]] = set()

    @property
    def known(self) -> int:
        """The least tick up to which any cell is known."""
        if len(self._have) < self._grid.places:
            return UNKNOWN
        return min(self._have.values())

    @property
    def whole_at(self) -> int:
        """The newest tick at which any cell of the window was sent whole."""
        return max(self._whole.values(), default=UNKNOWN)

    def have(self, cell: Cell) -> int:
        """Say up to which tick a cell is known."""
        return self._have.get(cell, UNKNOWN)

    def holds(self, cell: Cell) -> bool:
        """Say whether a cell is in the newest window."""
        return self._grid.holds(self.centre, cell)

    def is_too_old(self, tick: int) -> bool:
        """Say whether a snapshot is so late that it is dropped."""
        return tick < self.newest - self._reorder_ticks

    def advance(self, tick: int, centre: Cell) -> None:
        """Take the window of a snapshot: if it is the newest one, it counts from now on."""
        self._windows.setdefault(tick, centre)
        if tick <= self.newest:
            return
        if self.newest < 0 or centre != self.centre:
            self.moved_at = tick
        self.newest, self.centre = tick, centre
        self._have = {cell: to for cell, to in self._have.items() if self.holds(cell)}
        self._whole = {cell: to for cell, to in self._whole.items() if self.holds(cell)}
        self._intervals = {cell: i for cell, i in self._intervals.items() if self.holds(cell)}
        self._forget()

    def counts(self, cell: Cell, tick: int) -> bool:
        """Say whether what a snapshot says of a cell counts."""
        centres = [centre for at, centre in self._windows.items() if at >= tick]
        return all(self._grid.holds(centre, cell) for centre in [self.centre, *centres])

    def take_section(self, section: Section) -> list[Event] | None:
        """Take a section: all its events if all parts have come, none if some are missing."""
        mine = [row for row in section.rows if isinstance(row, Event)]
        if section.parts > 1:
            key = (section.cell, section.to, section.since, section.is_whole, section.parts)
            parts = self._parts.setdefault(key, Parts())
            if section.part not in parts.came:
                parts.came.add(section.part)
                parts.events += mine
            if len(parts.came) < section.parts:
                return None
            mine = parts.events
        return mine

    def finish(self, sections: Iterable[Section], unchanged: Iterable[Cell], tick: int) -> None:
        """Know the cells of sections of which all parts have come, and unchanged cells."""
        for section in sections:
            cell, to = section.cell, section.to
            if section.is_whole:
                self._have[cell] = max(self.have(cell), to)
                self._whole[cell] = max(self._whole.get(cell, UNKNOWN), to)
            else:
                self._intervals.setdefault(cell, []).append((section.since, to))
        for cell in unchanged:
            if cell in self._have:
                self._have[cell] = max(self._have[cell], tick)
        for cell in list(self._intervals):
            self._close_gaps(cell)

    def new_events(self, cell: Cell, events: Iterable[Event]) -> list[Event]:
        """Leave out the events of a section that are of ticks of which some were taken before."""
        new = [event for event in events if (cell, event.tick) not in self._taken]
        self._taken |= {(cell, event.tick) for event in new}
        return new

    def _close_gaps(self, cell: Cell) -> None:
        left = []
        for since, to in sorted(self._intervals.pop(cell)):
            if since <= self.have(cell):
                self._have[cell] = max(self.have(cell), to)
            else:
                left.append((since, to))
        if left:
            self._intervals[cell] = left

    def _forget(self) -> None:
        late, oldest = self.newest - self._reorder_ticks, self.newest - self._tombstone_ticks
        self._windows = {at: centre for at, centre in self._windows.items() if at >= late}
        self._taken = {key for key in self._taken if key[1] >= late - AGE_MAX}
        self._parts = {key: parts for key, parts in self._parts.items() if key[1] >= oldest}
        self._intervals = {
            cell: kept
            for cell, intervals in self._intervals.items()
            if (kept := [(since, to) for since, to in intervals if to >= oldest])
        }
