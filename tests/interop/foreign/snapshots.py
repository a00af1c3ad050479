"""Snapshots, their sections and rows. PROTOCOL.md, "State" to "Snapshots"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from .octets import Malformed, Octets, text_of, within
from .packets import nearest

VERSION: Final = 3
PUT_OFF, BITS, ALONE = 16, 32, 64
"""What a snapshot has besides, above its version."""
OWN_MOST: Final = (2**31 * 1000, 2**31 * 1000, 250, 250, math.pi, 31)
WHOLE, PART, CONTINUED, AGED = 1, 2, 4, 8
RUNS_APART, ONE_ROW = 14, 15
OWN_WHOLE, OWN_AGED, FLOWN, MOTION, INPUTS, RUNS, LAGS = 1, 2, 4, 8, 16, 32, 64
SNAPSHOT_SIZE_MAX: Final = 1150

Cell = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """How space is divided, and how much of it a client is sent."""

    cell_size: float
    cells_per_sector: int
    view_radius: int

    @property
    def side(self) -> int:
        """Cells along each axis of a window."""
        return 2 * self.view_radius + 1

    def place(self, cell: Cell) -> int:
        """Give the place of a cell."""
        return cell[1] % self.side * self.side + cell[0] % self.side

    def window(self, centre: Cell) -> list[Cell]:
        """Give the cells of a window by their places."""
        reach = range(-self.view_radius, self.view_radius + 1)
        cells = [(centre[0] + dx, centre[1] + dy) for dy in reach for dx in reach]
        return sorted(cells, key=self.place)


class Reference(NamedTuple):
    """Where an entity was at a tick, and how it moved."""

    id: int
    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


class Presence(NamedTuple):
    """An entity is in a cell, and what it is."""

    id: int
    kind: int
    mask: int


class Body(NamedTuple):
    """How large an entity is."""

    id: int
    radius: float
    mass: float
    group: int


class Label(NamedTuple):
    """What people call it."""

    id: int
    name: str


class Owner(NamedTuple):
    """Who simulates it."""

    id: int
    shard: int


class Predicted(NamedTuple):
    """Which input of whose pilot has spawned it, and as which one."""

    id: int
    spawner: int
    control_epoch: int
    input: int
    which: int


class Parent(NamedTuple):
    """Whose child it is."""

    id: int
    of: int


class Gone(NamedTuple):
    """An entity is no more."""

    id: int


class Moved(NamedTuple):
    """An entity has left its cell."""

    id: int


class Event(NamedTuple):
    """Something has happened to an entity; the values are codes, as they stand there."""

    id: int
    sort: int
    tick: int
    values: tuple[Any, ...]


class EventSort(NamedTuple):
    """An event that a game declares: how its fields are laid out here, and their ranges.

    In proposals they are laid out otherwise. A private event is for some clients only.
    """

    layout: str
    proposed: str
    ranges: tuple[tuple[float, float], ...]
    is_private: bool


Events = Mapping[int, EventSort]
"""By number."""
NO_EVENTS: Final[Events] = {}

Row = Presence | Reference | Body | Label | Owner | Predicted | Parent | Gone | Moved | Event
SORTS: Final[dict[type[Row], int]] = {
    Presence: 0,
    Reference: 1,
    Body: 2,
    Label: 3,
    Owner: 4,
    Predicted: 6,
    Parent: 7,
    Gone: 64,
    Moved: 65,
}
COMPONENTS: Final = 0b11011110
"""Bits of the components that clients are sent."""


class Flown(NamedTuple):
    """Which entity the client flies, 0 for none."""

    id: int
    control_epoch: int


class OwnMotion(NamedTuple):
    """Where that entity was at a tick, and how it moved."""

    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


class Told(NamedTuple):
    """Something that not all are told of, and its number among those of its tick."""

    event: Event
    number: int


class Inputs(NamedTuple):
    """The newest input in the state of a tick: its low bits."""

    tick: int
    newest: int
    early: int


@dataclass(frozen=True)
class Private:
    """What a snapshot tells this client alone."""

    is_whole: bool
    since: int
    to: int
    flight: int
    flown: Flown | None
    motion: OwnMotion | None
    inputs: Inputs | None
    told: tuple[Told, ...] = ()


@dataclass(frozen=True)
class Section:
    """What a snapshot tells of one cell."""

    cell: Cell
    place: int
    is_whole: bool
    is_continued: bool
    since: int
    to: int
    part: int
    parts: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Snapshot:
    """A datagram's worth of state."""

    tick: int
    centre: Cell
    deferred: int
    unchanged: frozenset[int]
    private: Private | None
    sections: tuple[Section, ...]


