"""The picture that a client makes of its snapshots. PROTOCOL.md, "What a receiver does"."""

from __future__ import annotations

from dataclasses import dataclass, field

from .private import Pilot
from .snapshots import (
    SORTS,
    Body,
    Cell,
    Event,
    Gone,
    Grid,
    Label,
    Moved,
    Owner,
    Parent,
    Predicted,
    Presence,
    Reference,
    Row,
    Section,
    Snapshot,
)

Component = Reference | Body | Label | Owner | Predicted | Parent
COMPONENTS: tuple[type[Component], ...] = (Reference, Body, Label, Owner, Predicted, Parent)


@dataclass
class Entity:
    """What is known of an entity.

    `seen` is the tick of the snapshot that last had it in `cell`; it is lost while that is
    before `moved`, and became so at `lost_at`. `ticks` says of each sort of row from which
    snapshot it is known how things are; a component that it does not have has a tick and no row.
    """

    cell: Cell
    seen: int
    moved: int = -1
    lost_at: int = -1
    is_shown: bool = False
    presence: Presence | None = None
    components: dict[type[Row], Component] = field(default_factory=dict)
    ticks: dict[type[Row], int] = field(default_factory=dict)

    @property
    def is_lost(self) -> bool:
        """Whether it is no longer where it was seen."""
        return self.seen < self.moved

    def said(self) -> list[object]:
        """Give all fields of all that it has, as they stand in rows, the kind behind the motion."""
        assert self.presence is not None
        has = (sort for sort in COMPONENTS if sort in self.components)
        motion, *others = (self.components[sort][1:] for sort in has)
        return [*motion, self.presence.kind, *(value for row in others for value in row)]

    def lose(self, tick: int, newest: int) -> None:
        """Note that what snapshots before a tick said of its place is no longer so."""
        if not self.is_lost:
            self.lost_at = newest
        self.moved = max(self.moved, tick)

    def take(self, row: Presence | Component, tick: int) -> None:
        """Take a row if it is newer than the one of its sort."""
        if tick <= self.ticks.get(type(row), -1):
            return
        self.ticks[type(row)] = tick
        if isinstance(row, Presence):
            self.presence = row
            for sort in COMPONENTS:
                if not row.mask >> SORTS[sort] & 1 and tick > self.ticks.get(sort, -1):
                    self.ticks[sort] = tick
                    self.components.pop(sort, None)
        else:
            self.components[type(row)] = row
        if self.presence is not None:
            wanted = {sort for sort in COMPONENTS if self.presence.mask >> SORTS[sort] & 1}
            self.is_shown |= wanted <= self.components.keys()


