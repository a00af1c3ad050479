"""Snapshots: what a client is told of a tick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from .octets import Octets, require
from .private import Private, read_private
from .rows import (
    BASE,
    EVENTS_FROM,
    MOVING,
    Event,
    EventSort,
    Place,
    Row,
    World,
    read_id,
    read_row,
    read_values,
)

SIZE_MAX: Final = 1150
VERSION: Final = 4
HAS_DEFERRED: Final = 16
HAS_UNCHANGED: Final = 32
HAS_PRIVATE: Final = 64
FORMS: Final = VERSION | HAS_DEFERRED | HAS_UNCHANGED | HAS_PRIVATE
WHOLE: Final = 1
PART: Final = 2
CONTINUED: Final = 4
HAS_AGE: Final = 8
ONE_THAT_IS_MOVING: Final = 13
RUNS_IN_A_BYTE: Final = 14
ONE_ROW: Final = 15
U32: Final = 1 << 32
SECTORS: Final = 1 << 31

Cell = tuple[int, int]


class Grid(NamedTuple):
    """How space is divided, and how many cells a window reaches in each direction."""

    cell_size: float
    cells_per_sector: int
    view_radius: int

    @property
    def side(self) -> int:
        """Cells along the side of a window."""
        return 2 * self.view_radius + 1

    @property
    def places(self) -> int:
        """Cells in a window."""
        return self.side**2

    def cell(self, centre: Cell, place: int) -> Cell:
        """Say which cell of a window has a place."""
        row, column = divmod(place, self.side)
        (x, y), reach = centre, self.view_radius
        lowest_x, lowest_y = x - reach, y - reach
        return (
            lowest_x + (column - lowest_x) % self.side,
            lowest_y + (row - lowest_y) % self.side,
        )

    def holds(self, centre: Cell, cell: Cell) -> bool:
        """Say whether a cell is in a window."""
        dx, dy = cell[0] - centre[0], cell[1] - centre[1]
        return max(abs(dx), abs(dy)) <= self.view_radius

    def has_sector(self, cell: Cell) -> bool:
        """Say whether a cell is in a sector that has a number."""
        return all(-SECTORS <= n // self.cells_per_sector < SECTORS for n in cell)


class Section(NamedTuple):
    """What has changed in a cell after one tick and up to another one."""

    place: int
    cell: Cell
    since: int
    to: int
    is_whole: bool
    is_continued: bool
    part: int
    parts: int
    rows: tuple[Row, ...]


class Snapshot(NamedTuple):
    """A datagram about a tick; unchanged are places."""

    tick: int
    centre: Cell
    deferred: int
    unchanged: frozenset[int]
    private: Private | None
    sections: tuple[Section, ...]


def read_tick(body: bytes) -> int:
    """Read the tick of a snapshot, which one need not be welcome for."""
    octets = Octets(body)
    octets.take(1)
    return octets.varint()


def read_snapshot(body: bytes, grid: Grid, world: World = BASE) -> Snapshot:
    """Read a snapshot.

    Raises:
        Malformed: it is to be dropped as a whole.
    """
    require(len(body) <= SIZE_MAX, "a snapshot that is too long")
    octets = Octets(body)
    form = octets.number("B")
    require(form & 15 == VERSION and form & ~FORMS == 0, "a snapshot of another form")
    tick = octets.varint()
    centre = octets.signed_varint(), octets.signed_varint()
    require(tick < U32, "a tick that is no u32")
    require(grid.has_sector(centre), "a centre in a sector without a number")
    deferred = octets.number("B") if form & HAS_DEFERRED else 0
    bits = _read_unchanged(octets, grid) if form & HAS_UNCHANGED else None
    middle = Place(tick, centre, grid.cell_size)
    private = read_private(octets, middle, world) if form & HAS_PRIVATE else None
    sections = tuple(_read_sections(octets, grid, middle, world))
    places = {section.place for section in sections}
    require(bits is None or not bits & places, "a section in an unchanged place")
    unchanged = frozenset(range(grid.places)) - places if bits is None else bits
    return Snapshot(tick, centre, deferred, unchanged, private, sections)


def _read_unchanged(octets: Octets, grid: Grid) -> frozenset[int]:
    bits = int.from_bytes(octets.take((grid.places + 7) // 8), "little")
    require(bits >> grid.places == 0, "an unchanged bit outside of the window")
    return frozenset(place for place in range(grid.places) if bits >> place & 1)


def _read_sections(octets: Octets, grid: Grid, middle: Place, world: World) -> Iterator[Section]:
    while octets.left:
        place = octets.number("B")
        require(place < grid.places, "a place outside of the window")
        there = middle._replace(cell=grid.cell(middle.cell, place))
        yield _read_section(octets, place, there, world)


def _read_section(octets: Octets, place: int, there: Place, world: World) -> Section:
    form = octets.number("B")
    is_whole, is_part = bool(form & WHOLE), bool(form & PART)
    require(is_part or not form & CONTINUED, "continued, but in one part")
    require(not (is_whole and form & HAS_AGE), "a whole cell with an age")
    age = octets.number("B") if form & HAS_AGE else int(not is_whole)
    heads = form >> 4
    count = octets.number("B") if heads == RUNS_IN_A_BYTE else heads
    part, parts, lag = octets.unpack("HHH") if is_part else (0, 1, 0)
    to = there.tick - lag
    require(part < parts, "a part that is not below the number of parts")
    require(to >= 0, "a section of before tick 0")
    if heads == ONE_THAT_IS_MOVING:
        runs = [(MOVING, 1)]
    elif heads == ONE_ROW:
        runs = [(octets.number("B"), 1)]
    else:
        runs = [octets.unpack("BB") for _ in range(count)]
    section = Section(
        place, there.cell, to - age, to, is_whole, bool(form & CONTINUED), part, parts, ()
    )
    rows = [row for sort, n in runs for row in _read_run(octets, sort, n, there, section, world)]
    return section._replace(rows=tuple(rows))


def _read_run(
    octets: Octets,
    sort: int,
    count: int,
    there: Place,
    section: Section,
    world: World,
) -> Iterator[Row]:
    require(count > 0, "a run of no rows")
    for _ in range(count):
        if sort < EVENTS_FROM:
            yield read_row(sort, octets, there, world)
        else:
            yield _read_event(octets, sort, there.tick, section, world.events)


def _read_event(
    octets: Octets, sort: int, tick: int, section: Section, events: Mapping[int, EventSort]
) -> Event:
    require(sort in events and not events[sort].is_private, "an event that does not come here")
    require(not section.is_whole, "an event in a section of a whole cell")
    subject, age = read_id(octets), octets.number("B")
    require(section.since < tick - age <= section.to, "an event not of the section's ticks")
    return Event(subject, sort, tick - age, read_values(octets, events[sort]))