def read_snapshot(message: bytes, grid: Grid, events: Events = NO_EVENTS) -> Snapshot:
    """Read a message of the snapshot channel.

    Args:
        message: as it came.
        grid: of the world.
        events: that its game declares.
    """
    if len(message) > SNAPSHOT_SIZE_MAX:
        raise Malformed(f"a snapshot of {len(message)} bytes")
    octets = Octets(message)
    form = octets.number("B")
    if form & 15 != VERSION or form & ~(15 | PUT_OFF | BITS | ALONE):
        raise Malformed(f"form {form}")
    tick, centre = octets.unsigned(), (octets.signed(), octets.signed())
    within("tick", tick, 0, 2**32 - 1)
    for along in centre:
        within("sector", along // grid.cells_per_sector, -(2**31), 2**31 - 1)
    deferred = octets.number("B") if form & PUT_OFF else 0
    unchanged = _read_unchanged(octets, grid) if form & BITS else None
    around = _Around(tick, grid.window(centre), unchanged or frozenset(), grid, events)
    private = _read_private(octets, around, centre) if form & ALONE else None
    sections: list[Section] = []
    while octets.left:
        sections.append(_read_section(octets, around))
    if unchanged is None:
        unchanged = frozenset(range(grid.side**2)) - {section.place for section in sections}
    return Snapshot(tick, centre, deferred, unchanged, private, tuple(sections))


def _read_unchanged(octets: Octets, grid: Grid) -> frozenset[int]:
    count = grid.side**2
    bits = int.from_bytes(octets.take((count + 7) // 8), "little")
    if bits >> count:
        raise Malformed("unchanged bits beyond the last place")
    return frozenset(place for place in range(count) if bits >> place & 1)


def _read_private(octets: Octets, around: _Around, centre: Cell) -> Private:
    tick, grid = around.tick, around.grid
    form, flight = octets.unpack("BB")
    if form & 128:
        raise Malformed(f"a private section of form {form}")
    age = _read_age(octets, is_whole=bool(form & OWN_WHOLE), is_aged=bool(form & OWN_AGED))
    state = tick - octets.number("b") if form & LAGS else tick
    within("tick of the state", state, 0, math.inf)
    count = octets.number("B") if form & RUNS else 0
    runs = [octets.unpack("BB") for _ in range(count)]
    sorts = [sort for sort, _ in runs]
    private = {sort for sort, declared in around.events.items() if declared.is_private}
    if sorts != sorted({*sorts} & private) or any(not number for _, number in runs):
        raise Malformed(f"a private section with the runs {runs}")
    return Private(
        is_whole=bool(form & OWN_WHOLE),
        since=tick - age,
        to=tick,
        flight=flight,
        flown=_read_flown(octets) if form & FLOWN else None,
        motion=_read_own_motion(octets, state, centre, grid) if form & MOTION else None,
        inputs=_read_inputs(octets, state) if form & INPUTS else None,
        told=tuple(
            _read_told(octets, sort, around) for sort, number in runs for _ in range(number)
        ),
    )


def _read_age(octets: Octets, *, is_whole: bool, is_aged: bool) -> int:
    if is_whole and is_aged:
        raise Malformed("a whole section with an age")
    return octets.number("B") if is_aged else 0 if is_whole else 1


def _read_told(octets: Octets, sort: int, around: _Around) -> Told:
    declared = around.events[sort]
    number, age, nth, *values = octets.unpack("IBB" + declared.layout)
    for value, (low, high) in zip(values, declared.ranges, strict=True):
        within("a field of an event", value, low, high)
    within("age", age, 0, around.tick)
    return Told(Event(_known(number), sort, around.tick - age, tuple(values)), nth)


def _read_flown(octets: Octets) -> Flown:
    number, control_epoch, mask = octets.unpack("IIB")
    if mask != (0b10 if number else 0):
        raise Malformed(f"{number} is flown, with the components {mask:b}")
    return Flown(number, control_epoch)


def _read_own_motion(octets: Octets, tick: int, centre: Cell, grid: Grid) -> OwnMotion:
    x, y, vx, vy, heading, spin = octets.unpack("iiiiIi")
    turn = heading if heading < 2**31 else heading - 2**32
    own = OwnMotion(
        tick=tick,
        x=(centre[0] + x / 2**24) * grid.cell_size,
        y=(centre[1] + y / 2**24) * grid.cell_size,
        vx=vx / 2**23,
        vy=vy / 2**23,
        heading=turn / 2**32 * math.tau,
        spin=spin / 2**26,
    )
    for value, most in zip(own[1:], OWN_MOST, strict=True):
        within("own motion", value, -most, most)
    return own


def _read_inputs(octets: Octets, tick: int) -> Inputs:
    early, newest = octets.unpack("bH")
    return Inputs(tick, newest, early)


class _Around(NamedTuple):
    """What the sections of a snapshot are read by."""

    tick: int
    window: list[Cell]
    unchanged: frozenset[int]
    grid: Grid
    events: Events


def _read_section(octets: Octets, around: _Around) -> Section:
    tick, window, unchanged, _, _ = around
    place, form = octets.unpack("BB")
    flags, count, is_one_row = form & 15, form >> 4, form >> 4 == ONE_ROW
    age = _read_age(octets, is_whole=bool(flags & WHOLE), is_aged=bool(flags & AGED))
    if count == RUNS_APART:
        count = octets.number("B")
    part, parts, lag = octets.unpack("HHH") if flags & PART else (0, 1, 0)
    if place >= len(window) or place in unchanged:
        raise Malformed(f"a section of place {place}")
    if flags & (PART | CONTINUED) == CONTINUED:
        raise Malformed(f"a section with flags {flags}")
    if part >= parts:
        raise Malformed(f"part {part} of {parts}")
    to = tick - lag
    if to < 0:
        raise Malformed("a section of before the beginning")
    rows: list[Row] = []
    for sort, number in _read_runs(octets, None if is_one_row else count):
        if not number:
            raise Malformed(f"a run of no rows of sort {sort}")
        rows += [_read_row(octets, sort, window[place], around) for _ in range(number)]
    for row in rows:
        if isinstance(row, Event) and (flags & WHOLE or not to - age < row.tick <= to):
            raise Malformed(f"an event of tick {row.tick} in a section up to {to}")
    return Section(
        cell=window[place],
        place=place,
        is_whole=bool(flags & WHOLE),
        is_continued=bool(flags & CONTINUED),
        since=to - age,
        to=to,
        part=part,
        parts=parts,
        rows=tuple(rows),
    )


def _read_runs(octets: Octets, count: int | None) -> list[tuple[int, int]]:
    """Read the sorts of runs, and how many rows each has; None: there is one, of one row."""
    if count is None:
        return [(octets.number("B"), 1)]
    return [(sort, number) for sort, number in (octets.unpack("BB") for _ in range(count))]


def _read_row(octets: Octets, sort: int, cell: Cell, around: _Around) -> Row:
    match sort:
        case 0:
            return _read_presence(octets)
        case 1:
            return _read_reference(octets, around.tick, cell, around.grid)
        case 2:
            return _read_body(octets)
        case 3:
            number, name = octets.unpack("I24s")
            return Label(_known(number), text_of(name))
        case 4:
            number, shard = octets.unpack("IH")
            return Owner(_known(number), shard)
        case 6:
            number, *key = octets.unpack("IIBHB")
            return Predicted(_known(number), *key)
        case 7:
            number, of = octets.unpack("II")
            return Parent(_known(number), of)
        case 64:
            return Gone(_known(*octets.unpack("I")))
        case 65:
            return Moved(_known(*octets.unpack("I")))
        case 66:
            return _read_reference(octets, around.tick, cell, around.grid, is_now=True)
        case _ if sort in around.events and not around.events[sort].is_private:
            return _read_event(octets, sort, around)
    raise Malformed(f"a row of sort {sort}")


def _read_event(octets: Octets, sort: int, around: _Around) -> Event:
    declared = around.events[sort]
    number, age, *values = octets.unpack("IB" + declared.layout)
    for value, (low, high) in zip(values, declared.ranges, strict=True):
        within("a field of an event", value, low, high)
    return Event(_known(number), sort, around.tick - age, tuple(values))


def _known(number: int) -> int:
    within("id", number, 1, math.inf)
    return number


def _read_reference(
    octets: Octets, tick: int, cell: Cell, grid: Grid, *, is_now: bool = False
) -> Reference:
    number = octets.number("I")
    at = tick if is_now else nearest(octets.number("H"), 16, tick)
    x, y, vx, vy, heading, spin = octets.unpack("HHhhHh")
    within("id", number, 1, math.inf)
    within("vx", vx, -32_000, 32_000)
    within("vy", vy, -32_000, 32_000)
    within("spin", spin, -31_744, 31_744)
    turn = heading if heading < 32_768 else heading - 65_536
    return Reference(
        id=number,
        tick=at,
        x=(cell[0] + x / 65_536) * grid.cell_size,
        y=(cell[1] + y / 65_536) * grid.cell_size,
        vx=vx / 128,
        vy=vy / 128,
        heading=turn / 65_536 * math.tau,
        spin=spin / 1024,
    )


def _read_presence(octets: Octets) -> Presence:
    number, kind, mask = octets.unpack("IBB")
    within("kind", kind, 1, 255)
    if mask & ~COMPONENTS or not mask & 1 << SORTS[Reference]:
        raise Malformed(f"an entity with the components {mask:b}")
    return Presence(_known(number), kind, mask)


def _read_body(octets: Octets) -> Body:
    number, radius, mass, group = octets.unpack("IffI")
    check_traits(1, radius, mass)
    return Body(_known(number), radius, mass, group)


def check_traits(kind: int, radius: float, mass: float) -> None:
    """Check what does not change of an entity."""
    within("kind", kind, 1, 255)
    within("radius", radius, 1 / 16, 512)
    within("mass", mass, 1 / 1024, 2**30)
