"""The world as a client sees it: what it makes of snapshots, in whichever order they come."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Final

from .coverage import Coverage
from .entities import NEVER, Entity
from .pilot import Pilot
from .private import Private
from .rows import COMPONENTS, Described, Event, Gone, Moved, Presence
from .snapshots import Cell, Grid, Section, Snapshot

STATE: Final = (Presence, Described, *COMPONENTS.values())
"""Rows that say how an entity is."""
GENERATIONS: Final = 4
KEPT_TICKS: Final = 255
"""Private events are sent again until they are so old."""


class Replica:
    """The entities of a window.

    Attributes:
        happened: events that are new, private ones, too; whoever takes them empties it.
        pilot: what the client flies.
    """

    def __init__(self, grid: Grid, reorder_ticks: int, tombstone_ticks: int, tick_hz: int) -> None:
        self.happened: list[Event] = []
        self.pilot = Pilot(tick_hz)
        self._coverage = Coverage(grid, reorder_ticks, tombstone_ticks)
        self._grid = grid
        self._reorder_ticks = reorder_ticks
        self._entities: dict[int, Entity] = {}
        self._gone: dict[int, int] = {}
        self._moved: dict[tuple[int, Cell], int] = {}

    @property
    def newest(self) -> int:
        """Tick of the newest snapshot, −1 at first."""
        return self._coverage.newest

    @property
    def centre(self) -> Cell:
        """The cell in the middle of the window."""
        return self._coverage.centre

    def visible(self) -> dict[int, Entity]:
        """Give what is known in full, by ids."""
        return {number: each for number, each in self._entities.items() if each.is_visible}

    def shown(self) -> dict[int, Entity]:
        """Give what is to be drawn, by ids: a follower only if it is known whom it follows."""
        return {number: each for number, each in self._entities.items() if self._is_shown(each)}

    def take(self, snapshot: Snapshot) -> None:
        """Take a snapshot; of one that is too old what it says of the pilot's entity alone."""
        if not self._coverage.is_too_old(snapshot.tick):
            self._take(snapshot)
        elif snapshot.private is not None:
            self._take_private(replace(snapshot.private, told=()))
        own = self.pilot.reference
        if own is not None and own.id in self._entities:
            self._entities[own.id].fly(own)

    def _take(self, snapshot: Snapshot) -> None:
        coverage, tick = self._coverage, snapshot.tick
        coverage.advance(tick, snapshot.centre)
        self._lose_what_is_outside()
        if snapshot.private is not None:
            self._take_private(snapshot.private)
        sections = [
            section
            for section in snapshot.sections
            if coverage.counts(section.cell, tick) and section.to > coverage.have(section.cell)
        ]
        self._take_rows(sections, tick)
        self._finish(sections, snapshot)
        self._clean_up()

    def _take_private(self, private: Private) -> None:
        forget = self.newest - self._reorder_ticks - KEPT_TICKS
        self.happened += self.pilot.take(private, forget)

    def _is_shown(self, entity: Entity | None) -> bool:
        for _ in range(GENERATIONS):
            if entity is None or not entity.is_visible:
                return False
            if entity.leader is None:
                return True
            entity = self._entities.get(entity.leader)
        return False

    def _take_rows(self, sections: list[Section], tick: int) -> None:
        rows = [(section.cell, row) for section in sections for row in section.rows]
        for cell, row in rows:
            match row:
                case Gone(number):
                    self._gone[number] = max(tick, self._gone.get(number, NEVER))
                case Moved(number):
                    key = number, cell
                    self._moved[key] = max(tick, self._moved.get(key, NEVER))
        presences = [(cell, row) for cell, row in rows if isinstance(row, Presence)]
        for cell, row in chain(presences, rows):
            if not isinstance(row, STATE):
                continue
            if self._gone.get(row.id, NEVER) > tick:
                continue
            entity = self._entities.setdefault(row.id, Entity())
            if entity.see(cell, tick):
                has_moved = self._moved.get((row.id, cell), NEVER) > tick
                entity.lost_at = self.newest if has_moved else None
            if isinstance(row, Presence):
                entity.take_presence(row, tick)
            else:
                entity.take(row, tick)
        for cell, row in rows:
            self._depart(cell, row, tick)

    def _depart(self, cell: Cell, row: object, tick: int) -> None:
        if not isinstance(row, Gone | Moved):
            return
        entity = self._entities.get(row.id)
        if entity is None:
            return
        if isinstance(row, Gone):
            if entity.seen_at <= tick:
                del self._entities[row.id]
        elif entity.cell == cell and entity.seen_at < tick:
            self._mark_lost(entity)

    def _finish(self, sections: list[Section], snapshot: Snapshot) -> None:
        coverage, complete = self._coverage, []
        for section in sections:
            events = coverage.take_section(section)
            if events is not None:
                complete.append(section)
                self.happened += coverage.new_events(section.cell, events)
        cells = (self._grid.cell(snapshot.centre, place) for place in snapshot.unchanged)
        unchanged = [cell for cell in cells if coverage.counts(cell, snapshot.tick)]
        coverage.finish(complete, unchanged, snapshot.tick)
        for section in complete:
            if section.is_whole:
                for entity in self._entities.values():
                    if entity.cell == section.cell and entity.seen_at < section.to:
                        self._mark_lost(entity)

    def _lose_what_is_outside(self) -> None:
        for entity in self._entities.values():
            assert entity.cell is not None
            if not self._coverage.holds(entity.cell):
                self._mark_lost(entity)

    def _mark_lost(self, entity: Entity) -> None:
        if entity.lost_at is None:
            entity.lost_at = self.newest

    def _clean_up(self) -> None:
        coverage, known = self._coverage, self._coverage.known
        moved_at: dict[int, int] = {}
        for (number, _), tick in self._moved.items():
            moved_at[number] = max(tick, moved_at.get(number, NEVER))
        everywhere = max(coverage.whole_at, coverage.moved_at)
        for number, entity in list(self._entities.items()):
            if entity.lost_at is None or number == self.pilot.flies:
                continue
            needed = max(everywhere, entity.seen_at + 1, moved_at.get(number, NEVER))
            if known >= needed or self.newest - entity.lost_at > self._reorder_ticks:
                del self._entities[number]
        late = self.newest - self._reorder_ticks
        keep = max(known + 1, late)
        self._gone = {number: tick for number, tick in self._gone.items() if tick >= keep}
        self._moved = {key: tick for key, tick in self._moved.items() if tick >= keep}