class Replica:
    """Entities by their ids, and what is known of each cell of the window.

    Attributes:
        entities: those that are shown to people, and those of whom half is known.
        pilot: what the client flies.
        newest: tick of the newest snapshot.
        centre: the cell in the middle of its window.
        happened: events that were taken, in their order.
    """

    def __init__(self, grid: Grid, reorder_ticks: int, tombstone_ticks: int, tick_hz: int) -> None:
        self.entities: dict[int, Entity] = {}
        self.pilot = Pilot(tick_hz)
        self.newest = -1
        self.centre: Cell = (0, 0)
        self._grid = grid
        self._reorder_ticks = reorder_ticks
        self._tombstone_ticks = tombstone_ticks
        self._window: list[Cell] = []
        self._window_moved = -1
        count = grid.side**2
        self._have = [-1] * count
        self._absent = [-1] * count
        # The newest snapshot whose window did not have the cell that the place has now.
        self._whole = [-1] * count
        # The newest `to` at which the cell was sent whole.
        self._parts: dict[tuple[int, int, bool], set[int]] = {}
        # The parts that came, by place, `to`, and whether the section is continued.
        self._ahead: list[tuple[int, int, int]] = []
        # Sections behind a gap: their place, since when and up to when they say what changed.
        self.happened: list[Event] = []
        self._events: dict[tuple[Cell, int, bool], dict[int, list[Event]]] = {}
        # Those of sections in parts that are not complete.
        self._had: set[tuple[Cell, int]] = set()
        # Cells and ticks of which all events were taken.
        self._told: set[tuple[int, int]] = set()
        # Ticks and numbers of the private events that were taken.
        self._departures: dict[tuple[int, Cell | None], int] = {}
        # The tick of the snapshot that said so, by entity and, if it has moved, cell.

    def visible(self) -> dict[int, Entity]:
        """Give those that are shown to people."""
        return {
            number: entity for number, entity in sorted(self.entities.items()) if entity.is_shown
        }

    def take(self, snapshot: Snapshot) -> None:
        """Take a snapshot, whenever it comes."""
        tick = snapshot.tick
        if tick < self.newest - self._reorder_ticks:
            return
        if snapshot.private is not None:
            self.pilot.take(snapshot.private)
            for told in snapshot.private.told:
                key = told.event.tick, told.number
                if key not in self._told:
                    self._told.add(key)
                    self.happened.append(told.event)
        window = self._grid.window(snapshot.centre)
        if tick > self.newest:
            self.centre = snapshot.centre
            self._move(window, tick)
        for place, cell in enumerate(self._window):
            if window[place] != cell:
                self._absent[place] = max(self._absent[place], tick)
        for place in snapshot.unchanged:
            if self._have[place] >= 0 and self._counts(place, window[place], tick):
                self._have[place] = max(self._have[place], tick)
        sections = [
            section
            for section in snapshot.sections
            if self._counts(section.place, section.cell, tick)
            and section.to > self._have[section.place]
        ]
        self._take_rows(sections, tick)
        for section in sections:
            self._complete(section)
        self._let_go()

    def _move(self, window: list[Cell], tick: int) -> None:
        entered = {at for at, cell in enumerate(window) if self._window[at : at + 1] != [cell]}
        for place in entered:
            self._have[place] = -1
            self._absent[place] = self.newest
            self._whole[place] = -1
        self._parts = {key: came for key, came in self._parts.items() if key[0] not in entered}
        self._ahead = [claim for claim in self._ahead if claim[0] not in entered]
        self._window, self.newest = window, tick
        if entered:
            self._window_moved = tick
            for entity in self.entities.values():
                if window[self._grid.place(entity.cell)] != entity.cell:
                    entity.lose(entity.seen + 1, tick)

    def _counts(self, place: int, cell: Cell, tick: int) -> bool:
        return self._window[place] == cell and tick > self._absent[place]

    def _take_rows(self, sections: list[Section], tick: int) -> None:
        rows = [
            (row, section.cell)
            for section in sections
            for row in section.rows
            if not isinstance(row, Event)
        ]
        for row, cell in rows:
            if isinstance(row, Gone | Moved):
                key = row.id, cell if isinstance(row, Moved) else None
                self._departures[key] = max(tick, self._departures.get(key, -1))
        for row, cell in sorted(rows, key=lambda pair: SORTS[type(pair[0])]):
            if not isinstance(row, Gone | Moved):
                self._take_row(row, cell, tick)
        for row, cell in rows:
            entity = self.entities.get(row.id)
            if entity is None:
                continue
            if isinstance(row, Moved) and entity.cell == cell and entity.seen < tick:
                entity.lose(tick, self.newest)
            elif isinstance(row, Gone) and entity.seen <= tick:
                del self.entities[row.id]

    def _take_row(self, row: Presence | Component, cell: Cell, tick: int) -> None:
        if tick < self._departures.get((row.id, None), -1):
            return
        entity = self.entities.setdefault(row.id, Entity(cell, -1))
        if tick > entity.seen:
            left = self._departures.get((row.id, cell), -1)
            if left > tick and not entity.is_lost:
                entity.lost_at = self.newest
            entity.cell, entity.seen, entity.moved = cell, tick, left
        entity.take(row, tick)

    def _complete(self, section: Section) -> None:
        """Note that a section, or a part of one, has come."""
        place, to = section.place, section.to
        key = place, to, section.is_continued
        came = self._parts.setdefault(key, set())
        came.add(section.part)
        self._take_events(section, is_whole=len(came) == section.parts)
        if len(came) < section.parts or to <= self._have[place]:
            return
        if not section.is_whole:
            self._ahead.append((place, section.since, to))
        else:
            self._have[place] = to
            self._whole[place] = to
            for entity in self.entities.values():
                if entity.cell == section.cell and entity.seen < to:
                    entity.lose(entity.seen + 1, self.newest)

    def _take_events(self, section: Section, *, is_whole: bool) -> None:
        """Take the events of a section when all of its parts have come."""
        key = section.cell, section.to, section.is_continued
        parts = self._events.setdefault(key, {})
        parts[section.part] = [row for row in section.rows if isinstance(row, Event)]
        if is_whole:
            events = [event for part in sorted(parts) for event in parts[part]]
            fresh = {event.tick for event in events} - {
                tick for cell, tick in self._had if cell == section.cell
            }
            self._had |= {(section.cell, tick) for tick in fresh}
            self.happened += [event for event in events if event.tick in fresh]
            del self._events[key]

    def _let_go(self) -> None:
        for place, since, to in sorted(self._ahead):
            if since <= self._have[place]:
                self._have[place] = max(self._have[place], to)
        oldest = self.newest - self._tombstone_ticks
        self._ahead = [
            (place, since, to)
            for place, since, to in self._ahead
            if to > self._have[place] and to >= oldest
        ]
        known = min(self._have)
        self._parts = {
            (place, to, goes_on): came
            for (place, to, goes_on), came in self._parts.items()
            if to > self._have[place]
            and to >= (oldest if goes_on else self.newest - self._reorder_ticks)
        }
        self._departures = {key: tick for key, tick in self._departures.items() if tick > known}
        left = {number for number, _ in self._departures}
        is_settled = known >= max(self._window_moved, *self._whole)
        for number, entity in list(self.entities.items()):
            if entity.is_lost and (
                (is_settled and entity.moved <= known and number not in left)
                or entity.lost_at < self.newest - self._reorder_ticks
            ):
                del self.entities[number]
