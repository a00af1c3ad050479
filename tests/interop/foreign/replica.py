"""The picture that a client makes of its snapshots. PROTOCOL.md, "What a receiver does"."""

from __future__ import annotations

from dataclasses import dataclass

from .snapshots import Attributes, Cell, Grid, OwnBlock, Reference, Section, Snapshot, Tombstone


@dataclass
class Entity:
    """What is known of an entity.

    `seen` is the tick of the snapshot that last had it in `cell`; it is lost while that is
    before `moved`, and became so at `lost_at`.
    """

    cell: Cell
    seen: int
    moved: int = -1
    lost_at: int = -1
    reference: Reference | None = None
    reference_tick: int = -1
    attributes: Attributes | None = None
    attributes_tick: int = -1

    @property
    def is_lost(self) -> bool:
        """Whether it is no longer where it was seen."""
        return self.seen < self.moved

    def lose(self, tick: int, newest: int) -> None:
        """Note that what snapshots before a tick said of its place is no longer so."""
        if not self.is_lost:
            self.lost_at = newest
        self.moved = max(self.moved, tick)


class Replica:
    """Entities by their ids, and what is known of each cell of the window.

    Attributes:
        entities: those that are there for people, and those of whom half is known.
        own: the newest own block.
        newest: tick of the newest snapshot.
        centre: the cell in the middle of its window.
    """

    def __init__(self, grid: Grid, reorder_ticks: int) -> None:
        self.entities: dict[int, Entity] = {}
        self.own: OwnBlock | None = None
        self.newest = -1
        self.centre: Cell = (0, 0)
        self._grid = grid
        self._reorder_ticks = reorder_ticks
        self._own_tick = -1
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
        self._tombstones: dict[int, int] = {}

    def visible(self) -> dict[int, tuple[Reference, Attributes]]:
        """Give those of whom reference and attributes are known."""
        return {
            number: (entity.reference, entity.attributes)
            for number, entity in sorted(self.entities.items())
            if entity.reference is not None and entity.attributes is not None
        }

    def take(self, snapshot: Snapshot) -> None:
        """Take a snapshot, whenever it comes."""
        tick = snapshot.tick
        if snapshot.own is not None and tick > self._own_tick:
            self.own, self._own_tick = snapshot.own, tick
        if tick < self.newest - self._reorder_ticks:
            return
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
            if self._counts(section.place, section.cell, tick) and self._continues(section)
        ]
        for section in sections:
            self._take_records(section, tick)
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
        self._window, self.newest = window, tick
        if entered:
            self._window_moved = tick
            for entity in self.entities.values():
                if window[self._grid.place(entity.cell)] != entity.cell:
                    entity.lose(entity.seen + 1, tick)

    def _counts(self, place: int, cell: Cell, tick: int) -> bool:
        return self._window[place] == cell and tick > self._absent[place]

    def _continues(self, section: Section) -> bool:
        have = self._have[section.place]
        return section.to > have and (section.is_whole or section.since <= have)

    def _take_records(self, section: Section, tick: int) -> None:
        for reference in section.references:
            self._take_reference(reference, section.cell, tick)
        for attributes in section.attributes:
            self._take_attributes(attributes, section.cell, tick)
        for tombstone in section.tombstones:
            self._take_tombstone(tombstone)

    def _complete(self, section: Section) -> None:
        """Note that a section, or a part of one, has come."""
        place, to = section.place, section.to
        key = place, to, section.is_continued
        came = self._parts.setdefault(key, set())
        came.add(section.part)
        if section.is_continued:
            newest = max(at for where, at, goes_on in self._parts if where == place and goes_on)
            self._parts = {
                (where, at, goes_on): parts
                for (where, at, goes_on), parts in self._parts.items()
                if where != place or not goes_on or at == newest
            }
        if len(came) < section.parts or to <= self._have[place]:
            return
        self._have[place] = to
        if section.is_whole:
            self._whole[place] = to
            for entity in self.entities.values():
                if entity.cell == section.cell and entity.seen < to:
                    entity.lose(entity.seen + 1, self.newest)

    def _see(self, number: int, cell: Cell, tick: int) -> Entity | None:
        """Note that an entity was seen; None if a tombstone says that it is no longer so."""
        if tick < self._tombstones.get(number, -1):
            return None
        entity = self.entities.setdefault(number, Entity(cell, tick))
        if tick > entity.seen:
            entity.cell, entity.seen = cell, tick
        return entity

    def _take_reference(self, reference: Reference, cell: Cell, tick: int) -> None:
        entity = self._see(reference.id, cell, tick)
        if entity is not None and tick > entity.reference_tick:
            entity.reference, entity.reference_tick = reference, tick

    def _take_attributes(self, attributes: Attributes, cell: Cell, tick: int) -> None:
        entity = self._see(attributes.id, cell, tick)
        if entity is not None and tick > entity.attributes_tick:
            entity.attributes, entity.attributes_tick = attributes, tick

    def _take_tombstone(self, tombstone: Tombstone) -> None:
        number, tick = tombstone.id, tombstone.tick
        entity = self.entities.get(number)
        if entity is not None and tombstone.moved:
            entity.lose(tick, self.newest)
            return
        if entity is not None and entity.seen < tick:
            del self.entities[number]
        self._tombstones[number] = max(tick, self._tombstones.get(number, tick))

    def _let_go(self) -> None:
        known = min(self._have)
        self._parts = {
            (place, to, goes_on): came
            for (place, to, goes_on), came in self._parts.items()
            if to > self._have[place] and (goes_on or to >= self.newest - self._reorder_ticks)
        }
        self._tombstones = {
            number: tick for number, tick in self._tombstones.items() if tick > known
        }
        is_settled = known >= max(self._window_moved, *self._whole)
        for number, entity in list(self.entities.items()):
            if entity.is_lost and (
                (is_settled and entity.moved <= known)
                or entity.lost_at < self.newest - self._reorder_ticks
            ):
                del self.entities[number]
