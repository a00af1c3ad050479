"""Snapshots, their sections and records. PROTOCOL.md, "State" to "Snapshots"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from .octets import Malformed, Octets, text_of, within
from .packets import nearest

HAS_OWN_BLOCK: Final = 1
OWN_MOST: Final = (2**31 * 1000, 2**31 * 1000, 250, 250, math.pi, 31)
WHOLE, PART, CONTINUED = 1, 2, 4
MOVED: Final = 1
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


class Attributes(NamedTuple):
    """What hardly ever changes of an entity."""

    id: int
    kind: int
    radius: float
    mass: float
    name: str
    owner: int


class Tombstone(NamedTuple):
    """An entity left its cell, or the world."""

    id: int
    tick: int
    moved: bool


class OwnBlock(NamedTuple):
    """The client's own ship, unrounded."""

    id: int
    control_epoch: int
    newest_input: int
    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


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
    references: tuple[Reference, ...]
    attributes: tuple[Attributes, ...]
    tombstones: tuple[Tombstone, ...]


@dataclass(frozen=True)
class Snapshot:
    """A datagram's worth of state."""

    tick: int
    centre: Cell
    deferred: int
    unchanged: frozenset[int]
    own: OwnBlock | None
    sections: tuple[Section, ...]


class _Head(NamedTuple):
    place: int
    flags: int
    age: int
    references: int
    attributes: int
    tombstones: int


def read_snapshot(message: bytes, grid: Grid) -> Snapshot:
    """Read a message of the snapshot channel."""
    if len(message) > SNAPSHOT_SIZE_MAX:
        raise Malformed(f"a snapshot of {len(message)} bytes")
    octets = Octets(message)
    version, flags, count, tick, sector_x, sector_y, cell, deferred = octets.unpack("BBHIiiBB")
    if version != 1 or flags & ~HAS_OWN_BLOCK:
        raise Malformed(f"version {version}, flags {flags}")
    if cell >= grid.cells_per_sector**2:
        raise Malformed(f"cell {cell}")
    centre = (
        sector_x * grid.cells_per_sector + cell % grid.cells_per_sector,
        sector_y * grid.cells_per_sector + cell // grid.cells_per_sector,
    )
    unchanged = _read_unchanged(octets, grid)
    own = _read_own(octets) if flags & HAS_OWN_BLOCK else None
    heads = [_Head(*octets.unpack("BBBBBB")) for _ in range(count)]
    extents = [octets.unpack("HHH") if head.flags & PART else (0, 1, 0) for head in heads]
    window = grid.window(centre)
    for head in heads:
        _check_head(head, len(window), unchanged)
    cells = [window[head.place] for head in heads]
    references = [
        tuple(_read_reference(octets, tick, at, grid) for _ in range(head.references))
        for head, at in zip(heads, cells, strict=True)
    ]
    attributes = [tuple(_read_attributes(octets) for _ in range(h.attributes)) for h in heads]
    tombstones = [tuple(_read_tombstone(octets, tick) for _ in range(h.tombstones)) for h in heads]
    octets.end()
    sections = tuple(
        _section(tick, *row)
        for row in zip(heads, extents, cells, references, attributes, tombstones, strict=True)
    )
    return Snapshot(tick, centre, deferred, unchanged, own, sections)


def _read_unchanged(octets: Octets, grid: Grid) -> frozenset[int]:
    count = grid.side**2
    bits = int.from_bytes(octets.take((count + 7) // 8), "little")
    if bits >> count:
        raise Malformed("unchanged bits beyond the last place")
    return frozenset(place for place in range(count) if bits >> place & 1)


def _read_own(octets: Octets) -> OwnBlock:
    own = OwnBlock(*octets.unpack("IIIIdddddd"))
    for value, most in zip(own[4:], OWN_MOST, strict=True):
        if not -most <= value <= most:
            raise Malformed(f"an own block with {value}")
    return own


def _check_head(head: _Head, window: int, unchanged: frozenset[int]) -> None:
    if head.place >= window or head.place in unchanged:
        raise Malformed(f"a section of place {head.place}")
    if head.flags & ~(WHOLE | PART | CONTINUED) or head.flags & (PART | CONTINUED) == CONTINUED:
        raise Malformed(f"a section with flags {head.flags}")


def _section(
    tick: int,
    head: _Head,
    extent: tuple[int, int, int],
    cell: Cell,
    references: tuple[Reference, ...],
    attributes: tuple[Attributes, ...],
    tombstones: tuple[Tombstone, ...],
) -> Section:
    part, parts, age = extent
    if part >= parts:
        raise Malformed(f"part {part} of {parts}")
    to = tick - age
    if to < 0:
        raise Malformed("a section of before the beginning")
    return Section(
        cell=cell,
        place=head.place,
        is_whole=bool(head.flags & WHOLE),
        is_continued=bool(head.flags & CONTINUED),
        since=to - head.age,
        to=to,
        part=part,
        parts=parts,
        references=references,
        attributes=attributes,
        tombstones=tombstones,
    )


def _read_reference(octets: Octets, tick: int, cell: Cell, grid: Grid) -> Reference:
    number, low, x, y, vx, vy, heading, spin = octets.unpack("IHHHhhHh")
    within("id", number, 1, math.inf)
    within("vx", vx, -32_000, 32_000)
    within("vy", vy, -32_000, 32_000)
    within("spin", spin, -31_744, 31_744)
    turn = heading if heading < 32_768 else heading - 65_536
    return Reference(
        id=number,
        tick=nearest(low, 16, tick),
        x=(cell[0] + x / 65_536) * grid.cell_size,
        y=(cell[1] + y / 65_536) * grid.cell_size,
        vx=vx / 128,
        vy=vy / 128,
        heading=turn / 65_536 * math.tau,
        spin=spin / 1024,
    )


def _read_attributes(octets: Octets) -> Attributes:
    number, kind, radius, mass, name, owner = octets.unpack("IBff24sH")
    within("id", number, 1, math.inf)
    check_traits(kind, radius, mass)
    return Attributes(number, kind, radius, mass, text_of(name), owner)


def check_traits(kind: int, radius: float, mass: float) -> None:
    """Check what does not change of an entity."""
    within("kind", kind, 1, 255)
    within("radius", radius, 1 / 16, 512)
    within("mass", mass, 1 / 1024, 2**30)


def _read_tombstone(octets: Octets, tick: int) -> Tombstone:
    number, low, flags = octets.unpack("IHB")
    within("id", number, 1, math.inf)
    return Tombstone(number, nearest(low, 16, tick), bool(flags & MOVED))
